"""Whose key counts, judged anew each time from what the log holds. A row adds nobody.

Founders stand in the rules. Everybody else registers a key, which counts once a quorum of other people have endorsed
it, each with a key that counted when the endorsement was recorded. So every chain of endorsements ends at founders.

A *position* is the index of an event's leaf in the audit log. The log proves it; a statement cannot. Whoever steals a
key can sign over an old head, but cannot get the result into the log before the theft is known. A *head* is a number of
leaves: the head `n` contains the positions below `n`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Protocol, TypeAlias, TypeVar

from service.domain.policy import SMALLEST_QUORUM

# An OpenSSH public key without a comment, in its one encoding. The domain only compares it.
Key: TypeAlias = str
Holder: TypeAlias = tuple[str, Key]  # a person's subject, and a key of theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A person who registered a key and proved possession of it. Only `service/signing/proofs.py` makes one."""

    person: str
    key: Key
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """`endorser` signed with `by_key`, over the head `head`, that `key` is that of `person`.

    The signature is good. Whether `by_key` is a key of the endorser is for the roster to say. Only
    `service/signing/proofs.py` makes one.
    """

    person: str
    key: Key
    endorser: str
    by_key: Key
    head: int
    position: int


class Reason(StrEnum):
    """Why a key was revoked."""

    # The key counts until the revocation is recorded. What it endorsed until then stays.
    RETIRED = "retired"
    # Somebody else may have had the key from a head on. What it endorsed from there on does not count.
    COMPROMISED = "compromised"


class RevokedBy(StrEnum):
    PERSON = "person"
    OPERATOR = "operator"
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A key that no longer counts, for good. `since` is the head from which a compromised key is not to be trusted."""

    key: Key
    reason: Reason
    since: int
    by: RevokedBy
    position: int

    @property
    def end(self) -> int:
        """Return the first head at which the key does not count."""
        recorded = self.position + 1
        return min(self.since, recorded) if self.reason is Reason.COMPROMISED else recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the log holds of keys, in any order, with any repetition."""

    registrations: tuple[Registration, ...] = ()
    endorsements: tuple[Endorsement, ...] = ()
    revocations: tuple[Revocation, ...] = ()


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """A key that the rules revoke. `since` is as in `Revocation`."""

    key: Key
    reason: Reason
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A version of the rules, as far as it concerns keys. Raise ValueError for a quorum of fewer than two.

    `digest` is the SHA-256 of its file in hex, and `previous` that of the version before it; None for the first.
    """

    version: int
    digest: str
    previous: str | None
    quorum: int
    founders: frozenset[Holder]
    revoked: frozenset[RevokedKey] = frozenset()

    def __post_init__(self) -> None:
        if self.quorum < SMALLEST_QUORUM:
            raise ValueError("rules with a quorum of fewer than two people")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesEvent:
    """A version of the rules with the keys that signed its file, as the log holds them. The signatures are good."""

    rules: Rules
    signers: frozenset[Key]
    position: int


class KeyFault(StrEnum):
    """Why a key does not count for a person."""

    UNREGISTERED = "unregistered"
    REVOKED = "revoked"
    CLAIMED_TWICE = "claimed-twice"
    NOT_ENDORSED = "not-endorsed"


class EndorsementFault(StrEnum):
    """Why an endorsement does not count."""

    OF_ONESELF = "of-oneself"
    AHEAD_OF_THE_LOG = "ahead-of-the-log"
    BY_NO_KEY_THAT_COUNTS = "by-no-key-that-counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The keys that count at the head `at`.

    `owners` maps each of them to its one person. `faults` says why the other known keys do not count. `endorsers` are
    the people whose endorsements count, for each key that was registered. `void` are the endorsements that do not.
    """

    at: int
    owners: Mapping[Key, str]
    faults: Mapping[Holder, KeyFault]
    endorsers: Mapping[Holder, frozenset[str]]
    void: frozenset[tuple[Endorsement, EndorsementFault]]

    def fault(self, person: str, key: Key) -> KeyFault | None:
        """Return why the key does not count for this person. None if it does."""
        if self.owners.get(key) == person:
            return None
        return self.faults.get((person, key), KeyFault.UNREGISTERED)

    def people(self, keys: Iterable[Key]) -> frozenset[str]:
        """Return the people whose keys these are, as far as they count. Two keys of one person are one person."""
        return frozenset(self.owners[key] for key in keys if key in self.owners)


