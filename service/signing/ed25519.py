"""A signing key that is held in this process."""

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from service.domain.checkpoint import NOT_ED25519, VerifierKey, parse_verifier_key


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Signs with a key from a file. Raises ValueError for a name that a note cannot carry."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        parse_verifier_key(self.verifier_key)

    @property
    def verifier_key(self) -> str:
        return str(VerifierKey(self.name, self.key.public_key().public_bytes_raw()))

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


def from_pem(name: str, pem: bytes) -> Ed25519Signer:
    """Read unencrypted PKCS #8 in PEM, as OpenSSL writes it. Raise ValueError, which never quotes the key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the key is not a private key in PEM, or is encrypted") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(NOT_ED25519)  # noqa: TRY004  # its text is wrong, not its type
    return Ed25519Signer(name, key)
