"""What the worker has to look at: requests whose time has come, the oldest first."""

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
    """Requests whose approval or execution clock has run out."""
    clock = case(
        (requests.c.status == Status.PENDING, requests.c.approve_by),
        (requests.c.status == Status.APPROVED, requests.c.execute_by),
    )
    return _due(tx, limit, clock <= now)


def to_look_at(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Pending requests of which it is time to see who can still approve them."""
    # One that an earlier version filed has no time for it.
    is_time = or_(requests.c.look_at.is_(None), requests.c.look_at <= now)
    return _due(tx, limit, requests.c.status == Status.PENDING, requests.c.approve_by > now, is_time)


def open_votes(tx: Tx) -> Sequence[tuple[Due, str]]:
    """All approvals of what waits for more, or for its execution, with who gave them; not those that became void with
    everything that somebody had cast.
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
    """Approved requests that run by themselves."""
    return _due(tx, limit, requests.c.status == Status.APPROVED, requests.c.run_on_approval.is_(True))


def unconfirmed(tx: Tx, now: datetime, limit: int) -> Sequence[Due]:
    """Requests whose receipt is overdue, unless that was reported because the key is in use."""
    return _due(tx, limit, *_is_unconfirmed(now), grace_over_by=now)


def expiring(tx: Tx, now: datetime, notice: timedelta, limit: int) -> Sequence[Due]:
    """Requests whose key reaches the end of its lifetime within `notice`, not announced yet, or has reached it."""
    return _due(tx, limit, *_is_expiring(now, notice), grace_over_by=now, by=requests.c.expires_at)


def is_taken_away(tx: Tx, account_id: str, now: datetime) -> bool:
    """Whether a key of the account is due to be deactivated or deleted."""
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
        # Those that nobody confirmed are being taken back already, unless that was left off because they are in use.
        or_(requests.c.unconfirmed_at.is_(None), requests.c.overdue_at.is_not(None)),
        # Delivered or succeeded, said so that SQLite does not think of the index by status.
        requests.c.status.not_in({Status.FAILED, Status.ROLLED_BACK}),
        or_(requests.c.expires_at <= now, requests.c.expiry_announced_at.is_(None)),
    )


def claimed_before(tx: Tx, status: Status, at: datetime, limit: int) -> Sequence[Due]:
    """Requests in `status` whose claim is older than `at`."""
    return _due(tx, limit, requests.c.status == status, requests.c.claimed_at <= at)


def _due(
    tx: Tx,
    limit: int | None,
    *where: ColumnElement[bool],
    grace_over_by: datetime | None = None,
    by: Column[datetime] | None = requests.c.filed_at,
) -> Sequence[Due]:
    """At most `limit`, all for None; without those whose deactivated key still has its grace then.

    What is ordered by its filing is unfinished, and found among such only; None is for any order.
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
