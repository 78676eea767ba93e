"""Deliveries: staged in the transaction of their change, sent later by the holder of the destination's lease."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    RowMapping,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from service.db.columns import UtcDateTime
from service.db.engine import Tx
from service.db.tables import deliveries, destinations
from service.domain.delivery import Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a page's last delivery; the next page starts after it."""

    seq: int
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filters, each None for any."""

    status: DeliveryStatus | None = None
    destination: str | None = None
    request_id: str | None = None


class DueThere(NamedTuple):
    """A destination with due deliveries: whether some are `new`, and whether some are retries (`again`)."""

    destination: str
    new: bool
    again: bool


def add(tx: Tx, staged: Sequence[Delivery]) -> None:
    """Insert at least one delivery."""
    rows = [{**asdict(delivery), "reached": _written(delivery.reached)} for delivery in staged]
    tx.execute(insert(deliveries), rows)


def lock(tx: Tx, delivery_id: str) -> Delivery | None:
    """Return the delivery with its row locked until the transaction ends."""
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()).mappings().first()
    return _delivery(row) if row else None


def save(tx: Tx, delivery: Delivery) -> None:
    """Write the delivery's state; its content never changes."""
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
            reached=_written(delivery.reached),
        )
    )


def page(tx: Tx, wanted: Wanted, *, after: Place | None, limit: int) -> list[Delivery]:
    """Return at most `limit` deliveries after `after`, newest first."""
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
    """Return due deliveries to the destination, first attempts (`is_new`) or retries; the longest due come first.

    A delivery also counts as a repeat if a later one of its request has been delivered.
    """
    return _due(tx, destination, now, limit, deliveries.c.attempts == 0 if is_new else deliveries.c.attempts > 0)


def following(tx: Tx, destination: str, streams: Collection[str], now: datetime, limit: int) -> Sequence[Delivery]:
    """Return due deliveries of these streams: each waited for an earlier one of its stream, which has ended."""
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
    """Return the destinations with due deliveries."""
    return [
        DueThere(name, fewest == 0, most > 0) for name, fewest, most in tx.execute(_destinations_due(), {"now": now})
    ]


# Built once, as the query of `is_old`: each pass of the worker asks both.
@cache
def _destinations_due() -> Select[Any]:
    name, attempts = deliveries.c.destination, deliveries.c.attempts
    is_due = _is_due(bindparam("now", type_=UtcDateTime))
    return select(name, func.min(attempts), func.max(attempts)).where(*is_due).group_by(name).order_by(name)


def disabled(tx: Tx) -> frozenset[str]:
    """Return the names of disabled destinations."""
    query = select(destinations.c.name).where(destinations.c.disabled_at.is_not(None))
    return frozenset(tx.execute(query).scalars())


def disable(tx: Tx, destination: str, at: datetime, why: str) -> int:
    """Disable the destination, fail its pending deliveries, and return their number."""
    changed = tx.execute(update(destinations).where(destinations.c.name == destination).values(disabled_at=at))
    if changed.rowcount == 0:
        tx.execute(insert(destinations).values(name=destination, disabled_at=at))
    pending = (deliveries.c.destination == destination, deliveries.c.status == DeliveryStatus.PENDING)
    failed = update(deliveries).where(*pending, deliveries.c.ended_at.is_(None))
    return tx.execute(failed.values(status=DeliveryStatus.FAILED, detail=why, ended_at=at)).rowcount


def enable(tx: Tx, destination: str) -> None:
    tx.execute(update(destinations).where(destinations.c.name == destination).values(disabled_at=None))


def enable_forgotten(tx: Tx) -> None:
    """Enable disabled destinations without any delivery left. Resending one is the only other way to enable them."""
    is_left = exists().where(deliveries.c.destination == destinations.c.name)
    forgotten = (destinations.c.disabled_at.is_not(None), ~is_left)
    tx.execute(update(destinations).where(*forgotten).values(disabled_at=None))


def is_old(tx: Tx, before: datetime, named: Collection[str]) -> bool:
    """Return whether a deletable delivery ended before then. `named` are the destinations in the settings."""
    first = tx.execute(_first_over(), {"named": list(named)}).scalar_one()
    return first is not None and first < before


@cache
def _first_over() -> Select[Any]:
    return select(func.min(deliveries.c.ended_at)).where(*_is_over(bindparam("named", expanding=True)))


def delete_ended(tx: Tx, before: datetime, named: Collection[str], limit: int) -> None:
    """Delete at most `limit` deliveries that ended before then."""
    ended = (*_is_over(named), deliveries.c.ended_at < before)
    old = select(deliveries.c.id).where(*ended).order_by(deliveries.c.ended_at).limit(limit)
    tx.execute(delete(deliveries).where(deliveries.c.id.in_(old)))


def _is_over(named: Collection[str] | BindParameter[Any]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for deletable deliveries.

    Those of a disabled destination are kept, because resending one enables it again. A destination that is not in the
    settings cannot be enabled, so its deliveries are deletable.
    """
    those = select(destinations.c.name).where(destinations.c.disabled_at.is_not(None), destinations.c.name.in_(named))
    return (deliveries.c.ended_at.is_not(None), deliveries.c.destination.not_in(those))


def _is_due(now: datetime | BindParameter[datetime]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for due deliveries. Only the first unended one of each stream is due; the rest wait."""
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
    reached = None if row["reached"] is None else frozenset(json.loads(row["reached"]))
    return Delivery(**{**row, "status": DeliveryStatus(row["status"]), "reached": reached})


def _written(reached: frozenset[str] | None) -> str | None:
    return None if reached is None else json.dumps(sorted(reached))
