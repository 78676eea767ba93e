"""A key counts if its endorsements lead to founders, and nobody else can make it count."""

import cProfile
import pstats
import random
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.roster import (
    Endorsement,
    EndorsementFault,
    Facts,
    KeyFault,
    Reason,
    Registration,
    Revocation,
    RevokedBy,
    RevokedKey,
    Rules,
    RulesEvent,
    roster_at,
)

_Row = TypeVar("_Row")

_FOUNDERS = frozenset({("ann", "ann's"), ("ben", "ben's"), ("cid", "cid's")})
_RULES = Rules(version=1, digest="d1", previous=None, quorum=2, founders=_FOUNDERS)
_CHAIN = [RulesEvent(rules=_RULES, signers=frozenset(), position=0)]


def registers(person: str, position: int = 1, key: str | None = None) -> Registration:
    return Registration(person=person, key=key or f"{person}'s", position=position)


def endorses(endorser: str, person: str, position: int = 2, by_key: str | None = None) -> Endorsement:
    return Endorsement(
        person=person,
        key=f"{person}'s",
        endorser=endorser,
        by_key=by_key or f"{endorser}'s",
        head=position,
        position=position,
    )


def revokes(key: str, reason: Reason, position: int, since: int | None = None) -> Revocation:
    since = position if since is None else since
    return Revocation(key=key, reason=reason, since=since, by=RevokedBy.OPERATOR, position=position)


def facts(*each: Registration | Endorsement | Revocation) -> Facts:
    return Facts(
        registrations=tuple(fact for fact in each if isinstance(fact, Registration)),
        endorsements=tuple(fact for fact in each if isinstance(fact, Endorsement)),
        revocations=tuple(fact for fact in each if isinstance(fact, Revocation)),
    )


_DAVE = (registers("dave"), endorses("ann", "dave"), endorses("ben", "dave"))


def fault_of(person: str, *each: Registration | Endorsement | Revocation, at: int = 100) -> KeyFault | None:
    return roster_at(at, _CHAIN, facts(*each)).fault(person, f"{person}'s")


def test_founders_count_from_the_first_rules_on() -> None:
    assert roster_at(1, _CHAIN, Facts()).owners == {key: person for person, key in _FOUNDERS}
    assert roster_at(0, _CHAIN, Facts()).owners == {}


def test_a_key_counts_once_a_quorum_of_others_endorsed_it() -> None:
    assert fault_of("dave") is KeyFault.UNREGISTERED
    assert fault_of("dave", *_DAVE[:2]) is KeyFault.NOT_ENDORSED
    assert fault_of("dave", *_DAVE) is None


def test_a_key_without_proof_of_possession_does_not_count() -> None:
    assert fault_of("dave", *_DAVE[1:]) is KeyFault.UNREGISTERED


def test_a_key_counts_for_its_person_only() -> None:
    roster = roster_at(100, _CHAIN, facts(*_DAVE))
    assert roster.fault("eve", "dave's") is KeyFault.UNREGISTERED
    assert roster.people(["dave's", "ann's", "unknown"]) == {"dave", "ann"}


def test_nothing_that_the_head_does_not_contain_counts() -> None:
    assert fault_of("dave", *_DAVE, at=2) is KeyFault.NOT_ENDORSED
    assert fault_of("dave", *_DAVE, at=3) is None


def test_somebody_who_was_endorsed_can_endorse_from_then_on() -> None:
    of_eve = (registers("eve"), endorses("ann", "eve", 3), endorses("dave", "eve", 3))
    assert fault_of("eve", *_DAVE, *of_eve) is None
    too_early = (registers("eve"), endorses("ann", "eve", 2), endorses("dave", "eve", 2))
    assert fault_of("eve", *_DAVE, *too_early) is KeyFault.NOT_ENDORSED


def test_two_keys_of_one_person_are_one_endorser() -> None:
    second = _RULES.founders | {("ann", "ann's second")}
    chain = [replace(_CHAIN[0], rules=replace(_RULES, founders=second))]
    given = facts(registers("dave"), endorses("ann", "dave"), endorses("ann", "dave", by_key="ann's second"))
    assert roster_at(100, chain, given).endorsers == {("dave", "dave's"): {"ann"}}
    assert roster_at(100, chain, given).fault("dave", "dave's") is KeyFault.NOT_ENDORSED


