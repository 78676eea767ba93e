"""`rootquorum execute`: run an approved request, keep the secret of a new key, and confirm its receipt."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rootquorum_client import Client, ClientError, CreatedKey, Operation, Request, SealedKey, Status
from service.cli.common import IS_UNKNOWN, errors, fail, print_json
from service.cli.keeping import (
    NotKept,
    Place,
    Unusable,
    credentials_file,
    into_command,
    into_file,
    into_profile,
    into_stdout,
    is_stdout_a_file,
)
from service.cli.over_http import RequestId, calling, end, minute
from service.cli.remotely import Json, Server, TokenFile, misused

_MAKES_KEY = {Operation.CREATE_ACCESS_KEY, Operation.ROTATE_ACCESS_KEY}


def execute(
    request: RequestId,
    *,
    file: Annotated[Path | None, typer.Option(help="Keep a new key in this new file, only for you, as JSON.")] = None,
    profile: Annotated[str | None, typer.Option(help="Keep it as this new profile of AWS's credentials file.")] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="The file for --profile; else AWS_SHARED_CREDENTIALS_FILE, else AWS's own.")
    ] = None,
    command: Annotated[
        str | None, typer.Option("--exec", help="Give it to this command's stdin, as JSON. There is no shell.")
    ] = None,
    shown: Annotated[bool, typer.Option("--show", help="Print it, even on a terminal.")] = False,
    identity: Annotated[
        Path | None,
        typer.Option(
            envvar="ROOTQUORUM_IDENTITY",
            help="Opens a sealed key: your SSH private key, or a file of age identities; else that in ~/.ssh.",
        ),
    ] = None,
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Run an approved request, once.

    Without an option, a new key goes to stdout if that is piped.

    The receipt is confirmed once the key is on disk, or once the command has ended with 0.

    Of what a pipe or a terminal got, you confirm it yourself: `rootquorum receipt`.

    A sealed key is opened here, with your private key, and kept like any other.
    """
    place = _place(file, profile, credentials, command, shown=shown)
    with calling(server, token_file, as_json=as_json) as client:
        found = client.request(request)
        if found.operation in _MAKES_KEY and found.drill:
            _drill(client, found, as_json=as_json)
            return
        if found.operation in _MAKES_KEY:
            _keep_and_confirm(client, found, place or _stdout(), identity, as_json=as_json)
            return
        if place is not None:
            misused("This request makes no key that could be kept.")
        done = _executed(client, found)
        if isinstance(done, Request):
            _say(done, as_json=as_json)


def _place(
    file: Path | None, profile: str | None, credentials: Path | None, command: str | None, *, shown: bool
) -> Place | None:
    """Return the one place that was named. More than one is exit 2."""
    named = [each for each in (file, profile, command) if each is not None]
    if len(named) + shown > 1 or (credentials is not None and profile is None):
        misused("Name one place for the key: --file, --profile, --exec or --show.")
    if file is not None:
        return Place(f"in {file}", partial(into_file, file))
    if profile is not None:
        where = credentials or credentials_file()
        return Place(f"the profile {profile} in {where}", partial(into_profile, where, profile))
    if command is not None:
        return Place("with the command", partial(into_command, command))
    return _stdout(is_shown=True) if shown else None


def _stdout(*, is_shown: bool = False) -> Place:
    prepared = partial(into_stdout, is_shown=is_shown)
    return Place("on stdout", prepared, is_durable=is_stdout_a_file(), is_stdout=True)


def _drill(client: Client, request: Request, *, as_json: bool) -> None:
    """Execute a drill of a create, and confirm its receipt. There is nothing to keep, so no place is prepared."""
    done = _executed(client, request)
    if isinstance(done, Request) and done.status == Status.DELIVERED:
        done = client.confirm_receipt(request.id)
    if isinstance(done, Request):
        _say(done, as_json=as_json)


def _keep_and_confirm(client: Client, request: Request, place: Place, identity: Path | None, *, as_json: bool) -> None:
    with ExitStack() as prepared:
        try:
            opens = _opener(request, identity)
            keep = prepared.enter_context(place.prepared())
        except Unusable as error:
            misused(f"{error} Nothing was executed.")
        given = _executed(client, request)
        if isinstance(given, Request):
            _say(given, as_json=as_json)
            return
        try:
            key = opens(given) if isinstance(given, SealedKey) and opens is not None else given
            assert isinstance(key, CreatedKey)
            keep(key)
        except NotKept as error:
            fail(f"The key {given.access_key_id} could not be kept: {error} {_taken_back(given)}")
    if place.is_durable:
        done = _confirmed(client, given, place)
        errors.print(f"The key {key.access_key_id} is {place.name}, and its receipt is confirmed.", soft_wrap=True)
        if as_json and not place.is_stdout:
            print_json(done.document)
    else:
        errors.print(
            f"Store the key {key.access_key_id}, then confirm it: {_receipt_of(given)}. {_taken_back(given)}",
            soft_wrap=True,
        )


def _opener(request: Request, identity: Path | None) -> Callable[[SealedKey], CreatedKey] | None:
    """Return what opens the key, None if it comes in clear. Raise Unusable."""
    if request.sealed_to is None:
        return None
    from service.cli.opening import opener

    return opener(request.sealed_to.key, identity)


def _executed(client: Client, request: Request) -> CreatedKey | SealedKey | Request:
    """Execute. A key of another request or account is refused, and one in clear that was to be sealed: whoever answered
    is not the service.
    """
    result = client.execute(request.id)
    if isinstance(result, Request):
        return result
    if request.drill:
        fail("The server answered a drill with a key. It was not kept. Tell the operators.")
    if request.operation not in _MAKES_KEY or (result.request_id, result.account_id) != (
        request.id,
        request.account.account_id,
    ):
        fail("The server answered with the key of another request. It was not kept. Tell the operators.")
    if isinstance(result, SealedKey) is not (request.sealed_to is not None):
        fail("The server did not seal the key as the request says. It was not kept. Tell the operators.")
    return result


def _confirmed(client: Client, key: CreatedKey | SealedKey, place: Place) -> Request:
    try:
        return client.confirm_receipt(key.request_id, sealed_sha256=_sealed_sha256(key))
    except ClientError as error:
        end(
            f"The key {key.access_key_id} is {place.name}, but its receipt is not confirmed: {error} "
            f"Run: {_receipt_of(key)}. {_taken_back(key)}",
            error,
        )


def _sealed_sha256(key: CreatedKey | SealedKey) -> str | None:
    return key.sha256 if isinstance(key, SealedKey) else None


def _receipt_of(key: CreatedKey | SealedKey) -> str:
    """Return the command that confirms the receipt."""
    sha256 = _sealed_sha256(key)
    return f"rootquorum receipt {key.request_id}" + ("" if sha256 is None else f" --sealed-sha256 {sha256}")


def _taken_back(key: CreatedKey | SealedKey) -> str:
    return f"Without a receipt by {minute(key.receipt_by)} the service takes the key back."


def _say(request: Request, *, as_json: bool) -> None:
    """Print how an execution ended that gave no key."""
    if as_json:
        print_json(request.document)
    if request.status == Status.IN_DOUBT:
        errors.print(
            "AWS's answer was lost. Do not repeat it: the service finds out what happened. "
            f"Wait for it: rootquorum watch {request.id}",
            style="red",
            soft_wrap=True,
        )
        raise typer.Exit(IS_UNKNOWN)
    if not as_json:
        done = "This was a DRILL: nothing changed in AWS." if request.drill else "Done."
        errors.print(f"{done} The request is {request.status}.", soft_wrap=True)
