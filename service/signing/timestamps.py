"""RFC 3161 time-stamps: an external authority certifies when it saw a message.

It receives only the message's SHA-256. Anybody can check a kept stamp without this service:
`openssl ts -verify -in STAMP -data MESSAGE -CAfile ROOTS`.
"""

from collections.abc import Sequence

import httpx
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from service.outbound import guarded

LARGEST_STAMP_BYTES = 64 * 1024
_SHA256 = "2.16.840.1.101.3.4.2.1"
_GRANTED = 0

# What the two libraries raise for input that they cannot parse. Their texts quote it.
_UNREADABLE = (TypeError, ValueError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


class BadStamp(Exception):
    """This is not a time-stamp of the message by an authority that chains to the roots. The text never quotes it."""


def stamp(client: httpx.BaseTransport, url: str, message: bytes, roots: Sequence[x509.Certificate]) -> bytes:
    """Return the authority's TimeStampResp in DER. Its token includes the needed certificates except the root.

    `client` is one of `guarded.new_client`; for a plain http `url` it must allow the host. The message must not be
    empty, and there must be a root. Raise guarded.Unreachable, guarded.Unsafe; BadStamp if it was not granted, or does
    not match this message and this request.
    """
    question = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    reply = guarded.send(
        client,
        "POST",
        url,
        headers={"Accept": "application/timestamp-reply", "Content-Type": "application/timestamp-query"},
        content=question.as_bytes(),
        largest=LARGEST_STAMP_BYTES,
    )
    if reply.status != httpx.codes.OK:
        raise guarded.Unreachable(f"answered {reply.status}")
    if len(reply.body) >= LARGEST_STAMP_BYTES:
        raise guarded.Unreachable(guarded.TOO_LONG)
    check(reply.body, message, roots, question.nonce)
    return reply.body


def check(stamped: bytes, message: bytes, roots: Sequence[x509.Certificate], nonce: int | None = None) -> None:
    """Raise BadStamp unless the stamp is for the message. `nonce` is the request's, None for a kept stamp.

    Certificates must be valid at the time of the stamp, so a stamp outlives them. Revocation is not checked. Raise
    ValueError without any root.
    """
    verifier = VerifierBuilder(roots=list(roots), nonce=nonce).build()
    try:
        answer = decode_timestamp_response(stamped)
        if answer.status != _GRANTED:
            raise BadStamp("the authority has not granted a time-stamp")
        if answer.tst_info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise BadStamp("the time-stamp is not over a SHA-256")
        verifier.verify_message(answer, message)
    except VerificationError:
        raise BadStamp("the time-stamp does not verify") from None
    except _UNREADABLE:
        raise BadStamp("this is not a time-stamp") from None
