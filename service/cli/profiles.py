"""`rootquorum profiles`: the servers that you use, by name."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from service.cli.commands import Commands
from service.cli.common import console, errors, print_json, print_whole
from service.cli.over_http import minute
from service.cli.remotely import Json, refusing
from service.cli.terminal import Table
from service.client import kept_tokens, profiles
from service.client.profiles import Profile

app = Commands()

Name = Annotated[str, typer.Argument(help="Its name, such as production.")]


@app.command()
def add(
    name: Name,
    *,
    server: Annotated[str, typer.Option(help="The service: https, or http on loopback.")],
    issuer: Annotated[str | None, typer.Option(help="For `login`: the provider.")] = None,
    client_id: Annotated[str | None, typer.Option(help="For `login`: the id of a public client there.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="For `login`: of the redirect URI.")] = None,
    scope: Annotated[str | None, typer.Option(help="For `login`: the scopes to ask for.")] = None,
    id_token: Annotated[bool, typer.Option("--id-token", help="For `login`: the service takes the ID token.")] = False,
) -> None:
    """Name a server, so that --server takes the name. Nothing is called."""
    profile = Profile(
        name=name,
        server=server,
        issuer=issuer,
        client_id=client_id,
        port=port,
        scope=scope,
        id_token=id_token or None,
    )
    with refusing():
        file = profiles.usual()
        file.add(profile)
    errors.print(f"Added to {file.file}.", soft_wrap=True)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the profiles, and where the token of each is kept. With --json, one on each line."""
    with refusing():
        found = [(each, kept_tokens.usual().about(each)) for each in profiles.usual().every()]
    if as_json:
        for profile, kept in found:
            token = None if kept is None else {"store": kept.store, "expires_at": _iso(kept.expires_at)}
            print_json({"name": profile.name, **profile.table(), "token": token}, on_one_line=True)
        return
    if not found:
        errors.print("There are no profiles. Make one: rootquorum profiles add")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "server", "token"):
        table.add_column(title, no_wrap=True)
    for profile, kept in found:
        table.add_row(profile.name, profile.server, _words(kept))
    print_whole(table)


@app.command()
def remove(name: Name) -> None:
    """Remove a profile, and the token that is kept for it."""
    with refusing():
        file = profiles.usual()
        profile = file.find(name)
        if profile is not None:
            kept_tokens.usual().forget(profile)
        file.remove(name)
    console.print("Removed.")


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _words(kept: kept_tokens.Kept | None) -> str:
    if kept is None:
        return "none"
    if kept.is_over(datetime.now(UTC)):
        return f"{kept.store}, has ended"
    return kept.store if kept.expires_at is None else f"{kept.store}, until {minute(kept.expires_at)}"
