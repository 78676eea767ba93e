"""Signing a note, and telling who signed one (C2SP `signed-note`)."""

from collections.abc import Collection, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.domain.checkpoint import Note, Signature, VerifierKey, parse_note, parse_verifier_key


class Signer(Protocol):
    """Who signs notes. The key need not be in this process: a key service is another one."""

    @property
    def name(self) -> str:
        """What the signature's line says; for a log's own key it is the log's origin."""

    @property
    def verifier_key(self) -> str:
        """The public key as it is handed out."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature over `message` (RFC 8032, without pre-hashing)."""


class Remembering:
    """Asks a signer no second time for what it signed last: whoever reads the same head again costs nothing.

    Of Ed25519 one text has one signature. A failure is not remembered. Threads may share it.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        # One object, which a thread replaces as a whole: message and signature always belong together.
        self._last: tuple[bytes, bytes] | None = None

    @property
    def name(self) -> str:
        return self._signer.name

    @property
    def verifier_key(self) -> str:
        return self._signer.verifier_key

    def sign(self, message: bytes) -> bytes:
        last = self._last
        if last is None or last[0] != message:
            last = self._last = message, self._signer.sign(message)
        return last[1]


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """The note, signed by each. Raises ValueError for text that no note can carry, or without a signer."""
    signatures = tuple(
        Signature(signer.name, parse_verifier_key(signer.verifier_key).key_id, signer.sign(text.encode()))
        for signer in signers
    )
    note = str(Note(text, signatures))
    if parse_note(note).text != text:
        raise ValueError("the text has no end that its signatures could follow")
    return note


def verify_note(note: str, verifier_keys: Collection[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Which of the keys signed it. Raises ValueError when none did, or when a signature of one of them is wrong."""
    parsed = parse_note(note)
    by_line = {(key.name, key.key_id): key for key in verifier_keys}
    good: dict[VerifierKey, None] = {}
    for signature in parsed.signatures:
        key = by_line.get((signature.name, signature.key_id))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature.signature, parsed.text.encode())
        except InvalidSignature:
            raise ValueError(f"the signature of {key.name} is wrong") from None
        good[key] = None
    if not good:
        raise ValueError("none of the keys signed the note")
    return tuple(good)
