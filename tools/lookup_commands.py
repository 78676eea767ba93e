"""The commands in words, for `docs/commands.md`: each with its arguments and options, as `--help` shows them."""

from collections.abc import Iterator
from typing import Any

import typer

from service.cli import app


def sections() -> list[str]:
    """Return the lines: one section for each command, in the order of `rootquorum --help`."""
    root = typer.main.get_command(app)
    return ["## rootquorum", "", "Before any command:", "", *_parameters(root, ()), *_commands(root, ())]


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[str]:
    for name, named in group.commands.items():
        command = named.load() if hasattr(named, "load") else named
        yield from _command(command, (*path, name))
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


def _command(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{'##' if len(path) == 1 else '###'} {' '.join(path)}", "", _line(command.help), "")
    if not hasattr(command, "commands"):
        yield from ("```", command.get_usage(_context(command, path)).removeprefix("Usage: "), "```", "")
        yield from _parameters(command, path)


def _parameters(command: Any, path: tuple[str, ...]) -> list[str]:
    """Return the table of arguments and options. Every command has `--help`, which is left out."""
    context = _context(command, path)
    records = [each.get_help_record(context) for each in command.get_params(context) if each.name != "help"]
    rows = [f"| `{_line(record[0])}` | {_line(record[1])} |" for record in records if record is not None]
    return ["| argument or option | meaning |", "|---|---|", *rows, ""] if rows else []


def _context(command: Any, path: tuple[str, ...]) -> Any:
    # So wide that no line is broken.
    return command.context_class(
        command, info_name=" ".join(("rootquorum", *path)), max_content_width=1000, terminal_width=1000
    )


def _line(text: str | None) -> str:
    """Return the text in one line, in which nothing divides a table."""
    return " ".join((text or "").split()).replace("|", "\\|")
