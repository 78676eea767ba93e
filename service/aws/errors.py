"""Explains failed calls in our words. Every call to AWS passes through here, and no text of botocore's leaves it.

botocore's exceptions quote their input: a ResponseParserError holds the whole answer, which may have a secret in it.
So the service shows only the type of an exception and the code of an AWS error. It chains no exceptions either.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)

from service.aws.answers import NotOfAws
from service.domain.errors import Code, Unavailable
from service.domain.outcome import InDoubt, Refused, ResultCode, of_aws

# AWS's codes in our words, including old names; `…Exception` endings are removed. Message texts are never matched or
# shown, as they quote ARNs and input. Sources: botocore's service model for declared codes, AWS documentation for
# common ones.
DENIED = "AWS denied the call, often by a service control policy."
ACCESS_DENIED = "AccessDenied"
# AWS's code is the same for every kind of policy. The policies of IAM do not limit a root user (IAM user guide).
_ROOT_DENIED = (
    "The root user itself was denied: look for a service control policy that denies root, or for the policy of a VPC "
    "endpoint."
)
_BAD_KEY = "AWS does not know, or no longer accepts, the key that the service signs with."
_BAD_SIGNATURE = "AWS refused the signature: the secret that the service signs with is wrong."
_THROTTLED = "AWS throttled the call."
GONE = "NoSuchEntity"
_SENTENCES = {
    "403": DENIED,  # the answer to a HEAD has no code
    "AWSOrganizationsNotInUse": "The account is in no organization.",
    ACCESS_DENIED: DENIED,
    "ConcurrentModification": "Somebody else was changing the credentials at the same moment.",
    "ConditionalRequestConflict": "Somebody else was writing the same object at the same moment.",
    "Disabled": "The key in AWS KMS is disabled.",
    "EntityAlreadyExists": "AWS has that credential already.",
    "EntityTemporarilyUnmodifiable": "AWS says that the credential cannot be changed just now.",
    "ExpiredToken": "The credential that the service signs with has expired.",
    "InvalidClientTokenId": _BAD_KEY,
    "InvalidSignature": _BAD_SIGNATURE,
    "InvalidInput": "AWS refused the input.",
    "InvalidRequest": "AWS refused the request; with a lock it does so where the bucket has no Object Lock.",
    "KMSInvalidState": "The key in AWS KMS is not ready for use; it may be about to be deleted.",
    "LimitExceeded": "The root user has as many credentials of this kind as AWS allows.",
    "MethodNotAllowed": "AWS says that the bucket is of another account.",
    "NoSuchBucket": "There is no such bucket.",
    GONE: "AWS knows no such credential of the root user.",
    "NotFound": "AWS knows no such key in AWS KMS.",
    "OperationAborted": "Somebody else was changing the bucket at the same moment.",
    "QueueDoesNotExist": "There is no such queue.",
    "RequestThrottled": _THROTTLED,
    "RequestExpired": "AWS refused the call as too old; the clock of this machine is wrong.",
    "SignatureDoesNotMatch": _BAD_SIGNATURE,
    "Throttling": _THROTTLED,
    "TooManyRequests": _THROTTLED,
    "UnrecognizedClient": _BAD_KEY,
    "ValidationError": "AWS refused the input.",
}
_CLIENT_ERROR = 4  # the hundreds of the HTTP status
# The HTTP statuses of what `CERTAIN_NO` names, by the same sources. A proxy or a filter has others: 407, 429, 451, 499.
_STATUSES_OF_NO = frozenset({400, 401, 403, 404, 409, 413})
LOST = "The answer of AWS was lost, so it is not known whether the call had its effect."
_FOREIGN = "The answer was none that AWS gives"
_UNKNOWN = f"{_FOREIGN}, so it is not known whether the call had its effect."
_UNSAID = "The answer does not tell for certain whether the call had its effect."

# The codes by which IAM says that it did not carry out a call, without `Exception`. The first set has the sender's
# faults that botocore's service model declares for the calls of `root.py`. The second has the "Common Error Types" of
# IAM's API reference, and their names in practice. Codes about the server, the connection or time are excluded, as the
# call may have had its effect: RequestAborted, RequestTimeout, InternalFailure, ServiceFailure, ServiceUnavailable.
CERTAIN_NO = frozenset(
    {
        "ConcurrentModification",
        "EntityAlreadyExists",
        "EntityTemporarilyUnmodifiable",
        "InvalidInput",
        "LimitExceeded",
        GONE,
        "PasswordPolicyViolation",
    }
    | {
        "AccessDenied",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAction",
        "InvalidClientTokenId",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "InvalidQueryParameter",
        "MalformedHttpRequest",
        "MalformedQueryString",
        "MissingAction",
        "MissingAuthenticationToken",
        "MissingParameter",
        "NotAuthorized",
        "OptInRequired",
        "RequestEntityTooLarge",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "Throttling",
        "UnknownOperation",
        "UnrecognizedClient",
        "ValidationError",
    }
)

# The same of S3 and SQS, for the calls that delete a policy, without `Exception`. Sources: the error codes in S3's API
# reference; the errors that botocore's model declares for SetQueueAttributes, and the common errors of SQS.
_CERTAIN_NO_OF: Mapping[str, frozenset[str]] = {
    "DeleteBucketPolicy": frozenset(
        {
            ACCESS_DENIED,
            "AllAccessDisabled",
            "AuthorizationHeaderMalformed",
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidBucketName",
            "InvalidToken",
            "MethodNotAllowed",
            "NoSuchBucket",
            "OperationAborted",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
        }
    ),
    "SetQueueAttributes": frozenset(
        {
            ACCESS_DENIED,
            "ExpiredToken",
            "IncompleteSignature",
            "InvalidAddress",
            "InvalidAttributeName",
            "InvalidAttributeValue",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidSignature",
            "MissingAuthenticationToken",
            "OverLimit",
            "QueueDoesNotExist",
            "RequestThrottled",
            "Throttling",
            "TooManyRequests",
            "UnrecognizedClient",
            "UnsupportedOperation",
        }
    ),
}

# AWS's codes are names. In a foreign page, botocore takes the status, or any text in it, for the code.
# A code with `aws_` before it has at most 64 characters, as many as the database holds.
_CODE = re.compile(r"[A-Z][A-Za-z0-9]{2,59}", re.ASCII)
_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
# Request ids: a UUID from IAM, STS, Organizations and KMS, another form from S3. A secret has neither form.
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
S3_REQUEST_ID = re.compile(r"[0-9A-Z]{12,64}", re.ASCII)
_REQUEST_ID = re.compile(rf"{_UUID.pattern}|{S3_REQUEST_ID.pattern}", re.ASCII)
_REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id")


def request_id(answer: Mapping[str, Any], form: re.Pattern[str] = _UUID) -> str | None:
    """Return AWS's id of the call. Return None if it is invalid, or if the body's differs from the header's.

    IAM sends the same UUID in both (captured answers). A proxy that replaces the body seldom changes the header. S3
    and SQS send it in a header alone.
    """
    metadata = _mapping(answer.get("ResponseMetadata"))
    found = metadata.get("RequestId")  # in IAM's protocol, botocore takes it from the body
    if not isinstance(found, str) or not form.fullmatch(found):
        return None
    return found if _mapping(metadata.get("HTTPHeaders")).get("x-amzn-requestid", found) == found else None


def code_of(error: ClientError) -> str | None:
    """Return AWS's code without its `Exception` ending. Return None if AWS did not send the answer.

    AWS sends both a code and a request id; a foreign page does not have both. The answer to a HEAD has no body, so
    botocore uses the status as the code. That is accepted from S3 only. Of SQS, this is the code in its model, not that
    of its former protocol.
    """
    said = _mapping(error.response.get("Error"))
    found = said.get("QueryErrorCode", said.get("Code"))
    if not isinstance(found, str) or not _has_request_id(error.response):
        return None
    code = found.removesuffix("Exception")
    is_name = _CODE.fullmatch(code) or (error.operation_name == "HeadObject" and _STATUS.fullmatch(code))
    return code if is_name else None


def _has_request_id(answer: Mapping[str, Any]) -> bool:
    """Return whether the body or a header has an id of AWS's form."""
    metadata = _mapping(answer.get("ResponseMetadata"))
    headers = _mapping(metadata.get("HTTPHeaders"))
    found = (metadata.get("RequestId"), *(headers.get(name) for name in _REQUEST_ID_HEADERS))
    return any(isinstance(each, str) and _REQUEST_ID.fullmatch(each) for each in found)


