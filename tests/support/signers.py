"""Keys of every kind that sign as OpenSSH and browsers do, authenticators included. The service does not use it."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.signing.client_data import base64url
from service.signing.passkeys import BrowserAssertion, pack
from service.signing.public_keys import KeyKind, PublicKey, from_blob, from_passkey
from service.signing.sshsig import armor, to_be_signed
from service.signing.wire import mpint, string

ORIGIN, RP_ID = "https://rootquorum.example.com", "rootquorum.example.com"
PRESENT, VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ed25519_of(seed: bytes) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())


def p256_of(seed: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(seed).digest(), "big"), ec.SECP256R1())


def blob_of(private: Private, application: str = "") -> bytes:
    """Return the public key in SSH's encoding; with an application, as a key of an authenticator."""
    match private:
        case ed25519.Ed25519PrivateKey():
            kind = KeyKind.SK_ED25519 if application else KeyKind.ED25519
            parts = [string(private.public_key().public_bytes_raw())]
        case ec.EllipticCurvePrivateKey():
            kind = KeyKind.SK_ECDSA if application else KeyKind.ECDSA
            point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            parts = [string(b"nistp256"), string(point)]
        case _:
            kind, numbers = KeyKind.RSA, private.public_key().public_numbers()
            parts = [mpint(numbers.e), mpint(numbers.n)]
    return string(kind.encode()) + b"".join(parts) + (string(application.encode()) if application else b"")


def raw_signature(private: Private, data: bytes) -> bytes:
    """Sign as the kind of key does, in SSH's form. It is the same each time."""
    match private:
        case ed25519.Ed25519PrivateKey():
            return private.sign(data)
        case ec.EllipticCurvePrivateKey():
            r, s = decode_dss_signature(private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
            return mpint(r) + mpint(s)
        case _:
            return private.sign(data, PKCS1v15(), SHA512())


@dataclass(frozen=True, kw_only=True)
class FileKey:
    """A key in a file, as of `ssh-keygen -t ed25519`, `ecdsa` or `rsa`."""

    private: Private

    @property
    def public(self) -> PublicKey:
        return from_blob(blob_of(self.private))

    def sign(self, message: bytes, namespace: str) -> str:
        algorithm = b"rsa-sha2-512" if self.public.kind is KeyKind.RSA else self.public.kind.encode()
        signature = raw_signature(self.private, to_be_signed(message, namespace))
        return armor(self.public, namespace, string(algorithm) + string(signature))


@dataclass(frozen=True, kw_only=True)
class Authenticator:
    """A key in an authenticator that a terminal asks, as of `ssh-keygen -t ed25519-sk` or `ecdsa-sk`."""

    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    application: str = "ssh:"
    flags: int = PRESENT | VERIFIED
    counter: int = 7

    @property
    def public(self) -> PublicKey:
        return from_blob(blob_of(self.private, self.application))

    def sign(self, message: bytes, namespace: str) -> str:
        said = bytes([self.flags]) + self.counter.to_bytes(4, "big")
        hashes = [
            hashlib.sha256(part).digest() for part in (self.application.encode(), to_be_signed(message, namespace))
        ]
        raw = raw_signature(self.private, hashes[0] + said + hashes[1])
        return armor(self.public, namespace, string(self.public.kind.encode()) + string(raw) + said)


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """A passkey that a page asks. `members` are added to the browser's word, or replace what is in it."""

    private: ec.EllipticCurvePrivateKey
    rp_id: str = RP_ID
    origin: str = ORIGIN
    flags: int = PRESENT | VERIFIED
    counter: int = 7
    extensions: bytes = b""
    members: tuple[tuple[str, Any], ...] = (("crossOrigin", False),)

    @property
    def spki(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public(self) -> PublicKey:
        return from_passkey(self.spki, self.rp_id)

    def client_data(self, challenge: bytes) -> bytes:
        said = {"type": "webauthn.get", "challenge": base64url(challenge), "origin": self.origin, **dict(self.members)}
        return json.dumps(said, separators=(",", ":")).encode()

    def answer(self, challenge: bytes, client_data: bytes | None = None) -> BrowserAssertion:
        client_data = self.client_data(challenge) if client_data is None else client_data
        head = hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags]) + self.counter.to_bytes(4, "big")
        data = head + self.extensions
        hashed = hashlib.sha256(client_data).digest()
        signature = self.private.sign(data + hashed, ec.ECDSA(SHA256(), deterministic_signing=True))
        return BrowserAssertion(data, client_data, signature)

    def sign(self, message: bytes, namespace: str) -> str:
        return pack(self.answer(to_be_signed(message, namespace)), self.public, namespace)

    def sign_blindly(self, message: bytes, namespace: str, client_data: bytes | None = None) -> str:
        """Sign whatever a browser might say, without the checks of `pack`."""
        assertion = self.answer(to_be_signed(message, namespace), client_data)
        r, s = decode_dss_signature(assertion.signature)
        inner = (
            string(b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com")
            + string(mpint(r) + mpint(s))
            + assertion.authenticator_data[32:37]
            + b"".join(string(part) for part in (self.origin.encode(), assertion.client_data, self.extensions))
        )
        return armor(self.public, namespace, inner)


Signer = FileKey | Authenticator | Passkey


def text_of(blob: bytes) -> str:
    """Armor a signature as OpenSSH does."""
    lines = re.findall(".{1,70}", base64.b64encode(blob).decode())
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def bytes_of(armored: str) -> bytes:
    return base64.b64decode("".join(armored.splitlines()[1:-1]))


ED25519 = FileKey(private=ed25519_of(b"ed25519"))
ECDSA = FileKey(private=p256_of(b"ecdsa"))
SK_ED25519 = Authenticator(private=ed25519_of(b"sk-ed25519"))
SK_ECDSA = Authenticator(private=p256_of(b"sk-ecdsa"))
PASSKEY = Passkey(private=p256_of(b"passkey"))