def test_nobody_endorses_their_own_key() -> None:
    second = Endorsement(person="ann", key="new", endorser="ann", by_key="ann's", head=2, position=2)
    other = Endorsement(person="ann", key="new", endorser="ben", by_key="ben's", head=2, position=2)
    roster = roster_at(100, _CHAIN, facts(registers("ann", key="new"), second, other))
    assert roster.fault("ann", "new") is KeyFault.NOT_ENDORSED
    assert roster.void == {(second, EndorsementFault.OF_ONESELF)}


def test_a_circle_endorses_nobody() -> None:
    crowd = ["eve", "fay", "gus", "hal"]
    circle = [endorses(one, other, position) for position in (2, 3) for one in crowd for other in crowd if one != other]
    roster = roster_at(100, _CHAIN, facts(*(registers(each) for each in crowd), *circle))
    assert set(roster.owners.values()) == {"ann", "ben", "cid"}
    assert {fault for _, fault in roster.void} == {EndorsementFault.BY_NO_KEY_THAT_COUNTS}


def test_an_endorsement_with_a_key_of_somebody_else_counts_for_nothing() -> None:
    assert fault_of("dave", _DAVE[0], _DAVE[1], endorses("ben", "dave", by_key="ann's")) is KeyFault.NOT_ENDORSED


def test_an_endorsement_over_a_head_that_did_not_exist_counts_for_nothing() -> None:
    ahead = replace(_DAVE[2], head=3)
    roster = roster_at(100, _CHAIN, facts(_DAVE[0], _DAVE[1], ahead))
    assert roster.fault("dave", "dave's") is KeyFault.NOT_ENDORSED
    assert roster.void == {(ahead, EndorsementFault.AHEAD_OF_THE_LOG)}


# --- revocation ---


@pytest.mark.parametrize("reason", Reason)
def test_a_revoked_key_does_not_count_and_endorsing_it_again_changes_nothing(reason: Reason) -> None:
    again = (registers("dave", 11), endorses("ann", "dave", 11), endorses("cid", "dave", 12))
    revoked = (*_DAVE, revokes("dave's", reason, 10), *again)
    assert fault_of("dave", *revoked, at=10) is None
    assert fault_of("dave", *revoked, at=11) is KeyFault.REVOKED
    assert fault_of("dave", *revoked) is KeyFault.REVOKED


def test_what_a_retired_key_endorsed_stays() -> None:
    assert fault_of("dave", *_DAVE, revokes("ann's", Reason.RETIRED, 10, since=0)) is None


def test_what_a_retired_key_endorses_afterwards_counts_for_nothing() -> None:
    late = (_DAVE[0], _DAVE[1], endorses("ben", "dave", 11))
    assert fault_of("dave", *late, revokes("ben's", Reason.RETIRED, 10)) is KeyFault.NOT_ENDORSED


@pytest.mark.parametrize(("since", "expected"), [(2, KeyFault.NOT_ENDORSED), (3, None)])
def test_what_a_compromised_key_endorsed_stops_counting_from_the_named_head(
    since: int, expected: KeyFault | None
) -> None:
    assert fault_of("dave", *_DAVE, revokes("ann's", Reason.COMPROMISED, 10, since)) is expected


def test_a_thief_cannot_endorse_over_a_head_from_before_the_theft() -> None:
    backdated = replace(endorses("ben", "dave", 8), head=2)
    stolen = (_DAVE[0], _DAVE[1], backdated, revokes("ben's", Reason.COMPROMISED, 10, since=5))
    assert fault_of("dave", *stolen) is KeyFault.NOT_ENDORSED


def test_whoever_leads_to_founders_only_by_a_compromised_key_is_out_too() -> None:
    of_eve = (registers("eve"), endorses("ann", "eve", 5), endorses("dave", "eve", 5))
    of_fay = (registers("fay"), endorses("cid", "fay", 6), endorses("eve", "fay", 6))
    everybody = (*_DAVE, *of_eve, *of_fay)
    assert fault_of("fay", *everybody) is None
    revoked = (*everybody, revokes("ben's", Reason.COMPROMISED, 20, since=1))
    assert [fault_of(person, *revoked) for person in ("dave", "eve", "fay")] == [KeyFault.NOT_ENDORSED] * 3


