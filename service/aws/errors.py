"""What a failed call means: certainly without effect, or in doubt."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from service.domain.errors import Code, Unavailable
from service.domain.operation import InDoubt, Refused

logger = logging.getLogger(__name__)

# AWS's codes, old names and the `…Exception` forms, in our words. Message texts are never matched, nor shown: they
# quote ARNs and input. (botocore service model for the declared ones, AWS documentation for the common ones.)
_SENTENCES = {
    "403": "AWS denied the call, often by a service control policy.",  # the answer to a HEAD has no code
    "AWSOrganizationsNotInUse": "The account is in no organization.",
    "AccessDenied": "AWS denied the call, often by a service control policy.",
    "ConcurrentModification": "Somebody else was changing the credentials at the same moment.",
    "ConditionalRequestConflict": "Somebody else was writing the same object at the same moment.",
    "Disabled": "The key in AWS KMS is disabled.",
    "EntityAlreadyExists": "AWS has that credential already.",
    "EntityTemporarilyUnmodifiable": "AWS says that the credential cannot be changed just now.",
    "ExpiredToken": "The credential that the service signs with has expired.",
    "InvalidClientTokenId": "AWS does not know, or no longer accepts, the key that the service signs with.",
    "InvalidSignature": "AWS refused the signature: the secret that the service signs with is wrong.",
    "InvalidInput": "AWS refused the input.",
    "InvalidRequest": "AWS refused the request; with a lock it does so where the bucket has no Object Lock.",
    "KMSInvalidState": "The key in AWS KMS is not ready for use; it may be about to be deleted.",
    "LimitExceeded": "The root user has as many credentials of this kind as AWS allows.",
    "NoSuchBucket": "There is no such bucket.",
    "NoSuchEntity": "AWS knows no such credential of the root user.",
    "NotFound": "AWS knows no such key in AWS KMS.",
    "RequestExpired": "AWS refused the call as too old; the clock of this machine is wrong.",
    "SignatureDoesNotMatch": "AWS refused the signature: the secret that the service signs with is wrong.",
    "Throttling": "AWS throttled the call.",
    "TooManyRequests": "AWS throttled the call.",
    "UnrecognizedClient": "AWS does not know, or no longer accepts, the key that the service signs with.",
    "ValidationError": "AWS refused the input.",
}
_CLIENT_ERROR = 4  # the hundreds of the HTTP status
_LOST = "The answer of AWS was lost, so it is not known whether the call had its effect."


def refused_or_in_doubt(error: Exception, *, signer_key_id: str, sent_once: bool) -> Refused | InDoubt:
    """Judge the failure of a write.

    A 4xx is a refusal, unless the SDK had tried before: then the answer may be about our own earlier effect (the key
    that the first try deleted). No answer, a 5xx and anything unknown are in doubt.
    """
    match error:
        case ClientError():
            metadata = error.response.get("ResponseMetadata", {})
            detail = sentence(error)
            request_id = metadata.get("RequestId")
            refusal = metadata.get("HTTPStatusCode", 0) // 100 == _CLIENT_ERROR
            if refusal and metadata.get("RetryAttempts", 0) == 0:
                return Refused(
                    code=f"aws_{_code(error)}",
                    detail=detail,
                    signer_key_id=signer_key_id,
                    aws_request_id=request_id,
                )
            return InDoubt(detail=detail if refusal else _LOST, signer_key_id=signer_key_id, aws_request_id=request_id)
        case EndpointConnectionError() | ConnectTimeoutError() if sent_once:
            return Refused(
                code="unreachable", detail="No connection to AWS; nothing was sent.", signer_key_id=signer_key_id
            )
        case _:
            return InDoubt(detail=_LOST, signer_key_id=signer_key_id)


def unavailable(error: ClientError | BotoCoreError, what: str, code: Code = Code.ACCOUNT_UNREACHABLE) -> Unavailable:
    """A read that failed: nothing was done, and why is safe to say."""
    reason = sentence(error) if isinstance(error, ClientError) else f"No answer from AWS ({type(error).__name__})."
    return Unavailable(code, f"{what} {reason}")


@contextmanager
def reached(what: str) -> Iterator[None]:
    """Raise Unavailable, with `what` did not come about, for all that goes wrong with a service of AWS beside IAM.

    What is raised in it as Unavailable gets the same beginning.
    """
    try:
        yield
    except Unavailable as refused:
        raise Unavailable(Code.UNAVAILABLE, f"{what} {refused.detail}") from None
    except (ClientError, BotoCoreError) as error:
        raise unavailable(error, what, Code.UNAVAILABLE) from error
    except Exception as error:  # noqa: BLE001
        # The AWS edge: where something else answers, botocore's parsers raise what they like.
        logger.warning("no answer of AWS: %s", type(error).__name__)
        raise Unavailable(Code.UNAVAILABLE, f"{what} The answer was none that AWS gives.") from None


def sentence(error: ClientError) -> str:
    code = _code(error)
    return _SENTENCES.get(code, f"AWS answered {code}.")


def _code(error: ClientError) -> str:
    """The code without its `Exception` ending, letters and digits only."""
    code = str(error.response.get("Error", {}).get("Code", "unknown")).removesuffix("Exception")
    return code if code.isascii() and code.isalnum() else "unknown"
