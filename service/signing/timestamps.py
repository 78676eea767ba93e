"""Time-stamps of RFC 3161: an authority outside says that it saw a message, and when.

It is shown the message's SHA-256 only. Anybody can check what is kept, without this service:
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

# What the two libraries raise for what they cannot read. Their texts quote it.
_UNREADABLE = (TypeError, ValueError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


class BadStamp(Exception):
    """This is no time-stamp of the message by an authority that the roots vouch for. Nothing of it is quoted."""


def stamp(client: httpx.BaseTransport, url: str, message: bytes, roots: Sequence[x509.Certificate]) -> bytes:
    """The authority's TimeStampResp in DER: its token has the certificates needed but the root.

    `client` is one of `guarded.new_client`, and has to be allowed the host where its `url` is plain http. The message
    must not be empty, and there must be a root. Raises guarded.Unreachable, guarded.Unsafe; BadStamp when it was not
    granted, or is not for this message and this question.
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
        raise guarded.Unreachable("the answer is too long")
    check(reply.body, message, roots, question.nonce)
    return reply.body


def check(stamped: bytes, message: bytes, roots: Sequence[x509.Certificate], nonce: int | None = None) -> None:
    """Whether a stamp is one of the message; `nonce` is that of the question, None for a stamp that was kept.

    Certificates have to be good for the time of the stamp, so that it outlives them; whether one was revoked is not
    asked. Raises BadStamp, and ValueError without any root.
    """
    verifier = VerifierBuilder(roots=list(roots), nonce=nonce).build()
    try:
        answer = decode_timestamp_response(stamped)
        if answer.status != _GRANTED:
            raise BadStamp("the authority has not granted a time-stamp")
        if answer.tst_info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise BadStamp("the time-stamp is not of a SHA-256")
        verifier.verify_message(answer, message)
    except VerificationError:
        raise BadStamp("the time-stamp does not hold") from None
    except _UNREADABLE:
        raise BadStamp("this is no time-stamp") from None
