"""`rootquorum request`: file a request, one command for each operation."""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from rootquorum_client import Operation, Request
from service.cli.commands import Commands
from service.cli.common import errors, print_json
from service.cli.over_http import calling, minute
from service.cli.remotely import Json, Server, TokenFile

app = Commands()

_NEEDED = Parameter.empty


def _parameter(name: str, kind: Any, default: Any = _NEEDED, **said: Any) -> Parameter:
    """Describe an option of Typer; an argument if it has no default."""
    info = typer.Argument(**said) if default is _NEEDED else typer.Option(**said)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _plain(name: str, annotation: Any, default: Any = _NEEDED) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_ACCOUNT = _parameter("account_id", str, help="The AWS account, 12 digits.", metavar="ACCOUNT")
_ALWAYS = [
    _plain("justification", Annotated[str, typer.Option("--reason", help="Why, for those who approve it.")]),
    _parameter("ticket", str | None, None, help="Its ticket, such as OPS-4711."),
    _parameter("recipient", str | None, None, help="Who may execute it, and gets a new key; else the requester."),
    _parameter("idempotency_key", str | None, None, help="A name of your own for this filing. A repeat files nothing."),
    _plain(
        "drill",
        Annotated[bool, typer.Option("--drill", help="Practise it: all is done as for real, but nothing in AWS.")],
        default=False,
    ),
    _plain("server", Server),
    _plain("token_file", TokenFile, None),
    _plain("as_json", Json, default=False),
]
_KEY = _parameter("access_key_id", str, help="The root access key.", metavar="KEY")
_DEVICE = _parameter("serial_number", str, help="The MFA device's serial number, or its ARN.", metavar="DEVICE")
_CERTIFICATE = _parameter("certificate_id", str, help="The id of the certificate.", metavar="CERTIFICATE")
_BUCKET = _parameter("bucket", str, help="The S3 bucket.", metavar="BUCKET")
_QUEUE = _parameter("queue_arn", str, help="The ARN of the SQS queue.", metavar="QUEUE")
_LIFETIME = _parameter("lifetime", str | None, None, help="How long the key lives, such as P30D; else without end.")
_SEALED_TO = _parameter(
    "sealed_to", str | None, None, help="Seal the secret to this key of its recipient: age1…, or an SSH public key."
)
_UNUSED_FOR = _parameter("unused_for", str, "P7D", help="The old key ends once it has been unused for so long.")
_WITHIN = _parameter("cut_over_within", str, "P30D", help="It ends so long after the receipt at the latest, or stays.")
_WAIT = _parameter("deletion_wait", str, "P7D", help="It is deleted so long after its deactivation.")
_BY_ITSELF = _plain(
    "run_on_approval",
    Annotated[bool, typer.Option("--run-on-approval", help="The service runs it once it is approved.")],
    default=False,
)
_LOCKOUT = _plain(
    "accept_lockout",
    Annotated[bool, typer.Option("--accept-lockout", help="Even if it is the service's own, or the last active key.")],
    default=False,
)


@dataclass(frozen=True)
class _Filing:
    """A command: what it files, and the parameters beside those that all have."""

    operation: Operation
    sentence: str
    more: Sequence[Parameter]


FILINGS = {
    "create-key": _Filing(
        Operation.CREATE_ACCESS_KEY,
        "Ask for a new root access key. Only its recipient gets the secret.",
        [_LIFETIME, _SEALED_TO],
    ),
    "rotate-key": _Filing(
        Operation.ROTATE_ACCESS_KEY,
        "Ask for a new root access key in place of an old one, which ends when nobody uses it any more.",
        [_KEY, _LIFETIME, _UNUSED_FOR, _WITHIN, _WAIT, _SEALED_TO],
    ),
    "deactivate-key": _Filing(
        Operation.DEACTIVATE_ACCESS_KEY, "Ask to deactivate a root access key.", [_KEY, _BY_ITSELF, _LOCKOUT]
    ),
    "activate-key": _Filing(
        Operation.ACTIVATE_ACCESS_KEY, "Ask to activate a root access key again.", [_KEY, _BY_ITSELF]
    ),
    "delete-key": _Filing(
        Operation.DELETE_ACCESS_KEY, "Ask to delete a root access key.", [_KEY, _BY_ITSELF, _LOCKOUT]
    ),
    "delete-password": _Filing(Operation.DELETE_LOGIN_PROFILE, "Ask to delete the root password.", [_BY_ITSELF]),
    "allow-password-recovery": _Filing(
        Operation.ALLOW_PASSWORD_RECOVERY,
        "Ask to let whoever reads the mail of the root address set a root password.",
        [_BY_ITSELF],
    ),
    "deactivate-mfa": _Filing(
        Operation.DEACTIVATE_MFA_DEVICE, "Ask to deactivate an MFA device of the root user.", [_DEVICE, _BY_ITSELF]
    ),
    "delete-certificate": _Filing(
        Operation.DELETE_SIGNING_CERTIFICATE,
        "Ask to delete a signing certificate of the root user.",
        [_CERTIFICATE, _BY_ITSELF],
    ),
    "unlock-bucket": _Filing(
        Operation.UNLOCK_S3_BUCKET_POLICY,
        "Ask to delete the policy of an S3 bucket, which locks its owners out.",
        [_BUCKET, _BY_ITSELF],
    ),
    "unlock-queue": _Filing(
        Operation.UNLOCK_SQS_QUEUE_POLICY,
        "Ask to delete the policy of an SQS queue, which locks its owners out.",
        [_QUEUE, _BY_ITSELF],
    ),
}


_STEPS = ("unused_for", "cut_over_within", "deletion_wait")


def _add(name: str, filing: _Filing) -> None:
    def command(*, server: str, token_file: Any, as_json: bool, **given: Any) -> None:
        with calling(server, token_file, as_json=as_json) as client:
            # What was not given is not sent: not every operation takes it.
            known: dict[str, Any] = {each: value or None for each, value in given.items()}
            if filing.operation is Operation.ROTATE_ACCESS_KEY:
                known["rotation"] = {each: known.pop(each) for each in _STEPS}
            request = client.file(filing.operation, **known)
        if as_json:
            print_json(request.document)
        else:
            _say(request)

    parameters = [_ACCOUNT, *filing.more, *_ALWAYS]
    command.__doc__ = filing.sentence
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # which Typer reads
    app.command(name)(command)


def _say(request: Request) -> None:
    """Print the id alone on stdout, for scripts, and what people want to know on stderr."""
    typer.echo(request.id)
    for each in request.warnings:
        errors.print(f"WARNING: {each.detail}", style="yellow", soft_wrap=True)
    missing = request.quorum.needed - request.quorum.counted
    filed = "Filed as a DRILL: nothing changes in AWS" if request.drill else "Filed"
    errors.print(
        f"{filed}. It is {request.status}: {missing} approvals are missing, by {minute(request.clocks.approve_by)}.",
        soft_wrap=True,
    )


for _name, _filing in FILINGS.items():
    _add(_name, _filing)
