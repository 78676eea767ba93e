"""What the commands share: how they speak, and how they get their settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from service.domain.errors import ServiceError
from service.settings import FaultySettings, Settings, load

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def load_settings(file: Path | None) -> Settings:
    """The settings, or one line per fault and exit 1."""
    try:
        return load(file)
    except FaultySettings as faulty:
        for fault in faulty.faults:
            errors.print(f"settings: {fault}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@contextmanager
def plainly() -> Iterator[None]:
    """A refusal, or a database that is away, as one line and exit 1."""
    try:
        yield
    except ServiceError as error:
        fail(error.detail)


def fail(sentence: str) -> NoReturn:
    errors.print(sentence, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)