def test_a_revocation_in_the_rules_holds_when_later_rules_leave_it_out() -> None:
    revoking = replace(
        _RULES, version=2, digest="d2", previous="d1", revoked=frozenset({RevokedKey("ann's", Reason.RETIRED, 5)})
    )
    later = replace(_RULES, version=3, digest="d3", previous="d2")
    chain = [
        *_CHAIN,
        RulesEvent(rules=revoking, signers=frozenset(), position=5),
        RulesEvent(rules=later, signers=frozenset(), position=9),
    ]
    assert roster_at(5, chain, Facts()).fault("ann", "ann's") is None
    assert roster_at(6, chain, Facts()).fault("ann", "ann's") is KeyFault.REVOKED
    assert roster_at(100, chain, Facts()).fault("ann", "ann's") is KeyFault.REVOKED


def test_a_key_that_two_people_claim_counts_for_neither() -> None:
    second = registers("eve", 10, key="dave's")
    roster = roster_at(100, _CHAIN, facts(*_DAVE, second))
    assert roster.fault("dave", "dave's") is KeyFault.CLAIMED_TWICE
    assert roster.fault("eve", "dave's") is KeyFault.CLAIMED_TWICE
    assert fault_of("dave", *_DAVE, second, at=10) is None
    assert fault_of("ann", registers("ann", 10)) is None


# --- versions of the rules ---


def test_a_founder_whom_later_rules_leave_out_does_not_count_but_what_they_endorsed_stays() -> None:
    without_ann = replace(_RULES, version=2, digest="d2", previous="d1", founders=_FOUNDERS - {("ann", "ann's")})
    chain = [*_CHAIN, RulesEvent(rules=without_ann, signers=frozenset(), position=5)]
    late = (registers("eve"), endorses("ann", "eve", 6), endorses("ben", "eve", 6))
    roster = roster_at(100, chain, facts(*_DAVE, *late))
    assert roster.fault("ann", "ann's") is KeyFault.UNREGISTERED
    assert roster.fault("dave", "dave's") is None
    assert roster.fault("eve", "eve's") is KeyFault.NOT_ENDORSED


def test_a_larger_quorum_asks_for_more_endorsers_of_everybody() -> None:
    three = RulesEvent(
        rules=replace(_RULES, version=2, digest="d2", previous="d1", quorum=3), signers=frozenset(), position=5
    )
    chain = [*_CHAIN, three]
    assert roster_at(5, chain, facts(*_DAVE)).fault("dave", "dave's") is None
    assert roster_at(6, chain, facts(*_DAVE)).fault("dave", "dave's") is KeyFault.NOT_ENDORSED
    assert roster_at(100, chain, facts(*_DAVE, endorses("cid", "dave", 6))).fault("dave", "dave's") is None


def test_a_quorum_of_one_makes_no_rules() -> None:
    with pytest.raises(ValueError, match="fewer than two"):
        replace(_RULES, quorum=1)


# --- whatever the log holds ---

_PEOPLE = ("ann", "ben", "cid", "dave", "eve", "fay", "gus")
_KEYS = tuple(f"{person}'s{which}" for person in _PEOPLE for which in ("", " second"))
_positions = st.integers(1, 12)
_registrations = st.builds(
    Registration, person=st.sampled_from(_PEOPLE), key=st.sampled_from(_KEYS), position=_positions
)
_endorsements = st.builds(
    Endorsement,
    person=st.sampled_from(_PEOPLE),
    key=st.sampled_from(_KEYS),
    endorser=st.sampled_from(_PEOPLE),
    by_key=st.sampled_from(_KEYS),
    head=st.integers(0, 12),
    position=_positions,
)
_revocations = st.builds(
    Revocation,
    key=st.sampled_from(_KEYS),
    reason=st.sampled_from(Reason),
    since=st.integers(0, 15),
    by=st.sampled_from(RevokedBy),
    position=_positions,
)
# A chain of three people who lead to founders. A row or two of it is missing, and others are there.
_STORY = facts(
    *(registers(person) for person in ("dave", "eve", "fay")),
    *(endorses(by, "dave", 2) for by in ("ann", "ben")),
    *(endorses(by, "eve", 4) for by in ("cid", "dave")),
    *(endorses(by, "fay", 6) for by in ("dave", "eve")),
)


def _but_few(rows: tuple[_Row, ...], others: st.SearchStrategy[_Row]) -> st.SearchStrategy[tuple[_Row, ...]]:
    missing = st.sets(st.sampled_from(range(len(rows))), max_size=1)
    return st.builds(
        lambda without, more: (*(row for at, row in enumerate(rows) if at not in without), *more),
        missing,
        st.lists(others, max_size=4),
    )


