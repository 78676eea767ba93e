"""`rootquorum config`: the settings in force."""

import json
from typing import Annotated

import typer

from service.cli.commands import Commands
from service.cli.common import fail, print_json, print_whole
from service.cli.prepared import load_settings
from service.cli.terminal import Table
from service.cli.toml import key
from service.settings import Source, Unreadable, load_values, settings_file, sources

app = Commands()


@app.callback()
def _config() -> None:
    """Show the settings in force."""


@app.command()
def show(
    ctx: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every setting, its value, and whether a variable, a file or the default set it. Secrets are masked.

    Exit 1 if the service would not start with them.
    """
    settings = load_settings(ctx.obj, load_values)
    try:
        found = list(sources(settings, settings_file(ctx.obj)))
    except Unreadable as error:
        fail(str(error))
    if as_json:
        print_json([_document(each) for each in found])
    else:
        table = Table("setting", "value", "from", box=None, pad_edge=False)
        for each in found:
            table.add_row(_named(each), json.dumps(each.value, ensure_ascii=False), _origin(each))
        print_whole(table)
    load_settings(ctx.obj)


def _named(source: Source) -> str:
    """Return the place as TOML writes it."""
    return ".".join(key(str(part)) for part in source.location)


def _origin(source: Source) -> str:
    return source.variable or ("default" if source.file is None else str(source.file))


def _document(source: Source) -> dict[str, object]:
    kind = "environment" if source.variable else "default" if source.file is None else "file"
    return {
        "setting": _named(source),
        "value": source.value,
        "source": kind,
        "where": None if kind == "default" else _origin(source),
    }
