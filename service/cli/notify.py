"""Commands for destinations: send a test event, print a public key."""

import uuid
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Annotated

import typer

from service.app.destinations import Destination, destinations
from service.cli.commands import Commands
from service.cli.common import console, fail
from service.cli.prepared import load_settings
from service.domain.canonical import timestamp
from service.domain.delivery import Addressee, Answer, Notice
from service.domain.event_table import TEST
from service.domain.mailbox import is_mailbox
from service.domain.text import plain
from service.notify.mail import Mail
from service.notify.syslog import Syslog
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
    to: Annotated[str | None, typer.Option(help="For a mail server: the address to write to.")] = None,
) -> None:
    """Send a test event to one destination, and show the HTTP traffic, or the message. Exit 1 if it is not taken.

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
        notice = _notice(ticket, _people(destination, to))
        attempt = destination.deliver(notice)
    for exchange in recorder.exchanges:
        for line in exchange.lines(with_path=is_tracker):
            console.print(line, soft_wrap=True)
        console.print()
    if isinstance(destination, Mail):
        _show(destination.mail(notice, notice.people[0]))
    if isinstance(destination, Syslog):
        console.print(plain(destination.written(notice)), soft_wrap=True)
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


def _show(mail: EmailMessage) -> None:
    for line in (*(f"{name}: {value.strip()}" for name, value in mail.items()), "", *mail.get_content().splitlines()):
        console.print(line, soft_wrap=True)
    console.print()


def _people(destination: Destination, to: str | None) -> tuple[Addressee, ...]:
    if not isinstance(destination, Mail):
        if to is not None:
            fail("Only a mail server takes an address; omit --to.")
        return ()
    if to is None or not is_mailbox(to):
        fail("A mail server needs a mail address, in ASCII and without a name: give one with --to.")
    return (Addressee(to, to, to),)


def _notice(ticket: str | None, people: tuple[Addressee, ...]) -> Notice:
    return Notice(
        id=str(uuid.uuid4()),
        event=TEST,
        ticket=ticket,
        document={"type": TEST, "timestamp": timestamp(datetime.now(UTC)), "data": {}},
        people=people,
    )
