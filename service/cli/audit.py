"""The audit log, for those who check it: its keys, copies of its head, and whether all of it is as it was."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Certificate, load_pem_x509_certificates
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service import verifier
from service.app import compose
from service.aws.kms import public_key_of
from service.aws.locked_objects import LockedBucket, Taken
from service.aws.sources import ProfileSource, Source
from service.cli.commands import Commands
from service.cli.common import console, errors, fail, load_settings, plainly
from service.domain.checkpoint import VerifierKey
from service.domain.errors import Code
from service.outbound.guarded import Unreachable, Unsafe, new_client
from service.settings import Settings, load_for_audit, load_values
from service.signing.ed25519 import from_pem
from service.signing.timestamps import LARGEST_STAMP_BYTES, BadStamp, check, stamp
from service.workflow.audit import checkpoint
from service.workflow.context import Context
from service.workflow.health import check_readable
from service.workflow.verify import Anchor, verify

app = Commands(help="The audit log: keys, anchors, verification.")

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
    # The settings may name the new file already, which is not there yet.
    origin = load_settings(ctx.obj, load_values).audit.origin
    if origin is None:
        fail("audit.origin: missing. It is what the log is called wherever its head is kept.")
    if (file is None) == (kms is None):
        fail("Say either a file for a new key, or --kms.")
    if kms is not None:
        with plainly():
            known = public_key_of(kms, ProfileSource(profile), region)
        console.print(str(VerifierKey(origin, known)), soft_wrap=True)
    elif file is not None:
        console.print(new_key(file, origin), soft_wrap=True)


def new_key(file: Path, origin: str) -> str:
    """Write a new private key there, and return its verifier key. Exit 1 when it cannot be."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        _keep(file, pem)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    return from_pem(origin, pem).verifier_key


