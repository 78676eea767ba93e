"""Private keys in the format of Go's note package. The service does not use it."""

from base64 import b64decode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.signing.ed25519 import Ed25519Signer


def signer_of(private: str) -> Ed25519Signer:
    """Return a signer from `PRIVATE+KEY+name+id+Base64`."""
    name, _, encoded = private.removeprefix("PRIVATE+KEY+").split("+", 2)
    return Ed25519Signer(name, Ed25519PrivateKey.from_private_bytes(b64decode(encoded)[1:]))
