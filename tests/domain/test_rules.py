"""Which rules apply, and that they can only make it harder."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.account import Account
from service.domain.demands import Demand, Tally
from service.domain.operation import OperationName
from service.domain.policy import ApprovalComment, Policy
from service.domain.rules import UNKNOWN, Placement, Rule, Rules

CREATE, DELETE = OperationName.CREATE_ACCESS_KEY, OperationName.DELETE_ACCESS_KEY
ACCOUNT = "111122223333"
PLACED = Placement(name="prod-eu", units=frozenset({"r-1234", "ou-1234-12345678"}), tags={"env": "prod", "team": "x"})


def rule(name: str = "a rule", **selects: Any) -> Rule:
    return Rule(demand=Demand(rule=name, quorum=3), **selects)


@pytest.mark.parametrize(
    ("selects", "applies"),
    [
        ({}, True),
        ({"accounts": frozenset({ACCOUNT})}, True),
        ({"accounts": frozenset({"444455556666"})}, False),
        ({"names": ("prod-*",)}, True),
        ({"names": ("dev-*", "prod-?u")}, True),
        ({"names": ("prod",)}, False),
        ({"names": ("prod-[e]u",)}, False),  # brackets are not special
        ({"units": frozenset({"ou-1234-12345678", "ou-1234-99999999"})}, True),
        ({"units": frozenset({"ou-1234-99999999"})}, False),
        ({"tags": {"env": frozenset({"prod", "live"})}}, True),
        ({"tags": {"env": frozenset({"prod"}), "team": frozenset({"y"})}}, False),  # all tags have to match
        ({"tags": {"tier": frozenset({"1"})}}, False),
        ({"operations": frozenset({CREATE})}, True),
        ({"operations": frozenset({DELETE})}, False),
    ],
)
def test_a_rule_applies_to_what_it_selects(selects: dict[str, Any], applies: bool) -> None:  # noqa: FBT001
    assert bool(Rules([rule(**selects)]).matching(ACCOUNT, PLACED, CREATE)) is applies


@pytest.mark.parametrize(
    "selects", [{"names": ("dev-*",)}, {"units": frozenset({"ou-1"})}, {"tags": {"env": frozenset({"dev"})}}]
)
def test_a_rule_applies_to_an_account_of_which_it_is_not_known_whether_it_does(selects: dict[str, Any]) -> None:
    assert Rules([rule(**selects)]).matching(ACCOUNT, UNKNOWN, CREATE)


@pytest.mark.parametrize(
    "name",
    [
        "PROD-eu",
        "\uff30rod-eu",
        "prod\u200b-eu",
        "pro\u00add-eu",
        "\U0001d429rod-eu",
        " prod-eu ",
        "p\u3164rod-eu",
        "pro\ufe0fd-eu",
    ],
    ids=["capitals", "full width", "zero width space", "soft hyphen", "bold", "blanks", "Hangul filler", "selector"],
)
def test_a_name_that_looks_the_same_does_not_escape_a_rule(name: str) -> None:
    rules = Rules([rule(names=("prod-*",)), rule("tagged", tags={"Env": frozenset({"PROD-EU"})})])

    assert len(rules.matching(ACCOUNT, Placement(name=name, tags={"eNv": name}), CREATE)) == 2


def test_an_accent_is_the_same_however_it_is_encoded() -> None:
    rules = Rules([rule(names=("caf\u00e9-*",))])

    assert rules.matching(ACCOUNT, Placement(name="cafe\u200d\u0301-1"), CREATE)


def test_an_account_that_is_called_by_its_id_has_no_known_name() -> None:
    assert Placement.of(Account(account_id=ACCOUNT, name=ACCOUNT)).name is None


def test_a_rule_that_applies_to_none_of_the_accounts_is_idle() -> None:
    rules = Rules([rule("misspelt", names=("prodd-*",)), rule("right", names=("prod-*",))])

    assert [each.name for each in rules.idle([Account(account_id=ACCOUNT, name="prod-eu")])] == ["misspelt"]


def test_an_account_has_moved_when_other_rules_match_it_and_not_when_the_settings_have_changed() -> None:
    rules = Rules([rule(tags={"env": frozenset({"prod"})}), rule("all")])
    tagged, untagged = Placement(tags={"env": "prod"}), Placement(tags={"env": "dev"})

    assert rules.has_moved(ACCOUNT, tagged, untagged, CREATE)
    assert rules.has_moved(ACCOUNT, untagged, tagged, CREATE)
    assert not rules.has_moved(ACCOUNT, tagged, Placement(tags={"env": "prod", "cost": "1"}), CREATE)
    assert not rules.has_moved(ACCOUNT, UNKNOWN, tagged, CREATE)
    assert not rules.has_moved(ACCOUNT, tagged, UNKNOWN, CREATE)


def test_of_each_value_the_strictest_wins_in_whatever_order() -> None:
    long, short = timedelta(days=90), timedelta(days=7)
    demands = [
        Demand(rule="a", approvals={"security": 1}, max_lifetime=long, decision_amr=frozenset({"hwk", "swk"})),
        Demand(rule="b", approvals={"security": 2, "platform": 1}, max_lifetime=short, approval_comment=True),
        Demand(rule="c", quorum=4, require_root_mfa=True, ticket_required=True, decision_amr=frozenset({"hwk"})),
    ]
    policy = Policy(max_lifetime=timedelta(days=30))

    merged = policy.under(demands)

    assert merged == policy.under(reversed(demands)) == policy.under([*demands, *demands])
    assert (merged.quorum, merged.approvals) == (4, {"security": 2, "platform": 1})
    assert (merged.max_lifetime, merged.require_root_mfa, merged.ticket_required) == (short, True, True)
    assert merged.approval_comment is ApprovalComment.REQUIRED
    assert merged.methods == (frozenset({"hwk"}), frozenset({"hwk", "swk"}))  # each rule's has to be met
    assert merged.rules == ("a", "b", "c")


def test_a_rule_cannot_make_anything_easier() -> None:
    policy = Policy(quorum=3, max_lifetime=timedelta(days=1), require_root_mfa=True, ticket_required=True)
    easy = Demand(rule="easy", quorum=2, max_lifetime=timedelta(days=90))

    merged = policy.under([easy])

    assert (merged.quorum, merged.max_lifetime) == (3, timedelta(days=1))
    assert merged.require_root_mfa
    assert merged.ticket_required


_GROUPS = st.sampled_from("abc")
_RULES = st.lists(
    st.builds(
        Rule,
        demand=st.builds(
            Demand,
            rule=st.uuids().map(str),
            approvals=st.dictionaries(_GROUPS, st.integers(1, 2), max_size=2),
            quorum=st.none() | st.integers(2, 4),
        ),
        names=st.sampled_from([(), ("prod-*",), ("dev-*",)]),
        operations=st.frozensets(st.sampled_from([CREATE, DELETE]), max_size=2),
    ),
    max_size=5,
)
_VOTES = st.dictionaries(st.sampled_from("123456"), st.frozensets(_GROUPS, max_size=2))


def suffices(rules: list[Rule], placement: Placement, votes: dict[str, frozenset[str]]) -> bool:
    policy = Policy().under(rule.demand for rule in Rules(rules).matching(ACCOUNT, placement, CREATE))
    return Tally(policy.approvals, policy.quorum, votes).is_met


@given(_RULES, _RULES, _VOTES, st.sampled_from([PLACED, UNKNOWN, Placement(name="dev-1")]))
def test_one_more_rule_never_makes_an_execution_possible(
    rules: list[Rule], more: list[Rule], votes: dict[str, frozenset[str]], placement: Placement
) -> None:
    assert suffices(rules, placement, votes) or not suffices(rules + more, placement, votes)
    assert len(votes) >= 2 or not suffices(rules, placement, votes)


@given(_RULES, _VOTES, st.randoms())
def test_the_order_of_rules_means_nothing(rules: list[Rule], votes: dict[str, frozenset[str]], random: Random) -> None:
    shuffled = random.sample(rules, len(rules))

    assert suffices(rules, PLACED, votes) == suffices(shuffled, PLACED, votes)


@given(_RULES, _VOTES)
def test_not_knowing_an_account_is_never_easier_than_knowing_it(
    rules: list[Rule], votes: dict[str, frozenset[str]]
) -> None:
    assert suffices(rules, PLACED, votes) or not suffices(rules, UNKNOWN, votes)
