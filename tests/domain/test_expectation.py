"""What is called held no account contradicts, whatever its name, units and tags are, and no set of people."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.builders import ACCOUNT, CREATE, DEACTIVATE, DELETE, OTHER_ACCOUNT
from support.rulebooks import GROUPS, Everybody, placements, realms, rules

from service.domain.account import ListedAccounts
from service.domain.actor import ActorKind, Grant, Group, Member, Role
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.expectation import TAKES_NONE, Expectation, broken_assumptions, contradictions, faults
from service.domain.operation import OperationName
from service.domain.policy import Policy
from service.domain.realm import Realm, Site, sites, unsaid
from service.domain.rulebook import Rulebook
from service.domain.rules import Placement, Rule, Rules
from service.domain.situations import Book, reason

_REALMS = settings(max_examples=80)


@_REALMS
@given(realms(), placements(), st.sampled_from([ACCOUNT, OTHER_ACCOUNT, "000000000000"]))
def test_the_same_rules_apply_as_in_the_service(realm: Realm, placement: Placement, account_id: str) -> None:
    book = Book(realm)
    applying = book.applying(Site(account_id, placement))

    for name in (CREATE, DELETE):
        assert book.rules_for(applying, name) == realm.rulebook.rules.matching(account_id, placement, name)


@_REALMS
@given(realms(), placements(), rules("selector", demands=False), st.sampled_from(["weakest", "strictest"]))
def test_no_account_has_fewer_or_more_rules_than_those_looked_at(
    realm: Realm, placement: Placement, selector: Rule, which: str
) -> None:
    """Of any account that the selector takes, another one that is looked at is at least as weak, or as strict."""
    account_id = ACCOUNT
    assume(realm.may_serve(account_id))
    known = placement if realm.has_organizations else Placement(name=placement.name)
    placement = replace(known, name=realm.accounts.get(account_id, placement.name))
    assume(Rules([selector]).matching(account_id, placement, next(iter(selector.operations), CREATE)))
    book = Book(realm)
    rules_there = book.applying(Site(account_id, placement))

    looked_at = account_id if account_id in realm.said | selector.accounts else unsaid(realm.said)
    found = [
        book.applying(site)
        for site in sites(realm, selector, strictest=which == "strictest")
        if site.account_id == looked_at
    ]

    # As bits: that one set of rules is in another one.
    assert any(each | rules_there == (each if which == "strictest" else rules_there) for each in found)


def _sufficing(realm: Realm, placement: Placement, name: OperationName) -> list[dict[str, frozenset[str]]]:
    matching = realm.rulebook.rules.matching(ACCOUNT, placement, name)
    policy = realm.rulebook.policy.under(rule.demand for rule in matching)
    return Everybody(realm.rulebook.directory).sufficing(policy)


@settings(max_examples=100)
@given(realms(), placements(), rules("selector", demands=False), st.sampled_from(GROUPS), st.data())
def test_what_is_held_no_account_and_nobody_contradicts(
    realm: Realm, placement: Placement, selector: Rule, group: str, data: st.DataObject
) -> None:
    assume(realm.may_serve(ACCOUNT))
    known = placement if realm.has_organizations else Placement(name=placement.name)
    placement = replace(known, name=realm.accounts.get(ACCOUNT, placement.name))
    name = next(iter(selector.operations), CREATE)
    assume(Rules([selector]).matching(ACCOUNT, placement, name))
    expected: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"needs": {group: 1}},
                {"quorum_at_least": 3},
                {"never": (frozenset({"alice", "bob"}),)},
                {"no_two_of": (group,)},
                {"never_alone": (group,)},
                {"possible": False},
            ]
        )
    )
    held = not contradictions(Book(realm), Expectation(selector=selector, **expected))

    if held:
        assert not [some for some in _sufficing(realm, placement, name) if _contradicts(some, expected, group)]


def _contradicts(some: dict[str, frozenset[str]], expected: dict[str, Any], group: str) -> bool:
    """Return whether people who suffice contradict what is expected."""
    match next(iter(expected)):
        case "needs":
            return not any(group in groups for groups in some.values())
        case "quorum_at_least":
            return len(some) < 3
        case "never":
            return some.keys() <= {"alice", "bob"}
        case "no_two_of":
            return len(some) == 2 and all(group in groups for groups in some.values())
        case "never_alone":
            return all(group in groups for groups in some.values())
        case _:
            return True  # nobody may suffice


# ------------------------------------------------------------------ examples


def member(subject: str, *groups: str, roles: Collection[Role] = (Role.APPROVER, Role.REQUESTER)) -> Member:
    return Member(
        kind=ActorKind.PERSON, subject=subject, name=subject, roles=frozenset(roles), groups=frozenset(groups)
    )


def realm_with(*members: Member, rules: Collection[Rule] = (), **changes: Any) -> Realm:
    provider_groups = changes.pop("provider_groups", {})
    named = {group for each in members for group in each.groups} | provider_groups.keys()
    groups = {
        name: Group(
            frozenset(each.subject for each in members if name in each.groups),
            frozenset(("corp", stated) for stated in provider_groups.get(name, ())),
        )
        for name in named
    }
    directory = Directory({each.subject: each for each in members}, {"corp": changes.pop("grants", ())}, groups)
    return Realm(Rulebook(Policy(), Rules(rules), directory), **({"accounts": {ACCOUNT: "production"}} | changes))


def rule(name: str, approvals: dict[str, int], **selects: Any) -> Rule:
    return Rule(demand=Demand(rule=name, approvals=approvals), **selects)


def expecting(**expected: Any) -> Expectation:
    selects = {
        key: expected.pop(key) for key in ("accounts", "names", "units", "tags", "operations") if key in expected
    }
    return Expectation(selector=Rule(demand=Demand(rule="expected"), **selects), **expected)


_PEOPLE = (member("alice", "security"), member("bob", "platform"), member("carol", "platform"), member("dave"))
_BOTH = rule("both", {"security": 1, "platform": 1})


def held(realm: Realm, apart: Collection[frozenset[str]] = (), **expected: Any) -> bool:
    return not contradictions(Book(realm, apart), expecting(**expected))


def test_a_rule_for_all_accounts_gives_each_team_its_say() -> None:
    realm = realm_with(*_PEOPLE, rules=[_BOTH])

    assert held(realm, needs={"security": 1, "platform": 1})
    assert held(realm, no_two_of=("platform",), never_alone=("platform",))
    assert not held(realm, needs={"security": 2})
    assert not held(realm, never=(frozenset({"alice", "bob"}),))


def test_a_third_person_of_a_team_is_found_where_no_two_suffice() -> None:
    three = Rule(demand=Demand(rule="three", quorum=3))
    realm = realm_with(*_PEOPLE, member("erin", "platform"), rules=[three])

    assert held(realm, no_two_of=("platform",))
    assert not held(realm, never_alone=("platform",))


def test_a_rule_by_tag_is_not_counted_on_where_an_organization_may_tell_other_tags() -> None:
    by_tag = rule("by tag", {"security": 1}, tags={"env": frozenset({"prod"})})
    realm = realm_with(*_PEOPLE, rules=[by_tag], has_organizations=True)

    assert not held(realm, needs={"security": 1})
    assert held(realm, needs={"security": 1}, tags={"ENV": frozenset({"Prod"})})
    assert not held(realm, needs={"security": 1}, tags={"env": frozenset({"prod", "dev"})})
    assert held(replace(realm, has_organizations=False), needs={"security": 1})


def test_an_account_whose_name_misses_the_rule_is_found() -> None:
    """The expectation takes prod-1 and prod_1, the rule only the first."""
    by_name = rule("by name", {"security": 1}, names=("prod-*",))
    realm = realm_with(*_PEOPLE, rules=[by_name], listings=(ListedAccounts(),), has_organizations=True)

    found = contradictions(Book(realm), expecting(needs={"security": 1}, names=("prod*",)))

    names = {site.placement.name for finding in found for site, _ in finding.places}
    assert names == {"production", "prod"}
    assert held(realm, needs={"security": 1}, names=("PROD-*",))


def test_a_name_for_which_another_rule_applies_is_found() -> None:
    """Each name that begins with p has one of two rules; no name has neither."""
    rules = [rule("short", {"platform": 1}, names=("p",)), rule("longer", {"security": 1}, names=("p?*",))]
    realm = realm_with(*_PEOPLE, rules=rules, accounts={}, listings=(ListedAccounts(),), has_organizations=True)

    assert not held(realm, needs={"platform": 1}, names=("p*",))
    assert not held(realm, needs={"security": 1}, names=("p*",))
    assert held(realm, needs={"security": 1}, names=("p?*",))


def test_a_rule_for_one_unit_is_not_counted_on_in_another() -> None:
    by_unit = rule("by unit", {"security": 1}, units=frozenset({"ou-a"}))
    realm = realm_with(*_PEOPLE, rules=[by_unit], has_organizations=True)

    assert held(realm, needs={"security": 1}, units=frozenset({"ou-a"}))
    assert not held(realm, needs={"security": 1}, units=frozenset({"ou-a", "ou-b"}))


def test_an_account_that_no_organization_lists_is_not_looked_at() -> None:
    by_name = rule("by name", {"security": 1}, names=("prod*",))
    only_one = ListedAccounts(allow=frozenset({OTHER_ACCOUNT}))

    assert held(realm_with(*_PEOPLE, rules=[by_name]), needs={"security": 1})
    assert not held(realm_with(*_PEOPLE, rules=[by_name], listings=(only_one,)), needs={"security": 1})
    denied = replace(only_one, deny=frozenset({OTHER_ACCOUNT}))
    assert held(realm_with(*_PEOPLE, rules=[by_name], listings=(denied,)), needs={"security": 1})


def test_an_approver_of_other_accounts_only_is_found_there() -> None:
    """Mallory approves nothing in the settings' account, but in one that an organization may list."""
    mallory = replace(member("mallory", "platform"), limits={Role.APPROVER: frozenset({OTHER_ACCOUNT})})
    realm = realm_with(member("alice", "security"), member("bob", "platform"), mallory, listings=(ListedAccounts(),))

    found = contradictions(Book(realm), expecting(no_two_of=("platform",)))

    assert {site.account_id for finding in found for site, _ in finding.places} == {OTHER_ACCOUNT}


