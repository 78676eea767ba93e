"""`rootquorum migrate`."""

from typing import Annotated

import typer

from service.app import compose
from service.cli.common import console, plainly
from service.cli.prepared import load_settings
from service.db import schema


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
