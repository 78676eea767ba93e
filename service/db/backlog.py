"""What the worker has to look at: ids of requests whose time has come, the oldest first."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from service.db.engine import Tx
from service.db.tables import requests
from service.domain.request import Status


def overdue(tx: Tx, now: datetime, limit: int) -> Sequence[str]:
    """Ids of requests whose approval or execution clock has run out."""
    return _ids(
        tx,
        limit,
        or_(
            (requests.c.status == Status.PENDING) & (requests.c.approve_by <= now),
            (requests.c.status == Status.APPROVED) & (requests.c.execute_by <= now),
        ),
    )


def to_run(tx: Tx, limit: int) -> Sequence[str]:
    """Ids of approved requests that run by themselves."""
    return _ids(tx, limit, requests.c.status == Status.APPROVED, requests.c.run_on_approval.is_(True))


def unconfirmed(tx: Tx, now: datetime, limit: int) -> Sequence[str]:
    """Ids of requests whose receipt is overdue, unless that was reported because the key is in use."""
    return _ids(
        tx, limit, requests.c.status == Status.DELIVERED, requests.c.receipt_by <= now, requests.c.overdue_at.is_(None)
    )


def claimed_before(tx: Tx, status: Status, at: datetime, limit: int) -> Sequence[str]:
    """Ids of requests in `status` whose claim is older than `at`."""
    return _ids(tx, limit, requests.c.status == status, requests.c.claimed_at <= at)


def _ids(tx: Tx, limit: int, *where: ColumnElement[bool]) -> Sequence[str]:
    return tx.execute(select(requests.c.id).where(*where).order_by(requests.c.filed_at).limit(limit)).scalars().all()