def test_an_operation_that_a_rule_leaves_out_is_found() -> None:
    realm = realm_with(*_PEOPLE, rules=[replace(_BOTH, operations=frozenset({CREATE}))])

    assert held(realm, needs={"security": 1}, operations=frozenset({CREATE}))
    assert not held(realm, needs={"security": 1}, operations=frozenset({CREATE, DEACTIVATE}))


def test_an_expectation_of_no_account_does_not_hold() -> None:
    found = contradictions(Book(realm_with(*_PEOPLE)), expecting(quorum_at_least=2, names=("prdo*",)))

    assert [finding.what for finding in found] == [TAKES_NONE]


def test_people_of_a_provider_count_against_an_expectation() -> None:
    """Named people keep it; but whoever signs in with these groups may be in both teams."""
    approvers = (Grant("approvers", frozenset({Role.APPROVER})),)
    realm = realm_with(*_PEOPLE, rules=[_BOTH], grants=approvers, provider_groups={"security": ["sec"]})

    assert not held(realm, never_alone=("platform",))  # bob may be in security by his provider's word
    assert held(realm, [frozenset({"security", "platform"})], never_alone=("platform",))
    assert not held(realm, never_alone=("security",), needs={"dave": 1})


def test_somebody_whom_a_sign_in_makes_an_approver_needs_no_group() -> None:
    realm = realm_with(*_PEOPLE, grants=(Grant("approvers", frozenset({Role.APPROVER})),))

    assert not held(realm, needs={"platform": 1})


