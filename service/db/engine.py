"""The connection pool and the two kinds of transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import Code, Unavailable

Tx = Connection

_READ_ONLY = "rootquorum_read_only"
_READER: dict[str, dict[str, Any]] = {
    "sqlite": {_READ_ONLY: True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
_SQLITE_WAIT_MS = 15_000


def connect(url: str, *, connections: int) -> Engine:
    """A pool of at most `connections`, which is also as many as there are threads: nobody waits for one in vain."""
    sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=not sqlite,
        # Never in a log or a traceback: comments and justifications are not for operators.
        hide_parameters=True,
        connect_args={"check_same_thread": False} if sqlite else {},
    )
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def begin(engine: Engine) -> Iterator[Tx]:
    """A transaction that writes; committed at the end, rolled back on any exception.

    Raises Unavailable when the database is away, or busy for too long.
    """
    with translated(), engine.begin() as tx:
        yield tx


@contextmanager
def read(engine: Engine) -> Iterator[Tx]:
    """A transaction that only reads, all of it from one moment, and never waits for a writer. Raises Unavailable."""
    with translated(), engine.connect() as connection:
        reader = connection.execution_options(**_READER[engine.dialect.name])
        with reader.begin():
            yield reader


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable for a database that is away, locked for too long, read-only, or chose us as deadlock victim."""
    try:
        yield
    except (OperationalError, InternalError, PoolTimeout) as error:
        raise Unavailable(Code.UNAVAILABLE, "The database is not available. Try again later.") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # SQLAlchemy begins the transaction itself; the driver's own implicit BEGIN would lose updates.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_SQLITE_WAIT_MS}",  # first: switching to WAL may have to wait as well
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",  # or REPLACE INTO would walk past the DELETE trigger of the audit log
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
