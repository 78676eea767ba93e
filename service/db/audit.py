"""The audit log: one row per event, written in the transaction that it records."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, bindparam, func, insert, select, text, update

from service import call_id
from service.db import proved_log, tree
from service.db.columns import insert_into
from service.db.engine import Tx, after_commit
from service.db.tables import audit_events, audit_head, audit_reads, audit_tree
from service.domain.actor import Actor
from service.domain.canonical import canonical
from service.domain.event_table import POLICY_CHANGED, REFUSALS, RULES_SIGNED, EventName
from service.domain.events import Event, record
from service.domain.merkle import leaf_hash

# More distinct refusals of one request than people can cause in a minute.
_LATEST_REFUSALS = 50
_LATEST = 200


@dataclass(frozen=True, slots=True)
class Appended:
    """The position of an event in the log, and the root of the tree that ends with it."""

    seq: int
    root: bytes


def append(tx: Tx, *events: Event, actor: Actor, at: datetime, request_id: str | None = None) -> list[Appended]:
    """Write events, in order, and return their places in the log. All of a request's are written while its row is
    locked. Each has the id of the call or step that causes it. Raise Unavailable if the log's tree does not match its
    events.

    The numbers come from one row that stays locked until the commit, so neither the log nor its tree has gaps or forks.
    Every transaction takes this lock after those of rows, and before a row that is already there changes. So none waits
    for another while it holds this one.
    """
    grown = tx.execute(_GROW, {"more": len(events), "of_request": request_id}).one()
    before, previous, rows, leaves = grown.size - len(events), grown.previous, [], []
    for seq, event in enumerate(events, start=before + 1):
        content = record(
            event, seq=seq, at=at, actor=actor, request_id=request_id, previous=previous, call_id=call_id.current()
        )
        written = canonical(content)
        rows.append({"seq": seq, "at": at, "event": event.name, "request_id": request_id, "content": written.decode()})
        leaves.append(leaf_hash(written))
        previous = None if request_id is None else seq
    tx.execute(_ADD, rows)
    roots = tree.grow(tx, before, leaves, tree.Head(grown.tree_size, grown.tree_root))
    head = tree.Head(grown.size, roots[-1].hex())
    proved_log.appended(tx, head)
    _move_rules(tx, tree.Head(before, grown.tree_root), head, {event.name for event in events})
    return [Appended(seq, root) for seq, root in enumerate(roots, start=before + 1)]


_ADD = insert(audit_events)
# Linking an event to the previous one of its request shows when one is left out.
_GROW = (
    update(audit_head)
    .values(size=audit_head.c.size + bindparam("more"))
    .returning(
        audit_head.c.size,
        select(audit_tree.c.size).scalar_subquery().label("tree_size"),
        select(audit_tree.c.root).scalar_subquery().label("tree_root"),
        select(func.max(audit_events.c.seq))
        .where(audit_events.c.request_id == bindparam("of_request"))
        .scalar_subquery()
        .label("previous"),
    )
)


def hold(tx: Tx) -> None:
    """Lock the log until the transaction ends, so that others' events come after everything in it now.

    On SQLite every writing transaction does so anyway.
    """
    row = tx.execute(_HOLD).one()
    _HELD[tx] = tree.Head(row.size, row.root)


_HOLD = select(audit_head.c.size, select(audit_tree.c.root).scalar_subquery().label("root")).with_for_update()
# The head of the log that a transaction holds and has not appended to. After a wait, PostgreSQL gives the size of now
# with the root of before. That is the head of no log, so nothing is found by it.
_HELD: WeakKeyDictionary[Tx, tree.Head] = WeakKeyDictionary()


def page(tx: Tx, *, after: int, limit: int, request_id: str | None = None) -> Sequence[tuple[int, str]]:
    """Return at most `limit` events after sequence number `after`, oldest first: (number, canonical JSON)."""
    query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.seq > after)
    if request_id is not None:
        query = query.where(audit_events.c.request_id == request_id)
    return [(row.seq, row.content) for row in tx.execute(query.order_by(audit_events.c.seq).limit(limit))]


@dataclass(frozen=True, slots=True)
class Row:
    """An event as stored in its row."""

    seq: int
    at: datetime
    event: str
    request_id: str | None
    content: str


def last_policy(tx: Tx) -> str | None:
    """Return the last `policy.changed` in canonical JSON, None if there was none."""
    query = select(audit_events.c.content).where(text(f"event = '{POLICY_CHANGED}'"))  # as the index says it
    return tx.execute(query.order_by(audit_events.c.seq.desc()).limit(1)).scalar_one_or_none()


def policies(tx: Tx) -> Sequence[tuple[int, str]]:
    """Return the number and canonical JSON of every `policy.changed`, oldest first."""
    query = select(audit_events.c.seq, audit_events.c.content).where(text(f"event = '{POLICY_CHANGED}'"))
    return [(row.seq, row.content) for row in tx.execute(query.order_by(audit_events.c.seq))]


def last_rules(tx: Tx) -> tuple[int, str] | None:
    """Return the number and canonical JSON of the last version of the signed rules by its column, None if there is
    none. What judges signatures reads `proved_log` instead.
    """
    held, known = _HELD.get(tx), _RULES.get(tx.engine)
    if held is not None and known is not None and known.head == held:
        return known.last
    row = tx.execute(_LAST_RULES).first()
    found = None if row is None else (row.seq, row.content)
    if held is not None:
        _RULES[tx.engine] = _Rules(held, found)
    return found


class _Rules(NamedTuple):
    """The last version of the signed rules in the log with this head."""

    head: tree.Head
    last: tuple[int, str] | None


# What this process has read while it held the log, moved on by its own events. It is used only if the head is the same.
_RULES: WeakKeyDictionary[Engine, _Rules] = WeakKeyDictionary()


def _move_rules(tx: Tx, before: tree.Head, after: tree.Head, names: set[EventName]) -> None:
    """Once this transaction is committed, know the rules of the log after it, unless it appended rules."""
    _HELD.pop(tx, None)

    def move() -> None:
        known = _RULES.get(tx.engine)
        if known is not None and known.head == before:
            _RULES[tx.engine] = known._replace(head=after)

    if RULES_SIGNED not in names:
        after_commit(tx, move)


_LAST_RULES = (
    select(audit_events.c.seq, audit_events.c.content)
    .where(text(f"event = '{RULES_SIGNED}'"))  # as the index says it
    .order_by(audit_events.c.seq.desc())
    .limit(1)
)


def versions_of_rules(tx: Tx, until: int) -> Iterator[str]:
    """Yield the canonical JSON of every version of the signed rules up to event `until`, by its column, oldest first.
    They are read one by one, as their number has no limit.
    """
    after = 0
    while (row := tx.execute(_NEXT_RULES, {"after": after, "until": until}).first()) is not None:
        after = row.seq
        yield row.content


_NEXT_RULES = (
    select(audit_events.c.seq, audit_events.c.content)
    .where(text(f"event = '{RULES_SIGNED}'"))
    .where(audit_events.c.seq > bindparam("after"), audit_events.c.seq <= bindparam("until"))
    .order_by(audit_events.c.seq)
    .limit(1)
)


def last(tx: Tx) -> int:
    """Return the largest sequence number, 0 for an empty log."""
    found: int | None = tx.execute(select(func.max(audit_events.c.seq))).scalar_one()
    return found or 0


def begun(tx: Tx) -> datetime | None:
    """Return the time of the first event, None for an empty log."""
    return tx.execute(select(audit_events.c.at).order_by(audit_events.c.seq).limit(1)).scalar_one_or_none()


def first(tx: Tx) -> int:
    """Return the smallest sequence number, 1 for an empty log."""
    found: int | None = tx.execute(select(func.min(audit_events.c.seq))).scalar_one()
    return 1 if found is None else found


def head(tx: Tx) -> int:
    """Return the number of events according to the head."""
    size: int = tx.execute(select(audit_head.c.size)).scalar_one()
    return size


def rows_between(tx: Tx, after: int, until: int) -> Sequence[Row]:
    """Return the events after sequence number `after` up to `until`, oldest first."""
    query = select(audit_events).where(audit_events.c.seq > after, audit_events.c.seq <= until)
    return [Row(**row) for row in tx.execute(query.order_by(audit_events.c.seq)).mappings()]


def signed_between(tx: Tx, after: int, until: int) -> Sequence[str]:
    """Return the canonical JSON of those of these events that hold something that people signed."""
    query = select(audit_events.c.content).where(audit_events.c.seq > after, audit_events.c.seq <= until)
    return tx.execute(query.where(audit_events.c.content.contains('"statement":"', autoescape=True))).scalars().all()


def of_requests(tx: Tx, request_ids: Collection[str]) -> Mapping[str, list[str]]:
    """Return the canonical JSON of each request's events, oldest first; without refusals, whose number has no limit."""
    query = select(audit_events.c.request_id, audit_events.c.content).where(
        audit_events.c.request_id.in_(request_ids), audit_events.c.event.not_in(sorted(REFUSALS))
    )
    contents: dict[str, list[str]] = {request_id: [] for request_id in request_ids}
    for row in tx.execute(query.order_by(audit_events.c.request_id, audit_events.c.seq)):
        contents[row.request_id].append(row.content)
    return contents


