"""What the log holds of signing keys, and what the signatures of decisions prove.

Both are worked out from stored bytes each time, which the tree of the log proves. Of the last time, only what is proved
of the very same events, under the very same settings, is kept. A decision's signature is verified each time.
"""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from service.db import tree
from service.db.engine import Tx
from service.db.proved_log import read_log
from service.db.tree import PastHead
from service.domain.canonical import parse_timestamp
from service.domain.event_table import (
    KEY_ENDORSED,
    KEY_REGISTERED,
    KEY_REVOKED,
    PERSON_REINSTATED,
    PERSON_SUSPENDED,
    RULES_SIGNED,
)
from service.domain.policy import SMALLEST_QUORUM
from service.domain.request import Decision, OperationRequest
from service.domain.roster import (
    Endorsement,
    Facts,
    Key,
    Reason,
    Registration,
    Revocation,
    RevokedBy,
    Roster,
    Rules,
    RulesEvent,
    roster_at,
)
from service.domain.rule_chain import RuleChain
from service.domain.rule_file import SignedRules
from service.domain.signed import Proved, Signatures, Signing, Unproved, enrolled
from service.domain.statement import DecisionStatement
from service.signing import proofs
from service.signing.demands import Demands
from service.signing.faults import BadSignature
from service.signing.public_keys import parse_public_key
from service.signing.sshsig import Signed
from service.workflow.context import Context
from service.workflow.key_events import size_in
from service.workflow.rule_events import (
    BEFORE_ALL,
    NO_CHAIN,
    NOT_OURS,
    SAYS_ANOTHER,
    Recorded,
    demands_of,
    grown,
    rules_of,
)

# A statement and its signature, as they were sent.
Pair: TypeAlias = tuple[str, str]
Row: TypeAlias = tuple[int, str, str]
Fact: TypeAlias = Registration | Endorsement | Revocation | SignedRules


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """An event about a key: its number, name, time and data, and what it proves.

    `fact` is the reason if it proves nothing. `at` is None and `data` empty if the row cannot be read.
    """

    seq: int
    name: str
    at: datetime | None
    data: Mapping[str, Any]
    fact: Fact | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """All events about keys and rules, in order, and what they make: the chain of rules, and the roster.

    `chain` has no version in force if the log has no signed rules.
    """

    events: tuple[KeyEvent, ...]
    chain: RuleChain
    roster: Roster
    enrolled: frozenset[str]
    suspended: Mapping[str, int]

    @property
    def has_rules(self) -> bool:
        """Return whether there are events of signed rules, readable or not."""
        return any(event.name == RULES_SIGNED for event in self.events)

    @property
    def recorded(self) -> tuple[Recorded, ...]:
        """Return the versions of the rules in the log, in force or not."""
        return _recorded(self.events)

    @property
    def facts(self) -> Facts:
        """Return all that the log holds of keys."""
        return _facts(self.events)

    def facts_under(self, signing: Signing) -> Facts:
        """Return what judges a new version of the rules: all facts, and that keys are revoked by the settings."""
        return _facts(self.events, self.chain, signing)


@dataclass(frozen=True, slots=True)
class _Known:
    rows: tuple[Row, ...]
    settings: tuple[object, ...]
    keys: Keys


_LAST: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


def keys_of(ctx: Context, tx: Tx) -> Keys:
    """Return what the log holds of keys. Raise Unavailable if the log cannot be read."""
    return _read(ctx, tx, ())[0]


def signatures_of(ctx: Context, tx: Tx, pairs: Collection[Pair]) -> Signatures:
    """Return what the log holds of keys, and what each of these signatures proves. Raise Unavailable."""
    return _signatures(ctx, tx, pairs, demands_of(ctx.signing))


def signatures_at(ctx: Context, tx: Tx, request: OperationRequest, claimed: int) -> Signatures:
    """Return what the signatures of its decisions proved when event `claimed` began the execution of this request.

    A key that was revoked later does not matter, nor a higher quorum. Raise Unavailable.
    """
    quorum = max(SMALLEST_QUORUM, min(ctx.policy.quorum, request.filing.quorum))
    then = replace(ctx, policy=replace(ctx.policy, quorum=quorum))
    keys = tuple(each for each in keys_of(ctx, tx).events if each.seq < claimed)
    return _signatures(ctx, tx, pairs_of(request.decisions), _demands_of_facts(ctx.signing), _keys(then, keys))


def _signatures(ctx: Context, tx: Tx, pairs: Collection[Pair], wanted: Demands, then: Keys | None = None) -> Signatures:
    """Return what these signatures prove, by today's keys or by those of `then`."""
    signed = {pair: _proved(pair, wanted) for pair in pairs}
    said = [found[0] for found in signed.values() if not isinstance(found, Unproved)]
    now, heads = _read(ctx, tx, {statement.head.size for statement in said})
    keys = then or now
    return Signatures(
        service=ctx.log.origin,
        roster=keys.roster,
        enrolled=keys.enrolled,
        suspended=keys.suspended,
        made={pair: _with_head(found, heads) for pair, found in signed.items()},
    )