def roster_at(at: int, chain: Sequence[RulesEvent], facts: Facts) -> Roster:
    """Return the roster at a head, knowing only what it contains.

    `chain` are the versions of the rules that came into force (`service/domain/rule_chain.py`).
    """
    judge = _Judge(at, chain, facts)
    void: set[tuple[Endorsement, EndorsementFault]] = set()
    endorsements = sorted(_known(facts.endorsements, at), key=_position)
    for _, of_one_position in groupby(endorsements, key=_position):
        # All of one position are judged by the head before it. So their order does not matter.
        judged = [(each, judge.endorsement_fault(each)) for each in of_one_position]
        for each, fault in judged:
            if fault is None:
                judge.endorsers[each.person, each.key].add(each.endorser)
            else:
                void.add((each, fault))
    verdicts = {holder: judge.fault(holder, at) for holder in judge.holders}
    return Roster(
        at=at,
        owners={key: person for (person, key), fault in verdicts.items() if fault is None},
        faults={holder: fault for holder, fault in verdicts.items() if fault is not None},
        endorsers={holder: frozenset(people) for holder, people in judge.endorsers.items()},
        void=frozenset(void),
    )


class _Judge:
    """Says whether a key counts at a head, by the endorsements added so far. Heads are asked for in ascending order."""

    def __init__(self, at: int, chain: Sequence[RulesEvent], facts: Facts) -> None:
        self._chain = sorted(_known(chain, at), key=_position)
        self._positions = [event.position for event in self._chain]
        registrations = [((each.person, each.key), each.position + 1) for each in _known(facts.registrations, at)]
        founders = [(holder, event.position + 1) for event in self._chain for holder in event.rules.founders]
        self._registered = _earliest(registrations)
        self._claimed = _earliest([*registrations, *founders])
        revocations = [*_known(facts.revocations, at), *_revocations(self._chain)]
        self._revoked = _earliest((each.key, each.end) for each in revocations)
        self._disputed = _disputed(self._claimed)
        self.endorsers: defaultdict[Holder, set[str]] = defaultdict(set)

    @property
    def holders(self) -> Iterable[Holder]:
        return self._claimed

    def fault(self, holder: Holder, head: int) -> KeyFault | None:
        key = holder[1]
        in_force = bisect_left(self._positions, head)
        rules = self._chain[in_force - 1].rules if in_force else None
        is_founder = rules is not None and holder in rules.founders
        if not is_founder and not _has_come(self._registered, holder, head):
            return KeyFault.UNREGISTERED
        if _has_come(self._revoked, key, head):
            return KeyFault.REVOKED
        if _has_come(self._disputed, key, head):
            return KeyFault.CLAIMED_TWICE
        if not is_founder and (rules is None or len(self.endorsers.get(holder, ())) < rules.quorum):
            return KeyFault.NOT_ENDORSED
        return None

    def endorsement_fault(self, endorsement: Endorsement) -> EndorsementFault | None:
        if endorsement.endorser == endorsement.person:
            return EndorsementFault.OF_ONESELF
        if endorsement.head > endorsement.position:
            return EndorsementFault.AHEAD_OF_THE_LOG
        if self.fault((endorsement.endorser, endorsement.by_key), endorsement.position) is not None:
            return EndorsementFault.BY_NO_KEY_THAT_COUNTS
        return None


class _HasPosition(Protocol):
    @property
    def position(self) -> int: ...


_Fact = TypeVar("_Fact", bound=_HasPosition)
_Named = TypeVar("_Named", bound=Hashable)


def _position(fact: _HasPosition) -> int:
    return fact.position


def _known(facts: Iterable[_Fact], at: int) -> Iterator[_Fact]:
    return (fact for fact in facts if fact.position < at)


def _earliest(heads: Iterable[tuple[_Named, int]]) -> dict[_Named, int]:
    """Return the smallest head for each name."""
    earliest: dict[_Named, int] = {}
    for name, head in heads:
        earliest[name] = min(head, earliest.get(name, head))
    return earliest


def _has_come(heads: Mapping[_Named, int], name: _Named, head: int) -> bool:
    return name in heads and heads[name] <= head


def _revocations(chain: Iterable[RulesEvent]) -> Iterator[Revocation]:
    """Yield the revocations in the rules. A later version that leaves one out does not take it back."""
    for event in chain:
        for each in event.rules.revoked:
            yield Revocation(
                key=each.key, reason=each.reason, since=each.since, by=RevokedBy.RULES, position=event.position
            )


def _disputed(claimed: Mapping[Holder, int]) -> dict[Key, int]:
    """Return, for each key that two people claim, the head with the second claim."""
    claims: defaultdict[Key, list[int]] = defaultdict(list)
    for (_, key), head in claimed.items():
        claims[key].append(head)
    return {key: sorted(heads)[1] for key, heads in claims.items() if len(heads) > 1}
