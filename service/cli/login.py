"""`rootquorum login` and `logout`: sign in at the identity provider, and hand the token on, or keep it."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from rootquorum_client import Client, ClientError, NotAllowed, Secret
from rootquorum_client.device import sign_in_by_device
from rootquorum_client.provider import SCOPE
from rootquorum_client.sign_in import sign_in
from service.cli.common import errors, fail
from service.cli.over_http import minute
from service.cli.remotely import AnyServer, Way, misused, profile_of, refusing, token_of, way_of
from service.client import kept_tokens
from service.client.kept_tokens import Store
from service.client.profiles import Profile

_ON_A_TERMINAL = (
    "A token is not shown on a terminal: export ROOTQUORUM_TOKEN=$(rootquorum login …). Or keep it with --keep."
)


def login(
    *,
    server: AnyServer = None,
    issuer: Annotated[str | None, typer.Option(help="The provider, as in the service's settings.")] = None,
    client_id: Annotated[
        str | None, typer.Option(help="The id of a public client there, with this command's redirect URI.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of http://127.0.0.1:PORT/callback, the redirect URI; else any."),
    ] = None,
    scope: Annotated[str | None, typer.Option(help=f"The scopes to ask for; else {SCOPE}.")] = None,
    max_age: Annotated[
        int | None, typer.Option(min=0, help="Sign in again if the last time is so many seconds ago, for decisions.")
    ] = None,
    id_token: Annotated[
        bool, typer.Option("--id-token", help="Hand on the ID token, if the service takes that.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    device: Annotated[
        bool, typer.Option("--device", help="Sign in with a browser on another machine, by a code.")
    ] = False,
    keep: Annotated[Store | None, typer.Option(help="Keep the token for this profile, unless it can decide.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="With --keep: a file with the token, to keep that.")] = None,
) -> None:
    """Sign in with a browser, and print the token to a pipe, or keep it.

    Without --keep it is stored nowhere: export ROOTQUORUM_TOKEN=$(rootquorum login …)
    """
    if device and max_age is not None:
        misused("The device flow has no --max-age.")
    if keep is None:
        _check_piped(token_file)
        way = way_of(server, Way(issuer, client_id, port, scope, id_token=id_token or None))
        typer.echo(_signed_in(way, max_age, device=device, no_browser=no_browser).reveal())
        return
    if max_age is not None:
        misused("A sign-in for decisions is not kept. Leave out --max-age or --keep.")
    profile = profile_of(server)
    # Before anybody signs in: a token that has no place is lost.
    with refusing():
        kept_tokens.usual().probe(keep)
    if token_file is not None:
        _keep(profile, Secret(token_of(token_file, profile)), keep)
        return
    way = way_of(profile.name, Way(issuer, client_id, port, scope, id_token=id_token or None))
    _keep(profile, _signed_in(way, None, device=device, no_browser=no_browser), keep)


def logout(*, server: AnyServer = None) -> None:
    """Remove the token that is kept for a profile.

    The token itself stays good until it ends, or is revoked: see `rootquorum token revoke`.
    """
    profile = profile_of(server)
    with refusing():
        was_there = kept_tokens.usual().forget(profile)
    errors.print("Removed. The token is not revoked." if was_there else f"No token is kept for {profile.name}.")


def _check_piped(token_file: Path | None) -> None:
    if token_file is not None:
        misused("--token-file is for --keep.")
    # Before anybody signs in, not after.
    if sys.stdout is None or sys.stdout.isatty():
        misused(_ON_A_TERMINAL)


def _signed_in(way: Way, max_age: int | None, *, device: bool, no_browser: bool) -> Secret:
    def show(url: str) -> None:
        errors.print(f"Sign in here: {url}", soft_wrap=True)
        if not no_browser:
            _open(url)

    def show_code(url: str, code: str) -> None:
        errors.print(f"On any machine open {url} and type there: {code}", soft_wrap=True)

    issuer, client_id, scope = str(way.issuer), str(way.client_id), way.scope or SCOPE
    try:
        if device:
            tokens = sign_in_by_device(issuer, client_id, show=show_code, scope=scope)
        else:
            tokens = sign_in(issuer, client_id, show=show, port=way.port or 0, scope=scope, max_age=max_age)
    except NotAllowed as error:
        misused(str(error))
    except ClientError as error:
        fail(str(error))
    token = tokens.id_token if way.id_token else tokens.access_token
    if token is None:
        fail("The provider gave no ID token. Ask for the scope openid.")
    return token


def _keep(profile: Profile, token: Secret, store: Store) -> None:
    """Keep the token for the profile, if the service takes it, and says that it is not good for decisions."""
    try:
        with Client(profile.server, token.reveal()) as client:
            me = client.me()
    except NotAllowed as error:
        misused(str(error))
    except ClientError as error:
        fail(f"Nothing was kept: {error}")
    if me.can_decide:
        fail(
            "This token is good for decisions now, so it is not kept. Pipe it to where you decide: "
            f"export ROOTQUORUM_TOKEN=$(rootquorum login --server {profile.name})"
        )
    with refusing():
        tokens = kept_tokens.usual()
        tokens.keep(profile, token, store)
        about = tokens.about(profile)
    until = "" if about is None or about.expires_at is None else f" It ends at {minute(about.expires_at)}."
    errors.print(f'Kept in the {store}. You are "{me.subject}".{until}', soft_wrap=True)


def _open(url: str) -> None:
    """Open the browser without our stdout: its words are no part of the token, and it would hold the pipe open."""
    ours = os.dup(1)
    try:
        os.dup2(2, 1)
        webbrowser.open(url)
    finally:
        os.dup2(ours, 1)
        os.close(ours)