def _keep(file: Path, content: bytes) -> None:
    """A new file, for its owner alone, that is on the disk with its name when this returns. Raises OSError."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as kept:
        kept.write(content)
        kept.flush()
        os.fsync(kept.fileno())
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@app.command()
def anchor(
    ctx: typer.Context,
    to: Annotated[str, typer.Argument(help="A file that is not there yet, or s3://bucket/key under Object Lock.")],
    days: Annotated[int, typer.Option(min=1, max=36_500, help="How long S3 keeps it locked.")] = 365,
    profile: Profile = None,
    region: Region = "us-east-1",
) -> None:
    """Put the log's signed head where the database's owner has no hand. The same again is a success."""
    settings, place = load_settings(ctx.obj), _place(to, days, ProfileSource(profile), region)
    with plainly(), compose(settings, with_aws=False) as context:
        check_readable(context)
        note = checkpoint(context)
        # Nothing is kept without a time-stamp, where there should be one; and no time-stamp beside another note.
        roots = _roots(settings)
        stamped = _stamped(settings, note, roots)
        place.put("", note.encode())
        if stamped is not None:
            try:
                place.put(".tsr", stamped)
            except Taken:
                _check_kept(place, note, roots)
    for line in note.splitlines():
        console.print(line, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _File:
    """Keeps a content under the name and an ending of it, and never over another: that raises Taken."""

    name: str

    def put(self, ending: str, content: bytes) -> None:
        file = Path(f"{self.name}{ending}")
        try:
            if not file.exists():
                _keep(file, content)
            elif file.read_bytes() == content:
                errors.print(f"{file} was there already.", soft_wrap=True)
            else:
                raise Taken(Code.UNAVAILABLE, f"{file}: another file is there by its name.")
        except OSError as error:
            fail(f"{file}: {error.strerror}")

    def kept(self, ending: str) -> bytes:
        return Path(f"{self.name}{ending}").read_bytes()


@dataclass(frozen=True, slots=True)
class _Object:
    """The same in S3, locked until then; that raises Unavailable as well."""

    bucket: LockedBucket
    key: str
    until: datetime

    def put(self, ending: str, content: bytes) -> None:
        locked = self.bucket.put(f"{self.key}{ending}", content, self.until)
        self._say(ending, locked.version, "locked" if locked.is_new else "was there already, locked")

    def kept(self, ending: str) -> bytes:
        content, version = self.bucket.kept(f"{self.key}{ending}", LARGEST_STAMP_BYTES, self.until)
        self._say(ending, version, "was there already, locked")
        return content

    def _say(self, ending: str, version: str, said: str) -> None:
        errors.print(f"{self.key}{ending}: version {version} {said} until {self.until:%Y-%m-%d}.", soft_wrap=True)


def _place(to: str, days: int, source: Source, region: str) -> _File | _Object:
    if not to.startswith("s3://"):
        return _File(to)
    in_s3 = _S3.fullmatch(to)
    if in_s3 is None:
        fail(f"{to}: an object in S3 is s3://bucket/key, where a bucket's name is 3 to 63 of a-z, 0-9, - and .")
    # The same all day long, so that an anchor whose answer was lost can be put again while the log is the same.
    until = datetime.combine(datetime.now(UTC).date() + timedelta(days=days + 1), time(), UTC)
    return _Object(LockedBucket(in_s3[1], source, region), in_s3[2], until)


def _roots(settings: Settings) -> Sequence[Certificate]:
    """Of the authority that the settings name; none where they name none."""
    if settings.audit.timestamp_roots is None:
        return ()
    try:
        return load_pem_x509_certificates(settings.audit.timestamp_roots.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no certificate in PEM is in it"
        fail(f"audit.timestamp_roots: no time-stamp, so no anchor: {why}.")


def _stamped(settings: Settings, note: str, roots: Sequence[Certificate]) -> bytes | None:
    """What an authority says of when it saw the note, where the settings name one."""
    if settings.audit.timestamp_url is None:
        return None
    try:
        client = new_client(settings.notify.allowed_hosts)
        return stamp(client, settings.audit.timestamp_url, note.encode(), roots)
    except (ValueError, BadStamp, Unreachable, Unsafe) as error:
        fail(f"audit.timestamp_url: no time-stamp, so no anchor: {error}")


def _check_kept(place: _File | _Object, note: str, roots: Sequence[Certificate]) -> None:
    """Exit 1 unless the time-stamp that is there already is one of this note; it was asked for with another nonce."""
    try:
        check(place.kept(".tsr"), note.encode(), roots)
    except (OSError, BadStamp) as error:
        fail(
            "The anchor has no time-stamp, and needs another name to have one, since what is there as its .tsr is not "
            f"its own by the settings' authority: {error}."
        )
    errors.print("A time-stamp is there already, and stays.")


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
    consistency: Annotated[
        list[Path] | None,
        typer.Option(help="What /v1/audit/proofs/consistency answered, for a head of another size than a file's."),
    ] = None,
    expect: Annotated[_Kind | None, typer.Option(help="What each file has to be.")] = None,
    database: Annotated[bool, typer.Option("--database", help="Check the log where it is stored.")] = False,
) -> None:
    """Check exports, evidence and checkpoints offline, or the log in the database. Exit 1 when something is wrong."""
    if bool(files) == database:
        fail("Say either files, or --database.")
    if not database and not key:
        fail("Say with --key whose signature is to be believed: files are not checked with the keys of the settings.")
    with _in_one_line():
        given, kept = verifier.read_keys(key or ()), verifier.read_kept(head or (), consistency or ())
    if not database:
        raise typer.Exit(verifier.report(files or (), anchor or (), given, kept, expect))
    # An auditor has neither the service's secrets nor a role that writes.
    with plainly(), compose(load_settings(ctx.obj, load_for_audit), with_aws=False, read_only=True) as context:
        check_readable(context)
        with _in_one_line():
            believed = given if key else verifier.read_keys(each.verifier_key for each in context.log.keys)
            heads = [verifier.open_checkpoint(file.read_text(), believed, str(file)) for file in anchor or ()]
        anchors = [Anchor(head.size, head.root, head.source) for head in (*kept.heads, *heads)]
        found = _faults(context, anchors)
    if found:
        fail(f"The log is NOT as it should be: {found} faults.")
    console.print(f"The log is as it should be, by itself and by {len(anchors)} heads that were kept elsewhere.")


def _faults(context: Context, anchors: Sequence[Anchor]) -> int:
    """How many there are; the first of them are shown, and all that could not be judged."""
    columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = 0
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("events", total=None)
        for fault in verify(context, anchors, lambda done, every: bar.update(task, completed=done, total=every)):
            if isinstance(fault, str):
                console.print(fault, markup=False, soft_wrap=True)
                continue
            found += 1
            if found <= _MOST_FAULTS:
                errors.print(str(fault), style="red", soft_wrap=True)
    return found


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What was given and cannot be used, as one line and exit 1."""
    try:
        yield
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}.")
    except UnicodeDecodeError:
        fail("A file that was given is no text.")
    except (ValueError, verifier.Finding) as error:
        fail(str(error))
