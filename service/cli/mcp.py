"""`rootquorum mcp`: a server of the Model Context Protocol, for programs that follow a language model."""

from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from rootquorum_client import Client, NotAllowed
from service.cli.common import fail
from service.cli.remotely import Server, misused, place_of, token_of

_Token = Annotated[
    Path | None, typer.Option("--token-file", help="A file with a token; else ROOTQUORUM_TOKEN, else the kept one.")
]


def mcp(*, server: Server, token_file: _Token = None) -> None:
    """Serve tools for agents over stdin and stdout (MCP): list, read, explain, file, withdraw.

    No tool decides or executes. It is who the token says, so give it the token of a machine.
    """
    url, profile = place_of(server)
    connect = partial(Client, url, token_of(token_file, profile, of_stdin=False))
    try:
        connect().close()
    except NotAllowed as error:
        misused(str(error))
    try:
        from service.cli.agents import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"anyio", "mcp", "mcp_types"}:
            raise
        fail("This command needs more packages: pip install 'rootquorum[mcp]'.")
    serve(connect, version("rootquorum"))
