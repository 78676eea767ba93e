"""What commands print: whatever comes from outside is text there, and moves, hides and turns around nothing."""

import os
import sys
from typing import Any

import rich.table
from rich.console import Console
from rich.text import Text

from service.domain.text import is_unseen

# Unicode's own line and paragraph separators.
_BREAKS = "\u2028\u2029"


def shown(text: str) -> str:
    """With its escape sequence in the place of each character that nobody sees, line breaks included."""
    return "".join(
        letter.encode("unicode_escape").decode("ascii") if is_unseen(letter) or letter in _BREAKS else letter
        for letter in text
    )


def in_lines(text: str) -> Text:
    """The same of a text whose line breaks are our own."""
    return Text("\n".join(map(shown, text.split("\n"))))


class Terminal(Console):
    """A console for which a str is never markup: each is one line, and what is unseen in it is made visible."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_as_text(each) for each in objects), **options)


class Table(rich.table.Table):
    """The same for the cells of a table."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*(_as_text(each) for each in cells), **options)


def speak_plainly() -> None:
    """What the terminal's encoding has no character for is printed as an escape, in the place of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def fall_silent() -> None:
    """Nothing more can be written to stdout, so that what is left of it does not fail once more at the very end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def _as_text(value: Any) -> Any:
    return Text(shown(value)) if isinstance(value, str) else value
