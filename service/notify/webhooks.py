"""Standard Webhooks 1.0, sent and received. Each message has an id and a time, and the signature covers both."""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import httpx
import standardwebhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.domain.canonical import Json, canonical
from service.domain.delivery import Answer, Attempt, Notice
from service.domain.hooks import BadSignature
from service.notify.cloudevents import CONTENT_TYPE, cloud_event, headers_of
from service.outbound import guarded

_SHARED, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_SHORTEST_SECRET_BYTES, _LONGEST_SECRET_BYTES, _KEY_BYTES = 24, 64, 32
_TOLERANCE = timedelta(minutes=5)
# A sender makes one signature for each of its secrets, and has two secrets during a rotation.
_MOST_SIGNATURES = 16
_SECONDS = re.compile("[1-9][0-9]{0,10}")

_MOVED, _CLIENT_ERROR, _GONE = 300, 400, 410


class Signer(Protocol):
    """Signs messages to a destination."""

    def sign(self, message_id: str, at: int, body: bytes) -> str:
        """Return one signature with its version. `at` is in seconds since 1970, `body` is UTF-8."""


class Verifier(Protocol):
    """Verifies incoming messages."""

    def made(self, signature: str, message_id: str, at: int, body: bytes) -> bool:
        """Return whether this secret made `signature`, given with its version, for that message."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """`whsec_`: HMAC-SHA256, with the same secret on both sides."""

    secret: bytes = field(repr=False)

    def sign(self, message_id: str, at: int, body: bytes) -> str:
        time = datetime.fromtimestamp(at, UTC)
        return standardwebhooks.Webhook(self.secret).sign(message_id, time, body.decode())

    def made(self, signature: str, message_id: str, at: int, body: bytes) -> bool:
        return hmac.compare_digest(signature.encode(), self.sign(message_id, at, body).encode())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`whpk_`: verifies Ed25519 signatures, and cannot make any."""

    key: Ed25519PublicKey = field(repr=False)

    def made(self, signature: str, message_id: str, at: int, body: bytes) -> bool:
        version, _, encoded = signature.partition(",")
        if version != "v1a":
            return False
        try:
            self.key.verify(base64.b64decode(encoded, validate=True), _signed(message_id, at, body))
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        """Return the text form that receivers get."""
        return _PUBLIC + base64.b64encode(self.key.public_bytes_raw()).decode()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """`whsk_`: makes Ed25519 signatures."""

    key: Ed25519PrivateKey = field(repr=False)

    def sign(self, message_id: str, at: int, body: bytes) -> str:
        return "v1a," + base64.b64encode(self.key.sign(_signed(message_id, at, body))).decode()

    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())


def signer(text: str) -> SharedSecret | PrivateKey:
    """Parse the text form. Raise ValueError, which does not quote it."""
    if text.startswith(_SHARED):
        return SharedSecret(_decoded(text.removeprefix(_SHARED), _SHORTEST_SECRET_BYTES, _LONGEST_SECRET_BYTES))
    if text.startswith(_PRIVATE):
        seed = _decoded(text.removeprefix(_PRIVATE), _KEY_BYTES, _KEY_BYTES)
        return PrivateKey(Ed25519PrivateKey.from_private_bytes(seed))
    raise ValueError(f"a secret to sign with begins with {_SHARED} or {_PRIVATE}")


def verifier(text: str) -> SharedSecret | PublicKey:
    """Parse the text form. Raise ValueError, which does not quote it."""
    if text.startswith(_SHARED):
        return SharedSecret(_decoded(text.removeprefix(_SHARED), _SHORTEST_SECRET_BYTES, _LONGEST_SECRET_BYTES))
    if text.startswith(_PUBLIC):
        key = _decoded(text.removeprefix(_PUBLIC), _KEY_BYTES, _KEY_BYTES)
        return PublicKey(Ed25519PublicKey.from_public_bytes(key))
    raise ValueError(f"a secret to verify with begins with {_SHARED} or {_PUBLIC}")


class Sent(NamedTuple):
    """What a valid signature proves: the message's id, by which callers recognize a repeat, and the time of sending."""

    id: str
    at: datetime


