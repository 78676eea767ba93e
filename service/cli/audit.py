"""The audit log for verifiers: its keys, anchors of its head, and verification."""

import os
import re
from base64 import b64decode
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
from service.cli.common import console, errors, fail, plainly
from service.cli.prepared import load_settings
from service.domain.checkpoint import Checkpoint, VerifierKey
from service.domain.cosigning import NotCosigned
from service.domain.errors import Code, ServiceError
from service.outbound.guarded import Unreachable, Unsafe, new_client
from service.settings import Settings, load_for_audit, load_values
from service.settings.faults import NO_ORIGIN
from service.signing.ed25519 import from_pem
from service.signing.timestamps import LARGEST_STAMP_BYTES, BadStamp, check, stamp
from service.workflow.audit import plain_checkpoint
from service.workflow.context import Context
from service.workflow.cosign import have_cosigned
from service.workflow.health import check_readable
from service.workflow.verify import Anchor, verify
from service.workflow.watch import note_anchor

app = Commands()

_MOST_FAULTS = 20
_Kind = Literal["export", "evidence", "checkpoint"]
_S3 = re.compile("s3://([a-z0-9.-]{3,63})/(.{1,512})")

Profile = Annotated[str | None, typer.Option(help="The boto3 profile with access to it.")]
Region = Annotated[str, typer.Option(help="Its AWS region.")]


@app.command()
def key(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A file for the new private key; it must not exist.")] = None,
    kms: Annotated[str | None, typer.Option(help="Instead of a new key, the ARN of one in AWS KMS.")] = None,
    profile: Profile = None,
    region: Region = "us-east-1",
) -> None:
    """Create a key that signs the log's head, or read one from AWS KMS; print the key that verifies its signatures."""
    # The settings may already name the new file, which does not exist yet.
    origin = load_settings(ctx.obj, load_values).audit.origin
    if origin is None:
        fail(NO_ORIGIN)
    if (file is None) == (kms is None):
        fail("Give either a file for a new key, or --kms.")
    if kms is not None:
        with plainly():
            known = public_key_of(kms, ProfileSource(profile), region)
        console.print(str(VerifierKey(origin, known)), soft_wrap=True)
    elif file is not None:
        console.print(new_key(file, origin), soft_wrap=True)


