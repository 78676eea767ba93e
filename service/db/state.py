"""The queries behind metrics and `rootquorum status`. Each reads an index of what is open, or of the last month."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Float, and_, case, cast, exists, func, or_, select, union_all

from service.db.engine import Tx
from service.db.tables import (
    audit_events,
    audit_head,
    audit_tree,
    decisions,
    deliveries,
    drifts,
    expectations,
    is_real,
    requests,
)
from service.domain.delivery import DeliveryStatus
from service.domain.drift import DriftKind
from service.domain.operation import OperationName
from service.domain.outcome import ResultCode
from service.domain.request import Status, Verdict
from service.domain.state import BUCKETS, Durations

_R = requests.c
_IS_OPEN = _R.ended_at.is_(None)


class Open(NamedTuple):
    """Since when the oldest open request has waited for each step, None if none does; and counts."""

    pending: datetime | None
    expire: datetime | None
    remind: datetime | None
    run: datetime | None
    abandon: datetime | None
    roll_back: datetime | None
    reconcile: datetime | None
    receipts_overdue: int
    receipts_unconfirmed_in_use: int


class Keys(NamedTuple):
    """When the first key expired that is still there, None if there is none; and how many could not be taken away."""

    expire_key: datetime | None
    outliving: int


class Waiting(NamedTuple):
    """Pending deliveries of one destination."""

    number: int
    created_at: datetime
    due_at: datetime


class LogState(NamedTuple):
    """The log's size by its head, by its tree and by its last event, and the time of that event."""

    size: int
    tree: int
    last: int
    at: datetime | None


def count_requests(tx: Tx, since: datetime) -> Mapping[tuple[Status, OperationName], int]:
    """Count the requests that are open, and those filed after `since` that have ended. Drills are not counted."""
    columns = (_R.status, _R.operation, func.count().label("number"))
    still_open = select(*columns).where(_IS_OPEN, is_real).group_by(_R.status, _R.operation)
    ended = (
        select(*columns).where(_R.ended_at.is_not(None), _R.filed_at > since, is_real).group_by(_R.status, _R.operation)
    )
    found = tx.execute(union_all(still_open, ended))
    return {(Status(row.status), OperationName(row.operation)): row.number for row in found}


def count_decisions(tx: Tx, since: datetime) -> Mapping[Verdict, int]:
    """Count the decisions on requests filed after `since`."""
    query = select(decisions.c.decision, func.count()).join(requests, _R.id == decisions.c.request_id)
    found = tx.execute(query.where(_R.filed_at > since).group_by(decisions.c.decision))
    return {Verdict(verdict): count for verdict, count in found}


def durations(tx: Tx, since: datetime) -> tuple[Durations, Durations]:
    """Return how long it took from filing to approval, and from approval to execution, if filed after `since`.

    Drills are left out.
    """
    columns: list[ColumnElement[Any]] = []
    for begin, end in ((_R.filed_at, _R.approved_at), (_R.approved_at, _R.claimed_at)):
        took = _seconds(tx, begin, end)
        columns += [func.coalesce(func.sum(case((took <= bound, 1), else_=0)), 0) for bound in BUCKETS]
        columns += [func.count(took), func.coalesce(func.sum(took), 0.0)]
    row = tx.execute(select(*columns).where(_R.filed_at > since, is_real)).one()
    half = len(BUCKETS) + 2
    return _durations(row[:half]), _durations(row[half:])


def _durations(row: Any) -> Durations:
    return Durations(tuple(map(int, row[: len(BUCKETS)])), int(row[-2]), float(row[-1]))


