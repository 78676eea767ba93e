"""`rootquorum list`, `show`, `watch`, `whoami`, `evidence` and `accounts list`: read, and change nothing."""

from itertools import islice
from typing import Annotated

import typer

from rootquorum_client import Ended, Operation, Status, TimedOut
from service.cli.commands import Commands
from service.cli.common import console, errors, print_json, print_rows, print_whole
from service.cli.over_http import RequestId, calling, end
from service.cli.remotely import Json, Server, TokenFile
from service.cli.request_rows import in_one_line, person, rows, summary
from service.cli.terminal import Table

accounts = Commands()
accounts.later("check", "service.cli.accounts:check", "Sign in to each account with each source, reading only.")

_HOUR = 3600


def list_(
    *,
    awaiting_me: Annotated[bool, typer.Option("--awaiting-me", help="Only what waits for you.")] = False,
    status: Annotated[Status | None, typer.Option(help="Only with this status.")] = None,
    account: Annotated[str | None, typer.Option(help="Only of this account, 12 digits.")] = None,
    operation: Annotated[Operation | None, typer.Option(help="Only of this operation.")] = None,
    requester: Annotated[str | None, typer.Option(help="Only of this requester.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Only for this recipient.")] = None,
    ticket: Annotated[str | None, typer.Option(help="Only with this ticket.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """List the requests that you may see, newest first.

    With --json, one on each line.
    """
    with calling(server, token_file, as_json=as_json) as client:
        found = client.requests(
            awaiting_me=awaiting_me,
            status=status,
            account_id=account,
            operation=operation,
            requester=requester,
            recipient=recipient,
            ticket=ticket,
        )
        number = -1
        for number, request in enumerate(islice(found, limit)):
            if as_json:
                print_json(request.document, on_one_line=True)
                continue
            if number > 0:
                console.print()
            print_rows(summary(request))
    if number < 0 and not as_json:
        errors.print("There is none that you may see.")


def show(request: RequestId, *, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """Show a request: what it does, who asks, who has decided, what you may do."""
    with calling(server, token_file, as_json=as_json) as client:
        found = client.request(request)
    if as_json:
        print_json(found.document)
    else:
        print_rows(rows(found))


def watch(
    request: RequestId,
    *,
    until: Annotated[list[Status] | None, typer.Option(help="End at this status; else when it is final.")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="End after so many seconds.")] = _HOUR,
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Print each change of a request until it has ended.

    With --json, one on each line.
    """
    with calling(server, token_file, as_json=as_json) as client:
        seen = ""
        for found in client.changes(request, timeout=timeout):
            if as_json:
                print_json(found.document, on_one_line=True)
            elif (line := in_one_line(found)) != seen:
                console.print(line, soft_wrap=True)
                seen = line
            if found.is_final if until is None else found.status in until:
                return
            if found.is_final:
                ended = Ended(found)
                end(str(ended), ended)
        over = TimedOut(f"The wait ended after {timeout:g} s.")
        end(str(over), over)


def whoami(*, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """Show who the service says that you are, and your roles."""
    with calling(server, token_file, as_json=as_json) as client:
        me = client.me()
    if as_json:
        print_json(me.document)
    else:
        print_rows([("you", person(me)), ("kind", me.kind), ("roles", ", ".join(me.roles))])


def evidence(request: RequestId, *, server: Server, token_file: TokenFile = None) -> None:
    """Print the evidence of a request, for `rootquorum audit verify`."""
    with calling(server, token_file, as_json=False) as client:
        found = client.evidence(request)
    print_json(found)


@accounts.command("list")
def list_accounts(*, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """List the accounts that the service knows. With --json, one on each line."""
    with calling(server, token_file, as_json=as_json) as client:
        found = client.accounts()
    if as_json:
        for each in found:
            print_json(each.document, on_one_line=True)
        return
    if not found:
        errors.print("There is none.")
        return
    table = Table(box=None, header_style="bold")
    for name in ("account", "name", "state", "sources"):
        table.add_column(name, no_wrap=True)
    for each in found:
        table.add_row(each.account_id, each.name, each.state, ", ".join(each.sources))
    print_whole(table)


@accounts.command("show")
def show_account(
    account: Annotated[str, typer.Argument(help="The AWS account, 12 digits.")],
    *,
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Show an account, and what can be done there."""
    with calling(server, token_file, as_json=as_json) as client:
        found = client.account(account)
    if as_json:
        print_json(found.document)
        return
    possible = {each.operation: "yes" if each.possible else f"no: {each.reason}" for each in found.capabilities}
    about = [("account", f"{found.name} ({found.account_id})"), ("state", found.state)]
    print_rows([*about, ("sources", ", ".join(found.sources) or "none"), *possible.items()])
