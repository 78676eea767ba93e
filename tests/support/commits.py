"""Commits that fail: without effect, or with effect and only the response lost."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError
from support.house import House

FOR_GOOD = 1000


@contextmanager
def commits_failing(house: House, *, after: str | None, done: bool, times: int = 1) -> Iterator[None]:
    """Let `times` commits fail, from the first one after AWS saw the call `after`. `done`: they take effect."""
    left = times
    seen = house.aws.count(after) if after else 0

    def fail(connection: Connection) -> None:
        nonlocal left
        if left == 0 or (after and house.aws.count(after) == seen):
            return
        left -= 1
        if done:
            assert connection.connection.dbapi_connection is not None
            connection.connection.dbapi_connection.commit()
        raise OperationalError("COMMIT", {}, Exception("connection lost"))

    event.listen(house.ctx.engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(house.ctx.engine, "commit", fail)
