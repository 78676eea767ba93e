"""`rootquorum login`: sign in at the identity provider, and hand the token on. It is not stored."""

import os
import sys
import webbrowser
from typing import Annotated

import typer

from rootquorum_client import ClientError, NotAllowed
from rootquorum_client.sign_in import SCOPE, sign_in
from service.cli.common import errors, fail
from service.cli.remotely import misused


def login(
    *,
    issuer: Annotated[str, typer.Option(help="The provider, as in the service's settings.")],
    client_id: Annotated[str, typer.Option(help="The id of a public client there, with this command's redirect URI.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of http://127.0.0.1:PORT/callback, the redirect URI; else any.")
    ] = 0,
    scope: Annotated[str, typer.Option(help="The scopes to ask for.")] = SCOPE,
    max_age: Annotated[
        int | None, typer.Option(min=0, help="Sign in again if the last time is so many seconds ago, for decisions.")
    ] = None,
    id_token: Annotated[
        bool, typer.Option("--id-token", help="Hand on the ID token, if the service takes that.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Sign in with a browser, and print the token to a pipe.

    It is stored nowhere: export ROOTQUORUM_TOKEN=$(rootquorum login …)
    """
    # Before anybody signs in, not after.
    if sys.stdout is None or sys.stdout.isatty():
        misused("A token is not shown on a terminal: export ROOTQUORUM_TOKEN=$(rootquorum login …)")

    def show(url: str) -> None:
        errors.print(f"Sign in here: {url}", soft_wrap=True)
        if not no_browser:
            _open(url)

    try:
        tokens = sign_in(issuer, client_id, show=show, port=port, scope=scope, max_age=max_age)
    except NotAllowed as error:
        misused(str(error))
    except ClientError as error:
        fail(str(error))
    token = tokens.id_token if id_token else tokens.access_token
    if token is None:
        fail("The provider gave no ID token. Ask for the scope openid.")
    typer.echo(token.reveal())


def _open(url: str) -> None:
    """Open the browser without our stdout: its words are no part of the token, and it would hold the pipe open."""
    ours = os.dup(1)
    try:
        os.dup2(2, 1)
        webbrowser.open(url)
    finally:
        os.dup2(ours, 1)
        os.close(ours)
