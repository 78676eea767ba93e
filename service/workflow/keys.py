"""All that the log holds of signing keys and of signed rules, and the roster that they make.

It is worked out from stored bytes, which the tree of the log proves. Of the last time, only what is proved of the very
same events, under the very same settings, is kept.
"""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from service.db import tree
from service.db.engine import Tx
from service.db.proved_log import read_log
from service.db.tree import PastHead
from service.domain.event_table import PERSON_REINSTATED, PERSON_SUSPENDED, RULES_SIGNED
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
from service.domain.signed import Signing, enrolled
from service.signing.public_keys import parse_public_key
from service.workflow.context import Context
from service.workflow.key_events import size_in
from service.workflow.key_facts import KeyEvent, Row, key_event, parsed
from service.workflow.rule_events import BEFORE_ALL, NO_CHAIN, Recorded, grown, rules_of


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
    return keys_and_heads(ctx, tx, ())[0]


def keys_and_heads(ctx: Context, tx: Tx, sizes: Collection[int]) -> tuple[Keys, Mapping[int, PastHead]]:
    """Read the keys, and the log's heads at these sizes."""
    log = read_log(tx)
    rows, now = log.about_keys, log.frontier
    settings = (ctx.log.origin, ctx.signing, ctx.policy.quorum)
    last = _LAST.get(tx.engine)
    if last is not None and last.settings == settings and last.rows == rows:
        return last.keys, tree.past_heads(tx, sizes, now) if sizes else {}
    proved, chain = tuple[KeyEvent, ...](), NO_CHAIN
    # What a row proves depends on the rules before it; and the first rules hold from the beginning.
    if last is not None and last.settings == settings and last.rows == rows[: len(last.rows)]:
        are_first = not last.keys.has_rules and any(name == RULES_SIGNED for _, name, _ in rows)
        proved, chain = (proved, chain) if are_first else (last.keys.events, last.keys.chain)
    fresh = [(row, *parsed(row)) for row in rows[len(proved) :]]
    heads = tree.past_heads(tx, {*sizes, *(size for _, _, data in fresh for size in size_in(data))}, now)
    keys = made_of(ctx, *_with(ctx, proved, chain, fresh, heads))
    _LAST[tx.engine] = _Known(rows, settings, keys)
    return keys, heads


def _with(
    ctx: Context,
    known: tuple[KeyEvent, ...],
    chain: RuleChain,
    fresh: Sequence[tuple[Row, datetime | None, Mapping[str, Any]]],
    heads: Mapping[int, PastHead],
) -> tuple[tuple[KeyEvent, ...], RuleChain]:
    """Return the known events with those that are new, each proved by what the rules in force then demanded; and the
    chain of rules that they make.

    So nobody makes an old signature good by a version that is not signed yet.
    """
    events = [*known]
    versions = [each.signed.file for each in _recorded(events)]
    versions += [read.file for (_, name, _), _, data in fresh if name == RULES_SIGNED and (read := _rules(data))]
    for row, at, data in fresh:
        signing = ctx.signing
        if versions:  # the first holds from the beginning
            digest = chain.in_force[-1].rules.digest if chain.in_force else versions[0].rules.digest
            signing = next(each.signing for each in versions if each.rules.digest == digest)
        events.append(key_event(ctx, row, at, data, heads=heads, signing=signing))
        if isinstance(events[-1].fact, SignedRules):
            chain = grown(chain, _recorded(events), _facts(events))
    return tuple(events), chain


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


def made_of(ctx: Context, events: tuple[KeyEvent, ...], chain: RuleChain | None = None) -> Keys:
    """Return what these events make, the first ones of the log or all. `chain` is theirs, if it is known."""
    chain = _chain(events) if chain is None else chain
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
