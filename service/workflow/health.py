"""Whether this process can serve."""

from functools import cache

from service.db import schema
from service.db.engine import read
from service.domain.errors import Code, Unavailable
from service.workflow.context import Context


def check_ready(ctx: Context) -> None:
    """Raise Unavailable unless the database answers with a schema that this code runs on."""
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
