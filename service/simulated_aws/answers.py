"""What the simulated AWS sends back, in the caller's protocol.

IAM and STS use the Query protocol, in XML. AWS Organizations, the account service and SQS use JSON. S3 has an XML of
its own. The services have other names for some errors.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

_SERVER_ERROR = 500


class Protocol(StrEnum):
    QUERY = "query"
    JSON = "json"
    REST_JSON = "rest_json"
    SQS = "sqs"  # JSON, with the code of the former protocol in a header
    S3 = "s3"


# Organizations' names for the errors of IAM and STS, and their HTTP status: 500 if botocore's model marks it as a
# fault, else 400. Authentication errors are not in the model: UnrecognizedClientException and
# InvalidSignatureException are known from other JSON services' answers, and the rest are named by analogy.
_JSON_ERRORS = {
    "AccessDenied": ("AccessDeniedException", 400),
    "ExpiredToken": ("ExpiredTokenException", 400),
    "InvalidClientTokenId": ("UnrecognizedClientException", 400),
    "MissingAuthenticationToken": ("MissingAuthenticationTokenException", 400),
    "SignatureDoesNotMatch": ("InvalidSignatureException", 400),
    "InvalidAction": ("UnknownOperationException", 400),
    "ServiceFailure": ("ServiceException", 500),
    "Throttling": ("TooManyRequestsException", 400),
}
# S3's names, from the list of its error codes in the API reference.
_S3_ERRORS = {
    "ExpiredToken": ("ExpiredToken", 400),
    "InvalidClientTokenId": ("InvalidAccessKeyId", 403),
    "MissingAuthenticationToken": ("AccessDenied", 403),
    "InvalidAction": ("MethodNotAllowed", 405),
    "ServiceFailure": ("InternalError", 500),
    "Throttling": ("SlowDown", 503),
}
# The account service's names and statuses, from its model. Authentication errors are not in the model either.
_REST_ERRORS = {
    "AccessDenied": ("AccessDeniedException", 403),
    "ExpiredToken": ("ExpiredTokenException", 403),
    "InvalidClientTokenId": ("UnrecognizedClientException", 403),
    "MissingAuthenticationToken": ("MissingAuthenticationTokenException", 403),
    "SignatureDoesNotMatch": ("InvalidSignatureException", 403),
    "InvalidAction": ("UnknownOperationException", 404),
    "ServiceFailure": ("InternalServerException", 500),
    "Throttling": ("TooManyRequestsException", 429),
}
_NAMES = {
    Protocol.QUERY: {},
    Protocol.JSON: _JSON_ERRORS,
    Protocol.REST_JSON: _REST_ERRORS,
    Protocol.SQS: _JSON_ERRORS,
    Protocol.S3: _S3_ERRORS,
}


class AwsError(Exception):
    """An error answer of AWS, under the name that IAM and STS use.

    `query_code` is the name in SQS's former protocol, if it is another one. SQS still sends it in a header.
    """

    def __init__(self, code: str, message: str, status: int, *, query_code: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.query_code = query_code

    def translated(self, protocol: Protocol) -> AwsError:
        """Return the same error, under its name in services that use this protocol."""
        code, status = _NAMES[protocol].get(self.code, (self.code, self.status))
        return AwsError(code, self.message, status, query_code=self.query_code)


def error_answer(error: AwsError, protocol: Protocol) -> Response:
    """Build the error response, with a request id like every answer of AWS. The code is not translated.

    Query: an ErrorResponse in XML. JSON: `__type` and `Message`, with the code in a header too. S3: an Error in XML.
    """
    if protocol in {Protocol.JSON, Protocol.REST_JSON, Protocol.SQS}:
        answer = json_answer({"__type": error.code, "Message": error.message}, error.status)
        answer.headers["x-amzn-ErrorType"] = error.code
        if protocol is Protocol.SQS:
            fault = "Receiver" if error.status >= _SERVER_ERROR else "Sender"
            code = error.query_code or error.code.removesuffix("Exception")
            answer.headers["x-amzn-query-error"] = f"{code};{fault}"
        return answer
    if protocol is Protocol.S3:
        answer = s3_answer("", status=error.status)
        its_id = answer.headers["x-amz-request-id"]
        answer.set_data(
            f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
            f"<RequestId>{its_id}</RequestId></Error>"
        )
        return answer
    request_id = str(uuid.uuid4())
    kind = "Receiver" if error.status >= _SERVER_ERROR else "Sender"
    xml = (
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    # Clients of unsimulated services, which use neither protocol, find the code in the header.
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    return Response(xml, status=error.status, headers=headers, mimetype="text/xml")


def json_answer(result: Mapping[str, Any], status: int = 200, *, version: str = "1.1") -> Response:
    """Build a JSON response. Times are seconds since 1970."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    content_type = f"application/x-amz-json-{version}"
    return Response(json.dumps(result), status=status, headers=headers, content_type=content_type)


def s3_answer(body: str, status: int = 200, *, content_type: str = "application/xml") -> Response:
    """Build a response of S3, whose request ids are no UUIDs."""
    headers = {"x-amz-request-id": secrets.token_hex(8).upper(), "x-amz-id-2": secrets.token_urlsafe(48)}
    return Response(body, status=status, headers=headers, content_type=content_type)
