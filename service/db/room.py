"""Whether there is room on the disk that SQLite's file is on."""

import tempfile
from pathlib import Path

from sqlalchemy import Engine

from service.db.faults import away

# More than one request's whole life writes.
_ROOM = 256 * 1024


def check_room(engine: Engine) -> None:
    """Raise Unavailable when what a request writes does not fit beside SQLite's file, or nothing may be made there.

    A commit alone does not show that: it goes into the write-ahead log, which keeps its size when it is begun anew, so
    that small commits work on a full disk until it has to grow. The file that is written here has no name where the
    file system knows such files (O_TMPFILE), and is gone with a crash.
    """
    if engine.dialect.name != "sqlite":
        return
    # SQLite, too, looks beside what a link leads to.
    folder = Path(engine.url.database or "").resolve().parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
            file.flush()
    except OSError as error:
        raise away(f"SQLite needs to write beside its file, and cannot: {error.strerror}") from None
