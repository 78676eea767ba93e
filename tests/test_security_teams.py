"""The mapping to OCSF names each published event once, with its severity and an activity of its class."""

import re
from pathlib import Path

from service.domain.event_table import EVENTS, PUBLISHED, Severity

_PAGE = Path(__file__).parents[1] / "docs" / "security-teams.md"
_ROW = re.compile(r"^\| `([a-z_.]+)` \| (\d+) [\w ]+ \| (\d+) \w+ \| (\d) (\w+) \|$", flags=re.MULTILINE)
# As published in OCSF's schema: Detection Finding, Entity Management, API Activity. 99 is "other" in every class.
_ACTIVITIES = {"2004": {"1", "2", "3"}, "3004": {"1", "2", "3", "4"}, "6003": {"1", "2", "3", "4", "99"}}
_SEVERITIES = {severity: str(number) for number, severity in enumerate(Severity, start=1)}


def _rows() -> list[tuple[str, ...]]:
    return [found.groups() for found in _ROW.finditer(_PAGE.read_text())]


def test_every_published_event_is_mapped_once_and_no_other() -> None:
    assert sorted(row[0] for row in _rows()) == sorted(PUBLISHED)


def test_a_mapped_event_has_its_own_severity_and_an_activity_of_its_class() -> None:
    for event, class_uid, activity, number, severity in _rows():
        assert activity in _ACTIVITIES[class_uid], event
        assert (severity, number) == (EVENTS[event].severity, _SEVERITIES[EVENTS[event].severity]), event


def test_whatever_needs_somebody_to_look_is_high_or_critical() -> None:
    loud = {row.name for row in EVENTS.values() if row.severity in {Severity.HIGH, Severity.CRITICAL}}
    assert loud == {
        "execution.in_doubt",
        "execution.unresolved",
        "receipt.given_up",
        "key.quarantined",
        "key.expiry_failed",
        "drift.found",
        "old_key.used",
        "worker.silent",
        "witness.contradicts",
        "witness.agrees",  # what it contradicted does not go away by that
        "clock.wrong",
        "destination.disabled",
    }
