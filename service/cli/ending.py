"""How a command ends. What prints is loaded only when there is something to print: `serve` seldom has."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from service.domain.errors import ServiceError


@contextmanager
def plainly() -> Iterator[None]:
    """Turn a refusal, or an unavailable database, into one line and exit 1."""
    try:
        yield
    except ServiceError as error:
        fail(error.exact)


def fail(sentence: str) -> NoReturn:
    """Print the sentence on stderr, and exit 1."""
    from service.cli.common import errors

    errors.print(sentence, style="red", soft_wrap=True)
    raise typer.Exit(1)


def escape_unencodable() -> None:
    """Print characters that the terminal's encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def discard_stdout() -> None:
    """Redirect stdout to nowhere, so that flushing the rest does not fail again at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
