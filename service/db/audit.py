"""The audit log: one row per event, in the transaction of what it tells."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from service.db.engine import Tx
from service.db.tables import audit_events, audit_head
from service.domain.actor import Actor
from service.domain.canonical import Document, canonical, timestamp
from service.domain.events import Event


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event is in the log, and the hex SHA-256 of its canonical bytes."""

    seq: int
    sha256: str


def append(tx: Tx, event: Event, *, actor: Actor, at: datetime, request_id: str | None = None) -> Appended:
    """Write `event` and return its place in the log.

    The number is taken from one row that stays locked until the commit: no gap, no fork. Taken last in every
    transaction, that lock is never held while another is waited for.
    """
    seq: int = tx.execute(
        update(audit_head).values(size=audit_head.c.size + 1).returning(audit_head.c.size)
    ).scalar_one()
    content: Document = {
        "seq": seq,
        "at": timestamp(at),
        "event": event.name,
        "request_id": request_id,
        "actor": {
            "kind": actor.kind.value,
            "subject": actor.subject,
            "credential": actor.credential,
            "proof": None if actor.proof is None else actor.proof.document,
        },
        "data": event.data,
    }
    written = canonical(content)
    tx.execute(
        insert(audit_events).values(seq=seq, at=at, event=event.name, request_id=request_id, content=written.decode())
    )
    return Appended(seq, hashlib.sha256(written).hexdigest())


def page(tx: Tx, *, after: int, limit: int, request_id: str | None = None) -> Sequence[tuple[int, str]]:
    """At most `limit` events beyond sequence number `after`, oldest first: (number, canonical JSON)."""
    query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.seq > after)
    if request_id is not None:
        query = query.where(audit_events.c.request_id == request_id)
    return [(row.seq, row.content) for row in tx.execute(query.order_by(audit_events.c.seq).limit(limit))]
