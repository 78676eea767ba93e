"""Checks what a server asks somebody to sign, before anything is signed."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic

from service.client.heads import KeptHeads
from service.client.refused import Refused
from service.client.remote import Remote, items, text
from service.domain.statement import AnyStatement, LogHead, NotAStatement
from service.verifier import check_consistency

# How far the server's clock and this one may differ. The time in a statement is the signer's word.
_CLOCKS = timedelta(minutes=5)
_WORDS = {
    "request_id": "request",
    "digest": "filing",
    "verdict": "decision",
    "person": "person",
    "endorser": "endorser",
    "key": "key",
}


@dataclass(frozen=True, slots=True)
class Checked(Generic[AnyStatement]):
    """A statement that is as expected. `kept` is the head that its own was compared with; None if there was none."""

    text: str
    said: AnyStatement
    kept: LogHead | None

    @property
    def log(self) -> str:
        """Describe the comparison."""
        size = self.said.head.size
        if self.kept is None:
            return f"{size} events. This is the first head of this log that you see, so it was compared with none."
        return f"{size} events. They begin with the {self.kept.size} that you signed over before."


def check(
    remote: Remote, kept: KeptHeads, given: str, parse: Callable[[bytes], AnyStatement], **expected: object
) -> Checked[AnyStatement]:
    """Return the statement if it says what is `expected`, and if the log in it begins with the log that was kept.

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
    return Checked(given, said, known)


def keep(remote: Remote, heads: KeptHeads, checked: Checked[AnyStatement]) -> None:
    """Keep the head of a statement that was signed. Raise Refused, OSError."""
    heads.keep(remote.url, checked.said.service, checked.said.head, compared_with=checked.kept)


def _check_log(remote: Remote, head: LogHead, known: LogHead | None) -> None:
    if head.size == 0:
        raise Refused("The log of the server is empty. Nothing was signed.")
    if known is None:
        return
    if head.size < known.size:
        raise _another_log(f"it has {head.size} events, and had {known.size}")
    proof = [] if head.size == known.size else _proof(remote, known.size, head.size)
    try:
        check_consistency(known.size, head.size, bytes.fromhex(known.root), bytes.fromhex(head.root), proof)
    except ValueError:
        raise _another_log(f"its {head.size} events do not begin with the {known.size} of then") from None


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
