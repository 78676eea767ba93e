"""`rootquorum openapi`."""

import json

import typer

from service.api.build import build


def openapi() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(build(None).openapi(), indent=2, ensure_ascii=False))
