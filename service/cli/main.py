"""The commands of an operator."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from service import logs
from service.api.build import build
from service.app import compose, create_app
from service.auth.provider import new_client
from service.cli import accounts, person, token
from service.cli.common import console, load_settings, plainly
from service.cli.demo import run_demo
from service.cli.doctor import examine
from service.db import schema
from service.workflow.health import check_ready

app = typer.Typer(
    no_args_is_help=True,
    # A local variable in a traceback may be a secret.
    pretty_exceptions_show_locals=False,
    help="Rootquorum: two people approve what is done with an AWS account's root credentials.",
)
app.add_typer(token.app, name="token")
app.add_typer(person.app, name="person")
app.add_typer(accounts.app, name="accounts")
app.command()(accounts.drift)


@app.callback()
def main(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The settings file; else ROOTQUORUM_CONFIG, else rootquorum.toml.")
    ] = None,
) -> None:
    # Whatever a command creates, the SQLite file above all, is for its owner alone.
    os.umask(0o077)
    ctx.obj = config


@app.command()
def serve(
    ctx: typer.Context,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database up to date first.")] = False,
    worker: Annotated[bool, typer.Option(help="Run the worker beside the API.")] = True,
) -> None:
    """Serve the API. A database that is behind is an error, unless --migrate is given."""
    settings = load_settings(ctx.obj)
    if not worker:
        settings = settings.model_copy(update={"worker": settings.worker.model_copy(update={"enabled": False})})
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    # uvicorn hands the signal on when it has served what it had; then everything here is closed in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with compose(settings) as context, new_client() as http:
        with plainly():
            if migrate:
                schema.migrate(context.engine)
            check_ready(context)
        uvicorn.run(
            create_app(context, settings, http),
            host=settings.server.host,
            port=settings.server.port,
            root_path=settings.server.root_path,
            proxy_headers=True,
            forwarded_allow_ips=list(settings.server.trusted_proxies),
            log_config=None,
            server_header=False,
            # As long as an execution can take: five calls before its claim, three after.
            timeout_graceful_shutdown=int(8 / 3 * context.roots.call_budget.total_seconds()),
        )


@app.command()
def migrate(ctx: typer.Context) -> None:
    """Bring the database up to date."""
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings, with_aws=False) as context:
        schema.migrate(context.engine)
    console.print(f"The database is at revision {schema.needed()}.")


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Check settings, database and every account, changing nothing. Exit 1 on any fault."""
    if not examine(load_settings(ctx.obj)):
        raise typer.Exit(1)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(build(None).openapi(), indent=2, ensure_ascii=False))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with a token for each role.")] = False,
) -> None:
    """Drive the main job, as four people would, against a simulated AWS."""
    if not run_demo(keep=keep):
        raise typer.Exit(1)