def test_it_stays_possible_without_any_one_person() -> None:
    realm = realm_with(*_PEOPLE, rules=[_BOTH])

    assert held(realm, possible=True)
    assert [finding.what for finding in contradictions(Book(realm), expecting(possible=True, also_without_any=1))] == [
        "nobody can get it approved without alice"
    ]
    more = realm_with(*_PEOPLE, member("erin", "security"), rules=[_BOTH])
    assert held(more, possible=True, also_without_any=1)
    assert not held(more, possible=True, also_without_any=2)


def test_whoever_is_needed_is_found_among_all_who_suffice() -> None:
    realm = realm_with(member("zoe", "security"), *_PEOPLE[1:], rules=[_BOTH])

    found = contradictions(Book(realm), expecting(possible=True, also_without_any=1))

    assert [finding.what for finding in found] == ["nobody can get it approved without zoe"]


def test_what_only_a_provider_makes_possible_is_not_possible_with_named_people() -> None:
    approvers = (Grant("approvers", frozenset({Role.APPROVER})),)
    realm = realm_with(
        member("bob", "platform"),
        member("rita", roles=[Role.REQUESTER]),
        rules=[_BOTH],
        grants=approvers,
        provider_groups={"security": ["sec"]},
    )

    assert held(realm, possible=True)
    assert not held(realm, possible=True, named_only=True)


def test_a_request_that_nobody_may_file_is_not_possible() -> None:
    approvers = [member(name, roles=[Role.APPROVER]) for name in ("bob", "carol")]

    found = contradictions(Book(realm_with(*approvers)), expecting(possible=True))

    assert [finding.what for finding in found] == ["nobody can get it approved: nobody may file it"]


def test_the_only_requester_is_needed() -> None:
    people = [member(name, roles=[Role.APPROVER]) for name in ("bob", "carol", "dave")]
    realm = realm_with(*people, member("rita", roles=[Role.REQUESTER]))

    assert held(realm, possible=True)
    found = contradictions(Book(realm), expecting(possible=True, also_without_any=1))
    assert [finding.what for finding in found] == ["nobody can get it approved without rita"]


