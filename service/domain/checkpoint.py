"""The signed form of a tree's head: C2SP's `tlog-checkpoint` in a `signed-note`, both version 1.

A note is text, an empty line, and a line for each signature. A name and a key id say which key signed; a reader skips
the lines of keys that it does not know. `service/signing` signs. Only `service/verifier.py`, which others run, verifies
signatures.
"""

import base64
import hashlib
from dataclasses import dataclass

NOT_ED25519 = "the key is not Ed25519"
# The byte that signed-note assigns to Ed25519. The key's text contains it, and the id's hash covers it.
_ED25519 = b"\x01"
_KEY_BYTES, _KEY_ID_BYTES = 32, 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log named `origin`: the number of leaves, and their root hash."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `name` and `key_id` together identify the key and the kind of signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"\N{EM DASH} {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key with its holder's name. Raise ValueError for a name that a note cannot carry."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or " " in self.name or not self.name.isprintable():
            raise ValueError("a key's name is empty, or has a space, a plus or something invisible in it")

    @property
    def key_id(self) -> bytes:
        """Return the first four bytes of SHA-256 over the name, a newline, the kind and the key."""
        return hashlib.sha256(f"{self.name}\n".encode() + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Parse `name+hexadecimal id+base64`. Raise ValueError, also if the id does not match the name and the key."""
    name, _, rest = text.partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not plus:
        raise ValueError("a key is a name, an id and Base64, with + between them")
    key = VerifierKey(name, _key_bytes(encoded))
    if key_id != key.key_id.hex():
        raise ValueError("the key's id is not that of its name and key")
    return key


def _key_bytes(encoded: str) -> bytes:
    """Decode Base64, only in the exact form that an encoder writes. Raise ValueError."""
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError:
        decoded = None
    if decoded is None or base64.b64encode(decoded).decode() != encoded:
        raise ValueError("the key is no Base64")
    if decoded[:1] != _ED25519:
        raise ValueError(NOT_ED25519)
    if len(decoded) != 1 + _KEY_BYTES:
        raise ValueError(f"the key has {len(decoded) - 1} bytes, not {_KEY_BYTES}")
    return decoded[1:]
