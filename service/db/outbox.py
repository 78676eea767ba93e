"""Deliveries: staged with the change that they tell of, sent later by whoever holds their destination's lease."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, exists, insert, select, tuple_, update

from service.db.engine import Tx
from service.db.tables import deliveries
from service.domain.delivery import Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Place:
    """The last delivery of a page: the next one starts beyond it."""

    seq: int
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filters, each None for any."""

    status: DeliveryStatus | None = None
    destination: str | None = None
    request_id: str | None = None


def add(tx: Tx, delivery: Delivery) -> None:
    tx.execute(insert(deliveries).values(**asdict(delivery)))


def lock(tx: Tx, delivery_id: str) -> Delivery | None:
    """The delivery, locked until the transaction ends."""
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()).mappings().first()
    return _delivery(row) if row else None


def save(tx: Tx, delivery: Delivery) -> None:
    """Write what has become of it; what is told never changes."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery.id)
        .values(
            status=delivery.status,
            attempts=delivery.attempts,
            detail=delivery.detail,
            due_at=delivery.due_at,
            give_up_at=delivery.give_up_at,
            ended_at=delivery.ended_at,
        )
    )


def page(tx: Tx, wanted: Wanted, *, after: Place | None, limit: int) -> list[Delivery]:
    """At most `limit` deliveries, newest first, from beyond `after`."""
    query = select(deliveries)
    for column, value in (
        (deliveries.c.status, wanted.status),
        (deliveries.c.destination, wanted.destination),
        (deliveries.c.request_id, wanted.request_id),
    ):
        query = query if value is None else query.where(column == value)
    if after is not None:
        query = query.where(tuple_(deliveries.c.seq, deliveries.c.destination) < (after.seq, after.destination))
    query = query.order_by(deliveries.c.seq.desc(), deliveries.c.destination.desc()).limit(limit)
    return [_delivery(row) for row in tx.execute(query).mappings()]


def due(tx: Tx, destination: str, now: datetime, limit: int) -> Sequence[Delivery]:
    """What may be sent there now, the oldest first."""
    there = (deliveries.c.destination == destination, deliveries.c.status == DeliveryStatus.PENDING)
    query = select(deliveries).where(*there, *_is_due(now))
    return [_delivery(row) for row in tx.execute(query.order_by(deliveries.c.seq).limit(limit)).mappings()]


def destinations_due(tx: Tx, now: datetime) -> list[str]:
    """To whom something may be sent now."""
    query = select(deliveries.c.destination).where(*_is_due(now)).distinct().order_by(deliveries.c.destination)
    return list(tx.execute(query).scalars())


def _is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of each stream only the first that has not ended: what is behind it waits for it."""
    earlier = deliveries.alias("earlier")
    waits = exists().where(
        earlier.c.ended_at.is_(None),
        earlier.c.destination == deliveries.c.destination,
        earlier.c.stream == deliveries.c.stream,
        earlier.c.seq < deliveries.c.seq,
    )
    return (
        deliveries.c.ended_at.is_(None),
        deliveries.c.due_at <= now,
        ~waits,
    )


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{**row, "status": DeliveryStatus(row["status"])})
