"""What the simulated AWS sends back, in the caller's protocol.

IAM and STS use the Query protocol, in XML. AWS Organizations and the account service use JSON, with other names for
some errors.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

_SERVER_ERROR = 500
_JSON = "application/x-amz-json-1.1"

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
_NAMES = {"account": _REST_ERRORS, "organizations": _JSON_ERRORS}


class AwsError(Exception):
    """An error answer of AWS, under the name that IAM and STS use."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def translated(self, service: str | None) -> AwsError:
        """Return the same error under its name in this service, unchanged for IAM and STS."""
        code, status = _NAMES.get(service or "", {}).get(self.code, (self.code, self.status))
        return AwsError(code, self.message, status)


def error_answer(error: AwsError, *, as_json: bool) -> Response:
    """Build the error response, with a request id like every answer of AWS. The code is not translated.

    XML: the Query protocol's ErrorResponse. JSON: `__type` and `Message`, with the code in a header too.
    """
    if as_json:
        answer = json_answer({"__type": error.code, "Message": error.message}, error.status)
        answer.headers["x-amzn-ErrorType"] = error.code
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


def json_answer(result: Mapping[str, Any], status: int = 200) -> Response:
    """Build a JSON response. Times are seconds since 1970."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return Response(json.dumps(result), status=status, headers=headers, content_type=_JSON)
