"""The simulated AWS's end of the wire: a signed request in, its signature checked, AWS's error XML out.

The Query protocol of IAM and STS: a form-encoded POST that names its Action, signed with Signature Version 4.
"""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.request import Request
from moto.utilities.utils import get_partition
from werkzeug.wrappers import Response

SIMULATED_SERVICES = frozenset({"iam", "sts"})
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[\w;-]+), ?Signature=(?P<signature>[0-9a-f]{64})",
)
_SERVER_ERROR = 500


class AwsError(Exception):
    """An error answer, as AWS would give it."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Incoming:
    """A request as it came over the wire; nothing in it has been checked yet."""

    request: Request
    body: bytes
    action: str
    parameters: Mapping[str, str]  # the form without Action and Version
    service: str | None
    region: str | None
    access_key_id: str | None
    signed_headers: tuple[str, ...]
    signature: str | None

    @property
    def session_token(self) -> str | None:
        return self.request.headers.get("X-Amz-Security-Token")


def read(request: Request) -> Incoming:
    """Take a request apart. Never raises: what cannot be read is None or empty."""
    body = request.get_data(cache=True, parse_form_data=False)
    form = {name: value for name, value in request.form.items() if name not in ("Action", "Version")}
    target = request.headers.get("X-Amz-Target", "")  # how the JSON protocol services name the operation
    action = request.form.get("Action") or target.rpartition(".")[2] or f"{request.method} {request.path}"
    match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    found = match.groupdict() if match else {}
    return Incoming(
        request=request,
        body=body,
        action=action,
        parameters=form,
        service=found.get("service"),
        region=found.get("region"),
        access_key_id=found.get("key"),
        signed_headers=tuple(found.get("headers", "").split(";")),
        signature=found.get("signature"),
    )


def check_addressed_here(incoming: Incoming) -> None:
    """Refuse what is not simulated. There is no way from here to a real network.

    Raises AwsError: MissingAuthenticationToken, AccessDenied, SignatureDoesNotMatch.
    """
    if incoming.service is None or incoming.region is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    if incoming.service not in SIMULATED_SERVICES:
        message = f"The simulated AWS has IAM and STS only; {incoming.service} is not there."
        raise AwsError("AccessDenied", message, 403)
    if get_partition(incoming.region) != "aws":
        message = "Credential should be scoped to a valid region. (Only the partition aws is simulated.)"
        raise AwsError("SignatureDoesNotMatch", message, 403)


def check_signature(incoming: Incoming, secret_access_key: str, session_token: str | None) -> None:
    """Sign the request again with the secret and compare.

    Raises AwsError SignatureDoesNotMatch (403).
    """
    request = AWSRequest(
        method=incoming.request.method,
        url=incoming.request.url,
        data=incoming.body,
        headers={name: incoming.request.headers.get(name, "") for name in incoming.signed_headers},
    )
    request.context["timestamp"] = incoming.request.headers.get("X-Amz-Date", "")
    auth = SigV4Auth(
        Credentials(incoming.access_key_id or "", secret_access_key, session_token),
        incoming.service or "",
        incoming.region or "",
    )
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(expected, incoming.signature or ""):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
        raise AwsError("SignatureDoesNotMatch", message, 403)


def error_answer(error: AwsError) -> Response:
    """Build the Query protocol's ErrorResponse, with a request id as every answer of AWS has one.

    The header names the code too: clients of JSON services look for it there.
    """
    request_id = str(uuid.uuid4())
    kind = "Receiver" if error.status >= _SERVER_ERROR else "Sender"
    xml = (
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    return Response(xml, status=error.status, headers=headers, mimetype="text/xml")
