"""Parsing of signed requests, and verification of their signatures.

IAM and STS use the Query protocol: a form-encoded POST with an Action. AWS Organizations uses JSON 1.1: the
header X-Amz-Target names the action. The account service uses REST with JSON: the path names the action. All are signed
with Signature Version 4.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.request import Request
from moto.utilities.utils import get_partition

from service.simulated_aws.answers import AwsError
from service.simulated_aws.partition import Partition

SIMULATED_SERVICES = frozenset({"account", "iam", "organizations", "sts"})
# In botocore's model, each path is the action with a small first letter.
_PATHS = {"/getPrimaryEmail": "GetPrimaryEmail"}
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[\w;-]+), ?Signature=(?P<signature>[0-9a-f]{64})",
)


@dataclass(frozen=True)
class Incoming:
    """A request from the wire; nothing in it has been checked yet."""

    request: Request
    body: bytes
    action: str
    is_json: bool
    parameters: Mapping[str, str]  # the form without Action and Version, or the members of the JSON object
    service: str | None
    region: str | None
    access_key_id: str | None
    signed_headers: tuple[str, ...]
    signature: str | None

    @property
    def json_service(self) -> str | None:
        """Return the service that is called in JSON; None in the Query protocol."""
        return (self.service or "organizations") if self.is_json else None

    @property
    def session_token(self) -> str | None:
        return self.request.headers.get("X-Amz-Security-Token")


def read(request: Request) -> Incoming:
    """Parse a request. Never raise: what cannot be read is None or empty."""
    body = request.get_data(cache=True, parse_form_data=False)
    form = {name: value for name, value in request.form.items() if name not in ("Action", "Version")}
    named = _PATHS.get(request.path) if request.method == "POST" else None
    target = named or request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    action = request.form.get("Action") or target or f"{request.method} {request.path}"
    match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    found = match.groupdict() if match else {}
    return Incoming(
        request=request,
        body=body,
        action=action,
        is_json=action == target,
        parameters=_json_members(body) if action == target else form,
        service=found.get("service"),
        region=found.get("region"),
        access_key_id=found.get("key"),
        signed_headers=tuple(found.get("headers", "").split(";")),
        signature=found.get("signature"),
    )


def _json_members(body: bytes) -> dict[str, str]:
    try:
        members = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(members, dict):
        return {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in members.items()}


def check_addressed_here(incoming: Incoming, partition: Partition) -> None:
    """Refuse services and partitions that are not simulated. Nothing is ever forwarded to a real network.

    Any region of the partition is accepted. AWS requires the region of IAM or Organizations, but boto3 picks it only
    if no `endpoint_url` is set; so code that is correct on AWS would be refused here.

    Raise AwsError: MissingAuthenticationToken, AccessDenied, SignatureDoesNotMatch.
    """
    if incoming.service is None or incoming.region is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    if incoming.service not in SIMULATED_SERVICES:
        message = f"The simulated AWS has IAM, STS, Organizations and Account only; {incoming.service} is not there."
        raise AwsError("AccessDenied", message, 403)
    if get_partition(incoming.region) != partition.name:
        message = f"Credential should be scoped to a valid region. (Only the partition {partition.name} is simulated.)"
        raise AwsError("SignatureDoesNotMatch", message, 403)


def check_signature(incoming: Incoming, secret_access_key: str, session_token: str | None) -> None:
    """Sign the request again with the secret and compare.

    Raise AwsError SignatureDoesNotMatch (403).
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
