"""`rootquorum reject`, `withdraw`, `receipt` and `cut-over`: one call each."""

from typing import Annotated

import typer

from rootquorum_client import Request
from service.cli.common import errors, print_json
from service.cli.over_http import RequestId, calling
from service.cli.remotely import Json, Server, TokenFile


def reject(
    request: RequestId,
    *,
    comment: Annotated[str, typer.Option(help="Why, for the requester and the log.")],
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Reject a request, which ends it."""
    with calling(server, token_file, as_json=as_json) as client:
        done = client.reject(request, client.request(request).digest, comment)
    _say("Rejected.", done, as_json=as_json)


def withdraw(request: RequestId, *, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """Withdraw a request of yours, which ends it."""
    with calling(server, token_file, as_json=as_json) as client:
        done = client.withdraw(request)
    _say("Withdrawn.", done, as_json=as_json)


def receipt(
    request: RequestId,
    *,
    sealed_sha256: Annotated[
        str | None, typer.Option(help="The SHA-256 of the sealed file that you hold, in hex, if it was sealed.")
    ] = None,
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Confirm that the secret of a new key has arrived.

    Without it, the service takes the key back.
    """
    with calling(server, token_file, as_json=as_json) as client:
        done = client.confirm_receipt(request, sealed_sha256=sealed_sha256)
    _say("Confirmed.", done, as_json=as_json)


def cut_over(
    request: RequestId,
    access_key_id: Annotated[str, typer.Argument(metavar="KEY", help="The old key.")],
    *,
    comment: Annotated[str, typer.Option(help="How you know that nothing needs the old key any more.")],
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Say that the old key of a rotation may be deactivated now."""
    with calling(server, token_file, as_json=as_json) as client:
        done = client.cut_over(request, access_key_id, comment)
    _say("The old key is about to be deactivated.", done, as_json=as_json)


def _say(what: str, request: Request, *, as_json: bool) -> None:
    if as_json:
        print_json(request.document)
    else:
        errors.print(f"{what} {stands(request)}", soft_wrap=True)


def stands(request: Request) -> str:
    """Say where the request stands. A rotation under way ends some steps after it was rejected or withdrawn."""
    what = "DRILL" if request.drill else "request"
    if request.clocks.ended_at is None and request.rotation is not None and request.rotation.stopped_at is not None:
        return f"The rotation{' of the DRILL' if request.drill else ''} is stopping."
    return f"The {what} is {request.status}."
