"""The audit log: one row per event, in the transaction of what it tells."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.db import tree
from service.db.engine import Tx
from service.db.tables import audit_events, audit_head, audit_reads
from service.domain.actor import Actor
from service.domain.canonical import canonical
from service.domain.event_table import REFUSALS
from service.domain.events import Event, record

# More different refusals of one request than people can cause in a minute.
_LATEST_REFUSALS = 50

# The only insert that two can do at once.
INSERT: dict[str, Callable[..., sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event is in the log, and the root of the tree that ends with it."""

    seq: int
    root: bytes


def append(tx: Tx, event: Event, *, actor: Actor, at: datetime, request_id: str | None = None) -> Appended:
    """Write `event` and return its place in the log.

    Raises Unavailable when the log's tree is not that of its events.
    The number is taken from one row that stays locked until the commit: no gap, no fork, in the tree neither. Taken
    after all others in every transaction, that lock is never held while another is waited for.
    """
    seq: int = tx.execute(
        update(audit_head).values(size=audit_head.c.size + 1).returning(audit_head.c.size)
    ).scalar_one()
    previous = None if request_id is None else _last_of(tx, request_id)
    content = record(event, seq=seq, at=at, actor=actor, request_id=request_id, previous=previous)
    written = canonical(content).decode()
    tx.execute(insert(audit_events).values(seq=seq, at=at, event=event.name, request_id=request_id, content=written))
    return Appended(seq, tree.grow(tx, seq))


def hold(tx: Tx) -> None:
    """Let nobody else write to the log until the transaction ends: what it has not told by now comes afterwards.

    On SQLite every transaction that writes does that.
    """
    tx.execute(select(audit_head.c.size).with_for_update())


def _last_of(tx: Tx, request_id: str) -> int | None:
    """The event before, of the same request: so that none can be left out of what is said about it."""
    query = select(func.max(audit_events.c.seq)).where(audit_events.c.request_id == request_id)
    found: int | None = tx.execute(query).scalar_one()
    return found


def page(tx: Tx, *, after: int, limit: int, request_id: str | None = None) -> Sequence[tuple[int, str]]:
    """At most `limit` events beyond sequence number `after`, oldest first: (number, canonical JSON)."""
    query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.seq > after)
    if request_id is not None:
        query = query.where(audit_events.c.request_id == request_id)
    return [(row.seq, row.content) for row in tx.execute(query.order_by(audit_events.c.seq).limit(limit))]


@dataclass(frozen=True, slots=True)
class Row:
    """An event as its row has it."""

    seq: int
    at: datetime
    event: str
    request_id: str | None
    content: str


def last(tx: Tx) -> int:
    """The largest sequence number that there is; 0 for none."""
    found: int | None = tx.execute(select(func.max(audit_events.c.seq))).scalar_one()
    return found or 0


def first(tx: Tx) -> int:
    """The smallest sequence number that there is; 1 for none."""
    found: int | None = tx.execute(select(func.min(audit_events.c.seq))).scalar_one()
    return 1 if found is None else found


def head(tx: Tx) -> int:
    """How many events the head counts."""
    size: int = tx.execute(select(audit_head.c.size)).scalar_one()
    return size


def rows_between(tx: Tx, after: int, until: int) -> Sequence[Row]:
    """Those beyond sequence number `after` up to `until`, oldest first."""
    query = select(audit_events).where(audit_events.c.seq > after, audit_events.c.seq <= until)
    return [Row(**row) for row in tx.execute(query.order_by(audit_events.c.seq)).mappings()]


def of_requests(tx: Tx, request_ids: Collection[str]) -> Mapping[str, list[str]]:
    """Return the canonical JSON of each request's events, oldest first; without refusals, whose number has no limit."""
    query = select(audit_events.c.request_id, audit_events.c.content).where(
        audit_events.c.request_id.in_(request_ids), audit_events.c.event.not_in(sorted(REFUSALS))
    )
    told: dict[str, list[str]] = {request_id: [] for request_id in request_ids}
    for row in tx.execute(query.order_by(audit_events.c.request_id, audit_events.c.seq)):
        told[row.request_id].append(row.content)
    return told


def of_request(tx: Tx, request_id: str) -> Sequence[tuple[int, str]]:
    """All events of a request, oldest first."""
    query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.request_id == request_id)
    return [(row.seq, row.content) for row in tx.execute(query.order_by(audit_events.c.seq))]


def is_refused(tx: Tx, refusal: Event, *, subject: str, request_id: str, between: tuple[datetime, datetime]) -> bool:
    """Tell whether the log has the same refusal of this actor and request, between these times."""
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
    return any((told["actor"]["subject"], told["data"]) == (subject, refusal.data) for told in found)


def is_read(tx: Tx, reader: str, what: str, hour: datetime) -> bool:
    """Whether the log says already that `reader` reads this in that hour."""
    row = (audit_reads.c.reader == reader, audit_reads.c.what == what, audit_reads.c.hour == hour)
    return tx.execute(select(audit_reads.c.hour).where(*row)).first() is not None


def mark_read(tx: Tx, reader: str, what: str, hour: datetime) -> bool:
    """Whether this is the first time in that hour that `reader` reads this; if so, it is the last as well."""
    row = INSERT[tx.dialect.name](audit_reads).values(reader=reader, what=what, hour=hour)
    once = row.on_conflict_do_update(
        index_elements=[audit_reads.c.reader, audit_reads.c.what],
        set_={"hour": row.excluded.hour},
        where=audit_reads.c.hour != row.excluded.hour,
    )
    return tx.execute(once.returning(audit_reads.c.hour)).first() is not None
