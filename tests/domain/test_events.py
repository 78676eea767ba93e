"""The table of events: what its rows say agrees with the life of a request."""

import re

import pytest

from service.domain import event_table
from service.domain.event_table import EVENTS, REFUSALS, TEST, About, EventRow
from service.domain.events import EVENT_OF
from service.domain.request import NEXT, Status

# A request is in one of these only after its execution has begun.
_EXECUTED = set(Status) - {Status.PENDING, Status.APPROVED, Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED}


@pytest.mark.parametrize("row", EVENTS.values(), ids=lambda row: row.name)
def test_a_name_is_a_noun_and_what_happened_to_it(row: EventRow) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", row.name)


@pytest.mark.parametrize("row", EVENTS.values(), ids=lambda row: row.name)
def test_a_title_is_one_line_that_people_can_tell_from_all_others(row: EventRow) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{5,79}(?<![.])", row.title)
    assert [other.name for other in EVENTS.values() if other.title == row.title] == [row.name]


def test_a_name_has_one_row() -> None:
    with pytest.raises(ValueError, match="two rows"):
        event_table._of_request("request.filed", "Filed once more", before_execution=True)
    assert EVENTS["request.filed"].title == "Request filed"


def test_an_event_comes_before_an_execution_unless_its_transition_is_part_of_one() -> None:
    """Without this a ticket could be closed for a request that no quorum wanted."""
    assert Status.EXECUTING in NEXT[Status.APPROVED]
    assert not {after for before in _EXECUTED for after in NEXT[before]} - _EXECUTED
    assert {(name, EVENTS[name].before_execution) for (_, after), name in EVENT_OF.items()} == {
        (name, after not in _EXECUTED) for (_, after), name in EVENT_OF.items()
    }


@pytest.mark.parametrize("row", [row for row in EVENTS.values() if not row.before_execution], ids=lambda row: row.name)
def test_only_an_event_of_a_request_follows_an_execution(row: EventRow) -> None:
    assert row.about is About.REQUEST


@pytest.mark.parametrize("name", sorted(set(EVENT_OF.values())))
def test_what_becomes_of_a_request_is_published(name: str) -> None:
    assert EVENTS[name].published
    assert EVENTS[name].about is About.REQUEST


def test_every_denial_is_left_out_where_the_number_of_events_needs_a_limit() -> None:
    """`denied` is what the workflow calls a refused attempt."""
    assert {name for name in EVENTS if name.endswith(".denied")} == REFUSALS


def test_what_people_are_and_sign_in_with_stays_in_the_audit_log() -> None:
    about_people = [row for row in EVENTS.values() if row.about is About.PERSON]
    assert about_people
    assert not any(row.published for row in about_people)


def test_the_trial_of_a_destination_is_nothing_that_happens() -> None:
    assert not EVENTS[TEST].published