def pairs_of(decisions: Iterable[Decision]) -> set[Pair]:
    return {(made.statement, made.signature) for made in decisions if made.statement and made.signature}


def _demands_of_facts(signing: Signing) -> Demands:
    """Return what a recorded registration or endorsement has to meet.

    The kind of the key was checked when it was recorded. A stricter setting shall not undo what people have proved.
    """
    return replace(demands_of(signing), only_hardware=False, only_device_bound=False)


def _read(ctx: Context, tx: Tx, sizes: Collection[int]) -> tuple[Keys, Mapping[int, PastHead]]:
    """Read the keys, and the log's heads at these sizes."""
    log = read_log(tx)
    rows, now = log.about_keys, log.frontier
    settings = (ctx.log.origin, ctx.signing, ctx.policy.quorum)
    last = _LAST.get(tx.engine)
    if last is not None and last.settings == settings and last.rows == rows:
        return last.keys, tree.past_heads(tx, sizes, now) if sizes else {}
    proved: tuple[KeyEvent, ...] = ()
    # What a row proves depends on the rules before it; and the first rules hold from the beginning.
    if last is not None and last.settings == settings and last.rows == rows[: len(last.rows)]:
        are_first = not last.keys.has_rules and any(name == RULES_SIGNED for _, name, _ in rows)
        proved = () if are_first else last.keys.events
    fresh = [(row, *_parsed(row)) for row in rows[len(proved) :]]
    heads = tree.past_heads(tx, {*sizes, *(size for _, _, data in fresh for size in size_in(data))}, now)
    keys = _keys(ctx, _with(ctx, proved, fresh, heads))
    _LAST[tx.engine] = _Known(rows, settings, keys)
    return keys, heads


def _with(
    ctx: Context,
    known: tuple[KeyEvent, ...],
    fresh: Sequence[tuple[Row, datetime | None, Mapping[str, Any]]],
    heads: Mapping[int, PastHead],
) -> tuple[KeyEvent, ...]:
    """Return the known events with those that are new, each proved by what the rules in force then demanded.

    So nobody makes an old signature good by a version that is not signed yet.
    """
    events, chain = [*known], _chain(known)
    versions = [each.signed.file for each in _recorded(events)]
    versions += [read.file for (_, name, _), _, data in fresh if name == RULES_SIGNED and (read := _rules(data))]
    for row, at, data in fresh:
        signing = ctx.signing
        if versions:  # the first holds from the beginning
            digest = chain.in_force[-1].rules.digest if chain.in_force else versions[0].rules.digest
            signing = next(each.signing for each in versions if each.rules.digest == digest)
        events.append(_event(ctx, row, at, data, heads=heads, signing=signing))
        if isinstance(events[-1].fact, SignedRules):
            chain = grown(chain, _recorded(events), _facts(events))
    return tuple(events)


def _chain(events: Sequence[KeyEvent]) -> RuleChain:
    """Return the chain of rules that these events make, each judged by those before it."""
    chain = NO_CHAIN
    for number, event in enumerate(events):
        if isinstance(event.fact, SignedRules):
            so_far = events[: number + 1]
            chain = grown(chain, _recorded(so_far), _facts(so_far))
    return chain


def _rules(data: Mapping[str, Any]) -> SignedRules | None:
    read = rules_of(data)
    return read if isinstance(read, SignedRules) else None


def _parsed(row: Row) -> tuple[datetime | None, Mapping[str, Any]]:
    """Return the event's time and data. A row whose content is not that event has none."""
    seq, name, content = row
    try:
        event = json.loads(content)
        at, data = parse_timestamp(event["at"]), event["data"]
        is_it = event["seq"] == seq and event["event"] == name and isinstance(data, dict)
    except (ValueError, TypeError, LookupError, RecursionError):
        is_it = False
    return (at, data) if is_it else (None, {})


def _event(
    ctx: Context,
    row: Row,
    at: datetime | None,
    data: Mapping[str, Any],
    *,
    heads: Mapping[int, PastHead],
    signing: Signing,
) -> KeyEvent:
    seq, name, _ = row

    def root_at(size: int) -> str | None:
        # A statement over a head that came after it was signed ahead.
        return heads[size].root if size < seq and size in heads else None

    if name == RULES_SIGNED:
        return KeyEvent(seq, name, at, data, rules_of(data))
    log = proofs.Log(ctx.log.origin, root_at)
    return KeyEvent(seq, name, at, data, _fact(name, data, log, _demands_of_facts(signing), seq - 1))