def verify(
    secrets: Sequence[Verifier],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    tolerance: timedelta = _TOLERANCE,
) -> Sent:
    """Verify the signature, and return what it proves. Use that instead of the headers. Raise BadSignature."""
    message_id, stamp = once(headers, "webhook-id"), once(headers, "webhook-timestamp")
    signatures = once(headers, "webhook-signature").split()
    if not message_id or not stamp or not signatures:
        raise BadSignature("a header of the signature is missing")
    if len(signatures) > _MOST_SIGNATURES:
        raise BadSignature("there are too many signatures")
    at = _at(stamp)
    if abs(at - now.timestamp()) > tolerance.total_seconds():
        raise BadSignature("the message is not from now")
    try:
        # Try all of them, so that the time taken reveals nothing.
        good = [secret.made(signature, message_id, at, body) for secret in secrets for signature in signatures]
    except UnicodeError:
        raise BadSignature("the message is not UTF-8") from None
    if not any(good):
        raise BadSignature("no signature is good")
    return Sent(message_id, datetime.fromtimestamp(at, UTC))


def once(headers: Mapping[str, str], name: str) -> str:
    """Return a header's value; empty if absent. `name` is in lower case; names in `headers` may have any case.

    Raise BadSignature if it repeats: two readers could take different values, and the sender would choose which.
    """
    found = [value for each, value in headers.items() if each.lower() == name]
    if len(found) > 1:
        raise BadSignature("a header is there twice")
    return found[0] if found else ""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A destination for Standard Webhooks. During a rotation it has two secrets, and each signs.

    With a `source`, its URI, it sends CloudEvents. `is_binary` puts their attributes into headers. The signature covers
    the body in either mode, so it does not cover these headers.
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[Signer, ...] = field(repr=False)
    client: httpx.BaseTransport = field(repr=False)
    now: Callable[[], datetime] = field(default=_utc_now, repr=False)
    events: frozenset[str] | None = None
    source: str | None = None
    is_binary: bool = False

    def wants(self, event: str, _ticket: str | None) -> bool:
        return self.events is None or event in self.events

    def check(self) -> None:
        """Check that it can be reached, without sending an event. Raise Unreachable, Unsafe."""
        guarded.touch(self.client, self.url)

    def deliver(self, notice: Notice) -> Attempt:
        described, content = self._message(notice)
        body, at = canonical(content), int(self.now().timestamp())
        headers = described | {
            "webhook-id": notice.id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(secret.sign(notice.id, at, body) for secret in self.secrets),
        }
        try:
            reply = guarded.send(self.client, "POST", self.url, headers=headers, content=body)
        except (guarded.Unreachable, guarded.Unsafe) as error:
            return Attempt(Answer.AGAIN, str(error))
        return _attempt(reply.status)

    def _message(self, notice: Notice) -> tuple[dict[str, str], Json]:
        """Return the headers that describe the body, and what the body says."""
        if self.source is None:
            return {"Content-Type": "application/json"}, notice.document
        event = cloud_event(notice, self.source)
        if self.is_binary:
            return headers_of(event), event["data"]
        return {"Content-Type": CONTENT_TYPE}, event


def _attempt(status: int) -> Attempt:
    if httpx.codes.is_success(status):
        return Attempt(Answer.DELIVERED, f"answered {status}")
    if status == _GONE:
        return Attempt(Answer.GONE, f"answered {status}: it wants no more")
    if _MOVED <= status < _CLIENT_ERROR:
        return Attempt(Answer.AGAIN, f"answered {status}, a redirect")
    return Attempt(Answer.AGAIN, f"answered {status}")


def _signed(message_id: str, at: int, body: bytes) -> bytes:
    return f"{message_id}.{at}.".encode() + body


def _at(stamp: str) -> int:
    """Parse seconds since 1970, only in the form that `str` writes: the signature covers the header's text."""
    if not _SECONDS.fullmatch(stamp):
        raise BadSignature("the time is no number of seconds")
    return int(stamp)


def _decoded(text: str, shortest: int, longest: int) -> bytes:
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("the secret is no Base64") from None
    if not shortest <= len(decoded) <= longest:
        raise ValueError(f"the secret has {len(decoded)} bytes, not {shortest} to {longest}")
    return decoded
