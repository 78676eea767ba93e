"""A signing key that cannot be copied: Ed25519 in AWS KMS.

It needs `kms:GetPublicKey` and `kms:Sign`. Names and limits are those of botocore's service model.
"""

from contextlib import closing
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from service.aws.answers import NotOfAws
from service.aws.errors import asked
from service.aws.signer import Signer
from service.aws.sources import Source
from service.domain.checkpoint import parse_verifier_key
from service.domain.errors import Code, Unavailable

LARGEST_MESSAGE_BYTES = 4096

_KEY_SPEC = "ECC_NIST_EDWARDS25519"


@dataclass(frozen=True, slots=True)
class KmsSigner:
    """Signs with a key in AWS KMS. The public key is known beforehand, so another key there cannot sign.

    `key_id` should be the key's ARN; `region` is the key's. A call takes at most `calls.LONGEST_CALL`, plus the time
    that the source takes for its credential.
    """

    verifier_key: str
    key_id: str
    source: Source = field(repr=False)
    region: str

    def sign(self, message: bytes) -> bytes:
        """Return the signature of 64 bytes (RFC 8032), verified with the public key.

        Raise ValueError for a message that is empty or has more than 4096 bytes; Unavailable.
        """
        if not 0 < len(message) <= LARGEST_MESSAGE_BYTES:
            raise ValueError("AWS KMS signs messages of 1 to 4096 bytes")
        known = Ed25519PublicKey.from_public_bytes(parse_verifier_key(self.verifier_key).public)
        about = _about(self.source)
        with (
            asked("Nothing was signed.", "Sign", about=about, code=Code.UNAVAILABLE),
            closing(Signer.of(self.source, self.region).kms()) as kms,
        ):
            signature = kms.sign(
                KeyId=self.key_id, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
            ).get("Signature")
            if not isinstance(signature, bytes):
                raise NotOfAws("Signature")
            try:
                known.verify(signature, message)
            except InvalidSignature:
                raise Unavailable(
                    Code.UNAVAILABLE, "AWS KMS has not signed with the log's key that the settings name."
                ) from None
        return signature


def _about(source: Source) -> str:
    return f"the key in AWS KMS by {source.name}"


def public_key_of(key_id: str, source: Source, region: str) -> bytes:
    """Return the public key of 32 bytes (RFC 8032). Raise Unavailable."""
    about = _about(source)
    with (
        asked("The public key cannot be read.", "GetPublicKey", about=about, code=Code.UNAVAILABLE),
        closing(Signer.of(source, region).kms()) as kms,
    ):
        answer = kms.get_public_key(KeyId=key_id)
        return _ed25519(answer["KeySpec"], answer["PublicKey"]).public_bytes_raw()


def _ed25519(spec: str, der: bytes) -> Ed25519PublicKey:
    """Parse a SubjectPublicKeyInfo. Raise Unavailable for another kind of key, ValueError for invalid DER."""
    key = load_der_public_key(der) if spec == _KEY_SPEC else None
    if not isinstance(key, Ed25519PublicKey):
        raise Unavailable(Code.UNAVAILABLE, f"The key in AWS KMS is no Ed25519 key; its spec must be {_KEY_SPEC}.")
    return key
