"""Who suffices: the search agrees with a brute force over all people and all words of their provider."""

import itertools
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.builders import ACCOUNT, CREATE, DELETE, NOON, decision, request
from support.rulebooks import GROUPS, STATED, Everybody, directories, policies

from service.domain import electors
from service.domain.actor import ActorKind, Group, Member, Person, Role, Word
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.electors import Memberships, Part, electors_of
from service.domain.operation import OperationName
from service.domain.policy import Policy
from service.domain.standing import Standing
from service.domain.sufficing import Case, Search

_RULEBOOKS = settings(max_examples=60)
_OPERATIONS = st.sampled_from([CREATE, DELETE])


def case_of(
    directory: Directory, policy: Policy, apart: Sequence[frozenset[str]] = (), *, is_create: bool = False
) -> Case:
    memberships = Memberships(directory.groups, directory.grants.keys(), apart)
    return Case.of(policy, electors_of(directory, ACCOUNT, memberships, is_create=is_create))


def judged(directory: Directory, policy: Policy, parts: Sequence[Part], within: str | None = None) -> bool:
    """Whether these very people, signed in as the parts say, have a quorum by the service's own judge."""
    memberships = Memberships(directory.groups, directory.grants.keys())
    people = []
    used: dict[str, int] = {}
    for part in parts:
        own = {part.kind.stated} if part.kind.stated is not None else set()
        wanted = {part.place, within} - {"", None} - part.kind.sure
        stated = own | {memberships.giving[str(group)][0] for group in wanted}
        word = Word(frozenset(group for _, group in stated), NOON)
        for _ in range(part.number):
            key = "".join(part.kind.people) or str(part.kind.stated)
            at = used[key] = used.get(key, -1) + 1
            who = part.kind.people[at] if part.kind.people else f"unknown-{key.__hash__()}-{at}"
            people.append(Person(subject=who, name=who, words={"corp": word}))
    joined = directory.joined(people)
    assert within is None or all(within in joined.groups_of(person.subject) for person in people)
    on = request(requester="zed", recipient="zed")
    for person in people:
        on = on.decide(decision(on, person.subject), lambda _: False)
    owners = {f"token-of-{person.subject}": person.subject for person in people}
    return Standing(joined, owners, policy).has_quorum(on)


@_RULEBOOKS
@given(directories(), policies())
def test_people_suffice_if_and_only_if_a_brute_force_finds_some(directory: Directory, policy: Policy) -> None:
    case, all_sets = case_of(directory, policy), Everybody(directory).sufficing(policy)

    found = list(case.suffice(Search()))

    assert bool(found) == bool(all_sets)
    assert all(judged(directory, policy, parts) for parts in found)
    assert all(sum(part.number for part in parts) == policy.quorum for parts in found)


@_RULEBOOKS
@given(directories(), policies(), st.sampled_from(GROUPS))
def test_the_fewest_members_of_a_group_are_those_that_a_brute_force_finds(
    directory: Directory, policy: Policy, group: str
) -> None:
    case, all_sets = case_of(directory, policy), Everybody(directory).sufficing(policy)
    least = min((sum(group in groups for groups in some.values()) for some in all_sets), default=99)

    for number in range(1, 4):
        found = next(case.suffice(Search(of=group, fewer_than=number)), None)

        assert (found is not None) == (least < number)
        assert found is None or judged(directory, policy, found)


@_RULEBOOKS
@given(directories(), policies(), st.sampled_from(GROUPS))
def test_members_of_a_group_suffice_alone_if_a_brute_force_finds_such(
    directory: Directory, policy: Policy, group: str
) -> None:
    case, all_sets = case_of(directory, policy), Everybody(directory).sufficing(policy)

    found = next(case.suffice(Search(within=group)), None)

    assert (found is not None) == any(all(group in groups for groups in some.values()) for some in all_sets)
    assert found is None or judged(directory, policy, found, group)


@_RULEBOOKS
@given(directories(), policies(), st.frozensets(st.sampled_from(["alice", "bob", "carol"]), min_size=2))
def test_named_people_suffice_if_a_brute_force_says_so(
    directory: Directory, policy: Policy, people: frozenset[str]
) -> None:
    case, all_sets = case_of(directory, policy), Everybody(directory).sufficing(policy)

    found = next(case.suffice(Search(people=people)), None)

    assert (found is not None) == any(some.keys() <= people for some in all_sets)


def _is_possible(directory: Directory, policy: Policy, absent: Collection[str] = (), *, is_create: bool) -> bool:
    """Whether somebody can file it, and others then suffice, by trying everybody."""
    sets = [some for some in Everybody(directory).sufficing(policy) if some.keys().isdisjoint(absent)]
    granted = [grant for grant in directory.grants["corp"] if grant.accounts is None or ACCOUNT in grant.accounts]
    has_machine = "robo" in directory.members
    if any(Role.REQUESTER in grant.roles for grant in granted) or (has_machine and not is_create):
        return bool(sets)
    if has_machine and directory.grants["corp"]:
        return bool(sets)
    people = {who: member for who, member in directory.members.items() if member.kind is ActorKind.PERSON}
    asking = {who for who, member in people.items() if has_machine or member.has(Role.REQUESTER, on=ACCOUNT)}
    return any(who not in some for who in asking.difference(absent) for some in sets)


