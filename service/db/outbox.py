"""Deliveries: staged with the change that they tell of, sent later by whoever holds their destination's lease."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, RowMapping, delete, exists, func, insert, or_, select, tuple_, update

from service.db.engine import Tx
from service.db.tables import deliveries, destinations
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


class DueThere(NamedTuple):
    """Whether a destination is to be sent something that is new to it, and something that it did not take before."""

    destination: str
    new: bool
    again: bool


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
            is_repeat=delivery.is_repeat,
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


def due(tx: Tx, destination: str, now: datetime, limit: int, *, is_new: bool) -> Sequence[Delivery]:
    """What may be sent there now, of what was never tried or of the rest: first what has waited longest.

    It is a repeat as well where something later of its request was delivered meanwhile.
    """
    return _due(tx, destination, now, limit, deliveries.c.attempts == 0 if is_new else deliveries.c.attempts > 0)


def following(tx: Tx, destination: str, streams: Collection[str], now: datetime, limit: int) -> Sequence[Delivery]:
    """What may be sent there now of these streams: what waited for something that has ended meanwhile."""
    return _due(tx, destination, now, limit, deliveries.c.stream.in_(streams))


def _due(tx: Tx, destination: str, now: datetime, limit: int, which: ColumnElement[bool]) -> Sequence[Delivery]:
    there = (deliveries.c.destination == destination, deliveries.c.status == DeliveryStatus.PENDING)
    others = [column for column in deliveries.c if column is not deliveries.c.is_repeat]
    is_repeat = or_(deliveries.c.is_repeat, _is_overtaken()).label("is_repeat")
    query = select(*others, is_repeat).where(*there, which, *_is_due(now))
    return [
        _delivery(row)
        for row in tx.execute(query.order_by(deliveries.c.due_at, deliveries.c.seq).limit(limit)).mappings()
    ]


def destinations_due(tx: Tx, now: datetime) -> list[DueThere]:
    """To whom something may be sent now."""
    name, attempts = deliveries.c.destination, deliveries.c.attempts
    query = select(name, func.min(attempts), func.max(attempts)).where(*_is_due(now)).group_by(name).order_by(name)
    return [DueThere(name, fewest == 0, most > 0) for name, fewest, most in tx.execute(query)]


def disabled(tx: Tx) -> frozenset[str]:
    """The destinations that want no more."""
    query = select(destinations.c.name).where(destinations.c.disabled_at.is_not(None))
    return frozenset(tx.execute(query).scalars())


def disable(tx: Tx, destination: str, at: datetime, why: str) -> int:
    """From now on it is told nothing; what was pending has failed, and is counted."""
    changed = tx.execute(update(destinations).where(destinations.c.name == destination).values(disabled_at=at))
    if changed.rowcount == 0:
        tx.execute(insert(destinations).values(name=destination, disabled_at=at))
    pending = (deliveries.c.destination == destination, deliveries.c.status == DeliveryStatus.PENDING)
    failed = update(deliveries).where(*pending, deliveries.c.ended_at.is_(None))
    return tx.execute(failed.values(status=DeliveryStatus.FAILED, detail=why, ended_at=at)).rowcount


def enable(tx: Tx, destination: str) -> None:
    tx.execute(update(destinations).where(destinations.c.name == destination).values(disabled_at=None))


def enable_forgotten(tx: Tx) -> None:
    """Those of which no delivery is left: nobody could enable them by sending one again."""
    is_left = exists().where(deliveries.c.destination == destinations.c.name)
    forgotten = (destinations.c.disabled_at.is_not(None), ~is_left)
    tx.execute(update(destinations).where(*forgotten).values(disabled_at=None))


def is_old(tx: Tx, before: datetime, named: Collection[str]) -> bool:
    """Whether a delivery ended before, and may be deleted. `named` are the destinations of the settings."""
    first = tx.execute(select(func.min(deliveries.c.ended_at)).where(*_is_over(named))).scalar_one()
    return first is not None and first < before


def delete_ended(tx: Tx, before: datetime, named: Collection[str], limit: int) -> None:
    """Those that ended before, at most `limit` of them."""
    ended = (*_is_over(named), deliveries.c.ended_at < before)
    old = select(deliveries.c.id).where(*ended).order_by(deliveries.c.ended_at).limit(limit)
    tx.execute(delete(deliveries).where(deliveries.c.id.in_(old)))


def _is_over(named: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """A disabled destination keeps its own: who enables it does so by sending it one of them again. Nobody can enable
    one that the settings no longer name.
    """
    those = select(destinations.c.name).where(destinations.c.disabled_at.is_not(None), destinations.c.name.in_(named))
    return (deliveries.c.ended_at.is_not(None), deliveries.c.destination.not_in(those))


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


def _is_overtaken() -> ColumnElement[bool]:
    later = deliveries.alias("later")
    return exists().where(
        later.c.request_id == deliveries.c.request_id,
        later.c.seq > deliveries.c.seq,
        later.c.destination == deliveries.c.destination,
        later.c.status == DeliveryStatus.DELIVERED,
    )


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{**row, "status": DeliveryStatus(row["status"])})
