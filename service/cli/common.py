"""Output and errors, which all commands share."""

import json
from collections.abc import Mapping
from typing import Any

import typer

from service.cli.ending import fail, plainly
from service.cli.terminal import Table, Terminal

__all__ = [
    "ENDED_OTHERWISE",
    "IS_MISUSED",
    "IS_UNKNOWN",
    "console",
    "errors",
    "fail",
    "plainly",
    "print_json",
    "print_rows",
    "print_whole",
]

# docs/command-line.md. Whatever is not listed there ends with 1.
IS_MISUSED, IS_UNKNOWN, ENDED_OTHERWISE = 2, 3, 4

_NARROWEST = 40

console = Terminal(highlight=False)
errors = Terminal(stderr=True, highlight=False)


def print_whole(table: Table) -> None:
    """Print a table without truncation, even on a narrow terminal: a truncated id is useless."""
    table.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table, soft_wrap=True)


def print_rows(found: list[tuple[str, str]]) -> None:
    """Print a row for each name and text. A text stays in its column, so it cannot pass for another row."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in found:
        table.add_row(name, text)
    table.width = None if console.width >= _NARROWEST else _NARROWEST
    console.print(table)


def print_json(document: Mapping[str, Any] | list[Any], *, on_one_line: bool = False) -> None:
    """Print JSON in ASCII, which no text of others can leave."""
    typer.echo(json.dumps(document, indent=None if on_one_line else 2))
