"""The worker's backlog: requests with due work, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, String, and_, bindparam, case, or_, select

from service.db.columns import UtcDateTime
from service.db.engine import Tx
from service.db.tables import decisions, is_real, people, requests
from service.domain.request import Status, Verdict


@dataclass(frozen=True, slots=True)
class Due:
    account_id: str
    request_id: str


_NOW, _CLAIMED_BY, _NOTICED_BY = (bindparam(name, type_=UtcDateTime) for name in ("now", "claimed_by", "noticed_by"))
_STATUS, _ACCOUNT_ID = (bindparam(name, type_=String) for name in ("status", "account_id"))
_MOST = bindparam("most", type_=Integer)


def _query(*where: ColumnElement[bool]) -> Select[Any]:
    columns = (requests.c.account_id, requests.c.id, requests.c.deactivated_at, requests.c.rollback_grace_seconds)
    return select(*columns).where(*where)


def _oldest(*where: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the oldest. Ordering by `filed_at` searches unfinished requests only."""
    return _query(*where, requests.c.ended_at.is_(None)).order_by(requests.c.filed_at, requests.c.id).limit(_MOST)


_IS_UNCONFIRMED = and_(
    requests.c.status == Status.DELIVERED,
    requests.c.receipt_by <= _NOW,
    requests.c.overdue_at.is_(None),
)
_IS_EXPIRING = and_(
    requests.c.expires_at.is_not(None),
    requests.c.retired_at.is_(None),
    requests.c.expires_at <= _NOTICED_BY,
    # Unconfirmed keys are being rolled back already, unless that was stopped because the key is in use.
    or_(requests.c.unconfirmed_at.is_(None), requests.c.overdue_at.is_not(None)),
    # Means delivered or succeeded. Written so that SQLite does not choose the index by status.
    requests.c.status.not_in({Status.FAILED, Status.ROLLED_BACK}),
    or_(requests.c.expires_at <= _NOW, requests.c.expiry_announced_at.is_(None)),
)
_CLOCK = case(
    (requests.c.status == Status.PENDING, requests.c.approve_by),
    (requests.c.status == Status.APPROVED, requests.c.execute_by),
)

# Built once: a pass is made every few seconds, and building took more than half of its time.
_OVERDUE = _oldest(_CLOCK <= _NOW)
_TO_LOOK_AT = _oldest(
    requests.c.status == Status.PENDING,
    requests.c.approve_by > _NOW,
    # NULL in requests that an earlier version filed.
    or_(requests.c.look_at.is_(None), requests.c.look_at <= _NOW),
)
_TO_ROTATE = _oldest(requests.c.status == Status.ROTATING, requests.c.look_at <= _NOW)
_TO_RUN = _oldest(requests.c.status == Status.APPROVED, requests.c.run_on_approval.is_(True))
_CLAIMED = _oldest(requests.c.status == _STATUS, requests.c.claimed_at <= _CLAIMED_BY)
_UNCONFIRMED = _oldest(_IS_UNCONFIRMED)
_EXPIRING = _query(_IS_EXPIRING).order_by(requests.c.expires_at).limit(_MOST)
_IS_ACTING = and_(requests.c.status == Status.ROTATING, requests.c.acting_at.is_not(None))
_TAKEN_AWAY = _query(requests.c.account_id == _ACCOUNT_ID, is_real, or_(_IS_UNCONFIRMED, _IS_EXPIRING, _IS_ACTING))
_OPEN_VOTES = (
    select(requests.c.account_id, requests.c.id, decisions.c.person)
    .join(decisions, decisions.c.request_id == requests.c.id)
    .outerjoin(people, people.c.subject == decisions.c.person)
    .where(
        requests.c.ended_at.is_(None),
        requests.c.status.in_((Status.PENDING, Status.APPROVED)),
        decisions.c.decision == Verdict.APPROVE,
        or_(people.c.votes_since.is_(None), decisions.c.decided_at >= people.c.votes_since),
    )
)


def overdue(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return requests whose approval or execution clock has run out."""
    return _due(tx, _OVERDUE, now=now, most=limit)


def to_look_at(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return pending requests for which it is time to check who can still approve them."""
    return _due(tx, _TO_LOOK_AT, now=now, most=limit)


def open_votes(tx: Tx) -> Sequence[tuple[Due, str]]:
    """Return the approvals of pending and approved requests, with their approvers.

    Votes cast before the approver's `votes_since` are void and left out.
    """
    return [(Due(row.account_id, row.id), row.person) for row in tx.execute(_OPEN_VOTES)]


def to_rotate(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return rotations that the worker has to look at."""
    return _due(tx, _TO_ROTATE, now=now, most=limit)


def to_run(tx: Tx, limit: int) -> Sequence[Due]:
    """Return approved requests that the worker executes."""
    return _due(tx, _TO_RUN, most=limit)


def unconfirmed(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return requests whose receipt is overdue, except those already reported because the key is in use."""
    return _due(tx, _UNCONFIRMED, grace_over_by=now, now=now, most=limit)


def expiring(tx: Tx, now: datetime, notice: timedelta, limit: int) -> Sequence[Due]:
    """Return requests whose key has expired, or expires within `notice` and was not announced yet."""
    return _due(tx, _EXPIRING, grace_over_by=now, now=now, noticed_by=now + notice, most=limit)


def is_taken_away(tx: Tx, account_id: str, now: datetime) -> bool:
    """Return whether a key of the account is due to be deactivated or deleted."""
    return bool(_due(tx, _TAKEN_AWAY, grace_over_by=now, now=now, noticed_by=now, account_id=account_id))


def claimed_before(tx: Tx, status: Status, at: datetime, limit: int) -> Sequence[Due]:
    """Return requests in `status` that were claimed at `at` or before."""
    return _due(tx, _CLAIMED, status=status, claimed_by=at, most=limit)


def _due(tx: Tx, query: Select[Any], *, grace_over_by: datetime | None = None, **values: object) -> Sequence[Due]:
    """Return what the query finds, except requests whose deactivated key is in its grace period at that time."""
    return [
        Due(row.account_id, row.id)
        for row in tx.execute(query, values)
        if grace_over_by is None
        or row.deactivated_at is None
        or row.deactivated_at + timedelta(seconds=row.rollback_grace_seconds) <= grace_over_by
    ]
