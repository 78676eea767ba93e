"""What rules demand is judged from the log alone: groups, lifetimes, tickets, comments, sign-ins and hours."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.builders import NOON
from support.ledger import Leaf, MemoryLog, executed, executed_otherwise, retired
from support.tampering import findings, told_of

from service import verifier
from service.domain.canonical import canonical

Change = Callable[[Leaf, Leaf], None]

# Of both teams, bob for security and carol for platform.
_DEMAND = {"rule": "both teams", "approvals": {"security": 1, "platform": 1}}
_GROUPS = {"bob": ["security"], "carol": ["platform"]}
_OPEN = {"days": ["mon"], "opens": "11:00", "closes": "13:00", "zone": "UTC", "closed_on": []}  # NOON is on a Monday


def story(
    change: Change = lambda _filed, _started: None,
    demand: Mapping[str, Any] = _DEMAND,
    of: Callable[[], tuple[MemoryLog, str]] = executed,
) -> set[str]:
    """Return what is found in the log of a request under one rule. `change` gets what was filed, and what started."""
    return findings(export(change, demand, of))


def told(change: Change, of: Callable[[], tuple[MemoryLog, str]]) -> str:
    """Return all that is said of the log."""
    return "\n".join(map(str, told_of(export(change, _DEMAND, of))))


def export(change: Change, demand: Mapping[str, Any], of: Callable[[], tuple[MemoryLog, str]]) -> bytes:
    def rewrite(leaves: list[Leaf]) -> None:
        filed, started = (
            next(leaf["data"] for leaf in leaves if leaf["event"] == name)
            for name in ("request.filed", "execution.started")
        )
        filed["filing"] |= {"demands": [dict(demand)], "placement": {"name": "prod", "units": None, "tags": None}}
        filed["policy"] |= {"rules": [demand["rule"]]}
        started["policy"] |= {"rules": [demand["rule"]], "approvals": demand.get("approvals", {})}
        started["groups"] = json.loads(json.dumps(_GROUPS))
        change(filed, started)
        digest = hashlib.sha256(canonical(filed["filing"])).hexdigest()
        for leaf in leaves:
            if "digest" in leaf["data"]:
                leaf["data"]["digest"] = digest

    ledger, _ = executed_otherwise(rewrite, of)
    return b"".join(ledger.export())


def test_a_request_that_met_its_demands_is_in_order() -> None:
    assert story() == set()
    assert story(lambda _, started: started["groups"].update(carol=["platform", "security"], bob=["security"])) == set()


GROUPS: dict[str, dict[str, object]] = {
    "both of one team": {"bob": ["security"], "carol": ["security"]},
    "one for both": {"bob": ["security", "platform"], "carol": []},
    "another, who did not approve": {"bob": ["security"], "dave": ["platform"]},
    "in no group": {"bob": ["security"], "carol": []},
    "a group of a like name": {"bob": ["security"], "carol": ["platform "]},
    "no list": {"bob": ["security"], "carol": "platform"},
    "a list of lists": {"bob": ["security"], "carol": [["platform"]]},
    "nobody": {},
}


@pytest.mark.parametrize("name", GROUPS)
def test_an_execution_without_the_people_whom_the_rules_demand_is_found(name: str) -> None:
    assert story(lambda _, started: started.update(groups=GROUPS[name])) == {"no-quorum"}


def test_an_execution_that_does_not_say_who_is_in_which_group_is_found() -> None:
    assert story(lambda _, started: started.pop("groups")) == {"no-quorum"}


def test_demands_of_the_filing_hold_when_the_policy_of_the_execution_names_none() -> None:
    def weaker(_: Leaf, started: Leaf) -> None:
        started["policy"]["approvals"] = {}
        started["groups"]["carol"] = []

    assert story(weaker) == {"no-quorum"}


def test_demands_of_the_execution_hold_when_the_filing_has_none() -> None:
    def stricter(_: Leaf, started: Leaf) -> None:
        started["policy"]["approvals"] = {"legal": 1}

    assert story(stricter, {"rule": "nothing of groups", "ticket_required": True}) == {"no-quorum"}


def test_a_quorum_smaller_than_what_the_groups_give_is_found() -> None:
    demand = {"rule": "three", "approvals": {"security": 2, "platform": 1}}

    assert story(demand=demand) == {"wrong-quorum", "no-quorum"}


@pytest.mark.parametrize(
    ("demand", "found"),
    [
        ({"quorum": 2}, set()),
        ({"quorum": 3}, {"wrong-quorum"}),
        ({"max_lifetime_seconds": 30 * 86_400}, set()),
        ({"max_lifetime_seconds": 30 * 86_400 - 1}, {"not-allowed"}),
        ({"ticket_required": True}, set()),
        ({"require_root_mfa": True}, set()),
    ],
)
def test_what_was_filed_meets_what_its_own_rules_demand(demand: dict[str, Any], found: set[str]) -> None:
    assert story(demand={"rule": "of the filing", **demand}, of=retired) == found


def test_a_key_that_was_filed_without_the_mfa_that_its_rules_demand_is_found() -> None:
    def without_mfa(filed: Leaf, _: Leaf) -> None:
        filed["filing"]["observed"]["mfa_enabled"] = None

    assert story(without_mfa, {"rule": "mfa", "require_root_mfa": True}, retired) == {"not-allowed"}


@pytest.mark.parametrize(
    "demand",
    [
        {"approvals": "x"},
        {"approvals": {"security": "1"}},
        {"approvals": {"security": 0}},
        {"approvals": {"security": 2**53 - 1}},
        {"quorum": True},
        {"of a later version": 1},
        {"hours": _OPEN | {"days": "mon"}},
        {"hours": _OPEN | {"closed_on": "2026-11-23"}},
        {"decision_amr": []},
        {"approval_comment": "yes"},
        {"sealed_delivery": "required"},
    ],
    ids=str,
)
def test_what_is_no_demand_is_found(demand: dict[str, Any]) -> None:
    assert "not-filed" in story(demand={"rule": "odd"} | demand)


def test_a_long_chain_of_groups_is_matched() -> None:
    people = {str(number): {str(number), str(number + 1)} for number in range(1_500)}
    demanded = {str(number): 1 for number in range(1_501)}

    assert verifier._met(demanded, people) == 1_500


def test_a_filing_that_leaves_a_rule_out_is_found() -> None:
    assert story(lambda filed, _: filed["policy"].update(rules=["both teams", "another"])) == {"not-allowed"}


def test_what_a_rule_does_not_allow_to_be_filed_is_found() -> None:
    days = timedelta(days=30) // timedelta(seconds=1)

    assert story(lambda filed, _: filed["policy"].update(max_lifetime=days), of=retired) == set()
    assert story(lambda filed, _: filed["policy"].update(max_lifetime=days - 1), of=retired) == {"not-allowed"}
    assert story(lambda filed, _: filed["policy"].update(ticket_required=True)) == set()

    def no_ticket(filed: Leaf, _: Leaf) -> None:
        filed["policy"]["ticket_required"], filed["filing"]["ticket"] = True, None

    assert story(no_ticket) == {"not-allowed"}


def test_a_secret_in_clear_that_had_to_be_sealed_is_found() -> None:
    assert story(demand={"rule": "sealed", "sealed_delivery": True}, of=retired) == {"not-allowed"}
    assert story(lambda filed, _: filed["policy"].update(sealed_delivery="required"), of=retired) == {"not-allowed"}
    # What makes no key has nothing to seal.
    assert story(lambda filed, _: filed["policy"].update(sealed_delivery="required")) == set()


def test_an_approval_without_the_comment_that_a_rule_demands_is_found() -> None:
    assert story(demand=_DEMAND | {"approval_comment": True}) == {"no-comment", "no-quorum"}


def test_an_approval_without_the_sign_in_that_a_rule_demands_is_found() -> None:
    assert story(demand=_DEMAND | {"decision_amr": ["hwk"]}) == {"stale-sign-in", "no-quorum"}


HOURS: dict[str, tuple[dict[str, object], bool]] = {
    "open": ({}, True),
    "another day": ({"days": ["tue"]}, False),
    "not yet": ({"opens": "12:01"}, False),
    "over": ({"closes": "12:00"}, False),
    "until the next morning": ({"opens": "12:00", "closes": "06:00"}, True),
    "from the evening before": ({"days": ["sun"], "opens": "22:00", "closes": "12:01"}, True),
    "from an evening that is excepted": (
        {"days": ["sun"], "opens": "22:00", "closes": "12:01", "closed_on": ["2026-11-22"]},
        False,
    ),
    "excepted": ({"closed_on": ["2026-11-23"]}, False),
    "of another zone": ({"zone": "Asia/Tokyo"}, False),
    "of a number": ({"opens": 11}, False),
}


@pytest.mark.parametrize("name", HOURS)
def test_what_lets_somebody_in_outside_of_the_hours_is_found(name: str) -> None:
    changed, is_open = HOURS[name]

    found = story(lambda _, started: started["policy"].update(hours=[_OPEN | changed]), of=retired)

    assert found == (set() if is_open else {"outside-hours"})


def test_hours_that_were_filed_hold_when_the_policy_of_the_execution_has_none() -> None:
    closed = _OPEN | {"days": ["tue"]}

    assert story(demand=_DEMAND | {"hours": _OPEN}, of=retired) == set()
    assert story(demand=_DEMAND | {"hours": closed}, of=retired) == {"outside-hours"}


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", ""])
def test_hours_of_a_zone_that_is_unknown_here_are_not_judged_and_it_says_so(zone: str) -> None:
    def change(_: Leaf, started: Leaf) -> None:
        started["policy"]["hours"] = [_OPEN | {"zone": zone}]

    assert story(change, of=retired) == set()
    assert "its hours were not judged" in told(change, of=retired)


def test_hours_do_not_hold_a_deletion_up() -> None:
    assert story(lambda _, started: started["policy"].update(hours=[_OPEN | {"days": ["tue"]}])) == set()


ODD: list[object] = [
    None,
    True,
    7,
    "text",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"security": None},
    {"security": -1},
    {"a": {"b": []}},
]


@pytest.mark.parametrize(
    "place", ["demands", "placement", "approvals", "hours", "methods", "rules", "groups", "policy"]
)
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_nothing_odd_in_place_of_demands_stops_the_verifier(place: str, odd: object) -> None:
    def change(filed: Leaf, started: Leaf) -> None:
        match place:
            case "demands" | "placement":
                filed["filing"][place] = odd
            case "groups" | "policy":
                started[place] = odd
            case _:
                started["policy"][place] = odd
                filed["policy"][place] = odd

    for of in (executed, retired):
        assert isinstance(story(change, of=of), set)


def test_noon_is_on_a_monday() -> None:
    assert NOON.strftime("%a %H:%M") == "Mon 12:00"
