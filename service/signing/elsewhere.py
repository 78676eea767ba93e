"""A key that is not in this process, and cannot be taken out of where it is."""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.domain.checkpoint import parse_verifier_key
from service.domain.errors import Code, Unavailable


class Key(Protocol):
    """Somebody who signs for us."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class KeptElsewhere:
    """Signs by a key service. Its public key is known beforehand: whoever puts another key there signs nothing here."""

    verifier_key: str
    key: Key = field(repr=False)

    @property
    def name(self) -> str:
        return parse_verifier_key(self.verifier_key).name

    def sign(self, message: bytes) -> bytes:
        """Raises Unavailable, also for a signature that is not by the key that the settings name."""
        signature = self.key.sign(message)
        try:
            Ed25519PublicKey.from_public_bytes(parse_verifier_key(self.verifier_key).public).verify(signature, message)
        except InvalidSignature:
            raise Unavailable(Code.UNAVAILABLE, "The log's key is not the one that the settings name.") from None
        return signature
