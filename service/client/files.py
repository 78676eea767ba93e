"""Small files of a person: only for their owner, and replaced as a whole."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(variable: str, usual: str) -> Path:
    """Return our folder in one of the XDG Base Directory Specification; `usual` is below the home folder."""
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path.home() / usual) / "rootquorum"


def replace(file: Path, content: bytes) -> None:
    """Replace the file, mode 0600, and have it on disk. Raise OSError; then it is as before."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(number, "wb") as new:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    above = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(above)  # else the new name can be lost
    finally:
        os.close(above)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep other commands from replacing the file. Its folder is made if there is none."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(file.with_name(f"{file.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
