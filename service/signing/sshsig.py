"""OpenSSH's signatures of files (its PROTOCOL.sshsig), as `ssh-keygen -Y sign` writes them.

OpenSSH reads more than one form of a signature. Here each has exactly one, the one that OpenSSH writes, so that two
readers cannot disagree. Only SHA-512 is accepted. This says what a signature proves; `demands.py` says whether that is
enough. A signature by ECDSA has more than one valid value, so it does not identify anything.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

from service.signing import client_data
from service.signing.client_data import Site
from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import KeyKind, PublicKey, from_blob
from service.signing.wire import Reader, string

_PREAMBLE = b"SSHSIG"
_VERSION = 1
_HASH = "sha512"
_RSA_SIGNATURE = "rsa-sha2-512"
WEBAUTHN = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
_ED25519_SIGNATURE_BYTES = 64

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
_LINE = re.compile(".{1,70}")  # `sshbuf_dtob64` in sshbuf-misc.c
# A signature by the longest RSA key has 6 KiB, and a browser's word about its page is shorter.
LARGEST_CHARACTERS = 16 * 1024

# The flags of an authenticator (W3C Web Authentication, section 6.1).
_USER_PRESENT, _USER_VERIFIED, _BACKUP_ELIGIBLE, _BACKED_UP = 0x01, 0x04, 0x08, 0x10
ATTESTED, EXTENDED = 0x40, 0x80


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator says of a signature that it made. `site` is there if a browser asked for it.

    A `counter` of zero says that there is none.
    """

    flags: int
    counter: int
    site: Site | None

    @property
    def is_user_present(self) -> bool:
        return bool(self.flags & _USER_PRESENT)

    @property
    def is_user_verified(self) -> bool:
        return bool(self.flags & _USER_VERIFIED)

    @property
    def is_device_bound(self) -> bool:
        """Return whether the key can be on no other device: neither a copy exists nor may one be made."""
        return not self.flags & (_BACKUP_ELIGIBLE | _BACKED_UP)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a good signature proves: the key that made it and, for a key of hardware, how."""

    key: PublicKey
    assertion: Assertion | None


def verify(armored: str, message: bytes, namespace: str) -> Signed:
    """Return what the signature proves. Raise BadSignature if it is not one of `message` in this namespace."""
    reader = Reader(_blob(armored))
    if reader.take(len(_PREAMBLE)) != _PREAMBLE or reader.uint32() != _VERSION:
        raise BadSignature(Fault.MALFORMED)
    blob, own_namespace, reserved, hash_name, signature = (reader.string() for _ in range(5))
    reader.end()
    # OpenSSH ignores `reserved`. Then one signature would have many forms.
    if reserved:
        raise BadSignature(Fault.MALFORMED)
    key = from_blob(blob)
    if own_namespace != namespace.encode():
        raise BadSignature(Fault.ANOTHER_NAMESPACE)
    if hash_name != _HASH.encode():
        raise BadSignature(Fault.ANOTHER_HASH)
    return Signed(key, _verify(key, Reader(signature), to_be_signed(message, namespace)))


def key_of(armored: str) -> PublicKey:
    """Return the key that a signature names. This verifies nothing. Raise BadSignature."""
    reader = Reader(_blob(armored))
    reader.take(len(_PREAMBLE) + 4)  # and the version
    return from_blob(reader.string())


def to_be_signed(message: bytes, namespace: str) -> bytes:
    """Return what a key signs for this message (PROTOCOL.sshsig, section 3). For a passkey it is the challenge."""
    digest = hashlib.sha512(message).digest()
    return _PREAMBLE + b"".join(string(part) for part in (namespace.encode(), b"", _HASH.encode(), digest))


def armor(key: PublicKey, namespace: str, signature: bytes) -> str:
    """Return the text of a signature in OpenSSH's own form. `signature` begins with the name of its algorithm."""
    parts = (key.blob, namespace.encode(), b"", _HASH.encode(), signature)
    blob = _PREAMBLE + _VERSION.to_bytes(4, "big") + b"".join(string(part) for part in parts)
    return _text(blob)