_facts = st.builds(
    Facts,
    registrations=_but_few(_STORY.registrations, _registrations),
    endorsements=_but_few(_STORY.endorsements, _endorsements),
    revocations=st.lists(_revocations, max_size=2).map(tuple),
)


@given(_facts, st.integers(0, 14))
def test_nobody_counts_whom_fewer_than_a_quorum_of_others_endorsed_founders_aside(given_: Facts, at: int) -> None:
    roster = roster_at(at, _CHAIN, given_)
    for key, person in roster.owners.items():
        if (person, key) in _FOUNDERS:
            continue
        endorsers = {
            each.endorser
            for each in given_.endorsements
            if (each.person, each.key) == (person, key) and each.endorser != person and each.position < at
        }
        assert len(endorsers) >= _RULES.quorum
        assert Registration in {type(each) for each in given_.registrations if (each.person, each.key) == (person, key)}


@given(_facts, st.sets(st.sampled_from(_PEOPLE), max_size=1), st.integers(0, 14))
def test_no_set_of_people_smaller_than_the_quorum_makes_a_key_count(given_: Facts, few: set[str], at: int) -> None:
    """However many keys, registrations and endorsements they make, and in whatever order."""
    theirs = tuple(each for each in given_.endorsements if each.endorser in few)
    roster = roster_at(at, _CHAIN, replace(given_, endorsements=theirs))
    assert {(person, key) for key, person in roster.owners.items()} <= _FOUNDERS


@given(_facts, _revocations, st.integers(0, 14))
def test_a_revocation_never_makes_more_keys_count(given_: Facts, more: Revocation, at: int) -> None:
    before = roster_at(at, _CHAIN, given_).owners
    after = roster_at(at, _CHAIN, replace(given_, revocations=(*given_.revocations, more))).owners
    assert after.items() <= before.items()


@given(_facts, st.randoms(use_true_random=False), st.integers(0, 14))
def test_neither_the_order_of_rows_nor_a_repetition_matters(given_: Facts, chance: random.Random, at: int) -> None:
    shuffled = Facts(
        registrations=_shuffled(given_.registrations, chance),
        endorsements=_shuffled(given_.endorsements, chance),
        revocations=_shuffled(given_.revocations, chance),
    )
    assert roster_at(at, _CHAIN, shuffled) == roster_at(at, _CHAIN, given_)


def _shuffled(rows: tuple[_Row, ...], chance: random.Random) -> tuple[_Row, ...]:
    again = [*rows, *rows[:2]]
    chance.shuffle(again)
    return tuple(again)


@given(_facts, st.integers(0, 14))
def test_what_is_recorded_later_changes_no_earlier_roster(given_: Facts, at: int) -> None:
    known = Facts(
        registrations=tuple(each for each in given_.registrations if each.position < at),
        endorsements=tuple(each for each in given_.endorsements if each.position < at),
        revocations=tuple(each for each in given_.revocations if each.position < at),
    )
    assert roster_at(at, _CHAIN, known) == roster_at(at, _CHAIN, given_)


@given(_facts)
def test_every_known_key_counts_or_has_a_reason(given_: Facts) -> None:
    roster = roster_at(100, _CHAIN, given_)
    claimed = {(each.person, each.key) for each in given_.registrations} | _FOUNDERS
    counting = {(person, key) for key, person in roster.owners.items()}
    assert counting | roster.faults.keys() == claimed
    assert not counting & roster.faults.keys()


def test_the_examples_above_make_keys_count_that_are_no_founders() -> None:
    """Or those tests would show nothing."""
    found: list[int] = []

    @given(_facts)
    def look(given_: Facts) -> None:
        found.append(
            len({*roster_at(100, _CHAIN, given_).owners.items()} - {(key, person) for person, key in _FOUNDERS})
        )

    look()
    assert {0, 1, 2, 3} <= {*found}


def test_the_work_grows_with_the_keys_and_not_faster() -> None:
    assert _calls(400) < 2.2 * _calls(200)


def _calls(people: int) -> int:
    """Count the calls of functions that a roster of this many people takes, with three endorsements for each."""
    crowd = [f"p{number}" for number in range(people)]
    given_ = facts(
        *(registers(person, number) for number, person in enumerate(crowd)),
        *(endorses(by, person, 1000 + number) for number, person in enumerate(crowd) for by in ("ann", "ben", "cid")),
    )
    profile = cProfile.Profile()
    roster = profile.runcall(roster_at, 10_000, _CHAIN, given_)
    assert len(roster.owners) == people + len(_FOUNDERS)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]