def new_key(file: Path, origin: str) -> str:
    """Write a new private key to the file, and return its verifier key. Exit 1 if that fails."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        _keep(file, pem)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    return from_pem(origin, pem).verifier_key


def _keep(file: Path, content: bytes) -> None:
    """Write a new file, only for its owner, and sync the file and its folder to disk. Raise OSError."""
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
    to: Annotated[str, typer.Argument(help="A file that does not exist yet, or s3://bucket/key under Object Lock.")],
    days: Annotated[int, typer.Option(min=1, max=36_500, help="How long S3 keeps it locked.")] = 365,
    profile: Profile = None,
    region: Region = "us-east-1",
) -> None:
    """Store the log's signed head out of reach of the database's owner. Repeating it succeeds."""
    settings, place = load_settings(ctx.obj), _place(to, days, ProfileSource(profile), region)
    with plainly(), compose(settings, with_aws=False) as context:
        check_readable(context)
        note = plain_checkpoint(context)
        # If there must be a time-stamp, nothing is kept without one. A time-stamp is never kept beside another note.
        roots = _roots(settings)
        stamped = _stamped(settings, note, roots)
        place.put("", note.encode())
        if stamped is not None:
            try:
                place.put(".tsr", stamped)
            except Taken:
                _check_kept(place, note, roots)
        _note_anchor(context, note)
        refused = list(_cosign(context, note, place))
    for line in note.splitlines():
        console.print(line, soft_wrap=True)
    if refused:
        fail("\n".join(refused))


def _note_anchor(context: Context, note: str) -> None:
    """Tell the service that this head is anchored. The anchor is good without that."""
    try:
        note_anchor(context, int(note.splitlines()[1]))
    except ServiceError as error:
        errors.print(f"Anchored, but the service does not know it: {error.exact}", style="red", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _File:
    """Keeps content in a file with this name and an ending. Never overwrites other content, but raises Taken."""

    name: str

    def put(self, ending: str, content: bytes) -> None:
        file = Path(f"{self.name}{ending}")
        try:
            if not file.exists():
                _keep(file, content)
            elif file.read_bytes() == content:
                errors.print(f"{file} was there already.", soft_wrap=True)
            else:
                raise Taken(Code.UNAVAILABLE, f"{file}: a different file has this name.")
        except OSError as error:
            fail(f"{file}: {error.strerror}")

    def kept(self, ending: str) -> bytes:
        return Path(f"{self.name}{ending}").read_bytes()


@dataclass(frozen=True, slots=True)
class _Object:
    """Does the same in S3, locked until `until`. Also raises Unavailable."""

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
    # The same all day, so that an anchor whose answer was lost can be repeated while the log is unchanged.
    until = datetime.combine(datetime.now(UTC).date() + timedelta(days=days + 1), time(), UTC)
    return _Object(LockedBucket(in_s3[1], source, region), in_s3[2], until)


def _roots(settings: Settings) -> Sequence[Certificate]:
    """Return the root certificates of the time-stamp authority in the settings, empty if there is none."""
    if settings.audit.timestamp_roots is None:
        return ()
    try:
        return load_pem_x509_certificates(settings.audit.timestamp_roots.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it has no certificate in PEM"
        fail(f"audit.timestamp_roots: cannot be read, so there is no anchor: {why}.")


def _stamped(settings: Settings, note: str, roots: Sequence[Certificate]) -> bytes | None:
    """Return a time-stamp of the note, or None if the settings name no authority."""
    if settings.audit.timestamp_url is None:
        return None
    try:
        client = new_client(settings.notify.allowed_hosts)
        return stamp(client, settings.audit.timestamp_url, note.encode(), roots)
    except (ValueError, BadStamp, Unreachable, Unsafe) as error:
        fail(f"audit.timestamp_url: no time-stamp, so no anchor: {error}")


def _check_kept(place: _File | _Object, note: str, roots: Sequence[Certificate]) -> None:
    """Exit 1 unless the existing time-stamp is for this note. An earlier request made it, with another nonce."""
    try:
        check(place.kept(".tsr"), note.encode(), roots)
    except (OSError, BadStamp) as error:
        fail(
            "The anchor has no time-stamp, because its .tsr exists and is not a time-stamp of it by the settings' "
            f"authority: {error}. Use another name."
        )
    errors.print("A time-stamp was there already, and is kept.")


def _cosign(context: Context, note: str, place: _File | _Object) -> Iterator[str]:
    """Keep the cosignature of each witness beside the anchor. Yield why one is missing; the anchor is good without."""
    origin, size, root = note.splitlines()[:3]
    head = Checkpoint(origin, int(size), b64decode(root))
    for name in context.log.witnesses:
        try:
            line = have_cosigned(context, name, head, note)
            place.put(f".{name}.cosignature", line.encode())
        except Taken:
            errors.print(f"A cosignature of {name} was there already, and is kept.", soft_wrap=True)
        except (NotCosigned, ServiceError) as error:
            yield f"Anchored, but not cosigned by {name}: {error}. Repeat the command, or look at the witness."


@app.command("verify")
def verify_(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(help="Exports, evidence or checkpoints.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A key to trust, or @ and a file with one per line. Required for files; "
            "with --database the default is the keys in the settings."
        ),
    ] = None,
    anchor: Annotated[list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere.")] = None,
    head: Annotated[list[str] | None, typer.Option(help="size:root, as in a ticket or a webhook.")] = None,
    consistency: Annotated[
        list[Path] | None,
        typer.Option(help="The answer of /v1/audit/proofs/consistency, for a head whose size differs from a file's."),
    ] = None,
    expect: Annotated[_Kind | None, typer.Option(help="What each file must be.")] = None,
    signers: Annotated[
        Path | None,
        typer.Option(help="Whose signatures count, instead of what the log says: OpenSSH's allowed_signers."),
    ] = None,
    founders: Annotated[
        Path | None, typer.Option(help="The same for founders, to whom endorsements in the log must lead.")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="Any version of the signed rules that a person gave you."),
    ] = None,
    all_signed: Annotated[bool, typer.Option("--all-signed", help="Every approval must be signed.")] = False,
    witnesses: Annotated[
        Path | None, typer.Option(help="Whose cosignatures are demanded: a policy in the form of Sigsum's.")
    ] = None,
    extract: Annotated[
        Path | None, typer.Option(help="A folder for the signed approvals in files, to verify with ssh-keygen.")
    ] = None,
    database: Annotated[bool, typer.Option("--database", help="Check the log in the database.")] = False,
) -> None:
    """Check exports, evidence and checkpoints offline, or the log in the database. Exit 1 if something is wrong."""
    if bool(files) == database:
        fail("Give either files or --database.")
    if not database and not key:
        fail("Give the key to trust with --key: files are not checked with the keys in the settings.")
    if sum(map(bool, (signers, founders, rules))) > 1:
        fail("Give only one of --signers, --founders and --rules.")
    if extract and database:
        fail("--extract needs a file: an export, or evidence.")
    with _in_one_line():
        trust = verifier.read_trust(signers, founders, rules, all_signed=all_signed)
        given, kept = verifier.read_keys(key or ()), verifier.read_kept(head or (), consistency or (), trust, witnesses)
    if not database:
        raise typer.Exit(verifier.report(files or (), anchor or (), given, kept, expect, extract=extract))
    # An auditor has neither the service's secrets nor a role that can write.
    with plainly(), compose(load_settings(ctx.obj, load_for_audit), with_aws=False, read_only=True) as context:
        check_readable(context)
        with _in_one_line():
            believed = given if key else verifier.read_keys(each.verifier_key for each in context.log.keys)
            heads = [verifier.read_anchor(file, believed, kept) for file in anchor or ()]
        if kept.policy is not None and not kept.witnessed:
            fail("No given anchor has the cosignatures that the policy demands.")
        anchors = [Anchor(head.size, head.root, head.source) for head in (*kept.heads, *heads)]
        found = _faults(context, anchors, trust)
    if found:
        fail(f"The log is NOT as it should be: {found} faults.")
    console.print(f"The log is as it should be, by itself and by {len(anchors)} heads that were kept elsewhere.")


def _faults(context: Context, anchors: Sequence[Anchor], trust: verifier.Trust) -> int:
    """Return the number of faults. Print the first ones, and everything that could not be checked."""
    columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = 0
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("events", total=None)

        def progress(done: int, every: int) -> None:
            bar.update(task, completed=done, total=every)

        for fault in verify(context, anchors, progress, trust):
            if isinstance(fault, str):
                console.print(fault, markup=False, soft_wrap=True)
                continue
            found += 1
            if found <= _MOST_FAULTS:
                errors.print(str(fault), style="red", soft_wrap=True)
    return found


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Turn unusable input into one line and exit 1."""
    try:
        yield
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}.")
    except UnicodeDecodeError:
        fail("A given file is not text.")
    except (ValueError, verifier.Finding) as error:
        fail(str(error))
