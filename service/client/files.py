"""Small files of a person: replaced as a whole, and only for their owner unless another mode is wanted."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(variable: str, usual: str) -> Path:
    """Return our folder in one of the XDG Base Directory Specification; `usual` is below the home folder."""
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path.home() / usual) / "rootquorum"


def replace(file: Path, content: bytes, *, mode_of: Path | None = None) -> None:
    """Replace the file and have it on disk. Its mode is that of `mode_of`, else 0600. Raise OSError; then it is as
    before.
    """
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(number, "wb") as new:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
        if mode_of is not None:
            shutil.copymode(mode_of, name)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(path: Path) -> None:
    """Have a new name on disk, else it can be lost. Raise OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


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
