"""Groups and rules in the settings: what is read, and what is refused before it can mislead."""

from datetime import date, time, timedelta
from pathlib import Path

import pytest

from service.domain.account import Account
from service.domain.demands import Demand
from service.domain.hours import Hours
from service.domain.operation import OperationName
from service.domain.rules import Placement
from service.settings import FaultySettings, Settings, load

GOOD = """
[policy]
decision_requires_auth_time = false

[accounts.111122223333]
name = "prod-eu"
profile = "prod-root"

[people.ann]
name = "Ann"
roles = ["approver"]

[people.ben]
name = "Ben"
roles = ["approver"]
away_until = 2026-12-24T08:00:00Z

[machines.robo]
name = "Robo"

[groups.security]
people = ["ann"]

[groups.platform]
people = ["ben"]
"""

ISSUER = """
[issuers.corp]
url = "https://login.example.com"
audience = ["rootquorum"]
person_claim = "sub"
"""

RULE = """
[[rules]]
name = "production"
names = ["prod-*"]
operations = ["create_access_key"]
approvals = [{ group = "security" }, { group = "platform", at_least = 1 }]
quorum = 3
max_lifetime = "P7D"
require_root_mfa = true
ticket_required = true
approval_comment = "required"
sealed_delivery = "required"
hours = { days = ["mon"], opens = "08:00", closes = 18:30:00, zone = "Europe/Zurich", closed_on = [2026-12-25] }
"""


UNIT = "ou-abcd-12345678"

ORGANIZATION = """
[organizations.main]
profile = "manager"
read_units = {units}
read_tags = {tags}
"""


def settings(tmp_path: Path, *parts: str) -> Settings:
    file = tmp_path / "rootquorum.toml"
    file.write_text("\n".join([GOOD, *parts]))
    return load(file)


def faults(tmp_path: Path, *parts: str) -> list[str]:
    try:
        settings(tmp_path, *parts)
    except FaultySettings as faulty:
        return faulty.faults
    return []


def test_a_rule_is_read_with_all_that_it_demands(tmp_path: Path) -> None:
    (rule,) = settings(tmp_path, RULE).rules_in_force().rules

    assert rule.names == ("prod-*",)
    assert rule.operations == {OperationName.CREATE_ACCESS_KEY}
    assert rule.demand == Demand(
        rule="production",
        approvals={"security": 1, "platform": 1},
        quorum=3,
        max_lifetime=timedelta(days=7),
        require_root_mfa=True,
        ticket_required=True,
        approval_comment=True,
        sealed_delivery=True,
        hours=Hours(
            days=frozenset({0}),
            opens=time(8),
            closes=time(18, 30),
            zone="Europe/Zurich",
            closed_on=frozenset({date(2026, 12, 25)}),
        ),
    )


def test_a_rule_matches_a_name_in_the_settings(tmp_path: Path) -> None:
    found = settings(tmp_path, RULE)
    account: Account = found.configured_accounts()["111122223333"]

    assert found.rules_in_force().matching(account.account_id, Placement.of(account), OperationName.CREATE_ACCESS_KEY)


def test_people_are_in_the_groups_that_name_them(tmp_path: Path) -> None:
    directory = settings(tmp_path).directory()

    assert directory.groups_of("ann") == {"security"}
    assert directory.groups_of("ben") == {"platform"}
    assert directory.groups_of("robo") == frozenset()


