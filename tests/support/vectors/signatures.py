"""The vectors of signatures: what each proves, and what OpenSSH says of it."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.signers import (
    ATTESTED,
    BACKUP_ELIGIBLE,
    ECDSA,
    ED25519,
    EXTENDED,
    ORIGIN,
    PASSKEY,
    PRESENT,
    RP_ID,
    SK_ECDSA,
    SK_ED25519,
    VERIFIED,
    FileKey,
    Signer,
    blob_of,
    bytes_of,
    p256_of,
    raw_signature,
    text_of,
)
from support.vectors.common import DEMANDS, MESSAGE, NAMESPACE, rsa_of

from service.domain.statement import Namespace
from service.signing.faults import Fault
from service.signing.sshsig import to_be_signed
from service.signing.wire import mpint, string


@dataclass(frozen=True, kw_only=True)
class SignatureVector:
    """A signature, and what is wrong with it. `openssh` is whether `ssh-keygen -Y verify` accepts it; None depends on
    its version.
    """

    name: str
    signature: str
    key: str
    faults: tuple[Fault, ...] = ()
    openssh: bool | None
    demands: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "namespace": NAMESPACE,
            "message": MESSAGE.decode(),
            "signature": self.signature,
            "key": self.key,
            "demands": {**DEMANDS, **self.demands},
            "faults": list(self.faults),
            "openssh": self.openssh,
        }


def signatures() -> list[dict[str, Any]]:
    return [vector.document() for vectors in (_good(), _bad(), _lacking()) for vector in vectors]


def _by(
    name: str, signer: Signer, *faults: Fault, namespace: str = NAMESPACE, message: bytes = MESSAGE, **demands: Any
) -> SignatureVector:
    """Return a signature that OpenSSH finds good, unless it is for another purpose."""
    return SignatureVector(
        name=name,
        signature=signer.sign(message, namespace),
        key=signer.public.text,
        faults=faults,
        openssh=(message, namespace) == (MESSAGE, NAMESPACE),
        demands=demands,
    )


def _good() -> Iterator[SignatureVector]:
    yield _by("ed25519", ED25519)
    yield _by("ecdsa-nistp256", ECDSA)
    yield _by("rsa-3072", FileKey(private=rsa_of(b"rsa", 3072)))
    yield _by("sk-ssh-ed25519", SK_ED25519)
    yield _by("sk-ecdsa", SK_ECDSA)
    yield _by("sk-ecdsa-without-a-counter", replace(SK_ECDSA, counter=0))
    yield _by("sk-ecdsa-of-an-application", replace(SK_ECDSA, application="ssh:rootquorum"))
    yield _by("passkey", PASSKEY)
    yield _by("passkey-without-cross-origin", replace(PASSKEY, members=()))
    more = ("other_keys_can_be_added_here", "do not compare clientDataJSON against a template")
    yield _by("passkey-of-a-browser-that-says-more", replace(PASSKEY, members=(*PASSKEY.members, more)))
    extended = replace(PASSKEY, flags=PRESENT | VERIFIED | EXTENDED, extensions=bytes.fromhex("a16161f5"))
    yield _by("passkey-with-extensions", extended)
    yield _by("passkey-synchronized", replace(PASSKEY, flags=PRESENT | VERIFIED | BACKUP_ELIGIBLE))
    yield _by("passkey-device-bound", PASSKEY, only_device_bound=True)
    yield _by("passkey-not-verified-where-that-is-enough", replace(PASSKEY, flags=PRESENT), user_verified=False)


def _bad() -> Iterator[SignatureVector]:
    """Yield signatures that prove nothing."""
    good = ED25519.sign(MESSAGE, NAMESPACE)
    blob = bytes_of(good)

    def changed(name: str, signature: str, fault: Fault, *, openssh: bool | None = False) -> SignatureVector:
        return SignatureVector(
            name=name, signature=signature, key=ED25519.public.text, faults=(fault,), openssh=openssh
        )

    def malformed(name: str, signature: str, *, openssh: bool | None = False) -> SignatureVector:
        return changed(name, signature, Fault.MALFORMED, openssh=openssh)

    yield malformed("text-without-its-last-newline", good.removesuffix("\n"), openssh=True)
    yield malformed("text-with-carriage-returns", good.replace("\n", "\r\n"), openssh=None)
    yield malformed("text-with-something-behind-it", good + "x", openssh=True)
    yield malformed("text-in-lines-of-another-length", good.replace("U1NI", "U1NI\n", 1), openssh=True)
    yield malformed("bytes-behind-the-signature", text_of(blob + b"\0"))
    reserved = string(NAMESPACE.encode()) + string(b"")
    yield malformed("reserved-bytes", text_of(blob.replace(reserved, reserved[:-4] + string(b"x"))), openssh=True)
    yield malformed("version-0", text_of(blob.replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\0")), openssh=True)
    yield malformed("version-2", text_of(blob.replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2")))
    yield _leading_zero()
    doubled = replace(PASSKEY, members=())
    said = doubled.client_data(to_be_signed(MESSAGE, NAMESPACE))[:-1]
    yield _of_browser("passkey-with-a-repeated-name", said + b',"x":1,"x":2}', Fault.MALFORMED)
    yield _of_browser("passkey-with-no-json", said, Fault.MALFORMED)
    for name, flags, extensions in (
        ("passkey-without-its-extensions", EXTENDED, b""),
        ("passkey-with-extensions-unsaid", 0, b"\xa0"),
        ("passkey-with-a-new-key", ATTESTED, b""),
    ):
        odd = replace(PASSKEY, flags=PRESENT | VERIFIED | flags, extensions=extensions)
        yield SignatureVector(
            name=name,
            signature=odd.sign_blindly(MESSAGE, NAMESPACE),
            key=odd.public.text,
            faults=(Fault.MALFORMED,),
            openssh=False,
        )
    yield _another_curve()
    yield _weak_rsa("rsa-2048", rsa_of(b"small", 2048))
    yield _weak_rsa("rsa-with-exponent-3", rsa_of(b"three", 3072, 3))
    yield _small_order()
    yield _by("another-namespace", ED25519, Fault.ANOTHER_NAMESPACE, namespace=Namespace.RULES)
    sha256 = _over_sha256()
    yield changed("another-hash", sha256, Fault.ANOTHER_HASH, openssh=True)
    yield _by("another-message", ED25519, Fault.WRONG_SIGNATURE, message=MESSAGE + b"\n")
    yield changed("a-flipped-bit", text_of(blob[:-1] + bytes([blob[-1] ^ 1])), Fault.WRONG_SIGNATURE)
    created = replace(PASSKEY, members=(("type", "webauthn.create"), *PASSKEY.members))
    yield replace(_by("passkey-of-a-registration", created, Fault.WRONG_SIGNATURE), openssh=False)
    another = replace(PASSKEY, members=(("challenge", "AAAA"), *PASSKEY.members))
    yield replace(_by("passkey-with-another-challenge", another, Fault.WRONG_SIGNATURE), openssh=False)


def _lacking() -> Iterator[SignatureVector]:
    """Yield good signatures that lack one thing that is demanded. OpenSSH does not ask for it."""
    yield _by("file-where-hardware-is-demanded", ED25519, Fault.NOT_HARDWARE, only_hardware=True)
    yield _by("file-where-a-device-is-demanded", ED25519, Fault.NOT_HARDWARE, only_device_bound=True)
    for name, signer in (("sk-ssh-ed25519", SK_ED25519), ("sk-ecdsa", SK_ECDSA), ("passkey", PASSKEY)):
        yield _by(f"{name}-not-touched", replace(signer, flags=VERIFIED), Fault.NOT_TOUCHED)
        yield _by(f"{name}-not-verified", replace(signer, flags=PRESENT), Fault.NOT_VERIFIED)
        copied = replace(signer, flags=PRESENT | VERIFIED | BACKUP_ELIGIBLE)
        yield _by(f"{name}-not-device-bound", copied, Fault.NOT_DEVICE_BOUND, only_device_bound=True)
    yield _by("passkey-of-another-origin", replace(PASSKEY, origin="https://evil.example"), Fault.WRONG_SITE)
    yield _by("passkey-of-another-port", replace(PASSKEY, origin=f"{ORIGIN}:8443"), Fault.WRONG_SITE)
    yield _by("passkey-of-another-rp-id", replace(PASSKEY, rp_id="example.com"), Fault.WRONG_SITE)
    yield _by("passkey-in-a-frame", replace(PASSKEY, members=(("crossOrigin", True),)), Fault.WRONG_SITE)
    topped = (*PASSKEY.members, ("topOrigin", ORIGIN))
    yield _by("passkey-under-another-page", replace(PASSKEY, members=topped), Fault.WRONG_SITE)
    yield _by("passkey-without-a-browser", replace(SK_ECDSA, application=RP_ID), Fault.WRONG_SITE)
    yield _by("key-of-a-terminal-in-a-browser", replace(PASSKEY, rp_id="ssh:"), Fault.WRONG_SITE)


def _leading_zero() -> SignatureVector:
    """Return a signature by ECDSA of which a number has a zero too many."""
    for counter in count():
        signer = replace(SK_ECDSA, counter=counter)
        blob = bytes_of(signer.sign(MESSAGE, NAMESPACE))
        algorithm = string(signer.public.kind.encode())
        at = blob.rindex(algorithm) + len(algorithm)
        length = int.from_bytes(blob[at : at + 4], "big")
        numbers = blob[at + 4 : at + 4 + length]
        r_length = int.from_bytes(numbers[:4], "big")
        if r_length == 32:  # without a zero for the sign
            longer = string(b"\0" + numbers[4 : 4 + r_length]) + numbers[4 + r_length :]
            inner = algorithm + string(longer) + blob[at + 4 + length :]
            whole = blob[: at - len(algorithm) - 4] + string(inner)
            return SignatureVector(
                name="ecdsa-with-a-zero-too-many",
                signature=text_of(whole),
                key=signer.public.text,
                faults=(Fault.MALFORMED,),
                openssh=True,
            )
    raise AssertionError


def _of_browser(name: str, client_data: bytes, fault: Fault) -> SignatureVector:
    """Return a signature by a passkey over whatever a browser might say. OpenSSH reads only its beginning."""
    return SignatureVector(
        name=name,
        signature=PASSKEY.sign_blindly(MESSAGE, NAMESPACE, client_data),
        key=PASSKEY.public.text,
        faults=(fault,),
        openssh=True,
    )


def _armored(key: bytes, inner: bytes, hash_name: bytes = b"sha512") -> str:
    parts = (key, NAMESPACE.encode(), b"", hash_name, inner)
    return text_of(b"SSHSIG\0\0\0\1" + b"".join(string(part) for part in parts))


def _another_curve() -> SignatureVector:
    private = ec.derive_private_key(p256_of(b"p384").private_numbers().private_value, ec.SECP384R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    blob = string(b"ecdsa-sha2-nistp384") + string(b"nistp384") + string(point)
    signed = private.sign(to_be_signed(MESSAGE, NAMESPACE), ec.ECDSA(SHA384(), deterministic_signing=True))
    r, s = decode_dss_signature(signed)
    return SignatureVector(
        name="ecdsa-nistp384",
        signature=_armored(blob, string(b"ecdsa-sha2-nistp384") + string(mpint(r) + mpint(s))),
        key=f"ecdsa-sha2-nistp384 {base64.b64encode(blob).decode()}",
        faults=(Fault.UNSUPPORTED_KEY,),
        openssh=True,
    )


def _weak_rsa(name: str, private: rsa.RSAPrivateKey) -> SignatureVector:
    blob = blob_of(private)
    raw = raw_signature(private, to_be_signed(MESSAGE, NAMESPACE))
    return SignatureVector(
        name=name,
        signature=_armored(blob, string(b"rsa-sha2-512") + string(raw)),
        key=f"ssh-rsa {base64.b64encode(blob).decode()}",
        faults=(Fault.WEAK_KEY,),
        openssh=True,
    )


def _small_order() -> SignatureVector:
    """Return what anybody can make for Ed25519's neutral point, for any message."""
    neutral = (1).to_bytes(32, "little")
    blob = string(b"ssh-ed25519") + string(neutral)
    return SignatureVector(
        name="ed25519-of-small-order",
        signature=_armored(blob, string(b"ssh-ed25519") + string(neutral + bytes(32))),
        key=f"ssh-ed25519 {base64.b64encode(blob).decode()}",
        faults=(Fault.WEAK_KEY,),
        openssh=None,
    )


def _over_sha256() -> str:
    parts = (NAMESPACE.encode(), b"", b"sha256", hashlib.sha256(MESSAGE).digest())
    signed = b"SSHSIG" + b"".join(string(part) for part in parts)
    raw = raw_signature(ED25519.private, signed)
    return _armored(ED25519.public.blob, string(b"ssh-ed25519") + string(raw), b"sha256")
