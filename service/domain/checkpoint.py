"""How a tree's head is written down and signed: C2SP's `tlog-checkpoint` in a `signed-note`, both version 1.

A note is text, an empty line, and a line for each signature. Who made a signature is said by a name and a key id;
lines of keys that one does not know are passed over. Whether a signature is good is told in `service/signing`.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from service.domain.merkle import EMPTY_ROOT

_ED25519 = b"\x01"  # signed-note's number for a signature of this kind, in a key's text and in its id
_KEY_BYTES, _ROOT_BYTES, _KEY_ID_BYTES = 32, 32, 4
_MOST_SIGNATURES = 100  # the specification asks for 16 at least
_SIZE = re.compile("0|[1-9][0-9]{0,18}")


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
class Note:
    """`text` ends with a newline; it is what is signed, in UTF-8."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key with the name of its holder. Raises ValueError for a name that no note can carry."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256 over the name, a newline, the kind and the key."""
        return hashlib.sha256(f"{self.name}\n".encode() + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


def parse_checkpoint(text: str) -> Checkpoint:
    """From a note's text. Raises ValueError, also for the extension lines that the specification advises against."""
    origin, newline, rest = text.partition("\n")
    lines = rest.split("\n")
    if not origin or not newline or len(lines) != 3 or lines[2]:  # noqa: PLR2004  # a size, a root, and then nothing
        raise ValueError("a checkpoint is three lines: origin, size and root")
    if not _SIZE.fullmatch(lines[0]):
        raise ValueError("the checkpoint's size is no decimal number")
    root = _decoded(lines[1], "the checkpoint's root")
    if len(root) != _ROOT_BYTES:
        raise ValueError(f"the checkpoint's root has {len(root)} bytes, not {_ROOT_BYTES}")
    size = int(lines[0])
    if size == 0 and root != EMPTY_ROOT:
        raise ValueError("the checkpoint's root is not that of an empty log")
    return Checkpoint(origin, size, root)


def parse_note(text: str) -> Note:
    """Raises ValueError for what is no signed note. No signature is verified by it."""
    if any(letter < " " and letter != "\n" for letter in text):
        raise ValueError("a control character is in the note")
    body, separator, lines = text.rpartition("\n\n")
    if not separator or not body or not lines.endswith("\n"):
        raise ValueError("a note is text, an empty line, and lines of signatures")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > _MOST_SIGNATURES:
        raise ValueError(f"the note has more than {_MOST_SIGNATURES} signatures")
    return Note(body + "\n", tuple(map(_parse_signature, signatures)))


def parse_verifier_key(text: str) -> VerifierKey:
    """From `name+hexadecimal id+base64`. Raises ValueError, also where the id is not that of the name and the key."""
    name, key_id, encoded = _split(text)
    key = VerifierKey(name, _key_bytes(encoded))
    if key_id != key.key_id.hex():
        raise ValueError("the key's id is not that of its name and key")
    return key


def parse_private_key(text: str) -> tuple[str, str, bytes]:
    """Name, hexadecimal id and 32 bytes of `PRIVATE+KEY+name+id+base64`. Raises ValueError, which does not quote it.

    The id is that of the public key, with which whoever derives it has to compare it.
    """
    prefix = "PRIVATE+KEY+"
    if not text.startswith(prefix):
        raise ValueError(f"a private key begins with {prefix}")
    name, key_id, encoded = _split(text.removeprefix(prefix))
    return name, key_id, _key_bytes(encoded)


def _split(text: str) -> tuple[str, str, str]:
    name, _, rest = text.partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not plus:
        raise ValueError("a key is a name, an id and Base64, with + between them")
    return name, key_id, encoded


def _key_bytes(encoded: str) -> bytes:
    decoded = _decoded(encoded, "the key")
    if decoded[:1] != _ED25519:
        raise ValueError("the key is not Ed25519")
    if len(decoded) != 1 + _KEY_BYTES:
        raise ValueError(f"the key has {len(decoded) - 1} bytes, not {_KEY_BYTES}")
    return decoded[1:]


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "\N{EM DASH}":
        raise ValueError("a signature's line begins with an em dash and a space")
    _check_name(name)
    decoded = _decoded(encoded, "a signature")
    if len(decoded) <= _KEY_ID_BYTES:
        raise ValueError("a signature is shorter than its key's id")
    return Signature(name, decoded[:_KEY_ID_BYTES], decoded[_KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or " " in name or not name.isprintable():
        raise ValueError("a key's name is empty, or has a space, a plus or something invisible in it")


def _decoded(text: str, what: str) -> bytes:
    """Standard Base64, in the one form that an encoder writes."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = None
    if decoded is None or base64.b64encode(decoded).decode() != text:
        raise ValueError(f"{what} is no Base64")
    return decoded
