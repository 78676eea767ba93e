"""Leases on a worker's current work, so that no two workers do the same. SQLite has one process, and no leases."""

from collections.abc import Sequence
from datetime import timedelta

from service.db import leases
from service.db.engine import begin
from service.db.leases import Lease
from service.workflow.context import Context


def take(ctx: Context, names: Sequence[str], holder: str, length: timedelta, limit: int) -> dict[str, Lease | None]:
    """Take leases on the first `limit` of `names` that are free, and return them by name. Raise Unavailable."""
    if ctx.engine.dialect.name == "sqlite" or not names or limit < 1:
        return dict.fromkeys(names[: max(limit, 0)])
    with begin(ctx.engine) as tx:
        return {lease.name: lease for lease in leases.take(tx, names, holder, length, limit=limit)}


def renew(ctx: Context, held: Sequence[Lease], length: timedelta) -> None:
    """Renew leases. Raise Unavailable. A lease that another worker has taken stays theirs; every write detects that."""
    if held:
        with begin(ctx.engine) as tx:
            leases.renew(tx, held, length)


def release(ctx: Context, held: Sequence[Lease]) -> None:
    """Release leases. Raise Unavailable; they then end by themselves."""
    if held:
        with begin(ctx.engine) as tx:
            leases.release(tx, held)


def check(ctx: Context) -> None:
    """Raise Conflict if another worker has taken over this worker's lease; Unavailable."""
    if ctx.lease is not None:
        with ctx.begin():
            pass
