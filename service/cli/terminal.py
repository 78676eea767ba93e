"""Output of commands. External text is never markup, and cannot move the cursor, hide text or reverse it."""

from typing import Any

import rich.table
from rich.console import Console
from rich.text import Text

from service.domain.text import is_unseen

# Unicode's own line and paragraph separators.
_BREAKS = "\u2028\u2029"


def shown(text: str) -> str:
    """Replace each invisible character, including line breaks, by its escape sequence."""
    return "".join(
        letter.encode("unicode_escape").decode("ascii") if is_unseen(letter) or letter in _BREAKS else letter
        for letter in text
    )


def in_lines(text: str) -> Text:
    """Do the same for a text whose line breaks are our own."""
    return Text("\n".join(map(shown, text.split("\n"))))


def policy_rows(region: str, policy: str | None, digest: str | None) -> list[tuple[str, str]]:
    """Return rows with the policy of a bucket or queue: where it is, its hash, and its text line by line."""
    lines = ["none"] if policy is None else policy.split("\n")
    named = zip(["policy", *[""] * (len(lines) - 1)], lines, strict=True)
    return [("resource in", region), ("policy SHA-256", digest or "none"), *named]


class Terminal(Console):
    """A console that never treats a str as markup: each is one line, with invisible characters escaped."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_as_text(each) for each in objects), **options)


class Table(rich.table.Table):
    """A table that does the same for its cells."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*(_as_text(each) for each in cells), **options)


def _as_text(value: Any) -> Any:
    return Text(shown(value)) if isinstance(value, str) else value
