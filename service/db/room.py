"""Check for free space on the disk of SQLite's file."""

import tempfile
from pathlib import Path

from sqlalchemy import Engine

from service.db.faults import away

# More than one request writes in its whole life.
_ROOM = 256 * 1024


def check_room(engine: Engine) -> None:
    """Raise Unavailable if what a request writes does not fit beside SQLite's file, or no file may be created there.

    A commit alone does not show that. It goes into the write-ahead log, which keeps its size when restarted, so small
    commits succeed on a full disk until the log must grow. The file written here has no name if the file system
    supports that (O_TMPFILE), and so disappears in a crash.
    """
    if engine.dialect.name != "sqlite":
        return
    # SQLite resolves links too, to find the files beside it.
    folder = Path(engine.url.database or "").resolve().parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
            file.flush()
    except OSError as error:
        raise away(f"SQLite needs to write beside its file, and cannot: {error.strerror}") from None