def certain_no(error: ClientError) -> str | None:
    """Return the code by which AWS says that it did not carry out the call. Return None if any doubt is left."""
    code = code_of(error)
    if code not in _CERTAIN_NO_OF.get(error.operation_name, CERTAIN_NO) or _id_of(error) is None:
        return None
    # SQS has no id in its body. But only its errors have the header with the code of its former protocol.
    if error.operation_name == "SetQueueAttributes" and "QueryErrorCode" not in error.response["Error"]:
        return None
    return code if error.response["ResponseMetadata"]["HTTPStatusCode"] in _STATUSES_OF_NO else None


def _id_of(error: ClientError) -> str | None:
    return request_id(error.response, S3_REQUEST_ID if error.operation_name == "DeleteBucketPolicy" else _UUID)


def refused_or_in_doubt(error: Exception, *, signer_key_id: str, sent_once: bool) -> Refused | InDoubt:
    """Judge the failure of a write.

    It is a refusal only if AWS certainly refused the first try. After a retry by the SDK, the answer may be about our
    own earlier effect (the key that the first try deleted). Everything else is in doubt: a proxy may have let the call
    through.
    """
    match error:
        case ClientError():
            return _judged(error, signer_key_id)
        case EndpointConnectionError() | ConnectTimeoutError() if sent_once:
            return Refused(
                code=ResultCode.UNREACHABLE,
                detail="No connection to AWS; nothing was sent.",
                signer_key_id=signer_key_id,
            )
        case _:
            detail = LOST if isinstance(error, BotoCoreError) else _UNKNOWN
            return InDoubt(detail=detail, signer_key_id=signer_key_id)


