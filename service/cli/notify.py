"""Destinations: a test event, to see whether it arrives."""

import json
import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from service.app import destinations
from service.cli.common import console, fail, load_settings
from service.domain.canonical import Document, timestamp
from service.domain.delivery import Answer, Notice

app = typer.Typer(no_args_is_help=True, help="Destinations of events.")

# Nothing that ever happens is called so.
_TEST = "notify.test"


@app.command("test")
def test_(ctx: typer.Context, name: Annotated[str, typer.Argument(help="Its name in the settings.")]) -> None:
    """Send a test event to one destination, and show it and the answer. Exit 1 when it is not taken."""
    destination = destinations(load_settings(ctx.obj)).get(name)
    if destination is None:
        fail("The settings name no such destination.")
    document: Document = {"type": _TEST, "timestamp": timestamp(datetime.now(UTC)), "data": {}}
    notice = Notice(id=str(uuid.uuid4()), event=_TEST, ticket=None, document=document)
    console.print(f"id      {notice.id}", markup=False, soft_wrap=True)
    console.print(f"sent    {json.dumps(document)}", markup=False, soft_wrap=True)
    attempt = destination.deliver(notice)
    if attempt.answer is not Answer.DELIVERED:
        fail(f"not taken: {attempt.detail}")
    console.print(f"taken   {attempt.detail}", markup=False, soft_wrap=True)
