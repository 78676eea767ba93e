"""Read-only connections for verification. SQLite's file may be evidence, or on a file system that is not writable."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from service.db.engine import connect
from service.domain.errors import Code, Unavailable

_WAIT_SECONDS = 15
_HEADER = b"SQLite format 3\0"
_WAL = b"\2\2"  # in the header right after the size of a page (https://www.sqlite.org/fileformat2.html)


def connect_to_read(url: str, *, connections: int) -> Engine:
    """Return a pool of at most `connections`, for `engine.read` only.

    With SQLite, no file is changed or created except `-shm`, the index of a write-ahead log that exists already. Raise
    Unavailable for a file that is missing or is not a database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return connect(url, connections=connections)
    file = Path(parsed.database or "").resolve()  # SQLite resolves links too, to find the files beside it
    # To read a database in WAL mode, SQLite creates two files beside it, or fails, unless opened as immutable. A
    # database in use has these files already. If one at rest is opened by others after all, reading it fails.
    is_at_rest = _is_in_wal_mode(file) and not _beside(file, "-wal").exists()
    if not is_at_rest:
        _check_log_can_be_read(file)
    address = f"{file.as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"
    engine = create_engine(
        parsed,
        creator=lambda: sqlite3.connect(
            address, uri=True, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        ),
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "begin", _begin)
    if is_at_rest:
        _hold_at_rest(engine, file)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(f"{file.name}{ending}")


def _is_in_wal_mode(file: Path) -> bool:
    """Return whether the header says WAL mode. An empty file is a valid database. Raise Unavailable."""
    try:
        with file.open("rb") as opened:
            header = opened.read(len(_HEADER) + 4)
    except OSError as error:
        raise Unavailable(Code.UNAVAILABLE, f"The database's file cannot be read: {error.strerror}.") from None
    if header and not header.startswith(_HEADER):
        raise Unavailable(Code.UNAVAILABLE, "The database's file is not a SQLite database.")
    return header.endswith(_WAL)


def _check_log_can_be_read(file: Path) -> None:
    can_be_found_in = _beside(file, "-shm").exists() or os.access(file.parent, os.W_OK)
    if _beside(file, "-wal").exists() and not can_be_found_in:
        raise Unavailable(
            Code.UNAVAILABLE, "SQLite reads a file with a -wal beside it only in a folder that it can write to."
        )


def _hold_at_rest(engine: Engine, file: Path) -> None:
    """Make transactions fail if others write meanwhile: an open writer has a `-wal` file, and a closed one has
    changed the database file.
    """

    def state() -> tuple[int, int, int]:
        found = file.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    before = state()

    def check(_: Connection) -> None:
        if _beside(file, "-wal").exists() or state() != before:
            raise Unavailable(Code.UNAVAILABLE, "Somebody opened the database while it was read. Try again.")

    event.listen(engine, "begin", check)
    event.listen(engine, "commit", check)
