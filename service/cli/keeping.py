"""Keeps the secret of a new key for `rootquorum execute`, in one of several places.

Each place is prepared before the execution, so that what can fail has failed by then: the answer comes once. A place
yields `keep`, which returns when the secret is safe there, and raises NotKept otherwise.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from configparser import Error, RawConfigParser
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rootquorum_client import CreatedKey
from service.client.files import sync_folder

Keep = Callable[[CreatedKey], None]
# More than a key needs in any form.
_ROOM = 4096
_PROFILE = re.compile(r"[0-9A-Za-z_.@/+-]{1,64}")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Unusable(Exception):
    """The place cannot be used, and nothing was executed. The sentence may quote names of files."""


class NotKept(Exception):
    """The secret is not safe."""


@dataclass(frozen=True)
class Place:
    """A place by its name. `is_durable`: what is kept there stays, so that its receipt can be confirmed."""

    name: str
    prepared: Callable[[], AbstractContextManager[Keep]]
    is_durable: bool = True
    is_stdout: bool = False


def as_json(key: CreatedKey) -> bytes:
    """Write the key with the API's names. Of the commands, only this and `as_profile` reveal a secret."""
    document = {
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key.reveal(),
        "created_at": key.created_at.isoformat(),
        "account_id": key.account_id,
        "request_id": key.request_id,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def as_profile(key: CreatedKey, name: str) -> bytes:
    """Write a profile of AWS's credentials file. The client has checked that the values are one word each."""
    lines = (f"[{name}]", f"aws_access_key_id = {key.access_key_id}")
    return "\n".join((*lines, f"aws_secret_access_key = {key.secret_access_key.reveal()}", "")).encode()


@contextmanager
def into_file(file: Path) -> Iterator[Keep]:
    """Create a file, only for its owner, and fill it. A file that exists is not touched. Without a key none stays."""
    try:
        number = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Unusable(f"{file} exists, and is not overwritten.") from None
    is_kept = False

    def keep(key: CreatedKey) -> None:
        nonlocal is_kept
        with _not_kept_if_it_fails():
            _fill(number, as_json(key))
            sync_folder(file.parent)
        is_kept = True

    try:
        with _closing(number):
            _make_room(number, _ROOM)
            yield keep
    finally:
        if not is_kept:
            file.unlink(missing_ok=True)


@contextmanager
def into_profile(file: Path, name: str) -> Iterator[Keep]:
    """Add a profile to AWS's credentials file. Everything else in it stays, byte for byte.

    The file is replaced as a whole. Meanwhile other commands of this kind are refused; AWS's own tools know of no lock.
    """
    if not _PROFILE.fullmatch(name):
        raise Unusable("A profile's name has letters, digits and _.@/+- only.")
    file = _real(file)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(file):
        before = _without(file, name)
        number, new = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")

        def keep(key: CreatedKey) -> None:
            with _not_kept_if_it_fails():
                now = _without(file, name)  # read again: minutes may have passed
                separator = b"" if not now or now.endswith(b"\n") else b"\n"
                _fill(number, now + separator + as_profile(key, name))
                Path(new).replace(file)
                sync_folder(file.parent)

        try:
            with _closing(number):
                _make_room(number, len(before) + _ROOM)
                yield keep
        finally:
            Path(new).unlink(missing_ok=True)


@contextmanager
def into_command(command: str) -> Iterator[Keep]:
    """Run a command, without a shell, with the key as JSON on its stdin. It is kept if the command ends with 0."""
    try:
        arguments = shlex.split(command)
    except ValueError:
        arguments = []
    if not arguments or shutil.which(arguments[0]) is None:
        raise Unusable("There is no such command to give the key to.")
    # The command needs the key alone, not the right to ask for others.
    environment = {name: value for name, value in os.environ.items() if name != "ROOTQUORUM_TOKEN"}

    def keep(key: CreatedKey) -> None:
        with _not_kept_if_it_fails():
            done = subprocess.run(arguments, input=as_json(key), env=environment, check=False)
        if done.returncode != 0:
            raise NotKept(f"The command ended with {done.returncode}.")

    yield keep


@contextmanager
def into_stdout(*, is_shown: bool) -> Iterator[Keep]:
    """Write the key to stdout: a pipe, a file only for its owner, or a terminal if somebody has said so."""
    kind = _kind_of_stdout()
    if stat.S_ISCHR(kind) and sys.stdout.isatty():
        if not is_shown:
            raise Unusable("A secret is not shown on a terminal. Say where to keep it, or --show.")
    elif stat.S_ISREG(kind) and kind & _OTHERS:
        raise Unusable("Others may read the file that stdout is. Use --file.")
    elif not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        raise Unusable("The key would be lost in what stdout is.")

    def keep(key: CreatedKey) -> None:
        left = as_json(key)
        with _not_kept_if_it_fails():
            # Not by Python's buffer, which would be written once more at the end.
            while left:
                left = left[os.write(sys.stdout.fileno(), left) :]
            if stat.S_ISREG(kind):
                os.fsync(sys.stdout.fileno())

    yield keep


def is_stdout_a_file() -> bool:
    """Return whether what is written to stdout stays."""
    return stat.S_ISREG(_kind_of_stdout())


def _kind_of_stdout() -> int:
    """Return the type and the mode of what stdout is; 0 if it is closed."""
    return 0 if sys.stdout is None else os.fstat(sys.stdout.fileno()).st_mode


def credentials_file() -> Path:
    """Return AWS's shared credentials file, as AWS's tools find it."""
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def _real(file: Path) -> Path:
    """Return the file that a link leads to: a link in its place would be replaced."""
    try:
        return file.expanduser().resolve()
    except RuntimeError:  # a loop, or no home
        raise Unusable(f"{file} leads to no file.") from None


def _without(file: Path, name: str) -> bytes:
    """Return what the file has. Raise Unusable if it has the profile, or is not what AWS's tools can read."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return b""
    if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
        raise Unusable(f"{file} is no file of yours.")
    content = file.read_bytes()
    # As botocore reads it.
    parser = RawConfigParser(default_section="")
    try:
        parser.read_string(content.decode())
    except (Error, ValueError):
        raise Unusable(f"{file} cannot be read as AWS's tools do.") from None
    if name in parser.sections():
        raise Unusable(f"{file} has the profile {name}, which is not overwritten.")
    return content


def _make_room(number: int, size: int) -> None:
    """Write as much as will be written, so that a full disk is noticed before the execution."""
    _write(number, b" " * size)
    os.fsync(number)


def _write(number: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(number, content[written:], written)


def _fill(number: int, content: bytes) -> None:
    """Replace all that was written, and have it on disk."""
    _write(number, content)
    os.ftruncate(number, len(content))
    os.fsync(number)


@contextmanager
def _closing(number: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(number)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    lock = os.open(file.with_name(f".{file.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    with _closing(lock):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable(f"Another command is about to write to {file}. Try again.") from None
        yield


@contextmanager
def _not_kept_if_it_fails() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotKept(f"{error.strerror or error}.") from None
    except Unusable as changed:
        raise NotKept(str(changed)) from None