def _text(blob: bytes) -> str:
    lines = _LINE.findall(base64.b64encode(blob).decode())
    return _BEGIN + "".join(f"{line}\n" for line in lines) + _END


def _blob(armored: str) -> bytes:
    """Read the bytes from the text, if it is exactly the text that OpenSSH writes for them."""
    if len(armored) > LARGEST_CHARACTERS or not (armored.startswith(_BEGIN) and armored.endswith(_END)):
        raise BadSignature(Fault.MALFORMED)
    try:
        blob = base64.b64decode(armored[len(_BEGIN) : -len(_END)].replace("\n", ""), validate=True)
    except ValueError:
        raise BadSignature(Fault.MALFORMED) from None
    if _text(blob) != armored:
        raise BadSignature(Fault.MALFORMED)
    return blob


def _verify(key: PublicKey, reader: Reader, signed: bytes) -> Assertion | None:
    algorithm = reader.text()
    if algorithm == WEBAUTHN and key.kind is KeyKind.SK_ECDSA:
        return _verify_webauthn(key, reader, signed)
    if algorithm != (_RSA_SIGNATURE if key.kind is KeyKind.RSA else key.kind):
        raise BadSignature(Fault.MALFORMED)
    raw = reader.string()
    if not key.kind.is_hardware:
        reader.end()
        _check(key, raw, signed)
        return None
    assertion = Assertion(reader.byte(), reader.uint32(), None)
    reader.end()
    # No extensions are defined for SSH. OpenSSH reads none either.
    if assertion.flags & (ATTESTED | EXTENDED):
        raise BadSignature(Fault.MALFORMED)
    _check(key, raw, _authenticated(key, assertion, b"", hashlib.sha256(signed).digest()))
    return assertion


def _verify_webauthn(key: PublicKey, reader: Reader, challenge: bytes) -> Assertion:
    raw, flags, counter = reader.string(), reader.byte(), reader.uint32()
    origin, client_json, extensions = reader.text(), reader.string(), reader.string()
    reader.end()
    if flags & ATTESTED or bool(flags & EXTENDED) != bool(extensions):
        raise BadSignature(Fault.MALFORMED)
    assertion = Assertion(flags, counter, client_data.check(client_json, origin, challenge))
    _check(key, raw, _authenticated(key, assertion, extensions, hashlib.sha256(client_json).digest()))
    return assertion


def _authenticated(key: PublicKey, assertion: Assertion, extensions: bytes, hashed: bytes) -> bytes:
    """Return what an authenticator signs (PROTOCOL.u2f, "SSH U2F signatures")."""
    application = hashlib.sha256(key.application.encode()).digest()
    return application + bytes([assertion.flags]) + assertion.counter.to_bytes(4, "big") + extensions + hashed


def _check(key: PublicKey, raw: bytes, signed: bytes) -> None:
    try:
        match key.material:
            case Ed25519PublicKey() as ed25519:
                if len(raw) != _ED25519_SIGNATURE_BYTES:
                    raise BadSignature(Fault.MALFORMED)
                ed25519.verify(raw, signed)
            case EllipticCurvePublicKey() as p256:
                p256.verify(_der(raw), signed, ECDSA(SHA256()))
            case rsa:
                if len(raw) != (rsa.key_size + 7) // 8:
                    raise BadSignature(Fault.MALFORMED)
                rsa.verify(raw, signed, PKCS1v15(), SHA512())
    except InvalidSignature:
        raise BadSignature(Fault.WRONG_SIGNATURE) from None


def _der(raw: bytes) -> bytes:
    """Return an ECDSA signature in DER, from SSH's form of it (RFC 5656, section 3.1.2)."""
    reader = Reader(raw)
    r, s = reader.positive(), reader.positive()
    reader.end()
    return encode_dss_signature(r, s)
