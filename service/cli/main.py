"""The operator's commands."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from service.app import compose
from service.cli import accounts, audit, notify, person, token
from service.cli import serve as serving
from service.cli.commands import Commands
from service.cli.common import console, load_settings, plainly
from service.cli.demo import run_demo
from service.cli.doctor import examine
from service.db import schema
from service.settings import settings_file

app = Commands(
    # A local variable in a traceback may be a secret.
    pretty_exceptions_show_locals=False,
    help="Rootquorum: two people approve what is done with an AWS account's root credentials.",
)
app.add_typer(token.app, name="token")
app.add_typer(person.app, name="person")
app.add_typer(accounts.app, name="accounts")
app.add_typer(notify.app, name="notify")
app.add_typer(audit.app, name="audit")
app.command()(serving.serve)
app.command()(serving.worker)
app.command()(accounts.drift)


def _say_version(asked: bool) -> None:  # noqa: FBT001  # Typer hands over what was given
    if asked:
        typer.echo(f"rootquorum {version('rootquorum')}")
        raise typer.Exit


@app.callback()
def main(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option(help="The settings file; else ROOTQUORUM_CONFIG, else rootquorum.toml.")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    # All files that a command creates, mainly the SQLite file, are only for their owner.
    os.umask(0o077)
    ctx.obj = config


@app.command()
def migrate(
    ctx: typer.Context,
    grant_to: Annotated[
        str | None, typer.Option(help="The service's PostgreSQL role, to be granted exactly what it needs.")
    ] = None,
) -> None:
    """Bring the database up to date, as the owner of its tables."""
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings, with_aws=False) as context:
        schema.migrate(context.engine)
        if grant_to is not None:
            schema.grant(context.engine, grant_to)
    console.print(f"The database is at revision {schema.needed()}.")


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Check settings, database and every account, without changing anything. Exit 1 on any fault."""
    with plainly():
        well = examine(load_settings(ctx.obj), settings_file(ctx.obj))
    if not well:
        raise typer.Exit(1)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    # Imported here: only the serving commands need the routes too, and they take long to load.
    from service.api.build import build  # noqa: PLC0415

    typer.echo(json.dumps(build(None).openapi(), indent=2, ensure_ascii=False))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with tokens and requests to try.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port; by default a free one.")] = None,
) -> None:
    """Run the main workflow, as four people would, against a simulated AWS."""
    if not run_demo(keep=keep, port=port):
        raise typer.Exit(1)
