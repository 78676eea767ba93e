"""Commands for the people that the service knows: list, suspend, reinstate."""

from typing import Annotated

import typer

from service.cli.commands import Commands
from service.cli.common import console, plainly, print_whole
from service.cli.prepared import operator, ready
from service.cli.terminal import Table
from service.domain.actor import ActorKind
from service.workflow.people import everybody, reinstate, suspend

app = Commands()

Subject = Annotated[str, typer.Argument(help="Their subject, from `person list`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit log.", prompt="Why")]


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the people in the settings and those proved by providers, with their current roles."""
    with ready(ctx) as context:
        directory, seen = everybody(context)
    table = Table(box=None)
    for name in ("subject", "name", "roles", "accounts", "last seen", "suspended"):
        table.add_column(name, no_wrap=True)
    for subject, member in sorted(directory.everybody.items()):
        if member.kind is not ActorKind.PERSON:
            continue
        person = seen.get(subject)
        limits = {account for limit in member.limits.values() for account in limit}
        last_seen = person.seen_at if person else None
        table.add_row(
            subject,
            member.name,
            ", ".join(sorted(member.roles)),
            ", ".join(sorted(limits)) or "all",
            f"{last_seen:%Y-%m-%d %H:%M}" if last_seen else "",
            "yes" if member.is_suspended else "",
        )
    print_whole(table)


@app.command("suspend")
def suspend_(ctx: typer.Context, subject: Subject, reason: Reason) -> None:
    """Suspend somebody at once: they cannot sign in, and their votes on open requests are void."""
    with ready(ctx) as context, plainly():
        suspend(context, operator(), subject, reason)
    console.print("Suspended.")


@app.command("reinstate")
def reinstate_(ctx: typer.Context, subject: Subject, reason: Reason) -> None:
    """Let somebody sign in again. Their earlier votes stay void."""
    with ready(ctx) as context, plainly():
        reinstate(context, operator(), subject, reason)
    console.print("Reinstated.")
