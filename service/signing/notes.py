"""Signing a note (C2SP `signed-note`)."""

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

from service.domain.checkpoint import Signature, parse_verifier_key
from service.domain.errors import Code, Unavailable

_LONGEST_WAIT_SECONDS = 10


class Signer(Protocol):
    """Who signs notes. The key need not be in this process: a key service is another one."""

    @property
    def verifier_key(self) -> str:
        """The public key as it is handed out; its name, which a log's own key has from the log, is in the line."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature over `message` (RFC 8032, without pre-hashing)."""


class Remembering:
    """Asks a signer no second time for what it signed last: whoever reads the same head again costs nothing.

    Of Ed25519 one text has one signature. A failure is not remembered. Threads share it: one of them asks, the others
    wait for that. If it takes too long they are refused, since whoever waits for one that hangs, after others that have
    waited for it, would wait as long again for each of these.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._asking = Lock()
        # One object, which a thread replaces as a whole: message and signature always belong together.
        self._last: tuple[bytes, bytes] | None = None

    @property
    def verifier_key(self) -> str:
        return self._signer.verifier_key

    def sign(self, message: bytes) -> bytes:
        """Raises Unavailable when others ask for too long, and what the signer raises."""
        last = self._last
        if last is not None and last[0] == message:
            return last[1]
        if not self._asking.acquire(timeout=_LONGEST_WAIT_SECONDS):
            raise Unavailable(Code.UNAVAILABLE, "The log's key takes long to sign for others. Try again later.")
        try:
            last = self._last
            if last is None or last[0] != message:
                last = self._last = message, self._signer.sign(message)
            return last[1]
        finally:
            self._asking.release()


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """The note, signed by each. Raises ValueError for text that no note can carry, or without a signer."""
    if not text.rstrip("\n") or not text.endswith("\n"):
        raise ValueError("a note's text is not empty, and ends with a newline")
    if any(letter < " " and letter != "\n" for letter in text):
        raise ValueError("a control character is in the text")
    if not signers:
        raise ValueError("nobody signs")
    return f"{text}\n{''.join(_line(signer, text) for signer in signers)}"


def _line(signer: Signer, text: str) -> str:
    key = parse_verifier_key(signer.verifier_key)
    return Signature(key.name, key.key_id, signer.sign(text.encode())).line()
