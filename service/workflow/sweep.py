"""What has to happen by itself: one pass over everything whose time has come.

Each request is a transaction of its own and each step is safe to repeat, so that passes may overlap or stop anywhere.
"""

from collections.abc import Callable, Iterator
from functools import partial

from service.db import backlog
from service.db.engine import Tx, read
from service.domain.actor import WORKER
from service.domain.errors import Code, Conflict
from service.domain.request import OperationRequest, Status
from service.workflow.change import change
from service.workflow.context import Context
from service.workflow.execute import execute
from service.workflow.reconcile import abandon, reconcile
from service.workflow.rollback import roll_back

# Per kind and pass; the rest follows in the next pass.
_BATCH = 1000


def due(ctx: Context) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """What is due now: (what, request id, the call that does it). Doing it is the worker's, one by one."""
    now = ctx.now()
    executing_too_long = now - ctx.roots.call_budget
    in_doubt_long_enough = now - max(ctx.policy.consistency_delay, ctx.roots.call_budget)
    with read(ctx.engine) as tx:
        found = {
            expire: backlog.overdue(tx, now, _BATCH),
            _run: backlog.to_run(tx, _BATCH),
            abandon: backlog.claimed_before(tx, Status.EXECUTING, executing_too_long, _BATCH),
            roll_back: backlog.unconfirmed(tx, now, _BATCH),
            reconcile: backlog.claimed_before(tx, Status.IN_DOUBT, in_doubt_long_enough, _BATCH),
        }
    for what, request_ids in found.items():
        for request_id in request_ids:
            yield what.__name__.strip("_"), request_id, partial(what, ctx, request_id)


def expire(ctx: Context, request_id: str) -> None:
    """Touch an overdue request: `change` writes the expiry, as it would for anybody else."""

    def step(_tx: Tx, request: OperationRequest) -> OperationRequest:
        return request

    try:
        change(ctx, WORKER, request_id, step)
    except Conflict as conflict:
        if conflict.code is not Code.EXPIRED:
            raise


def _run(ctx: Context, request_id: str) -> None:
    execute(ctx, WORKER, request_id)
