"""A tracker's closed ticket withdraws the requests that name it. A hook can do nothing else."""

from service.db import audit, requests
from service.db.engine import begin, read, retried
from service.domain.actor import Actor, ActorKind
from service.domain.hooks import Closed
from service.domain.request import Status
from service.workflow.change import record
from service.workflow.context import Context


def withdraw_of(ctx: Context, source: str, closed: Closed) -> int:
    """Withdraw requests with this ticket that were filed before and have not begun to run. Return how many.

    Raise Unavailable. The tracker then sends the message again; a repeat does not affect withdrawn requests.
    """
    actor = Actor(
        kind=ActorKind.MACHINE, subject=f"hook:{source}", name=f"{source} (hook)", roles=frozenset(), credential="hook"
    )
    return sum(_withdraw(ctx, actor, request_id, closed) for request_id in _open(ctx, closed))


@retried
def _open(ctx: Context, closed: Closed) -> list[str]:
    with read(ctx.engine) as tx:
        return [request_id for request_id, ticket in requests.open_with_tickets(tx) if closed.is_named_by(ticket)]


@retried
def _withdraw(ctx: Context, actor: Actor, request_id: str, closed: Closed) -> bool:
    with begin(ctx.engine) as tx:
        before, now = requests.lock(tx, request_id), ctx.now()
        # If a request was filed later, its ticket had been reopened, so the message is not about it.
        if before is None or before.filing.filed_at > closed.at or before.is_overdue(now):
            return False
        if before.status not in {Status.PENDING, Status.APPROVED}:
            return False
        audit.hold(tx)
        record(ctx, tx, actor, before, before.withdraw(now), at=now)
        return True
