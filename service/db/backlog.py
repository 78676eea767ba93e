"""The worker's backlog: requests with due work, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, and_, case, or_, select

from service.db.engine import Tx
from service.db.tables import decisions, people, requests
from service.domain.request import Status, Verdict


@dataclass(frozen=True, slots=True)
class Due:
    account_id: str
    request_id: str


def overdue(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return requests whose approval or execution clock has run out."""
    clock = case(
        (requests.c.status == Status.PENDING, requests.c.approve_by),
        (requests.c.status == Status.APPROVED, requests.c.execute_by),
    )
    return _due(tx, limit, clock <= now)


def to_look_at(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return pending requests for which it is time to check who can still approve them."""
    # NULL in requests that an earlier version filed.
    is_time = or_(requests.c.look_at.is_(None), requests.c.look_at <= now)
    return _due(tx, limit, requests.c.status == Status.PENDING, requests.c.approve_by > now, is_time)


def open_votes(tx: Tx) -> Sequence[tuple[Due, str]]:
    """Return the approvals of pending and approved requests, with their approvers.

    Votes cast before the approver's `votes_since` are void and left out.
    """
    query = (
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
    return [(Due(row.account_id, row.id), row.person) for row in tx.execute(query)]


def to_run(tx: Tx, limit: int) -> Sequence[Due]:
    """Return approved requests that the worker executes."""
    return _due(tx, limit, requests.c.status == Status.APPROVED, requests.c.run_on_approval.is_(True))


def unconfirmed(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Return requests whose receipt is overdue, except those already reported because the key is in use."""
    return _due(tx, limit, *_is_unconfirmed(now), grace_over_by=now)


def expiring(tx: Tx, now: datetime, notice: timedelta, limit: int) -> Sequence[Due]:
    """Return requests whose key has expired, or expires within `notice` and was not announced yet."""
    return _due(tx, limit, *_is_expiring(now, notice), grace_over_by=now, by=requests.c.expires_at)


def is_taken_away(tx: Tx, account_id: str, now: datetime) -> bool:
    """Return whether a key of the account is due to be deactivated or deleted."""
    of_account = requests.c.account_id == account_id
    due = or_(and_(*_is_unconfirmed(now)), and_(*_is_expiring(now, timedelta(0))))
    return bool(_due(tx, None, of_account, due, grace_over_by=now, by=None))


def _is_unconfirmed(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        requests.c.status == Status.DELIVERED,
        requests.c.receipt_by <= now,
        requests.c.overdue_at.is_(None),
    )


def _is_expiring(now: datetime, notice: timedelta) -> tuple[ColumnElement[bool], ...]:
    return (
        requests.c.expires_at.is_not(None),
        requests.c.retired_at.is_(None),
        requests.c.expires_at <= now + notice,
        # Unconfirmed keys are being rolled back already, unless that was stopped because the key is in use.
        or_(requests.c.unconfirmed_at.is_(None), requests.c.overdue_at.is_not(None)),
        # Means delivered or succeeded. Written so that SQLite does not choose the index by status.
        requests.c.status.not_in({Status.FAILED, Status.ROLLED_BACK}),
        or_(requests.c.expires_at <= now, requests.c.expiry_announced_at.is_(None)),
    )


def claimed_before(tx: Tx, status: Status, at: datetime, limit: int) -> Sequence[Due]:
    """Return requests in `status` that were claimed at `at` or before."""
    return _due(tx, limit, requests.c.status == status, requests.c.claimed_at <= at)


def _due(
    tx: Tx,
    limit: int | None,
    *where: ColumnElement[bool],
    grace_over_by: datetime | None = None,
    by: Column[datetime] | None = requests.c.filed_at,
) -> Sequence[Due]:
    """Return at most `limit` requests, all for None, except those whose deactivated key is in its grace period then.

    Ordering by `filed_at` searches unfinished requests only. `by` None means any order.
    """
    columns = (requests.c.account_id, requests.c.id, requests.c.deactivated_at, requests.c.rollback_grace_seconds)
    query = select(*columns).where(*where).limit(limit)
    if by is requests.c.filed_at:
        query = query.where(requests.c.ended_at.is_(None)).order_by(by, requests.c.id)
    elif by is not None:
        query = query.order_by(by)
    return [
        Due(row.account_id, row.id)
        for row in tx.execute(query)
        if grace_over_by is None
        or row.deactivated_at is None
        or row.deactivated_at + timedelta(seconds=row.rollback_grace_seconds) <= grace_over_by
    ]
