"""The parts that commands against a server share: whose, where, and the question at the terminal."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, NoReturn, TextIO

import typer

from rootquorum_client.transport import LARGEST_TOKEN
from service.cli.common import errors, fail
from service.cli.terminal import Table, Terminal
from service.client.heads import KeptHeads
from service.client.refused import Refused
from service.client.remote import Remote

# The terminal of the process, whatever stdin and stdout are.
TERMINAL = "/dev/tty"
_NARROWEST, _USUAL = 40, 80
_MISUSED = 2

_URL = typer.Option("--server", envvar="ROOTQUORUM_URL", help="The service: https, or http on loopback.")
Server = Annotated[str, _URL]
# Of a command that can do without.
AnyServer = Annotated[str | None, _URL]
TokenFile = Annotated[
    Path | None, typer.Option(help="A file with your token; else ROOTQUORUM_TOKEN, else it is read from stdin.")
]
Key = Annotated[Path, typer.Option("--key", help="Your private key; or its .pub, if an agent has the private one.")]
State = Annotated[
    Path | None, typer.Option(help="Where the heads of logs are kept; else rootquorum/heads.json in your state folder.")
]


@contextmanager
def connected(server: str, token_file: Path | None) -> Iterator[Remote]:
    """Provide the server. A refusal is one line and exit 1."""
    with refusing():
        try:
            remote = Remote(server, token_of(token_file))
        except Refused as refused:
            misused(str(refused))
        try:
            yield remote
        finally:
            remote.close()


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a refusal into one line and exit 1."""
    try:
        yield
    except Refused as refused:
        fail(str(refused))


def misused(sentence: str) -> NoReturn:
    """Print the sentence on stderr, and exit 2."""
    errors.print(sentence, style="red", soft_wrap=True)
    raise typer.Exit(_MISUSED)


def heads(state: Path | None) -> KeptHeads:
    """Return the kept heads, by default in the state folder of the XDG Base Directory Specification."""
    if state is not None:
        return KeptHeads(state)
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    folder = named if named.is_absolute() else Path.home() / ".local" / "state"
    return KeptHeads(folder / "rootquorum" / "heads.json")


class Question:
    """The terminal, where a person reads what they answer, and nothing else can answer for them."""

    def __init__(self, reading: TextIO, writing: TextIO) -> None:
        self._reading = reading
        columns = os.get_terminal_size(writing.fileno()).columns or _USUAL
        self._console = Terminal(file=writing, highlight=False, no_color=True, width=max(columns, _NARROWEST))

    def show(self, title: str, rows: list[tuple[str, str]]) -> None:
        """Print a row for each name and text. A text stays in its column, so it cannot pass for another row."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in rows:
            table.add_row(name, text)
        for each in ("", title, "", table, ""):
            self._console.print(each)

    def is_answered_with_yes(self, question: str) -> bool:
        """Ask. Only `yes`, typed in full after the question, is a yes."""
        termios.tcflush(self._reading.fileno(), termios.TCIFLUSH)
        self._console.print(f"{question} Type yes or no: ", end="", soft_wrap=True)
        self._console.file.flush()
        return self._reading.readline().strip() == "yes"


@contextmanager
def asking() -> Iterator[Question]:
    """Provide the terminal. Without one it is exit 2: an answer from a pipe is not a person's."""
    try:
        number = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        misused("There is no terminal. A person has to read this and to answer.")
    reads = os.fdopen(os.dup(number), "r", errors="replace")
    with reads as reading, os.fdopen(number, "w", errors="backslashreplace") as writing:
        yield Question(reading, writing)


def token_of(file: Path | None) -> str:
    """Read the token: of the file, else of the environment, else of stdin. Without any it is exit 2."""
    if file is not None:
        with file.open("rb") as opened:
            return _text(opened)
    token = os.environ.get("ROOTQUORUM_TOKEN")
    if token is not None:
        return token.strip()
    if sys.stdin.isatty():
        misused("There is no token. Give --token-file, set ROOTQUORUM_TOKEN, or pipe it into stdin.")
    return _text(sys.stdin.buffer)


def _text(file: BinaryIO) -> str:
    return file.read(LARGEST_TOKEN + 2).decode("utf-8", "replace").strip()
