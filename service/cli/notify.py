"""Commands for destinations: send a test event, print a public key."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from service.app.destinations import destinations
from service.cli.commands import Commands
from service.cli.common import console, fail
from service.cli.prepared import load_settings
from service.domain.canonical import timestamp
from service.domain.delivery import Answer, Notice
from service.domain.event_table import TEST
from service.notify.tickets import Tickets
from service.notify.webhooks import PrivateKey, signer
from service.outbound.exchange import Recorder
from service.outbound.guarded import new_client

app = Commands()

_Name = Annotated[str, typer.Argument(help="Its name in the settings.")]


@app.command("test")
def send_test(
    ctx: typer.Context,
    name: _Name,
    ticket: Annotated[str | None, typer.Option(help="For a tracker: the ticket to comment on.")] = None,
) -> None:
    """Send a test event to one destination, and show the HTTP traffic. Exit 1 if it is not taken.

    Credentials are not shown: signatures and Authorization, and the path of a webhook or a chat.
    """
    settings = load_settings(ctx.obj)
    with Recorder(new_client(settings.notify.allowed_hosts)) as recorder:
        destination = destinations(settings, recorder).get(name)
        if destination is None:
            fail("The settings name no such destination.")
        is_tracker = isinstance(destination, Tickets)
        if isinstance(destination, Tickets):
            _check_ticket(destination, ticket)
        elif ticket is not None:
            fail("Only a tracker takes a ticket; omit --ticket.")
        attempt = destination.deliver(_notice(ticket))
    for exchange in recorder.exchanges:
        for line in exchange.lines(with_path=is_tracker):
            console.print(line, soft_wrap=True)
        console.print()
    if attempt.answer is not Answer.DELIVERED:
        fail(f"not taken: {attempt.detail}")
    console.print(f"taken: {attempt.detail}", soft_wrap=True)


@app.command("key")
def public_key(ctx: typer.Context, name: _Name) -> None:
    """Print the public key of a webhook with a whsk_ secret, for the receiver of its messages."""
    webhook = load_settings(ctx.obj).webhooks.get(name)
    if webhook is None:
        fail("The settings name no such webhook.")
    keys = [key.public() for key in map(signer, webhook.all_secrets()) if isinstance(key, PrivateKey)]
    if not keys:
        fail("It has no key that begins with whsk_; a secret that begins with whsec_ is the same on both sides.")
    for key in keys:
        console.print(str(key), soft_wrap=True)


def _check_ticket(tickets: Tickets, ticket: str | None) -> None:
    if ticket is None:
        fail("A tracker needs a ticket: give one for the test comment with --ticket.")
    if not tickets.names(ticket):
        fail("By the form of its key, that is not a ticket of this tracker.")


def _notice(ticket: str | None) -> Notice:
    return Notice(
        id=str(uuid.uuid4()),
        event=TEST,
        ticket=ticket,
        document={"type": TEST, "timestamp": timestamp(datetime.now(UTC)), "data": {}},
    )