def _seconds(tx: Tx, begin: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the expression for the seconds between two times. It is NULL if one of them is."""
    if tx.dialect.name == "sqlite":
        return (func.julianday(end, type_=Float) - func.julianday(begin, type_=Float)) * 86_400.0
    return cast(func.extract("epoch", end - begin), Float)


def of_open(tx: Tx, now: datetime) -> Open:
    """Return what waits among the open requests."""
    is_delivered = and_(_R.status == Status.DELIVERED, _R.receipt_by <= now)
    row = tx.execute(
        select(
            _earliest(_R.status == Status.PENDING, _R.filed_at),
            func.min(
                case(
                    (and_(_R.status == Status.PENDING, _R.approve_by <= now), _R.approve_by),
                    (and_(_R.status == Status.APPROVED, _R.execute_by <= now), _R.execute_by),
                )
            ),
            _earliest(and_(_R.status == Status.PENDING, _R.approve_by > now, _R.look_at <= now), _R.look_at),
            _earliest(and_(_R.status == Status.APPROVED, _R.run_on_approval.is_(True)), _R.approved_at),
            _earliest(_R.status == Status.EXECUTING, _R.claimed_at),
            # A key that was deactivated waits for its grace period; it is not late.
            _earliest(and_(is_delivered, _R.overdue_at.is_(None), _R.deactivated_at.is_(None)), _R.receipt_by),
            _earliest(_R.status == Status.IN_DOUBT, _R.claimed_at),
            func.count(case((is_delivered, 1))),
            func.count(case((and_(is_delivered, _R.overdue_at.is_not(None)), 1))),
        ).where(_IS_OPEN)
    ).one()
    return Open(*row)


def _earliest(which: ColumnElement[bool], at: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.min(case((which, at)))


def of_keys(tx: Tx, now: datetime) -> Keys:
    """Return what is known of keys whose lifetime has ended."""
    is_late = and_(_R.expires_at <= now, _R.deactivated_at.is_(None))
    row = tx.execute(
        select(_earliest(is_late, _R.expires_at), func.count(_R.expiry_failed_at)).where(
            _R.expires_at.is_not(None),
            _R.retired_at.is_(None),
            _R.status.not_in({Status.FAILED, Status.ROLLED_BACK}),
        )
    ).one()
    return Keys(*row)


def count_quarantined(tx: Tx, since: datetime) -> int:
    """Count the requests filed after `since` that ended with something unexplained, until it is explained.

    It is when a later drift check of the account leaves no unexplained key open.
    """
    is_unexplained = exists().where(
        drifts.c.account_id == _R.account_id,
        drifts.c.closed_at.is_(None),
        drifts.c.kind == DriftKind.UNEXPLAINED_KEY,
    )
    is_checked = exists().where(expectations.c.account_id == _R.account_id, expectations.c.checked_at > _R.settled_at)
    ended_so = _R.result_code.in_((ResultCode.QUARANTINED, ResultCode.UNRESOLVED))
    query = select(func.count()).select_from(requests).where(_R.filed_at > since, ended_so)
    return int(tx.execute(query.where(or_(is_unexplained, ~is_checked))).scalar_one())


def open_findings(tx: Tx) -> Mapping[tuple[str, DriftKind], int]:
    """Count the open findings of each account by kind."""
    columns = (drifts.c.account_id, drifts.c.kind)
    found = tx.execute(select(*columns, func.count()).where(drifts.c.closed_at.is_(None)).group_by(*columns))
    return {(account_id, DriftKind(kind)): count for account_id, kind, count in found}


def checked_at(tx: Tx) -> Mapping[str, datetime]:
    """Return when each account was last checked for drift."""
    query = select(expectations.c.account_id, expectations.c.checked_at)
    return {row.account_id: row.checked_at for row in tx.execute(query)}


def waiting(tx: Tx) -> Mapping[str, Waiting]:
    """Return the pending deliveries by destination."""
    name = deliveries.c.destination
    query = select(name, func.count(), func.min(deliveries.c.created_at), func.min(deliveries.c.due_at))
    found = tx.execute(query.where(deliveries.c.ended_at.is_(None)).group_by(name))
    return {destination: Waiting(*row) for destination, *row in found}


def failed(tx: Tx) -> Mapping[str, int]:
    """Count the deliveries that have failed for good, by destination."""
    name = deliveries.c.destination
    query = (
        select(name, func.count().label("number")).where(deliveries.c.status == DeliveryStatus.FAILED).group_by(name)
    )
    return {row.destination: row.number for row in tx.execute(query)}


def of_log(tx: Tx) -> LogState:
    """Return what the log's head, its tree and its last event say."""
    last = select(func.max(audit_events.c.seq)).scalar_subquery()
    at = select(audit_events.c.at).order_by(audit_events.c.seq.desc()).limit(1).scalar_subquery()
    tree = select(audit_tree.c.size).scalar_subquery()
    size, tree_size, last_seq, last_at = tx.execute(select(audit_head.c.size, tree, func.coalesce(last, 0), at)).one()
    return LogState(size, tree_size, last_seq, last_at)
