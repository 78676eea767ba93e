"""OpenSSH's public keys, in one encoding only (RFC 4253, section 6.6; RFC 5656; RFC 8709; OpenSSH's PROTOCOL.u2f)."""

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from service.signing.faults import BadSignature, Fault
from service.signing.wire import Reader, string
from service.signing.words import words

CURVE = "nistp256"
_ED25519_BYTES = 32
_POINT_BYTES = 65  # uncompressed
_SMALLEST_RSA_BITS = 3072
_LARGEST_RSA_BITS = 16384  # as OpenSSH
_RSA_EXPONENT = 65537  # what ssh-keygen writes; a smaller one weakens the padding, a larger one costs time
_LONGEST_APPLICATION = 255
# A half of the fingerprint. To find another key with the same words takes 2^128 attempts.
_SPOKEN_BYTES = 16

# The y coordinates of Ed25519's points of small order, without the sign of x. For such a "key" anybody can make
# signatures that verify.
_P = 2**255 - 19
_Y8 = 2707385501144840649318225287225658788936804267575313519463743609750303021454
_SMALL_ORDER = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


class KeyKind(StrEnum):
    """The kinds of keys that are accepted, by OpenSSH's names."""

    ED25519 = "ssh-ed25519"
    ECDSA = "ecdsa-sha2-nistp256"
    RSA = "ssh-rsa"
    # The private key is in an authenticator. A passkey is an `SK_ECDSA`, with the RP id as its application.
    SK_ED25519 = "sk-ssh-ed25519@openssh.com"
    SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"

    @property
    def is_hardware(self) -> bool:
        return self in {KeyKind.SK_ED25519, KeyKind.SK_ECDSA}


Material: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. Two are equal if their `blob` is. `application` is empty unless the kind is one of hardware."""

    kind: KeyKind
    blob: bytes
    application: str
    material: Material = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """Return the key as in a file of OpenSSH, without a comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint as `ssh-keygen -l` prints it."""
        return f"SHA256:{base64.b64encode(self._sha256).decode().rstrip('=')}"

    @property
    def words(self) -> tuple[str, ...]:
        """Return the first 16 bytes of the fingerprint in words to read aloud."""
        return words(self._sha256[:_SPOKEN_BYTES])

    @property
    def _sha256(self) -> bytes:
        return hashlib.sha256(self.blob).digest()


def parse_public_key(text: str, *, smallest_rsa_bits: int = _SMALLEST_RSA_BITS) -> PublicKey:
    """Invert `PublicKey.text`. Raise BadSignature (malformed, unsupported-key, weak-key)."""
    try:
        blob = base64.b64decode(text.partition(" ")[2], validate=True)
    except ValueError:
        raise BadSignature(Fault.MALFORMED) from None
    key = from_blob(blob, smallest_rsa_bits=smallest_rsa_bits)
    if key.text != text:
        raise BadSignature(Fault.MALFORMED)
    return key


def from_blob(blob: bytes, *, smallest_rsa_bits: int = _SMALLEST_RSA_BITS) -> PublicKey:
    """Read a key from its SSH encoding. Raise BadSignature (malformed, unsupported-key, weak-key)."""
    reader = Reader(blob)
    try:
        kind = KeyKind(reader.text())
    except ValueError:
        raise BadSignature(Fault.UNSUPPORTED_KEY) from None
    material: Material
    match kind:
        case KeyKind.ED25519 | KeyKind.SK_ED25519:
            material = _ed25519(reader.string())
        case KeyKind.ECDSA | KeyKind.SK_ECDSA:
            if reader.text() != CURVE:
                raise BadSignature(Fault.MALFORMED)
            material = _p256(reader.string())
        case KeyKind.RSA:
            material = _rsa(exponent=reader.positive(), modulus=reader.positive(), smallest_bits=smallest_rsa_bits)
    application = _application(reader) if kind.is_hardware else ""
    reader.end()
    return PublicKey(kind, blob, application, material)


def from_passkey(spki: bytes, rp_id: str) -> PublicKey:
    """Return a passkey for ES256, as the browser's `getPublicKey()` gives it, as OpenSSH's kind of key.

    `spki` is a SubjectPublicKeyInfo in DER. Raise BadSignature (malformed, unsupported-key).
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise BadSignature(Fault.MALFORMED) from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise BadSignature(Fault.UNSUPPORTED_KEY)
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise BadSignature(Fault.MALFORMED)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    parts = (KeyKind.SK_ECDSA.encode(), CURVE.encode(), point, rp_id.encode())
    return from_blob(b"".join(string(part) for part in parts))


def _ed25519(raw: bytes) -> Ed25519PublicKey:
    if len(raw) != _ED25519_BYTES:
        raise BadSignature(Fault.MALFORMED)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P:
        raise BadSignature(Fault.MALFORMED)
    if y in _SMALL_ORDER:
        raise BadSignature(Fault.WEAK_KEY)
    return Ed25519PublicKey.from_public_bytes(raw)


def _p256(point: bytes) -> EllipticCurvePublicKey:
    try:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError:
        raise BadSignature(Fault.MALFORMED) from None
    if len(point) != _POINT_BYTES:
        raise BadSignature(Fault.MALFORMED)
    return key


def _rsa(*, exponent: int, modulus: int, smallest_bits: int) -> RSAPublicKey:
    if not smallest_bits <= modulus.bit_length() <= _LARGEST_RSA_BITS or exponent != _RSA_EXPONENT:
        raise BadSignature(Fault.WEAK_KEY)
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise BadSignature(Fault.MALFORMED) from None


def _application(reader: Reader) -> str:
    application = reader.text()
    if not 0 < len(application) <= _LONGEST_APPLICATION or " " in application:
        raise BadSignature(Fault.MALFORMED)
    return application