def of_request(tx: Tx, request_id: str) -> Sequence[tuple[int, str]]:
    """Return all events of a request, oldest first."""
    query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.request_id == request_id)
    return [(row.seq, row.content) for row in tx.execute(query.order_by(audit_events.c.seq))]


def is_refused(tx: Tx, refusal: Event, *, subject: str, request_id: str, between: tuple[datetime, datetime]) -> bool:
    """Return whether the log has the same refusal of this actor and request, between these times."""
    query = (
        select(audit_events.c.content)
        .where(
            audit_events.c.request_id == request_id,
            audit_events.c.event == refusal.name,
            audit_events.c.at.between(*between),
        )
        .order_by(audit_events.c.seq.desc())
        .limit(_LATEST_REFUSALS)
    )
    found = (json.loads(content) for content in tx.execute(query).scalars())
    return any((event["actor"]["subject"], event["data"]) == (subject, refusal.data) for event in found)


def recent_refusals(tx: Tx, subject: str, since: datetime) -> int:
    """Return how many of the last 200 events are refusals of this actor from `since` on."""
    latest = (
        select(audit_events.c.content, audit_events.c.event, audit_events.c.at)
        .order_by(audit_events.c.seq.desc())
        .limit(_LATEST)
        .subquery()
    )
    query = select(latest.c.content).where(latest.c.event.in_(REFUSALS), latest.c.at >= since)
    found = (json.loads(content) for content in tx.execute(query).scalars())
    return sum(event["actor"]["subject"] == subject for event in found)


def is_read(tx: Tx, reader: str, what: str, hour: datetime) -> bool:
    """Return whether the log already records that `reader` reads this in that hour."""
    row = (audit_reads.c.reader == reader, audit_reads.c.what == what, audit_reads.c.hour == hour)
    return tx.execute(select(audit_reads.c.hour).where(*row)).first() is not None


def mark_read(tx: Tx, reader: str, what: str, hour: datetime) -> bool:
    """Mark that `reader` reads this in that hour. Return True only for the first call of the hour."""
    row = insert_into(tx, audit_reads).values(reader=reader, what=what, hour=hour)
    once = row.on_conflict_do_update(
        index_elements=[audit_reads.c.reader, audit_reads.c.what],
        set_={"hour": row.excluded.hour},
        where=audit_reads.c.hour != row.excluded.hour,
    )
    return tx.execute(once.returning(audit_reads.c.hour)).first() is not None
