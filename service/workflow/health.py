"""Whether this process can serve."""

from functools import cache

from service.db import schema
from service.db.engine import read
from service.domain.errors import Code, Unavailable
from service.workflow.context import Context


def check_ready(ctx: Context) -> None:
    """Raise Unavailable unless the database answers with a schema that this code runs on, and lets it write."""
    check_readable(ctx)
    with read(ctx.engine) as tx:
        not_granted = schema.not_granted(tx)
    if not_granted:
        raise Unavailable(
            Code.UNAVAILABLE,
            f"The database's role may not write to {', '.join(not_granted)}: rootquorum migrate --grant-to ROLE.",
        )


def check_readable(ctx: Context) -> None:
    """The same for whoever only reads, as auditors do."""
    with read(ctx.engine) as tx:
        is_supported = schema.supports(tx, _needed())
    if not is_supported:
        raise Unavailable(
            Code.UNAVAILABLE,
            "This version does not run on the database's schema: rootquorum migrate, or serve --migrate.",
        )


@cache
def _needed() -> str:
    return schema.needed()
