"""A version of the rules comes into force by signatures of people who counted under the one before."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.roster import (
    Endorsement,
    Facts,
    Key,
    Reason,
    Registration,
    Revocation,
    RevokedBy,
    Rules,
    RulesEvent,
)
from service.domain.rule_chain import Refusal, RuleChain, RulesFault, follow

_FOUNDERS = frozenset({("ann", "ann's"), ("ben", "ben's"), ("cid", "cid's")})
_FIRST = Rules(version=1, digest="d1", previous=None, quorum=2, founders=_FOUNDERS)
_SECOND = replace(_FIRST, version=2, digest="d2", previous="d1", founders=_FOUNDERS - {("cid", "cid's")})
_THIRD = replace(_SECOND, version=3, digest="d3", previous="d2")


def event(rules: Rules, position: int, *signers: Key) -> RulesEvent:
    return RulesEvent(rules=rules, signers=frozenset(signers), position=position)


_SIGNED = [event(_FIRST, 0), event(_SECOND, 10, "ann's", "cid's"), event(_THIRD, 20, "ann's", "ben's")]


def versions(chain: RuleChain) -> list[int]:
    return [each.rules.version for each in chain.in_force]


def the_fault(*events: RulesEvent, facts: Facts | None = None) -> tuple[RulesFault, int]:
    """Return the fault of the one refused event, and how many signatures it misses."""
    (refusal,) = follow("d1", events, facts or Facts()).refused
    return refusal.fault, refusal.missing


def test_each_version_is_signed_by_a_quorum_of_the_one_before() -> None:
    chain = follow("d1", _SIGNED, Facts())
    assert versions(chain) == [1, 2, 3]
    assert chain.refused == frozenset()


@pytest.mark.parametrize(("signers", "missing"), [((), 2), (("ann's",), 1), (("ann's", "dave's", "nobody's"), 1)])
def test_a_version_without_its_quorum_says_how_many_are_missing(signers: tuple[Key, ...], missing: int) -> None:
    assert the_fault(_SIGNED[0], event(_SECOND, 10, *signers)) == (RulesFault.UNSIGNED, missing)


def test_two_keys_of_one_person_are_one_signature() -> None:
    first = event(replace(_FIRST, founders=_FOUNDERS | {("ann", "ann's second")}), 0)
    assert the_fault(first, event(_SECOND, 10, "ann's", "ann's second")) == (RulesFault.UNSIGNED, 1)


def test_the_new_founders_have_no_say_in_their_own_version() -> None:
    new = replace(_SECOND, founders=frozenset({("eve", "eve's"), ("fay", "fay's")}))
    assert the_fault(_SIGNED[0], event(new, 10, "eve's", "fay's")) == (RulesFault.UNSIGNED, 2)


def test_who_left_with_the_second_version_has_no_say_in_the_third() -> None:
    assert the_fault(*_SIGNED[:2], event(_THIRD, 20, "ann's", "cid's")) == (RulesFault.UNSIGNED, 1)


def test_the_quorum_is_that_of_the_version_before() -> None:
    lower = replace(_SECOND, quorum=2)
    first = event(replace(_FIRST, quorum=3), 0)
    assert the_fault(first, event(lower, 10, "ann's", "ben's")) == (RulesFault.UNSIGNED, 1)


def test_people_who_were_endorsed_sign_too() -> None:
    facts = Facts(
        registrations=(Registration(person="dave", key="dave's", position=1),),
        endorsements=tuple(
            Endorsement(person="dave", key="dave's", endorser=by, by_key=f"{by}'s", head=1, position=2)
            for by in ("ann", "ben")
        ),
    )
    assert versions(follow("d1", [_SIGNED[0], event(_SECOND, 10, "ann's", "dave's")], facts)) == [1, 2]
    assert the_fault(_SIGNED[0], event(_SECOND, 2, "ann's", "dave's"), facts=facts) == (RulesFault.UNSIGNED, 1)


def test_rules_that_were_rolled_back_are_named() -> None:
    again = event(_FIRST, 30, "ann's", "ben's", "cid's")
    chain = follow("d1", [*_SIGNED, again], Facts())
    assert versions(chain) == [1, 2, 3]
    assert chain.refused == {Refusal(event=again, fault=RulesFault.OLDER)}


def test_the_version_in_force_may_be_recorded_again() -> None:
    assert follow("d1", [*_SIGNED, event(_THIRD, 30)], Facts()).refused == frozenset()


@pytest.mark.parametrize(
    "foreign",
    [
        replace(_SECOND, previous="d0"),
        replace(_SECOND, previous=None),
        replace(_THIRD, previous="d1"),
        replace(_FIRST, digest="other", founders=frozenset({("eve", "eve's")})),
    ],
)
def test_a_version_that_does_not_continue_the_one_in_force_is_foreign(foreign: Rules) -> None:
    assert the_fault(_SIGNED[0], event(foreign, 10, "ann's", "ben's", "cid's")) == (RulesFault.FOREIGN, 0)


def test_of_two_versions_with_one_number_the_first_recorded_is_in_force() -> None:
    rival = event(replace(_SECOND, digest="rival"), 11, "ann's", "ben's")
    chain = follow("d1", [rival, *_SIGNED], Facts())
    assert versions(chain) == [1, 2, 3]
    assert chain.refused == {Refusal(event=rival, fault=RulesFault.FOREIGN)}


def test_a_version_may_find_its_signatures_later() -> None:
    chain = follow("d1", [_SIGNED[0], event(_SECOND, 5, "ann's"), _SIGNED[1]], Facts())
    assert [each.position for each in chain.in_force] == [0, 10]


def _revoked(key: Key, position: int, since: int) -> Facts:
    revocation = Revocation(key=key, reason=Reason.COMPROMISED, since=since, by=RevokedBy.OPERATOR, position=position)
    return Facts(revocations=(revocation,))


def test_a_key_that_was_revoked_before_does_not_sign() -> None:
    assert the_fault(*_SIGNED[:2], facts=_revoked("ann's", 9, since=5)) == (RulesFault.UNSIGNED, 1)


def test_a_revocation_afterwards_brings_back_no_older_rules() -> None:
    assert versions(follow("d1", _SIGNED, _revoked("ann's", 30, since=0))) == [1, 2, 3]


@pytest.mark.parametrize("trusted", ["d1", "d2", "d3"])
def test_whoever_knows_any_version_can_follow_the_chain(trusted: str) -> None:
    assert versions(follow(trusted, _SIGNED, Facts())) == [1, 2, 3]
    assert versions(follow(trusted, _SIGNED[1:], Facts())) == ([2, 3] if trusted != "d1" else [])


def test_the_trusted_version_holds_where_its_own_signatures_are_missing() -> None:
    unsigned = [_SIGNED[0], event(_SECOND, 10), _SIGNED[2]]
    assert versions(follow("d2", unsigned, Facts())) == [2, 3]
    assert versions(follow("d1", unsigned, Facts())) == [1]


def test_without_the_trusted_version_nothing_is_in_force() -> None:
    chain = follow("unknown", _SIGNED, Facts())
    assert versions(chain) == []
    assert {refusal.fault for refusal in chain.refused} == {RulesFault.FOREIGN}
    assert chain.judge(_SIGNED[0], Facts()) == Refusal(event=_SIGNED[0], fault=RulesFault.FOREIGN)


def test_a_version_recorded_before_the_one_that_it_continues_is_not_in_force() -> None:
    early = event(_SECOND, 0, "ann's", "ben's")
    assert the_fault(event(_FIRST, 0), early) == (RulesFault.OLDER, 0)


_keys = st.sampled_from([f"{person}'s" for person in ("ann", "ben", "cid", "dave")])
_events = st.builds(
    RulesEvent,
    rules=st.sampled_from([_FIRST, _SECOND, _THIRD, replace(_SECOND, digest="rival")]),
    signers=st.frozensets(_keys, max_size=3),
    position=st.integers(0, 8),
)


@given(st.lists(_events, max_size=8), _keys)
def test_no_set_of_people_smaller_than_the_quorum_brings_a_version_into_force(
    events: list[RulesEvent], alone: Key
) -> None:
    few = [replace(each, signers=each.signers & {alone}) for each in events]
    assert versions(follow("d1", few, Facts())) in ([], [1])


@given(st.lists(_events, max_size=8), st.randoms(use_true_random=False), st.sampled_from(["d1", "d2", "d3"]))
def test_neither_the_order_of_events_nor_a_repetition_matters(
    events: list[RulesEvent], chance: random.Random, trusted: str
) -> None:
    again = [*events, *events[:2]]
    chance.shuffle(again)
    assert follow(trusted, again, Facts()) == follow(trusted, events, Facts())
