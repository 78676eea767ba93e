"""Between two rulebooks nothing becomes possible that is not told."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import fields, replace
from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.builders import ACCOUNT, CREATE, DELETE, NOON, OTHER_ACCOUNT
from support.rulebooks import STATED, changes, placements, realms

from service.domain import electors, policy_diff
from service.domain.account import ListedAccounts
from service.domain.actor import ActorKind, Grant, Group, Member, Person, Role, Word
from service.domain.demands import Demand, SignedApprovals, Tally
from service.domain.directory import Directory
from service.domain.hours import Hours
from service.domain.operation import OperationName
from service.domain.policy import ApprovalComment, FreshExecutions, Policy, SealedDelivery
from service.domain.policy_diff import Differences, compare
from service.domain.realm import Realm
from service.domain.rulebook import Rulebook
from service.domain.rules import Placement, Rule, Rules
from service.domain.strictness import LOOSER, is_plainly_no_looser, policy_changes, role_changes

_WORDS = [frozenset(some) for number in range(3) for some in itertools.combinations(STATED, number)]
_PEOPLE = ("alice", "bob", "carol", "x", "y", "z")  # the last three are in no settings


def _groups(directory: Directory) -> dict[tuple[str, frozenset[Any]], frozenset[str] | None]:
    """Return the groups of each person with each word of their provider, None for whoever is no approver."""
    found = {}
    for who, stated in itertools.product(_PEOPLE, _WORDS):
        word = Word(frozenset(group for _, group in stated), NOON)
        joined = directory.joined([Person(subject=who, name=who, words={"corp": word})])
        found[who, stated] = joined.groups_of(who) if joined.is_approver(who, ACCOUNT) else None
    return found


def _policy(realm: Realm, placement: Placement, name: OperationName) -> Policy:
    rules = realm.rulebook.rules.matching(ACCOUNT, placement, name)
    return realm.rulebook.policy.under(rule.demand for rule in rules)


def _gained(old: Realm, new: Realm, placement: Placement, name: OperationName) -> Iterator[object]:
    """Yield people with their words who suffice now and did not before, by trying everybody with every word."""
    before, now = _groups(old.rulebook.directory), _groups(new.rulebook.directory)
    policies = _policy(old, placement, name), _policy(new, placement, name)
    for size in range(2, 4):
        for people in itertools.combinations(_PEOPLE, size):
            for words in itertools.product(_WORDS, repeat=size):
                signed_in = list(zip(people, words, strict=True))
                suffices = [
                    Tally(
                        policy.approvals,
                        policy.quorum,
                        {each[0]: groups for each in signed_in if (groups := known[each]) is not None},
                    ).is_met
                    for policy, known in zip(policies, (before, now), strict=True)
                ]
                if suffices == [False, True]:
                    yield signed_in


@settings(max_examples=60)
@given(changes(), placements(), st.sampled_from([CREATE, DELETE]))
def test_whatever_becomes_possible_is_told(
    both: tuple[Realm, Realm], placement: Placement, name: OperationName
) -> None:
    old, new = both
    assume(old.may_serve(ACCOUNT))
    known = placement if old.has_organizations else Placement(name=placement.name)
    placement = replace(known, name=old.accounts.get(ACCOUNT, placement.name))

    if next(_gained(old, new, placement, name), None) is not None:
        found = compare(old, new)
        told = {operation for each in found.possible.values() for _, operation in each.places}
        assert found.gave_up or name in told


@settings(max_examples=60)
@given(changes())
def test_what_is_told_becomes_possible(both: tuple[Realm, Realm]) -> None:
    """Somebody whom the new settings no longer name is left aside: here all others are people of a provider."""
    old, new = both
    assume(old.rulebook.directory.members.keys() == new.rulebook.directory.members.keys())

    for where in compare(old, new).possible.values():
        (account_id, name), site = next(iter(where.places.items()))
        # Larger sets of people are not tried.
        if account_id == ACCOUNT and _policy(new, site.placement, name).quorum <= 3:
            assert next(_gained(old, new, site.placement, name), None) is not None


@settings(max_examples=25)
@given(realms())
def test_nothing_becomes_possible_between_equal_settings(realm: Realm) -> None:
    assert compare(realm, realm) == Differences()


@settings(max_examples=40)
@given(realms(), st.data())
def test_nothing_becomes_possible_by_another_rule(realm: Realm, data: st.DataObject) -> None:
    rules = realm.rulebook.rules.rules
    kept = data.draw(st.lists(st.sampled_from(rules), unique_by=id)) if rules else []
    fewer = replace(realm, rulebook=replace(realm.rulebook, rules=Rules(kept)))

    found = compare(fewer, realm)

    assert not found.is_looser or found.gave_up


# ------------------------------------------------------------------ examples


def member(subject: str, *groups: str, roles: Collection[Role] = (Role.APPROVER,), **changes: Any) -> Member:
    return Member(
        kind=ActorKind.PERSON,
        subject=subject,
        name=subject,
        roles=frozenset(roles),
        groups=frozenset(groups),
        **changes,
    )


_TEAMS = (member("alice", "security"), member("bob", "platform"), member("carol", "platform"))
_SECURITY = Demand(rule="security", approvals={"security": 1})


def realm_with(*members: Member, rules: Collection[Rule] = (), **changes: Any) -> Realm:
    names = {"security", "platform"} | {group for each in members for group in each.groups}
    groups = {name: Group(frozenset(each.subject for each in members if name in each.groups)) for name in names}
    directory = Directory({each.subject: each for each in members}, {"corp": changes.pop("grants", ())}, groups)
    policy = changes.pop("policy", Policy())
    return Realm(Rulebook(policy, Rules(rules), directory), **({"accounts": {ACCOUNT: "production"}} | changes))


def test_a_rule_that_is_gone_makes_sets_of_people_possible() -> None:
    found = compare(realm_with(*_TEAMS, rules=[Rule(demand=_SECURITY)]), realm_with(*_TEAMS))

    ((gains, where),) = found.possible.items()
    assert [[part.kind.people for part in gain.people] for gain in gains] == [[("bob", "carol")]]
    assert {name for _, name in where.places} == set(OperationName)
    assert not found.impossible
    assert found.is_looser


def test_a_rule_that_is_new_makes_them_impossible() -> None:
    found = compare(realm_with(*_TEAMS), realm_with(*_TEAMS, rules=[Rule(demand=_SECURITY)]))

    ((gains, _),) = found.impossible.items()
    assert [[part.kind.people for part in gain.people] for gain in gains] == [[("bob", "carol")]]
    assert not found.is_looser


def test_a_rule_that_takes_fewer_tags_is_looser_where_it_no_longer_applies() -> None:
    wide = Rule(demand=_SECURITY, tags={"env": frozenset({"prod", "test"})})
    narrow = replace(wide, tags={"env": frozenset({"prod"})})
    old, new = (realm_with(*_TEAMS, rules=[each], has_organizations=True) for each in (wide, narrow))

    ((_, where),) = compare(old, new).possible.items()

    assert {tuple((site.placement.tags or {}).items()) for site in where.places.values()} == {(("env", "test"),)}
    assert not compare(new, old).is_looser


def test_a_policy_is_looser_where_no_rule_by_tag_applies() -> None:
    three = Rule(demand=Demand(rule="three", quorum=3), tags={"env": frozenset({"prod"})})
    old, new = (
        realm_with(*_TEAMS, rules=[three], has_organizations=True, policy=Policy(quorum=quorum)) for quorum in (3, 2)
    )

    ((_, where),) = compare(old, new).possible.items()

    assert [site.placement.tags for site in where.places.values()] == [{}] * len(OperationName)


def test_a_name_that_a_pattern_no_longer_takes_is_found() -> None:
    old, new = (
        realm_with(*_TEAMS, rules=[Rule(demand=_SECURITY, names=(name,))], listings=(ListedAccounts(),))
        for name in ("prod*", "prod-*")
    )

    ((_, where),) = compare(old, new).possible.items()

    names = {site.placement.name for site in where.places.values()}
    assert names == {"production", "prod"}


def test_two_rules_by_tag_are_looked_at_together() -> None:
    """Ann and bob suffice by either rule, and by both only since bob is in a team. By all three nobody does."""
    rules = [
        Rule(demand=Demand(rule=group, approvals={group: 1}), tags={group: frozenset({"yes"})})
        for group in ("security", "platform", "nobody")
    ]
    ann = member("ann", "security", "platform")

    found = compare(
        realm_with(ann, member("bob"), rules=rules, has_organizations=True),
        realm_with(ann, member("bob", "platform"), rules=rules, has_organizations=True),
    )

    ((_, where),) = found.possible.items()
    assert {frozenset(site.placement.tags or {}) for site in where.places.values()} == {
        frozenset({"security", "platform"})
    }


def test_one_more_approver_makes_sets_with_them_possible() -> None:
    found = compare(realm_with(*_TEAMS), realm_with(*_TEAMS, member("dave")))

    ((gains, _),) = found.possible.items()
    assert ("dave",) in [part.kind.people for part in gains[0].people]


def test_an_approver_who_loses_an_account_makes_nothing_possible() -> None:
    limited = replace(_TEAMS[1], limits={Role.APPROVER: frozenset({OTHER_ACCOUNT})})

    found = compare(realm_with(*_TEAMS), realm_with(_TEAMS[0], limited, _TEAMS[2]))

    assert found.impossible
    assert not found.is_looser


def test_a_group_of_a_provider_makes_people_possible_whom_nobody_names() -> None:
    grants = (Grant("approvers", frozenset({Role.APPROVER})),)

    found = compare(realm_with(*_TEAMS), realm_with(*_TEAMS, grants=grants))

    parts = [part for gains in found.possible for gain in gains for part in gain.people]
    assert ("corp", "approvers") in {part.kind.stated for part in parts}


def test_somebody_who_is_no_longer_named_may_approve_by_a_providers_word() -> None:
    """While the settings name them without a role, no group of their provider makes them an approver."""
    grants = (Grant("approvers", frozenset({Role.APPROVER})),)

    found = compare(realm_with(member("mallory", roles=()), grants=grants), realm_with(grants=grants))

    parts = [part for gains in found.possible for gain in gains for part in gain.people]
    assert ("mallory",) in {part.kind.people for part in parts}


def test_an_account_that_becomes_served_is_told() -> None:
    found = compare(realm_with(*_TEAMS), realm_with(*_TEAMS, accounts={ACCOUNT: "production", OTHER_ACCOUNT: "dev"}))

    assert found.served == [OTHER_ACCOUNT]
    assert found.is_looser
    assert compare(realm_with(*_TEAMS, listings=(ListedAccounts(),)), realm_with(*_TEAMS)).dropped


_NINE_TO_FIVE = Hours(days=frozenset({0}), opens=time(9), closes=time(17), zone="UTC")
# For each value of the policy a looser one and a stricter one; None for a value that cannot be compared so.
_VALUES: dict[str, tuple[Any, Any]] = {
    "approval_window": (timedelta(days=9), timedelta(days=1)),
    "execution_window": (timedelta(hours=9), timedelta(hours=1)),
    "receipt_window": (timedelta(hours=9), timedelta(minutes=1)),
    "rollback_grace": (timedelta(hours=48), timedelta(hours=1)),
    "expiry_notice": (timedelta(hours=1), timedelta(hours=48)),
    "require_root_mfa": (False, True),
    "lifetime_required": (False, True),
    "max_lifetime": (None, timedelta(days=1)),
    "drift_checks": (False, True),
    "drift_interval": (timedelta(hours=9), timedelta(hours=1)),
    "drill_every": (None, timedelta(days=90)),
    "decision_max_auth_age": (timedelta(hours=9), timedelta(minutes=1)),
    "decision_requires_auth_time": (False, True),
    "decision_acr": (frozenset({"a", "b"}), frozenset({"a"})),
    "decision_amr": (frozenset(), frozenset({"hwk"})),
    "approval_comment": (ApprovalComment.OPTIONAL, ApprovalComment.REQUIRED),
    "execution_sign_in": (FreshExecutions.CREATES, FreshExecutions.ALL),
    "ticket_required": (False, True),
    "ticket_pattern": (None, "OPS-[0-9]+"),
    "ticket_check": (False, True),
    "ticket_check_at_execution": (False, True),
    "ticket_states": (frozenset({"open", "done"}), frozenset({"open"})),
    "ticket_unchecked": (True, False),
    "signed_approvals": (SignedApprovals.ENROLLED, SignedApprovals.REQUIRED),
    "sealed_delivery": (SealedDelivery.OFF, SealedDelivery.REQUIRED),
    "escalate_to": (frozenset(), frozenset({"ops"})),
    "methods": ((frozenset({"hwk", "mfa"}),), (frozenset({"hwk"}),)),
    "hours": ((), (_NINE_TO_FIVE,)),
}
_BY_PEOPLE = {"quorum", "approvals", "rules"}


def test_every_value_of_the_policy_is_compared() -> None:
    names = {each.name for each in fields(Policy)}

    assert names == LOOSER.keys()
    assert names == _VALUES.keys() | _BY_PEOPLE | {"consistency_delay"}


@pytest.mark.parametrize("name", _VALUES)
def test_a_looser_value_is_told_and_a_stricter_one_is_none(name: str) -> None:
    looser, stricter = (replace(Policy(), **{name: value}) for value in _VALUES[name])

    assert [(each.what, each.is_looser) for each in policy_changes(stricter, looser)] == [(name, True)]
    assert [(each.what, each.is_looser) for each in policy_changes(looser, stricter)] == [(name, False)]


def test_a_value_that_cannot_be_compared_counts_as_looser() -> None:
    unordered: dict[str, tuple[Any, Any]] = {
        "consistency_delay": (timedelta(minutes=1), timedelta(minutes=9)),
        "ticket_pattern": ("OPS-.*", "SEC-.*"),
        "hours": ((_NINE_TO_FIVE,), (replace(_NINE_TO_FIVE, closes=time(16)),)),
    }
    for name, values in unordered.items():
        policies = [replace(Policy(), **{name: value}) for value in values]
        assert all(each.is_looser for each in policy_changes(*policies))
        assert all(each.is_looser for each in policy_changes(*reversed(policies)))


def test_a_stronger_sign_in_by_either_of_two_claims_is_looser() -> None:
    """A sign-in needs one value of either: so a second claim lets in more, and none lets in all."""
    one = Policy(decision_acr=frozenset({"gold"}))
    two = replace(one, decision_amr=frozenset({"hwk"}))

    assert [each.is_looser for each in policy_changes(one, two)] == [True]
    assert [each.is_looser for each in policy_changes(two, one)] == [False]
    assert [each.is_looser for each in policy_changes(Policy(), two)] == [False, False]


def test_a_value_of_a_rule_is_compared_where_the_rule_applies() -> None:
    rule = Rule(demand=Demand(rule="ticket", ticket_required=True), tags={"env": frozenset({"prod"})})

    found = compare(
        realm_with(*_TEAMS, rules=[rule], has_organizations=True), realm_with(*_TEAMS, has_organizations=True)
    )

    ((change, before, now),) = found.values
    assert (change.what, change.is_looser, before, now) == ("ticket_required", True, True, False)
    ((_, where),) = found.values.items()
    assert {tuple((site.placement.tags or {}).items()) for site in where.places.values()} <= {(), (("env", "prod"),)}


def test_more_of_a_role_is_looser_and_less_is_not() -> None:
    auditor, limited = (
        realm_with(member("ann", roles=[Role.AUDITOR], limits=limits)).rulebook.directory
        for limits in ({}, {Role.AUDITOR: frozenset({ACCOUNT})})
    )
    nobody = realm_with(member("ann", roles=[])).rulebook.directory

    assert [each.is_looser for each in role_changes(limited, auditor)] == [True]
    assert [each.is_looser for each in role_changes(auditor, limited)] == [False]
    assert [each.is_looser for each in role_changes(nobody, limited)] == [True]
    assert not list(role_changes(auditor, auditor))


def test_somebody_who_is_no_longer_named_gains_only_roles_that_they_had_not() -> None:
    nobody, approvers, all_roles = (
        realm_with(grants=(Grant("staff", frozenset(roles)),) if roles else ()).rulebook.directory
        for roles in ((), (Role.APPROVER,), (Role.APPROVER, Role.AUDITOR))
    )
    ann = realm_with(member("ann")).rulebook.directory

    def gained(new: Directory) -> list[str]:
        old = replace(ann, grants=new.grants)
        return [each.what for each in role_changes(old, new) if each.is_looser]

    assert gained(nobody) == gained(approvers) == []
    assert gained(all_roles) == ["ann is no longer named, so a provider's groups may make them auditor"]


def test_what_is_too_much_to_look_through_counts_as_looser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_diff, "_MOST_PAIRS", 2_000)
    rules = [
        Rule(demand=Demand(rule=f"{at}", approvals={f"g{at}": 1}), tags={f"t{at}": frozenset({"yes"})})
        for at in range(20)
    ]
    old = realm_with(*_TEAMS, rules=rules, has_organizations=True)

    found = compare(old, realm_with(*_TEAMS, rules=rules[:-1], has_organizations=True))

    assert found.gave_up
    assert found.is_looser


def test_what_is_stricter_in_each_part_needs_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_diff, "_MOST_PAIRS", 2_000)
    rules = [
        Rule(demand=Demand(rule=f"{at}", approvals={f"g{at}": 1}), tags={f"t{at}": frozenset({"yes"})})
        for at in range(20)
    ]
    old, new = (realm_with(*_TEAMS, rules=some, has_organizations=True) for some in (rules[:-1], rules))

    assert not compare(old, new).is_looser
    assert compare(old, replace(new, has_organizations=False)).gave_up
    assert compare(old, replace(new, accounts={ACCOUNT: "renamed"})).gave_up


@settings(max_examples=80)
@given(changes(), placements(), st.sampled_from([CREATE, DELETE]))
def test_nobody_suffices_anew_where_each_part_is_stricter(
    both: tuple[Realm, Realm], placement: Placement, name: OperationName
) -> None:
    old, new = both

    if is_plainly_no_looser(old.rulebook, new.rulebook):
        assert next(_gained(old, new, placement, name), None) is None


@pytest.mark.parametrize(
    "selects",
    [
        {"accounts": frozenset({ACCOUNT})},
        {"names": ("prod*",)},
        {"units": frozenset({"ou-a"})},
        {"tags": {"env": frozenset({"prod"})}},
        {"operations": frozenset({CREATE})},
    ],
    ids=lambda selects: next(iter(selects)),
)
def test_a_rule_for_less_is_not_plainly_as_strict(selects: dict[str, Any]) -> None:
    everywhere, somewhere = (
        realm_with(*_TEAMS, rules=[Rule(demand=_SECURITY, **some)]).rulebook for some in ({}, selects)
    )

    assert not is_plainly_no_looser(everywhere, somewhere)
    assert is_plainly_no_looser(somewhere, everywhere)


def test_another_issuer_is_not_plainly_as_strict() -> None:
    """A group may name a provider's group before there is such a provider."""
    old = realm_with(*_TEAMS).rulebook
    grants = {**old.directory.grants, "other": ()}

    assert not is_plainly_no_looser(old, replace(old, directory=replace(old.directory, grants=grants)))


def test_thousands_of_accounts_and_rules_are_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,000 rules for 5,000 accounts one is gone. Few cases differ, and each is compared once."""
    rules = [Rule(demand=replace(_SECURITY, rule=f"{at}"), names=(f"team-{at:03}-*",)) for at in range(1_000)]
    accounts = {f"{at:012}": f"team-{at % 1_000:03}-{at}" for at in range(5_000)}
    old, new = (realm_with(*_TEAMS, rules=some, accounts=accounts) for some in (rules, rules[1:]))
    calls: list[int] = []
    real = electors.cheapest

    def counted(places: Any, sizes: Any, costs: Any) -> Any:
        calls.append(len(sizes))
        return real(places, sizes, costs)

    monkeypatch.setattr("service.domain.loosening.cheapest", counted)
    ((_, where),) = compare(old, new).possible.items()

    assert {account_id for account_id, _ in where.places} == {f"{at:012}" for at in range(0, 5_000, 1_000)}
    assert len(calls) <= 20