def _judged(error: ClientError, signer_key_id: str) -> Refused | InDoubt:
    its_id, code = _id_of(error), certain_no(error)
    metadata = error.response["ResponseMetadata"]
    if code is None:
        if its_id is None or code_of(error) is None:
            detail = _UNKNOWN
        else:
            detail = _UNSAID if metadata["HTTPStatusCode"] // 100 == _CLIENT_ERROR else LOST
        return InDoubt(detail=detail, signer_key_id=signer_key_id, aws_request_id=its_id)
    if metadata.get("RetryAttempts", 0) > 0:
        return InDoubt(detail=sentence(code), signer_key_id=signer_key_id, aws_request_id=its_id)
    return Refused(
        code=of_aws(code),
        detail=sentence(code),
        signer_key_id=signer_key_id,
        aws_request_id=its_id,
        is_gone=code == GONE,
    )


@contextmanager
def asked(
    what: str, call: str = "", *, about: str, code: Code = Code.ACCOUNT_UNREACHABLE, is_root: bool = False
) -> Iterator[None]:
    """Raise Unavailable for any failure in the block: of a call to AWS, or of reading its answer.

    `what` is a sentence about what was not done, and `call` is AWS's name of the call. `about` tells the operator who
    was asked, and how. An Unavailable from the block, such as for a missing credential, also gets `what`, but no call.
    With `is_root`, a proved root user asked: the operator also learns what can deny it anything.
    """
    try:
        yield
    except Unavailable as refused:
        raise Unavailable(code, f"{what} {refused.detail}", cause=f"{what} {refused.cause}", about=about) from None
    except Exception as error:  # noqa: BLE001
        # The AWS edge: on an answer from something else, botocore's parsers may raise anything.
        said, exactly = explain(error)
        if is_root and isinstance(error, ClientError) and code_of(error) == ACCESS_DENIED:
            exactly = f"{exactly} {_ROOT_DENIED}"
        named = error.operation_name if isinstance(error, ClientError) else call
        cause = f"{what} {named}: {exactly}" if named else f"{what} {exactly}"
        raise Unavailable(code, f"{what} {said}", cause=cause, about=about) from None


def explain(error: Exception) -> tuple[str, str]:
    """Explain a failed call, to the caller and to the operator. Neither sentence quotes the exception's text."""
    kind = type(error).__name__
    match error:
        case ClientError():
            code = code_of(error)
            if code is not None:
                return sentence(code), f"{sentence(code)} ({code})"
            status = _mapping(error.response.get("ResponseMetadata")).get("HTTPStatusCode")
            return f"{_FOREIGN}.", f"{_FOREIGN} (HTTP {status})."
        case NotOfAws(field=field):
            return f"{_FOREIGN}.", f"{_FOREIGN}: {field} is missing, or is not what it should be."
        case HTTPClientError() | ConnectionError():
            return (f"No answer from AWS ({kind}).",) * 2
        case BotoCoreError():
            return (f"AWS was not asked, or its answer could not be used ({kind}).",) * 2
        case _:
            return f"{_FOREIGN}.", f"{_FOREIGN} ({kind})."


def sentence(code: str) -> str:
    return _SENTENCES.get(code, f"AWS answered {code}.")


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
