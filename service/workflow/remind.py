"""Reminders of requests that wait for approvers, so that they do not expire unnoticed."""

from service.db import requests
from service.db.engine import retried
from service.domain.actor import WORKER
from service.domain.reminder import look
from service.domain.request import Status
from service.workflow.change import record
from service.workflow.context import Context
from service.workflow.standing import standing_of


@retried
def remind(ctx: Context, request_id: str) -> None:
    """Remind the people who can still approve, if it is time, and report if they are too few.

    Raise Conflict, Unavailable.
    """
    with ctx.begin() as tx:
        before, now = requests.lock(tx, request_id), ctx.now()
        if before is None or before.status is not Status.PENDING or before.is_overdue(now):
            return
        after, events = look(before, standing_of(ctx, tx, before, held=True, all_approvers=True), now)
        record(ctx, tx, WORKER, before, after, *events, at=now)
