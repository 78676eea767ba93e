"""Who may approve together: demands of groups, and the people who meet them."""

from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.demands import Demand, Missing, Tally, listed

# Ann and Amir are of security, Pat of platform, Bo of both, Cy of neither.
GROUPS = {
    "ann": {"security"},
    "amir": {"security"},
    "pat": {"platform"},
    "bo": {"security", "platform"},
    "cy": set[str](),
}
BOTH_TEAMS = {"security": 1, "platform": 1}


def tally(*people: str, approvals: dict[str, int] = BOTH_TEAMS, quorum: int = 2) -> Tally:
    return Tally(approvals, quorum, {person: GROUPS[person] for person in people})


@pytest.mark.parametrize(
    ("people", "missing"),
    [
        ("", "1 of platform and 1 of security"),
        ("ann", "1 of platform"),
        ("pat", "1 of security"),
        ("bo", "1 of platform or security"),
        ("cy", "1 of platform and 1 of security"),
        ("ann amir", "1 of platform"),
        ("ann pat", ""),
        ("ann bo", ""),
        ("ann cy", "1 of platform"),
        ("pat bo", ""),
        ("pat cy", "1 of security"),
        ("bo cy", "1 of platform or security"),
        ("ann amir bo", ""),
        ("ann amir pat", ""),
        ("ann amir cy", "1 of platform"),
        ("pat bo cy", ""),
    ],
)
def test_one_of_security_and_one_of_platform(people: str, missing: str) -> None:
    assert listed(tally(*people.split()).missing) == missing


@pytest.mark.parametrize(
    ("people", "missing"),
    [
        ("ann pat", "1 more"),
        ("ann amir", "1 of platform"),
        ("ann amir bo", ""),
        ("ann pat cy", ""),
        ("ann amir cy", "1 of platform"),
        ("bo cy", "1 of platform or security"),
        ("cy", "1 of platform and 1 of security"),
    ],
)
def test_both_teams_and_three_people(people: str, missing: str) -> None:
    assert listed(tally(*people.split(), quorum=3).missing) == missing


def test_one_person_never_stands_for_two_demands() -> None:
    assert tally("bo", quorum=2).missing == (Missing(("platform", "security"), 1),)


def test_whoever_helps_is_in_a_group_that_lacks_somebody_or_frees_who_is() -> None:
    assert [who for who in GROUPS if tally("bo").helps(GROUPS[who])] == ["ann", "amir", "pat", "bo"]
    assert [who for who in GROUPS if tally("ann").helps(GROUPS[who])] == ["pat", "bo"]
    assert [who for who in GROUPS if tally("ann", "pat", quorum=3).helps(GROUPS[who])] == list(GROUPS)


def test_a_chain_of_people_in_two_groups_is_resolved() -> None:
    people = {"one": {"a", "b"}, "two": {"b", "c"}, "three": {"c", "d"}}
    demands = {"a": 1, "b": 1, "c": 1, "d": 1}

    assert Tally(demands, 4, people).missing == (Missing(("a", "b", "c", "d"), 1),)
    assert Tally(demands, 4, people | {"four": {"a"}}).is_met
    assert Tally(demands, 4, people | {"four": {"d"}}).is_met


def test_a_chain_of_any_length_is_resolved() -> None:
    people = {str(number): {str(number), str(number + 1)} for number in range(1_500)}

    assert Tally({str(number): 1 for number in range(1_501)}, 1_501, people | {"last": {"0"}}).is_met


_NAMES = st.sampled_from("abcd")
PEOPLE = st.dictionaries(st.sampled_from([f"person {n}" for n in range(7)]), st.frozensets(_NAMES, max_size=3))
DEMANDS = st.dictionaries(_NAMES, st.integers(1, 3), max_size=4)


def suffices(approvals: dict[str, int], quorum: int, people: dict[str, frozenset[str]]) -> bool:
    """Say it as Hall's theorem does: any groups together have as many people as they demand together."""
    return len(people) >= quorum and all(
        sum(not groups.isdisjoint(some) for groups in people.values()) >= sum(approvals[group] for group in some)
        for size in range(1, len(approvals) + 1)
        for some in combinations(approvals, size)
    )


@given(DEMANDS, st.integers(2, 5), PEOPLE)
def test_the_assignment_is_as_good_as_any(
    approvals: dict[str, int], quorum: int, people: dict[str, frozenset[str]]
) -> None:
    quorum = max(quorum, sum(approvals.values()))

    assert Tally(approvals, quorum, people).is_met == suffices(approvals, quorum, people)


@given(DEMANDS, st.integers(2, 5), PEOPLE, st.frozensets(_NAMES))
def test_helps_is_whether_one_less_is_missing_afterwards(
    approvals: dict[str, int], quorum: int, people: dict[str, frozenset[str]], groups: frozenset[str]
) -> None:
    quorum = max(quorum, sum(approvals.values()))
    before, after = Tally(approvals, quorum, people), Tally(approvals, quorum, people | {"another": groups})

    assert before.helps(groups) == (_count(after) < _count(before))


@given(DEMANDS, st.integers(2, 5), PEOPLE, st.randoms())
def test_whoever_approves_first_never_leaves_a_request_waiting_for_ever(
    approvals: dict[str, int], quorum: int, people: dict[str, frozenset[str]], random: Random
) -> None:
    """Only those approve who help. If all together suffice, so do they, in whatever order they come."""
    quorum = max(quorum, sum(approvals.values()))
    order, approved = sorted(people), dict[str, frozenset[str]]()
    random.shuffle(order)
    for person in order:
        if Tally(approvals, quorum, approved).helps(people[person]):
            approved[person] = people[person]

    assert Tally(approvals, quorum, approved).is_met == Tally(approvals, quorum, people).is_met


def _count(tally: Tally) -> int:
    return sum(missing.count for missing in tally.missing)


def test_a_demand_survives_its_document() -> None:
    demand = Demand(rule="production", approvals={"security": 2}, quorum=3, decision_amr=frozenset({"hwk"}))

    assert Demand.from_document(demand.document()) == demand
    assert "hours" not in demand.document()