def _fact(name: str, data: Mapping[str, Any], log: proofs.Log, wanted: Demands, position: int) -> Fact | str:
    """Return what an event proves, or the reason why it proves nothing."""
    try:
        if name == KEY_REGISTERED:
            registered = proofs.registration(*_bytes(data), log, wanted, position=position)
            return _same(registered, data, person=registered.person, key=registered.key)
        if name == KEY_ENDORSED:
            endorsed = proofs.endorsement(*_bytes(data), log, wanted, position=position)
            about = {"person": endorsed.person, "key": endorsed.key, "endorser": endorsed.endorser}
            return _same(endorsed, data, **about)
        if name == KEY_REVOKED:
            return Revocation(
                key=str(data["key"]),
                reason=Reason(data["reason"]),
                since=_whole(data["since"]),
                by=RevokedBy(data["by"]),
                position=position,
            )
    except BadSignature as error:
        return str(error)
    except (ValueError, TypeError, LookupError):
        return NOT_OURS
    return "The event proves nothing."


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError("not a whole number")
    return number


def _same(fact: Fact, data: Mapping[str, Any], **about: str) -> Fact | str:
    return fact if all(data.get(name) == value for name, value in about.items()) else SAYS_ANOTHER


def _bytes(data: Mapping[str, Any]) -> tuple[bytes, str]:
    return encoded(str(data["statement"])), str(data["signature"])


def encoded(text: str) -> bytes:
    """Return the bytes of a text. Those of a lone surrogate are no UTF-8, so no reader takes them."""
    return text.encode(errors="surrogatepass")


def _keys(ctx: Context, events: tuple[KeyEvent, ...]) -> Keys:
    chain = _chain(events)
    # Without signed rules the settings name the founders.
    in_force = chain.in_force or (RulesEvent(rules=_of_settings(ctx), signers=frozenset(), position=BEFORE_ALL),)
    roster = roster_at(events[-1].seq if events else 0, in_force, _facts(events, chain, ctx.signing))
    versions = [each.rules for each in in_force]
    return Keys(
        events=events,
        chain=chain,
        roster=roster,
        # Who was a founder once had a key that counted.
        enrolled=enrolled(
            roster,
            frozenset(holder for rules in versions for holder in rules.founders),
            min(rules.quorum for rules in versions),
        ),
        suspended=_suspended(events),
    )


def _suspended(events: Iterable[KeyEvent]) -> Mapping[str, int]:
    """Return the position of each person's last suspension. Whoever was not reinstated is suspended for ever."""
    last: dict[str, int] = {}
    still: set[str] = set()
    for each in events:
        person = str(each.data.get("person"))
        if each.name == PERSON_SUSPENDED:
            last[person] = each.seq - 1
            still.add(person)
        elif each.name == PERSON_REINSTATED:
            still.discard(person)
    return last | dict.fromkeys(still, sys.maxsize)


def _of_settings(ctx: Context) -> Rules:
    return Rules(version=1, digest="", previous=None, quorum=ctx.policy.quorum, founders=ctx.signing.founders)


def _recorded(events: Iterable[KeyEvent]) -> tuple[Recorded, ...]:
    return tuple(Recorded(event.fact, event.seq - 1) for event in events if isinstance(event.fact, SignedRules))


def _facts(events: Sequence[KeyEvent], chain: RuleChain | None = None, signing: Signing | None = None) -> Facts:
    """Return what the log holds of keys. With `signing`, keys that the settings revoke never counted."""
    facts = [event.fact for event in events]
    revocations = [fact for fact in facts if isinstance(fact, Revocation)]
    registrations = tuple(fact for fact in facts if isinstance(fact, Registration))
    if signing is not None and signing.revoked:
        founders = {key for each in (chain.in_force if chain else ()) for _, key in each.rules.founders}
        known = founders | {each.key for each in registrations}
        revocations += [_revoked(key) for key in known if parse_public_key(key).fingerprint in signing.revoked]
    return Facts(
        registrations=registrations,
        endorsements=tuple(fact for fact in facts if isinstance(fact, Endorsement)),
        revocations=tuple(revocations),
    )


def _revoked(key: Key) -> Revocation:
    return Revocation(key=key, reason=Reason.COMPROMISED, since=0, by=RevokedBy.RULES, position=BEFORE_ALL)


def _proved(pair: Pair, wanted: Demands) -> tuple[DecisionStatement, Signed] | Unproved:
    statement, signature = pair
    try:
        return proofs.decision(encoded(statement), signature, wanted)
    except BadSignature as error:
        return Unproved(str(error))


def _with_head(found: tuple[DecisionStatement, Signed] | Unproved, heads: Mapping[int, PastHead]) -> Proved | Unproved:
    if isinstance(found, Unproved):
        return found
    statement, signed = found
    head = heads.get(statement.head.size)
    return Proved(
        statement=statement,
        key=signed.key.text,
        head_root=None if head is None else head.root,
        head_at=None if head is None else head.at,
        next_at=None if head is None else head.next_at,
    )
