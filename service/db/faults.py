"""Translation of database driver errors: a sentence for the caller, and a cause that only the operator reads."""

import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import Code, Unavailable

_IS_AWAY = Code.UNAVAILABLE.sentence.partition(".")[0]
_NOT_GRANTED = "The database's role lacks rights that the service needs: rootquorum migrate --grant-to ROLE."
OTHER_SCHEMA = "This version does not run on the database's schema: rootquorum migrate, or serve --migrate."

# Errors after which PostgreSQL rolls back and a retry makes sense: a serialization failure, a deadlock, a restart, and
# a connection that is being lost (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_ROLLED_BACK = {"40001", "40P01"}
_NO_PRIVILEGE = "42501"
# An undefined table, column or function, and an invalid schema name.
_OTHER_SCHEMA = {"42P01", "42703", "42883", "3F000"}
_GONE = {"57P01", "57P02", "57P03", "25P03", "08000", "08001", "08003", "08004", "08006"}

# SQLite has the same message for a missing folder and for a file that it may not write.
_SQLITE_IS_SHORT = ("unable to open", "attempt to write a readonly", "disk I/O error")

_LONGEST_REASON = 500
# Parameters of libpq without secrets; the values of all others are hidden (libpq, "Parameter Key Words").
_SHOWN = {
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "channel_binding",
    "require_auth",
    "gssencmode",
    "connect_timeout",
    "application_name",
    "client_encoding",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
    "load_balance_hosts",
}


class Interrupted(Unavailable):
    """The database aborted the transaction. It did nothing, and a retry may succeed."""


class NotGranted(Unavailable):
    """The role of this connection lacks the privilege."""


def away(reason: str) -> Unavailable:
    """Return an error for an unusable database, with a reason that only the operator reads."""
    return Unavailable(Code.UNAVAILABLE, cause=_because(reason))


def refusal(error: DBAPIError | PoolTimeout, url: URL, *, is_lost: bool = False) -> Unavailable | None:
    """Return the error to raise instead, or None if only a bug of ours can be the cause.

    `is_lost` means that it failed in the COMMIT; then only the server's error code proves that nothing was done.
    """
    if isinstance(error, PoolTimeout):
        return away("all connections of the pool are in use")
    reason = reason_of(error, url)
    state = _state_of(error)
    if state == _NO_PRIVILEGE:
        return NotGranted(Code.UNAVAILABLE, _NOT_GRANTED, cause=f"{_NOT_GRANTED} {reason}.")
    if state in _OTHER_SCHEMA:
        return Unavailable(Code.UNAVAILABLE, OTHER_SCHEMA, cause=f"{OTHER_SCHEMA} {reason}.")
    # From SQLite: a file that is damaged or not a database. From psycopg: a parameter that it cannot use.
    is_no_database = _is_no_database(error)
    is_no_parameter = isinstance(error, ProgrammingError) and _is_postgresql(error) and error.statement is None
    if not (isinstance(error, OperationalError | InternalError) or is_no_database or is_no_parameter):
        return None
    kind = Interrupted if _did_nothing(error, is_lost=is_lost) else Unavailable
    return kind(Code.UNAVAILABLE, cause=_because(reason))


def _because(reason: str) -> str:
    return f"{_IS_AWAY}: {reason}{'' if reason.endswith(('.', '?')) else '.'}"


def _did_nothing(error: DBAPIError, *, is_lost: bool) -> bool:
    if not _is_postgresql(error):
        return False  # SQLite: a file that is unavailable or locked stays so for longer than we would retry
    state = _state_of(error)
    if state in _ROLLED_BACK:
        return True
    could_not_connect = error.statement is None
    return not is_lost and (error.connection_invalidated or could_not_connect or state in _GONE)


def _is_no_database(error: DBAPIError) -> bool:
    """Return whether it is SQLite's most general error. Only a process with SQLite loads sqlite3."""
    sqlite3 = sys.modules.get("sqlite3")
    return sqlite3 is not None and type(error.orig) is sqlite3.DatabaseError


def _is_postgresql(error: DBAPIError) -> bool:
    """Return whether psycopg raised it. Only a process with PostgreSQL loads psycopg."""
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error.orig, psycopg.Error)


def _state_of(error: DBAPIError) -> str | None:
    """Return PostgreSQL's error code, None if there is none."""
    return getattr(error.orig, "sqlstate", None) if _is_postgresql(error) else None


def reason_of(error: DBAPIError, url: URL) -> str:
    """Return the driver's message on one line, without passwords and PostgreSQL's details, which may quote a row."""
    original = error.orig
    said = original.diag.message_primary if _is_postgresql(error) else None  # type: ignore[union-attr]  # psycopg.Error
    words = " ".join((said or str(original)).split())
    if url.get_backend_name() == "sqlite" and words.startswith(_SQLITE_IS_SHORT):
        words += _of_file(Path(url.database or ""))
    for secret in sorted(_secrets(url), key=len, reverse=True):
        words = words.replace(secret, "***")
    return words[:_LONGEST_REASON]


def _secrets(url: URL) -> set[str]:
    values: list[Any] = [url.password]
    for name, given in url.query.items():
        values += [] if name in _SHOWN else [given] if isinstance(given, str) else given
    return {str(value) for value in values if value}


def _of_file(file: Path) -> str:
    """Return the likely cause, which SQLite does not say, or an empty string."""
    folder = file.parent.absolute()
    if not folder.is_dir():
        return f": there is no folder {folder}"
    if file.is_dir():
        return f": {file.absolute()} is a folder"
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        return f": this user may not read and write {file.absolute()}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f": this user may not write to the folder {folder}"
    disk = os.statvfs(folder)
    return "" if disk.f_bavail else f": no space is left for {folder}"
