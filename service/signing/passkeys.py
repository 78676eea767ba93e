"""A browser's assertion with a passkey, packed as a signature of OpenSSH (its PROTOCOL.u2f, "webauthn signatures").

The challenge is `sshsig.to_be_signed` of the message. So `ssh-keygen -Y verify` checks the result.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from service.signing import client_data
from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import KeyKind, PublicKey
from service.signing.sshsig import ATTESTED, EXTENDED, WEBAUTHN, armor
from service.signing.wire import Reader, mpint, string

_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class BrowserAssertion:
    """What `navigator.credentials.get` answers: `AuthenticatorAssertionResponse`, in raw bytes."""

    authenticator_data: bytes
    client_data: bytes
    signature: bytes


def pack(assertion: BrowserAssertion, key: PublicKey, namespace: str) -> str:
    """Return the assertion as an armored signature. `key` is one of `public_keys.from_passkey`.

    This verifies nothing; `sshsig.verify` does. Raise BadSignature (malformed, unsupported-key, wrong-site) for an
    assertion that cannot be packed.
    """
    if key.kind is not KeyKind.SK_ECDSA:
        raise BadSignature(Fault.UNSUPPORTED_KEY)
    # W3C Web Authentication, section 6.1: a hash of the RP id, flags, a counter, and extensions.
    reader = Reader(assertion.authenticator_data)
    rp_id_hash, flags, counter = reader.take(_HASH_BYTES), reader.byte(), reader.take(4)
    extensions = reader.rest()
    if rp_id_hash != hashlib.sha256(key.application.encode()).digest():
        raise BadSignature(Fault.WRONG_SITE)
    if flags & ATTESTED or bool(flags & EXTENDED) != bool(extensions):
        raise BadSignature(Fault.MALFORMED)
    origin = client_data.read_site(assertion.client_data).origin
    signature = (
        string(WEBAUTHN.encode())
        + string(_ssh_form(assertion.signature))
        + bytes([flags])
        + counter
        + b"".join(string(part) for part in (origin.encode(), assertion.client_data, extensions))
    )
    return armor(key, namespace, signature)


def _ssh_form(der: bytes) -> bytes:
    """Return an ECDSA signature in SSH's form (RFC 5656, section 3.1.2), from DER."""
    try:
        r, s = decode_dss_signature(der)
    except ValueError:
        raise BadSignature(Fault.MALFORMED) from None
    if r <= 0 or s <= 0:
        raise BadSignature(Fault.MALFORMED)
    return mpint(r) + mpint(s)