@_RULEBOOKS
@given(directories(), policies(), _OPERATIONS, st.integers(0, 2))
def test_it_is_blocked_without_some_people_if_a_brute_force_says_so(
    directory: Directory, policy: Policy, operation: OperationName, number: int
) -> None:
    is_create = operation is CREATE
    case = case_of(directory, policy, is_create=is_create)
    people = [who for who, member in directory.members.items() if member.kind is ActorKind.PERSON]
    absences = [set(some) for size in range(number + 1) for some in itertools.combinations(people, size)]
    blocking = [some for some in absences if not _is_possible(directory, policy, some, is_create=is_create)]

    found = case.blocked_without(number)

    assert (found is None) == (not blocking)
    assert found is None or set(found) in blocking


@_RULEBOOKS
@given(directories(), policies(), _OPERATIONS)
def test_everybody_is_needed_without_whom_a_brute_force_finds_nobody(
    directory: Directory, policy: Policy, operation: OperationName
) -> None:
    is_create = operation is CREATE
    case = case_of(directory, policy, is_create=is_create)
    expected: set[str] = set()
    if _is_possible(directory, policy, is_create=is_create):
        people = [who for who, member in directory.members.items() if member.kind is ActorKind.PERSON]
        expected = {who for who in people if not _is_possible(directory, policy, {who}, is_create=is_create)}

    assert case.needed_people() == expected


@_RULEBOOKS
@given(directories(), policies(), st.sampled_from(list(itertools.combinations(GROUPS, 2))))
def test_nobody_is_taken_for_a_member_of_two_groups_that_are_apart(
    directory: Directory, policy: Policy, groups: tuple[str, str]
) -> None:
    pair = frozenset(groups)
    assume(
        not any(
            len(pair & {name for name in GROUPS if each in directory.groups[name].provider_groups}) == 2
            for each in STATED
        )
    )
    both = {who for who, member in directory.members.items() if pair <= member.groups}
    case = case_of(directory, policy, [pair])
    sets = [
        some
        for some in Everybody(directory).sufficing(policy)
        if not any(pair <= groups for who, groups in some.items() if who not in both)
    ]

    assert (next(case.suffice(Search()), None) is not None) == bool(sets)


def test_a_person_in_two_groups_stands_for_one() -> None:
    """The table of two teams and three people: carol is in both, ann only in blue, bea only in red."""
    teams = {"ann": {"blue"}, "bea": {"red"}, "carol": {"blue", "red"}}
    directory = Directory(
        {
            who: Member(
                kind=ActorKind.PERSON, subject=who, name=who, roles=frozenset({Role.APPROVER}), groups=frozenset(groups)
            )
            for who, groups in teams.items()
        },
        groups={name: Group(frozenset(who for who in teams if name in teams[who])) for name in ("blue", "red")},
    )
    policy = Policy().under([Demand(rule="both teams", approvals={"blue": 1, "red": 1})])
    case = case_of(directory, policy)

    found = {
        pair: next(case.suffice(Search(people=frozenset(pair))), None) is not None
        for pair in itertools.combinations(sorted(teams), 2)
    }

    assert found == {("ann", "bea"): True, ("ann", "carol"): True, ("bea", "carol"): True}
    assert next(case.suffice(Search(people=frozenset({"carol"}))), None) is None
    assert next(case.suffice(Search(within="blue")), None) is not None  # ann and carol, who is in red as well


def test_two_hundred_approvers_take_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has groups of their own. What is looked at grows with the people, not with the sets of them."""
    names = [f"g{number}" for number in range(8)]
    groups = {f"p{at:03}": frozenset(name for bit, name in enumerate(names) if at >> bit & 1) for at in range(200)}
    directory = Directory(
        {
            who: Member(
                kind=ActorKind.PERSON,
                subject=who,
                name=who,
                roles=frozenset({Role.APPROVER, Role.REQUESTER}),
                groups=some,
            )
            for who, some in groups.items()
        },
        groups={name: Group(frozenset(who for who in groups if name in groups[who])) for name in names},
    )
    policy = Policy().under([Demand(rule="all", approvals=dict.fromkeys(names, 1))])
    calls: list[int] = []
    real = electors.cheapest

    def counted(places: Any, sizes: Any, costs: Any) -> Any:
        calls.append(len(sizes))
        return real(places, sizes, costs)

    monkeypatch.setattr("service.domain.sufficing.cheapest", counted)
    case = case_of(directory, policy)

    assert case.blocked_without(1) is None
    assert not case.needed_people()
    assert len(calls) <= 3 * (policy.quorum + 2)
