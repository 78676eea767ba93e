"""How a tree's head is written down and signed: C2SP's `tlog-checkpoint` in a `signed-note`, both version 1.

A note is text, an empty line, and a line for each signature. Who made a signature is said by a name and a key id;
lines of keys that one does not know are passed over. Who signs is in `service/signing`; whether a signature is good is
told by `service/verifier.py` alone, which others run.
"""

import base64
import hashlib
from dataclasses import dataclass

_ED25519 = b"\x01"  # signed-note's number for a signature of this kind, in a key's text and in its id
_KEY_BYTES, _KEY_ID_BYTES = 32, 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log named `origin`: how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `name` and `key_id` together say which key and which kind of signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"\N{EM DASH} {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key with the name of its holder. Raises ValueError for a name that no note can carry."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or " " in self.name or not self.name.isprintable():
            raise ValueError("a key's name is empty, or has a space, a plus or something invisible in it")

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256 over the name, a newline, the kind and the key."""
        return hashlib.sha256(f"{self.name}\n".encode() + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


def parse_verifier_key(text: str) -> VerifierKey:
    """From `name+hexadecimal id+base64`. Raises ValueError, also where the id is not that of the name and the key."""
    name, _, rest = text.partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not plus:
        raise ValueError("a key is a name, an id and Base64, with + between them")
    key = VerifierKey(name, _key_bytes(encoded))
    if key_id != key.key_id.hex():
        raise ValueError("the key's id is not that of its name and key")
    return key


def _key_bytes(encoded: str) -> bytes:
    """From Base64 in the one form that an encoder writes."""
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError:
        decoded = None
    if decoded is None or base64.b64encode(decoded).decode() != encoded:
        raise ValueError("the key is no Base64")
    if decoded[:1] != _ED25519:
        raise ValueError("the key is not Ed25519")
    if len(decoded) != 1 + _KEY_BYTES:
        raise ValueError(f"the key has {len(decoded) - 1} bytes, not {_KEY_BYTES}")
    return decoded[1:]