def test_a_machine_files_a_create_only_for_somebody_who_can_receive_it() -> None:
    """What it files for itself needs nobody else. A new key needs a person, who then does not approve."""
    robo = Member(kind=ActorKind.MACHINE, subject="robo", name="robo", roles=frozenset({Role.REQUESTER}))
    approvers = [member(name, roles=[Role.APPROVER]) for name in ("bob", "carol")]
    alone = realm_with(*approvers, robo)

    assert held(alone, possible=True, operations=frozenset({DELETE}))
    assert not held(alone, possible=True, operations=frozenset({CREATE}))
    assert held(realm_with(*approvers, robo, member("rita", roles=[])), possible=True)


def test_of_a_providers_groups_any_may_make_a_member() -> None:
    """Bob stands for red by the group `second`, which puts him into no other group; `first` would into blue."""
    red, blue = {"red": ["first", "second"]}, {"blue": ["first"]}
    rules = [rule("red", {"red": 1})]
    realm = realm_with(member("bob"), member("carol"), rules=rules, provider_groups=red | blue)

    assert not held(realm, needs={"blue": 1})
    assert held(
        realm_with(member("bob"), member("carol"), rules=rules, provider_groups={"red": ["first"]} | blue),
        needs={"blue": 1},
    )


def test_it_can_be_expected_that_nobody_approves_it() -> None:
    locked = rule("locked", {"nobody": 1}, accounts=frozenset({ACCOUNT}))

    assert held(realm_with(*_PEOPLE, rules=[locked]), possible=False)
    assert not held(realm_with(*_PEOPLE), possible=False)


def test_names_that_the_settings_do_not_have_are_faults() -> None:
    """Otherwise an expectation with a misspelt name would hold for ever."""
    expectation = expecting(
        needs={"securty": 1}, never=(frozenset({"alcie", "bob"}),), accounts=frozenset({OTHER_ACCOUNT})
    )

    assert list(faults(Book(realm_with(*_PEOPLE)), [expectation], [frozenset({"security", "platfrom"})])) == [
        "assume.apart: the settings have no group platfrom.",
        '"expected": the settings have no group securty.',
        '"expected": the settings name no person alcie.',
        f'"expected": account {OTHER_ACCOUNT} is not in the settings, and no organization may list it.',
    ]


def test_an_assumption_that_the_settings_contradict_is_told() -> None:
    realm = realm_with(
        member("alice", "security", "platform"),
        grants=(Grant("all", frozenset({Role.APPROVER})),),
        provider_groups={"security": ["all"], "platform": ["all"]},
    )
    apart = [frozenset({"security", "platform"})]

    assert list(broken_assumptions(Book(realm, apart), apart)) == [
        "alice is in platform and security.",
        "whoever signs in with group all of issuer corp is in platform and security.",
    ]


@pytest.mark.parametrize(
    ("selects", "placement", "why"),
    [
        ({}, Placement(), "it is for all accounts"),
        ({"accounts": frozenset({ACCOUNT})}, Placement(), "it names the account"),
        ({"names": ("x", "prod*", "p*")}, Placement(name="Production"), "the name matches prod* and p*"),
        ({"names": ("prod*",)}, Placement(), "the account's name is not known"),
        ({"units": frozenset({"ou-a", "ou-b"})}, Placement(units=frozenset({"ou-a"})), "the account is in ou-a"),
        ({"units": frozenset({"ou-a"})}, Placement(), "the account's units are not known"),
        ({"tags": {"env": frozenset({"prod"})}}, Placement(tags={"env": "prod"}), "the account has its tags: env"),
        ({"tags": {"env": frozenset({"prod"})}}, Placement(), "the account's tags are not known"),
    ],
)
def test_why_a_rule_applies_is_told(selects: Any, placement: Placement, why: str) -> None:
    assert reason(rule("r", {}, **selects), placement) == why


def test_thousands_of_accounts_and_rules_are_few_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 1,000 rules is for some of 5,000 accounts; they demand the same, so one case of it is judged."""
    many = [rule(f"rule {at:03}", {"security": 1}, names=(f"team-{at:03}-*",)) for at in range(1_000)]
    accounts = {f"{at:012}": f"team-{at % 1_000:03}-{at}" for at in range(5_000)}
    realm = realm_with(*_PEOPLE, rules=many, accounts=accounts, listings=(ListedAccounts(),), has_organizations=True)
    judged: list[object] = []
    real = Book.case

    def counted(book: Book, site: Site, rules: int, name: OperationName, **more: Any) -> Any:
        judged.append(name)
        return real(book, site, rules, name, **more)

    monkeypatch.setattr(Book, "case", counted)

    assert not held(realm, needs={"security": 1})  # in an account with another name
    assert held(realm, needs={"security": 1}, names=("team-*-*", "no"), accounts=frozenset(accounts))
    assert len(judged) <= 2 * 5_001 * len(OperationName)
