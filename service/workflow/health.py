"""Whether this process can serve."""

from functools import cache

from service.db import schema
from service.db.engine import read
from service.domain.errors import Code, Unavailable
from service.workflow.context import Context


def check_ready(ctx: Context) -> None:
    """Raise Unavailable unless the database answers with the schema that this code needs."""
    with read(ctx.engine) as tx:
        current = schema.current(tx)
    if current != _needed():
        raise Unavailable(
            Code.UNAVAILABLE,
            "The database's schema is not the one that this version needs: rootquorum migrate, or serve --migrate.",
        )


@cache
def _needed() -> str:
    return schema.needed()
