"""Output and errors, which all commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from service.cli.terminal import Table, Terminal
from service.domain.errors import ServiceError

console = Terminal(highlight=False)
errors = Terminal(stderr=True, highlight=False)


@contextmanager
def plainly() -> Iterator[None]:
    """Turn a refusal, or an unavailable database, into one line and exit 1."""
    try:
        yield
    except ServiceError as error:
        fail(error.exact)


def print_whole(table: Table) -> None:
    """Print a table without truncation, even on a narrow terminal: a truncated id is useless."""
    table.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table, soft_wrap=True)


def fail(sentence: str) -> NoReturn:
    """Print the sentence on stderr, and exit 1."""
    errors.print(sentence, style="red", soft_wrap=True)
    raise typer.Exit(1)
