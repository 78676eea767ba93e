"""Holding what a worker is at, so that no two of a fleet are at the same. With SQLite there is one process, and no
lease.
"""

from collections.abc import Sequence
from datetime import timedelta

from service.db import leases
from service.db.engine import begin
from service.db.leases import Lease
from service.workflow.context import Context


def take(ctx: Context, names: Sequence[str], holder: str, length: timedelta, limit: int) -> dict[str, Lease | None]:
    """At most `limit` of `names` that nobody else holds, the first ones, each with its lease. Raises Unavailable."""
    if ctx.engine.dialect.name == "sqlite" or not names or limit < 1:
        return dict.fromkeys(names[: max(limit, 0)])
    with begin(ctx.engine) as tx:
        return {lease.name: lease for lease in leases.take(tx, names, holder, length, limit=limit)}


def renew(ctx: Context, held: Sequence[Lease], length: timedelta) -> None:
    """Raises Unavailable. What somebody else has taken meanwhile is theirs, which every write will find."""
    if held:
        with begin(ctx.engine) as tx:
            leases.renew(tx, held, length)


def release(ctx: Context, held: Sequence[Lease]) -> None:
    """Raises Unavailable; then it ends by itself."""
    if held:
        with begin(ctx.engine) as tx:
            leases.release(tx, held)


def check(ctx: Context) -> None:
    """Raises Conflict when somebody else has taken over what this worker was at; Unavailable."""
    if ctx.lease is not None:
        with ctx.begin():
            pass
