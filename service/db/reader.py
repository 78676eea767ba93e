"""A connection for whoever checks and must not write: of SQLite the file may be evidence, and lie where nobody can."""

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
    """A pool of at most `connections`, for `engine.read` only.

    No file of SQLite is changed or made, but for the one (`-shm`) that it finds things by in a write-ahead log which
    lies there already. Raises Unavailable for a file that is not there, or is no database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return connect(url, connections=connections)
    file = Path(parsed.database or "").resolve()  # SQLite, too, looks beside what a link leads to
    # In WAL mode SQLite makes two files beside it to read it, or refuses, unless it is promised that nobody writes.
    # A database at work has them already. If one at rest is opened after all, nothing more of it is believed.
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
    """Raises Unavailable. An empty file is a database, too."""
    try:
        with file.open("rb") as opened:
            header = opened.read(len(_HEADER) + 4)
    except OSError as error:
        raise Unavailable(Code.UNAVAILABLE, f"The database's file cannot be read: {error.strerror}.") from None
    if header and not header.startswith(_HEADER):
        raise Unavailable(Code.UNAVAILABLE, "The database's file is no SQLite database.")
    return header.endswith(_WAL)


def _check_log_can_be_read(file: Path) -> None:
    can_be_found_in = _beside(file, "-shm").exists() or os.access(file.parent, os.W_OK)
    if _beside(file, "-wal").exists() and not can_be_found_in:
        raise Unavailable(
            Code.UNAVAILABLE, "SQLite reads a file with a -wal beside it only in a folder that it can write to."
        )


def _hold_at_rest(engine: Engine, file: Path) -> None:
    """Whoever opens it to write makes the write-ahead log; whoever is done with that has changed the file."""

    def state() -> tuple[int, int, int]:
        found = file.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    before = state()

    def check(_: Connection) -> None:
        if _beside(file, "-wal").exists() or state() != before:
            raise Unavailable(Code.UNAVAILABLE, "Somebody opened the database while it was read. Try again.")

    event.listen(engine, "begin", check)
    event.listen(engine, "commit", check)
