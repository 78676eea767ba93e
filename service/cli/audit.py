"""The audit log, for those who check it: its keys, copies of its head, and whether all of it is as it was."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_pem_x509_certificates
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service import verifier
from service.app import compose
from service.aws.kms import public_key_of
from service.aws.locked_objects import LockedBucket
from service.aws.sources import ProfileSource
from service.cli.common import console, errors, fail, load_settings, plainly, ready
from service.domain.checkpoint import VerifierKey
from service.notify.guarded import Unreachable, Unsafe, new_client
from service.notify.timestamps import BadStamp, stamp
from service.settings import Settings, load_for_audit
from service.signing.ed25519 import from_pem
from service.workflow.audit import checkpoint
from service.workflow.context import Context
from service.workflow.health import check_readable
from service.workflow.verify import Anchor, verify

app = typer.Typer(no_args_is_help=True, help="The audit log: keys, anchors, verification.")

_MOST_FAULTS = 20
_Kind = Literal["export", "evidence", "checkpoint"]
_S3 = re.compile("s3://([a-z0-9.-]{3,63})/(.{1,512})")

Profile = Annotated[str | None, typer.Option(help="The boto3 profile that may use it.")]
Region = Annotated[str, typer.Option(help="The region that it is in.")]


@app.command()
def key(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where the new private key goes; it must not be there.")] = None,
    kms: Annotated[str | None, typer.Option(help="Instead of a new key, one of AWS KMS, by its ARN.")] = None,
    profile: Profile = None,
    region: Region = "us-east-1",
) -> None:
    """Make a key that signs the log's head, or ask AWS KMS for one; print how others verify with it."""
    origin = load_settings(ctx.obj).audit.origin
    if origin is None:
        fail("audit.origin: missing. It is what the log is called wherever its head is kept.")
    if (file is None) == (kms is None):
        fail("Say either a file for a new key, or --kms.")
    if kms is not None:
        with plainly():
            known = public_key_of(kms, ProfileSource(profile), region)
        console.print(str(VerifierKey(origin, known)), markup=False, soft_wrap=True)
    elif file is not None:
        console.print(new_key(file, origin), markup=False, soft_wrap=True)


def new_key(file: Path, origin: str) -> str:
    """Write a new private key there, for its owner alone, and return its verifier key. Exit 1 when it cannot be."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(pem)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    return from_pem(origin, pem).verifier_key


@app.command()
def anchor(
    ctx: typer.Context,
    to: Annotated[str, typer.Argument(help="A file that is not there yet, or s3://bucket/key under Object Lock.")],
    days: Annotated[int, typer.Option(min=1, max=36_500, help="How long S3 keeps it locked.")] = 365,
    profile: Profile = None,
    region: Region = "us-east-1",
) -> None:
    """Put the log's signed head where the database's owner has no hand."""
    with ready(ctx) as context, plainly():
        note = checkpoint(context)
        # The stamp first: an anchor is there when all of it is.
        kept = _stamped(load_settings(ctx.obj), note) | {"": note.encode()}
        in_s3 = _S3.fullmatch(to)
        if in_s3 is not None:
            # The same all day long, so that an anchor whose answer was lost can be put again while the log is the same.
            until = datetime.combine(datetime.now(UTC).date() + timedelta(days=days + 1), time(), UTC)
            bucket = LockedBucket(in_s3[1], ProfileSource(profile), region)
            for suffix, content in kept.items():
                bucket.put(f"{in_s3[2]}{suffix}", content, until)
        else:
            for suffix, content in kept.items():
                _keep(Path(f"{to}{suffix}"), content)
    console.print(note, markup=False, soft_wrap=True, end="")


def _stamped(settings: Settings, note: str) -> dict[str, bytes]:
    """What an authority says of when it saw the note, where the settings name one."""
    url, roots = settings.audit.timestamp_url, settings.audit.timestamp_roots
    if url is None or roots is None:
        return {}
    try:
        known = load_pem_x509_certificates(roots.read_bytes())
        return {".tsr": stamp(new_client(settings.notify.allowed_hosts), url, note.encode(), known)}
    except (OSError, ValueError, BadStamp, Unreachable, Unsafe) as error:
        fail(f"audit.timestamp_url: no time-stamp, so no anchor: {error}")


def _keep(file: Path, content: bytes) -> None:
    """Never over another: an anchor is worth what is old in it."""
    try:
        with file.open("xb") as kept:
            kept.write(content)
            kept.flush()
            os.fsync(kept.fileno())
    except OSError as error:
        fail(f"{file}: {error.strerror}")


@app.command("verify")
def verify_(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(help="Exports, evidence or checkpoints.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A key to believe, or @ and a file of such lines. Files need one; "
            "with --database those of the settings are believed where none is given."
        ),
    ] = None,
    anchor: Annotated[list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere.")] = None,
    head: Annotated[list[str] | None, typer.Option(help="size:root, as a ticket or a webhook has it.")] = None,
    expect: Annotated[_Kind | None, typer.Option(help="What each file has to be.")] = None,
    database: Annotated[bool, typer.Option("--database", help="Check the log where it is stored.")] = False,
) -> None:
    """Check exports, evidence and checkpoints offline, or the log in the database. Exit 1 when something is wrong."""
    if bool(files) == database:
        fail("Say either files, or --database.")
    if not database and not key:
        fail("Say with --key whose signature is to be believed: files are not checked with the keys of the settings.")
    with _in_one_line():
        given, heads = verifier.read_keys(key or ()), [verifier.read_head(each) for each in head or ()]
    if not database:
        raise typer.Exit(verifier.report(files or (), anchor or (), given, heads, expect))
    # An auditor has neither the service's secrets nor a role that writes.
    with plainly(), compose(load_settings(ctx.obj, load_for_audit), with_aws=False) as context:
        check_readable(context)
        with _in_one_line():
            believed = given if key else verifier.read_keys(each.verifier_key for each in context.log.keys)
            heads += [verifier.open_checkpoint(file.read_text(), believed, str(file)) for file in anchor or ()]
        anchors = [Anchor(head.size, head.root, head.source) for head in heads]
        found = _faults(context, anchors)
    if found:
        fail(f"The log is NOT as it should be: {found} faults.")
    console.print(f"The log is as it should be, by itself and by {len(anchors)} heads that were kept elsewhere.")


def _faults(context: Context, anchors: Sequence[Anchor]) -> int:
    """How many there are; the first of them are shown."""
    columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = 0
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("events", total=None)
        for fault in verify(context, anchors, lambda done, every: bar.update(task, completed=done, total=every)):
            found += 1
            if found <= _MOST_FAULTS:
                errors.print(str(fault), style="red", markup=False, soft_wrap=True)
    return found


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What was given and cannot be used, as one line and exit 1."""
    try:
        yield
    except (OSError, ValueError, verifier.Finding) as error:
        fail(str(error))
