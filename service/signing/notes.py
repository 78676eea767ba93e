"""Signing a note (C2SP `signed-note`)."""

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

from service.domain.checkpoint import Signature, parse_verifier_key
from service.domain.errors import Code, Unavailable

_LONGEST_WAIT_SECONDS = 10


class Signer(Protocol):
    """Signs notes. The key need not be in this process; it can be in a key service."""

    @property
    def verifier_key(self) -> str:
        """The public key as given to verifiers. It includes the key's name; a log's own key has the log's name."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature over `message` (RFC 8032, without pre-hashing)."""


class Remembering:
    """Caches a signer's last signature, so that reading the same head again costs nothing.

    An Ed25519 signature is deterministic. Failures are not cached. Threads share this: one asks the signer, the others
    wait for it. They are refused after a limit; otherwise, when the signer hangs, each would wait in turn for all the
    others before it.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._asking = Lock()
        # One tuple, replaced as a whole, so that message and signature always match.
        self._last: tuple[bytes, bytes] | None = None

    @property
    def verifier_key(self) -> str:
        return self._signer.verifier_key

    def sign(self, message: bytes) -> bytes:
        """Sign the message. Raise Unavailable if other threads take too long, and what the signer raises."""
        last = self._last
        if last is not None and last[0] == message:
            return last[1]
        if not self._asking.acquire(timeout=_LONGEST_WAIT_SECONDS):
            raise Unavailable(Code.UNAVAILABLE, "The log's key is busy with other signatures. Try again later.")
        try:
            last = self._last
            if last is None or last[0] != message:
                last = self._last = message, self._signer.sign(message)
            return last[1]
        finally:
            self._asking.release()


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """Return the note, signed by each signer. Raise ValueError for text that a note cannot carry, or no signers."""
    if not text.rstrip("\n") or not text.endswith("\n"):
        raise ValueError("a note's text must not be empty and must end with a newline")
    if any(letter < " " and letter != "\n" for letter in text):
        raise ValueError("the text contains a control character")
    if not signers:
        raise ValueError("there is no signer")
    return f"{text}\n{''.join(_line(signer, text) for signer in signers)}"


def _line(signer: Signer, text: str) -> str:
    key = parse_verifier_key(signer.verifier_key)
    return Signature(key.name, key.key_id, signer.sign(text.encode())).line()
