"""Output, errors and settings, which all commands share."""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from service.app import compose
from service.cli.terminal import Table, Terminal
from service.domain.actor import WORKER, Actor
from service.domain.errors import ServiceError
from service.settings import FaultySettings, Settings, load
from service.workflow.context import Context
from service.workflow.health import check_ready

console = Terminal(highlight=False)
errors = Terminal(stderr=True, highlight=False)


def load_settings(file: Path | None, read: Callable[[Path | None], Settings] = load) -> Settings:
    """Return the settings, or print one line per fault and exit 1."""
    try:
        return read(file)
    except FaultySettings as faulty:
        for fault in faulty.faults:
            errors.print(f"settings: {fault}", style="red", soft_wrap=True)
        raise typer.Exit(1) from None


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


def operator() -> Actor:
    """Return the actor for somebody with shell access. The login name is a hint for the audit log, not a proof."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        login = str(os.getuid())
    return Actor(
        kind=WORKER.kind,
        subject=WORKER.subject,
        name=WORKER.name,
        roles=frozenset(),
        credential=f"cli:{login}",
    )


@contextmanager
def ready(ctx: typer.Context) -> Iterator[Context]:
    """Provide the settings' people and a migrated database. Anything else is one line and exit 1."""
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings, with_aws=False) as context:
        check_ready(context)
        yield context
