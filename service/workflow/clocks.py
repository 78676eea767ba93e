"""Compares the clock of this host with those of the database and of AWS."""

from datetime import timedelta

from service.db.clock import database_time
from service.db.engine import Tx, read
from service.domain.errors import Code, Unavailable
from service.domain.incident import wrong_clocks
from service.workflow.context import Context


def read_clocks(ctx: Context) -> dict[str, timedelta]:
    """Do as `clocks_ahead`, in a transaction of its own. Raise Unavailable."""
    with read(ctx.engine) as tx:
        return clocks_ahead(ctx, tx)


def clocks_ahead(ctx: Context, tx: Tx) -> dict[str, timedelta]:
    """Return by how much the clocks of the database and of AWS are ahead of this host's, as far as they are known."""
    before, database, after = ctx.now(), database_time(tx), ctx.now()
    found = {}
    if database is not None:
        # The database answered between the two, so only what lies outside of them is a difference.
        found["database"] = database - after if database > after else min(database - before, timedelta())
    aws = ctx.roots.clock_ahead(after)
    return found if aws is None else found | {"aws": aws}


def check_clock(ctx: Context, tx: Tx) -> None:
    """Raise Unavailable if this host's clock is wrong: it decides what has expired, and how old a sign-in is."""
    if not is_clock_right(ctx, tx):
        raise Unavailable(Code.CLOCK_WRONG)


def is_clock_right(ctx: Context, tx: Tx) -> bool:
    """Return whether no other clock contradicts this host's."""
    return ctx.limits.clock_tolerance is None or not wrong_clocks(clocks_ahead(ctx, tx), ctx.limits)
