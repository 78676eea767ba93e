"""A signing key that nobody can take away: Ed25519 in AWS KMS.

This needs `kms:GetPublicKey` and `kms:Sign`. Names and limits are those of botocore's service model.
"""

from contextlib import closing
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from service.aws.errors import reached
from service.aws.signer import Signer
from service.aws.sources import Source
from service.domain.errors import Code, Unavailable

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

LARGEST_MESSAGE_BYTES = 4096

_KEY_SPEC = "ECC_NIST_EDWARDS25519"


class KmsKey:
    """`key_id` is best the key's ARN: an alias can be made to name another key, with which nothing is signed then.

    `region` is the key's. A call takes at most `calls.LONGEST_CALL`, and what the source takes for its credential; the
    very first `sign` makes two.
    """

    def __init__(self, key_id: str, source: Source, region: str) -> None:
        self._key_id = key_id
        self._source = source
        self._region = region
        self._public_key: Ed25519PublicKey | None = None

    def public_key(self) -> bytes:
        """The 32 bytes of RFC 8032. AWS is asked until it has answered once. Raises Unavailable."""
        return self._verifier().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of RFC 8032, which `public_key` verifies.

        Raises ValueError for a message that is empty or has more than 4096 bytes; Unavailable.
        """
        if not 0 < len(message) <= LARGEST_MESSAGE_BYTES:
            raise ValueError("AWS KMS signs messages of 1 to 4096 bytes")
        verifier = self._verifier()
        with reached("Nothing was signed."), closing(self._client()) as kms:
            signature = kms.sign(
                KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
            )["Signature"]
            try:
                verifier.verify(signature, message)
            except InvalidSignature:
                raise Unavailable(
                    Code.UNAVAILABLE, "What AWS KMS gave is no signature by the key that was asked for first."
                ) from None
        return signature

    def _verifier(self) -> Ed25519PublicKey:
        if self._public_key is None:
            with reached("The public key cannot be had."), closing(self._client()) as kms:
                answer = kms.get_public_key(KeyId=self._key_id)
                self._public_key = _ed25519(answer["KeySpec"], answer["PublicKey"])
        return self._public_key

    def _client(self) -> "KMSClient":
        return Signer.of(self._source, self._region).kms()


def _ed25519(spec: str, der: bytes) -> Ed25519PublicKey:
    """From a SubjectPublicKeyInfo. Raises Unavailable, or ValueError for what is none."""
    key = load_der_public_key(der) if spec == _KEY_SPEC else None
    if not isinstance(key, Ed25519PublicKey):
        raise Unavailable(Code.UNAVAILABLE, f"The key in AWS KMS is no Ed25519 key; its spec must be {_KEY_SPEC}.")
    return key
