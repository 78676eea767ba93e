"""Checks what a server asks somebody to sign, before anything is signed."""

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic

from service.client.heads import KeptHeads
from service.client.refused import Refused
from service.client.remote import Remote, items, objects, text
from service.domain.statement import AnyStatement, LogHead, NotAStatement
from service.verifier import Finding, check_consistency, open_checkpoint, open_note, read_key

# How far the server's clock and this one may differ. The time in a statement is the signer's word.
_CLOCKS = timedelta(minutes=5)
_WORDS = {
    "request_id": "request",
    "digest": "filing",
    "verdict": "decision",
    "person": "person",
    "drill": "kind of request",
    "endorser": "endorser",
    "key": "key",
}


@dataclass(frozen=True, slots=True)
class Checked(Generic[AnyStatement]):
    """A statement that is as expected. `kept` is the head that its own was compared with; None if there was none.

    `log_keys` are those that sign a log which begins with its head. Empty if the log has no key.
    """

    text: str
    said: AnyStatement
    kept: LogHead | None
    log_keys: tuple[str, ...]

    @property
    def log(self) -> str:
        """Describe the comparison."""
        size = self.said.head.size
        unsigned = "" if self.log_keys else " No key signs this log, so nobody vouches for its head."
        compared = (
            "This is the first head of this log that you see, so it was compared with none."
            if self.kept is None
            else f"They begin with the {self.kept.size} that you signed over before."
        )
        return f"{size} events. {compared}{unsigned}"


def check(
    remote: Remote, kept: KeptHeads, given: str, parse: Callable[[bytes], AnyStatement], **expected: object
) -> Checked[AnyStatement]:
    """Return the statement if it says what is `expected`.

    The log in it has to begin with the log that was kept. And the log's key has to sign a log that begins with it.

    Raise Refused with the reason.
    """
    try:
        said = parse(given.encode())
    except (NotAStatement, UnicodeEncodeError):
        raise Refused("What the server asks you to sign is no statement of this kind. Nothing was signed.") from None
    for name, value in expected.items():
        if getattr(said, name) != value:
            raise Refused(f"The server's statement is about another {_WORDS[name]}. Nothing was signed.")
    if abs(said.at - datetime.now(UTC)) > _CLOCKS:
        raise Refused("The time in the server's statement is not that of your clock. Nothing was signed.")
    service = kept.service_at(remote.url)
    if service is not None and service != said.service:
        raise Refused(
            f"STOP. This server was the service {service}, and now says that it is {said.service}. Nothing was signed."
        )
    known = kept.of(said.service)
    _check_log(remote, said.head, known)
    return Checked(given, said, known, _keys_that_sign(remote, said, kept.log_keys(said.service)))


def keep(remote: Remote, heads: KeptHeads, checked: Checked[AnyStatement]) -> None:
    """Keep the head of a statement that was signed. Raise Refused, OSError."""
    said = checked.said
    heads.keep(remote.url, said.service, said.head, compared_with=checked.kept, log_keys=checked.log_keys)


def _check_log(remote: Remote, head: LogHead, known: LogHead | None) -> None:
    if head.size == 0:
        raise Refused("The log of the server is empty. Nothing was signed.")
    if known is None:
        return
    if head.size < known.size:
        raise _another_log(f"it has {head.size} events, and had {known.size}")
    if not _begins_with(remote, known, head):
        raise _another_log(f"its {head.size} events do not begin with the {known.size} of then")


def _begins_with(remote: Remote, first: LogHead, second: LogHead) -> bool:
    """Return whether the server proves that one log begins with the other. Raise Refused if it gives no proof."""
    proof = [] if first.size == second.size else _proof(remote, first.size, second.size)
    try:
        check_consistency(first.size, second.size, bytes.fromhex(first.root), bytes.fromhex(second.root), proof)
    except ValueError:
        return False
    return True


def _keys_that_sign(remote: Remote, said: AnyStatement, known: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that sign a log which begins with the statement's head. Raise Refused.

    So nobody on the way makes up a head, which would then be kept, and contradict the log for ever. The keys are
    believed when they are first seen. No other is, whoever signs beside it: a signature vouches for a head, not for the
    key next to it.
    """
    listed = [text(each, "key") for each in objects(remote.get("/v1/audit/keys"), "keys")]
    if not listed and not known:
        return ()
    try:
        offered = [read_key(key) for key in known or listed]
        note = remote.get_text("/v1/audit/checkpoint")
        signed = open_checkpoint(note, offered, "the checkpoint")
        _, signers = open_note(note, offered, "the checkpoint")
    except (ValueError, Finding, Refused):
        raise _unsigned() from None
    if note.partition("\n")[0] != said.service:
        raise _unsigned()
    newest = LogHead(signed.size, signed.root.hex())
    if newest.size < said.head.size or not _begins_with(remote, said.head, newest):
        raise _unsigned()
    return tuple(known) or tuple(key.text for key in signers)


def _unsigned() -> Refused:
    return Refused(
        "The key of the log does not sign the log that the server shows you. Nothing was signed. If its operators have "
        "replaced the key, compare the new one with them, and take the service out of `keys` in the file of heads."
    )


def _another_log(why: str) -> Refused:
    return Refused(
        f"STOP. The service shows you another log than before: {why}. Nothing was signed. Tell the auditors, "
        "by another way than this service."
    )


def _proof(remote: Remote, first: int, second: int) -> list[bytes]:
    """Return the proof that the server gives, which may be none."""
    try:
        answer = remote.get("/v1/audit/proofs/consistency", first=first, second=second)
        return [b64decode(each, validate=True) for each in items(answer, "proof")]
    except Refused as refused:
        raise Refused(
            f"STOP. The service does not prove that its log begins with the one that you saw before. Nothing was "
            f"signed. It says: {refused}"
        ) from None
    except (ValueError, TypeError):
        return []


def me(remote: Remote) -> str:
    """Return the subject of the caller. Raise Refused."""
    return text(remote.get("/v1/me"), "subject")
