"""The parts that commands against a server share: whose, where, and the question at the terminal."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, NoReturn, TextIO

import typer

from rootquorum_client.transport import LARGEST_TOKEN
from service.cli.common import IS_MISUSED, IS_UNKNOWN, errors, fail, print_json
from service.cli.terminal import Table, Terminal
from service.client import kept_tokens, profiles
from service.client.files import folder
from service.client.heads import KeptHeads
from service.client.profiles import Profile
from service.client.refused import Refused
from service.client.remote import Remote

# The terminal of the process, whatever stdin and stdout are.
TERMINAL = "/dev/tty"
_NARROWEST, _USUAL = 40, 80


def _only_profile() -> str:
    """Return the name of the only profile. Which of several is meant is not guessed: that is exit 2."""
    with _misusing():
        names = [each.name for each in profiles.usual().every()]
    if len(names) == 1:
        return names[0]
    if not names:
        misused("Which server? Give --server, set ROOTQUORUM_URL, or make a profile: rootquorum profiles add.")
    return misused(f"Which server? Name one with --server, or set ROOTQUORUM_URL: {', '.join(names)}.")


def _names() -> list[str]:
    """Return the names of the profiles, for the shell's completion, which shows no faults."""
    try:
        return [each.name for each in profiles.usual().every()]
    except (Refused, OSError):
        return []


# Nobody can type it: no URL, and no name of a profile.
_ONLY = " your only profile"
_WHERE = "The service: its URL, or the name of a profile"
Server = Annotated[
    str,
    typer.Option(
        "--server",
        envvar="ROOTQUORUM_URL",
        default_factory=lambda: _ONLY,
        show_default="your only profile",
        autocompletion=_names,
        help=f"{_WHERE}.",
    ),
]
# Of a command that can do without.
AnyServer = Annotated[
    str | None, typer.Option("--server", envvar="ROOTQUORUM_URL", autocompletion=_names, help=f"{_WHERE}.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="A file with your token; else ROOTQUORUM_TOKEN, else the kept one, else it is read from stdin."),
]
Json = Annotated[bool, typer.Option("--json", help="Print what the API answers, as JSON.")]
_OWN_KEY = "Your private key; or its .pub, if an agent has the private one."
Key = Annotated[Path, typer.Option("--key", help=_OWN_KEY)]
OptionalKey = Annotated[Path | None, typer.Option("--key", help=f"{_OWN_KEY} Without it, nothing is signed.")]
State = Annotated[
    Path | None, typer.Option(help="Where the heads of logs are kept; else rootquorum/heads.json in your state folder.")
]


@contextmanager
def connected(server: str, token_file: Path | None, *, as_json: bool = False) -> Iterator[Remote]:
    """Provide the server. A refusal is one line and exit 1, or 3 if it may have been done all the same.

    With `as_json`, the problem document of a refusal is printed too.
    """
    url, profile = place_of(server)
    with refusing(as_json=as_json):
        token = token_of(token_file, profile)
        with _misusing():
            remote = Remote(url, token)
        try:
            yield remote
        finally:
            remote.close()


@contextmanager
def refusing(*, as_json: bool = False) -> Iterator[None]:
    """Turn a refusal into one line, and exit 1 or 3."""
    try:
        yield
    except Refused as refused:
        if as_json and refused.problem is not None:
            print_json(refused.problem)
        if not refused.may_have_acted:
            fail(str(refused))
        errors.print(str(refused), style="red", soft_wrap=True)
        raise typer.Exit(IS_UNKNOWN) from None


@contextmanager
def _misusing() -> Iterator[None]:
    """Turn a refusal into one line and exit 2."""
    try:
        yield
    except Refused as refused:
        misused(str(refused))


def place_of(server: str) -> tuple[str, Profile | None]:
    """Return the URL of the service, and the profile if it is one. An unknown name is exit 2."""
    if server == _ONLY:
        server = _only_profile()
    if not profiles.is_name(server):
        return server, None
    with _misusing():
        profile = profiles.usual().find(server)
    if profile is None:
        misused(f"There is no profile {server}. A URL begins with https://, or with http:// on loopback.")
    return profile.server, profile


def profile_of(server: str | None) -> Profile:
    """Return the profile that is named, or the only one. A URL is exit 2."""
    profile = place_of(_ONLY if server is None else server)[1]
    if profile is None:
        misused("This is for a profile. Name one with --server: see rootquorum profiles list.")
    return profile


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody signs in. What is None was not given."""

    issuer: str | None
    client_id: str | None
    port: int | None
    scope: str | None
    id_token: bool | None


def way_of(server: str | None, given: Way) -> Way:
    """Return what was given, and for the rest what the profile says. Without a provider it is exit 2."""
    if given.issuer is not None and given.client_id is not None:
        return given
    profile = profile_of(server)
    if profile.issuer is None:
        misused(f"The profile {profile.name} has no provider. Give --issuer and --client-id.")
    return Way(
        given.issuer or profile.issuer,
        given.client_id or profile.client_id,
        profile.port if given.port is None else given.port,
        given.scope or profile.scope,
        given.id_token or profile.id_token,
    )


def misused(sentence: str) -> NoReturn:
    """Print the sentence on stderr, and exit 2."""
    errors.print(sentence, style="red", soft_wrap=True)
    raise typer.Exit(IS_MISUSED)


def heads(state: Path | None) -> KeptHeads:
    """Return the kept heads, by default in the state folder of the XDG Base Directory Specification."""
    if state is not None:
        return KeptHeads(state)
    return KeptHeads(folder("XDG_STATE_HOME", ".local/state") / "heads.json")


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

    def secret(self, question: str) -> str:
        """Ask for a secret, which is not shown while it is typed."""
        number = self._reading.fileno()
        before = termios.tcgetattr(number)
        silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        try:
            termios.tcsetattr(number, termios.TCSAFLUSH, silent)
            self._console.print(question, end="", soft_wrap=True)
            self._console.file.flush()
            return self._reading.readline().rstrip("\n")
        finally:
            termios.tcsetattr(number, termios.TCSAFLUSH, before)
            self._console.print()


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


def token_of(file: Path | None, profile: Profile | None, *, of_stdin: bool = True) -> str:
    """Read the token: of the file, else of the environment, else the one kept for the profile, else of stdin.

    Without any it is exit 2. A kept token that has ended is exit 1.
    """
    if file is not None:
        with file.open("rb") as opened:
            return _text(opened)
    token = os.environ.get("ROOTQUORUM_TOKEN")
    if token is None and profile is not None:
        token = _kept(profile)
    if token is not None:
        return token.strip()
    if not of_stdin:
        misused("There is no token. Give --token-file, set ROOTQUORUM_TOKEN, or keep one. Stdin is for the protocol.")
    if sys.stdin.isatty():
        misused("There is no token. Give --token-file, set ROOTQUORUM_TOKEN, or pipe it into stdin.")
    return _text(sys.stdin.buffer)


def _kept(profile: Profile) -> str | None:
    """Return the token that is kept for the profile, if there is one."""
    with refusing():
        tokens = kept_tokens.usual()
        about = tokens.about(profile)
        if about is not None and about.is_over(datetime.now(UTC)):
            fail(f"The kept token of {profile.name} has ended. Keep another: rootquorum login --server {profile.name}.")
        return None if about is None else tokens.token(profile)


def _text(file: BinaryIO) -> str:
    return file.read(LARGEST_TOKEN + 2).decode("utf-8", "replace").strip()
