"""The connection pool and the two kinds of transaction."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, NoReturn, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from service import spans
from service.db.faults import Interrupted, away, refusal

Tx = Connection

P = ParamSpec("P")
T = TypeVar("T")

# In the `info` of a connection: whether its next transaction is read-only.
READ_ONLY = "rootquorum_read_only"
_SQLITE_WAIT_MS = 15_000

# Defaults for psycopg and libpq; the URL overrides them. A server that vanished is noticed within half a minute.
_POSTGRESQL = {
    "application_name": "rootquorum",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "prepare_threshold": None,  # until it is known that no pooler is between
    # Overrides PGCLIENTENCODING.
    "client_encoding": "UTF8",
}
# lock_timeout is longer than the idle timeout, so a waiter outlasts a process that froze while holding the lock.
_LIMITS = {"statement_timeout": 30, "lock_timeout": 15, "idle_in_transaction_session_timeout": 10}  # seconds
_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN"}
_BEGIN_TO_READ = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
# Behind a pooler, they are set in each transaction, in the same round trip as its BEGIN.
_SET_LOCAL = "".join(f"; SET LOCAL {name} = '{seconds}s'" for name, seconds in _LIMITS.items())
_SET = "; ".join(f"SET {name} = '{seconds}s'" for name, seconds in _LIMITS.items())
# psycopg's own default: a statement that was sent so often is prepared.
_PREPARE_AFTER = 5
_IS_POOLED = "rootquorum_is_pooled"
# read_only_sql_transaction: after a failover, this server is no longer the primary.
_DEMOTED = "25006"
# What PostgreSQL says if the type of a column has changed since a statement was prepared.
_OUTDATED = "cached plan must not change result type"

_TRIES = 4
_FIRST_WAIT = 0.1  # seconds, tripled for each retry; each wait is randomly shortened by up to half


def connect(url: str, *, connections: int) -> Engine:
    """Return a pool of at most `connections`. There are no more threads than that, so none waits in vain."""
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    options = {name: value for name, value in _POSTGRESQL.items() if name not in parsed.query}
    engine = create_engine(
        parsed,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        # Keeps comments and justifications out of logs and tracebacks: they are not for operators.
        hide_parameters=True,
        connect_args={"check_same_thread": False} if sqlite else options,
    )
    event.listen(engine, "connect", _prepare_sqlite if sqlite else _prepare_postgresql, insert=True)
    # SQLAlchemy calls this to begin. As a statement of SQLAlchemy's, BEGIN would take twice as long.
    engine.dialect.do_begin = partial(_send_begin, engine.dialect.name)  # type: ignore[method-assign]
    if not sqlite:
        event.listen(engine, "handle_error", _drop_connection)
    return engine


@contextmanager
def begin(engine: Engine) -> Iterator[Tx]:
    """Begin a transaction that writes. Commit at the end, roll back on any exception.

    Raise Unavailable if the database is unavailable, or busy for too long; Interrupted if certainly nothing was done.
    """
    committing = False
    try:
        with _begun(engine) as tx:
            yield tx
            committing = True
    except (DBAPIError, PoolTimeout) as error:
        _raise_refusal(error, engine, is_lost=committing)
    for call in _AFTER_COMMIT.pop(tx, ()):
        call()


def after_commit(tx: Tx, call: Callable[[], None]) -> None:
    """Have this called once the transaction was certainly committed."""
    _AFTER_COMMIT.setdefault(tx, []).append(call)


_AFTER_COMMIT: WeakKeyDictionary[Tx, list[Callable[[], None]]] = WeakKeyDictionary()


@contextmanager
def read(engine: Engine) -> Iterator[Tx]:
    """Begin a read-only transaction on one snapshot, which never waits for a writer. Raise Unavailable."""
    with translated(engine), _begun(engine, read_only=True) as tx:
        yield tx


@contextmanager
def _begun(engine: Engine, *, read_only: bool = False) -> Iterator[Tx]:
    """Begin a transaction, on another connection if the database has closed this one since its last use.

    Nothing is lost with a BEGIN that fails, so it needs no ping before.
    """
    with spans.within("read transaction" if read_only else "write transaction"), engine.connect() as connection:
        connection.info[READ_ONLY] = read_only
        try:
            transaction = connection.begin()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            connection.info[READ_ONLY] = read_only
            transaction = connection.begin()
        with transaction:
            yield connection


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Raise Unavailable for a database that is unavailable, locked for too long, read-only or no database, or that
    chose us as deadlock victim. It carries the driver's reason, without the password.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        _raise_refusal(error, engine)


def _raise_refusal(error: DBAPIError | PoolTimeout, engine: Engine, *, is_lost: bool = False) -> NoReturn:
    refused = refusal(error, engine.url, is_lost=is_lost)
    if refused is None:
        raise error
    raise refused from error


def retried(function: Callable[P, T]) -> Callable[P, T]:
    """Retry a function when the database has aborted its transaction. Whatever else it does can be repeated.

    It is not retried if the connection was lost in the COMMIT, which may have succeeded. Raise Interrupted after the
    last try.
    """

    @wraps(function)
    def trying(*args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(_TRIES - 1):
            try:
                return function(*args, **kwargs)
            except Interrupted:
                time.sleep(_FIRST_WAIT * 3**number * (1 - random.random() / 2))  # noqa: S311  # no secret depends on it
        return function(*args, **kwargs)

    return trying


def _prepare_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
    """Require UTF8. With another encoding, texts come back as bytes, or some names cannot be stored.

    This comes before SQLAlchemy reads the version, which it cannot decode in every encoding.
    """
    for name in ("server_encoding", "client_encoding"):
        encoding = connection.info.parameter_status(name)
        if encoding not in {"UTF8", None}:
            connection.close()
            raise away(f"its {name} is {encoding}, and has to be UTF8: CREATE DATABASE … ENCODING 'UTF8'")
    connection.autocommit = True  # `_send_begin` begins the transactions
    # A pooler gives a process id of its own. It may use another session for each transaction, so nothing can be left
    # in a session.
    [pid] = connection.execute("SELECT pg_backend_pid()").fetchone()
    record.info[_IS_POOLED] = is_pooled = pid != connection.info.backend_pid
    if not is_pooled:
        connection.execute(_SET)
        connection.prepare_threshold = _PREPARE_AFTER


def _drop_connection(context: ExceptionContext) -> None:
    """Have an unusable connection closed, with all others of the pool."""
    error = context.original_exception
    if getattr(error, "sqlstate", None) == _DEMOTED or str(error).startswith(_OUTDATED):
        context.is_disconnect = True


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # SQLAlchemy begins the transaction itself; the driver's own implicit BEGIN would lose updates.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_SQLITE_WAIT_MS}",  # first: switching to WAL may have to wait as well
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",  # or REPLACE INTO would bypass the DELETE trigger of the audit log
    ):
        connection.execute(f"PRAGMA {pragma}")


def _send_begin(dialect: str, connection: PoolProxiedConnection) -> None:
    is_reader = connection.info.pop(READ_ONLY, False)
    statement = (_BEGIN_TO_READ if is_reader else _BEGIN)[dialect]
    driver: Any = connection.driver_connection
    driver.execute(statement + _SET_LOCAL if connection.info.get(_IS_POOLED) else statement)