def rule(*lines: str, name: str = "a rule") -> str:
    return "\n".join(["[[rules]]", f'name = "{name}"', *lines])


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no name": (("[[rules]]\nquorum = 3",), "rules.0.name: it is missing."),
    "a name twice": ((rule("quorum = 3"), rule("quorum = 4")), "rules.1.name: another rule has the same name."),
    "two selectors": (
        (rule("quorum = 3", 'names = ["x"]', 'accounts = ["111122223333"]'),),
        "rules.0: only one of accounts, names, organizational_units and tags may be set. Write a rule for each.",
    ),
    "an account that is not there": (
        (rule("quorum = 3", 'accounts = ["111122223334"]'),),
        "rules.0.accounts: one of them is not configured.",
    ),
    "nothing demanded": ((rule('names = ["x"]'),), "rules.0: it demands nothing."),
    "a quorum of one": ((rule("quorum = 1"),), "rules.0.quorum: it has to be 2 or more."),
    "an unknown group": (
        (rule('approvals = [{ group = "legal" }]'),),
        "rules.0.approvals: there is no group of that name.",
    ),
    "a group twice": (
        (rule('approvals = [{ group = "security" }, { group = "security", at_least = 2 }]'),),
        "rules.0.approvals: a group is named twice.",
    ),
    "more than there are": (
        (rule('approvals = [{ group = "security", at_least = 2 }]'),),
        "rules.0.approvals: nobody could meet it. If all approvers approve, what is missing is 1 of security.",
    ),
    "nobody of a group": (
        (rule('approvals = [{ group = "security", at_least = 0 }]'),),
        "rules.0.approvals.0.at_least: it has to be 1 or more.",
    ),
    "a method without an issuer": (
        (rule('decision_amr = ["hwk"]'),),
        "rules.0.decision_amr: without an issuer nobody can have such a sign-in.",
    ),
    "a unit that is none": (
        (rule("quorum = 3", 'organizational_units = ["Production"]'),),
        f"rules.0.organizational_units.0: it has to be the id of an organizational unit or root, such as {UNIT}.",
    ),
    "a unit that is never read": (
        (ORGANIZATION.format(units="false", tags="true"), rule("quorum = 3", f'organizational_units = ["{UNIT}"]')),
        "rules.0.organizational_units: without read_units in an organization it would apply to all accounts.",
    ),
    "tags that are never read": (
        (ORGANIZATION.format(units="true", tags="false"), rule("quorum = 3", 'tags = { env = "prod" }')),
        "rules.0.tags: without read_tags in an organization it would apply to all accounts.",
    ),
    "an unknown zone": (
        (rule('hours = { zone = "Europe/Zurch" }'),),
        "rules.0.hours.zone: it has to be an IANA time zone, such as Europe/Zurich or UTC.",
    ),
    "a path for a zone": (
        (rule('hours = { zone = "../../../etc/passwd" }'),),
        "rules.0.hours.zone: it has to be an IANA time zone, such as Europe/Zurich or UTC.",
    ),
    "a time with a zone": (
        (rule('hours = { zone = "UTC", opens = "08:00Z" }'),),
        "rules.0.hours.opens: it has to be a time of day in hours and minutes, such as 08:30.",
    ),
    "a zone of the host": (
        (rule('hours = { zone = "localtime" }'),),
        "rules.0.hours.zone: it has to be an IANA time zone, such as Europe/Zurich or UTC.",
    ),
    "a number for a date": (
        (rule('hours = { zone = "UTC", closed_on = [0] }'),),
        "rules.0.hours.closed_on.0: it has to be a date, such as 2026-12-25.",
    ),
    "a tag without values": (
        (ORGANIZATION.format(units="true", tags="true"), rule("quorum = 3", "tags = { env = [] }")),
        "rules.0.tags.env: it has to be a text, or it has to hold 1 or more.",
    ),
    "a tag that nobody sees": (
        (ORGANIZATION.format(units="true", tags="true"), rule("quorum = 3", 'tags = { env = "\\u200b" }')),
        "rules.0.tags.env: it has to have a visible character, or it has to be a list.",
    ),
    "a pattern that nobody sees": (
        (rule("quorum = 3", 'names = ["\\u3164"]'),),
        "rules.0.names.0: it has to have a visible character.",
    ),
    "a name with a turn": (
        (rule("quorum = 3", name="a\\u202erule"),),
        "rules.0.name: it must not contain invisible or control characters, nor blanks at its ends.",
    ),
    "a name that looks the same": (
        (rule("quorum = 3", name="R"), rule("quorum = 3", name="r")),
        "rules.1.name: another rule has the same name.",
    ),
    "nothing demanded but said": (
        (rule("require_root_mfa = false", "approvals = []"),),
        "rules.0: it demands nothing.",
    ),
    "no days": ((rule('hours = { zone = "UTC", days = [] }'),), "rules.0.hours.days: it has to hold 1 or more."),
    "hours for what never waits": (
        (rule('operations = ["delete_access_key"]', 'hours = { zone = "UTC" }'),),
        "rules.0.hours: they have no effect on these operations, which let nobody in.",
    ),
    "a machine in a group": (
        ('[groups.robots]\npeople = ["robo"]',),
        "groups.robots.people: one of them is a machine, which never decides.",
    ),
    "an empty group": (("[groups.none]",), "groups.none: people or provider_groups is missing."),
    "a stranger in a group": (
        ('[groups.others]\npeople = ["zoe"]',),
        "groups.others.people: one of them is not in people, and without an issuer nobody else can sign in.",
    ),
    "a name spelled otherwise": (
        (ISSUER, '[groups.others]\npeople = ["Ann"]'),
        "groups.others.people: one of them differs from a person's name only by case.",
    ),
    "a group of no issuer": (
        ('[groups.others]\nprovider_groups = [{ issuer = "corp", group = "x" }]',),
        "groups.others.provider_groups: one of the issuers is not configured.",
    ),
    "a time without a zone": (
        ('[people.cy]\nname = "Cy"\naway_until = 2026-12-24T08:00:00',),
        "people.cy.away_until: the time needs a time zone, such as the Z in 2026-01-31T12:00:00Z.",
    ),
    "a misspelt setting": (
        (rule("quorum = 3", 'operation = ["create_access_key"]'),),
        "rules.0: unknown setting `operation` in line {line} of {file}; did you mean `operations`?",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_mislead_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    parts, expected = REFUSED[name]
    file = tmp_path / "rootquorum.toml"
    found = faults(tmp_path, *parts)
    lines = file.read_text().splitlines()
    line = next((number for number, each in enumerate(lines, 1) if each.startswith("operation =")), 0)

    assert expected.format(line=line, file=file) in found


def test_a_stranger_in_a_group_may_come_by_an_issuer(tmp_path: Path) -> None:
    assert faults(tmp_path, ISSUER, '[groups.others]\npeople = ["zoe"]') == []


def test_rules_can_come_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_RULES", '[{"name": "from outside", "quorum": 3, "tags": {"env": ["prod", "live"]}}]')

    (found,) = settings(tmp_path, ORGANIZATION.format(units="false", tags="true")).rules_in_force().rules

    assert found.name == "from outside"
    assert found.tags["env"] == {"prod", "live"}
