"""Parsing of signed requests, and verification of their signatures.

IAM and STS use the Query protocol: a form-encoded POST with an Action. AWS Organizations and SQS use JSON: the header
X-Amz-Target names the action. The account service uses REST with JSON: the path names the action. In S3, method, path
and query name it. All are signed with Signature Version 4.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.request import Request
from moto.utilities.utils import get_partition

from service.simulated_aws.answers import AwsError, Protocol
from service.simulated_aws.partition import Partition

SIMULATED_SERVICES = frozenset({"account", "iam", "organizations", "s3", "sqs", "sts"})
# In botocore's model, each path is the action with a small first letter.
_PATHS = {"/getPrimaryEmail": "GetPrimaryEmail"}
_IN_JSON = {"account": Protocol.REST_JSON, "sqs": Protocol.SQS}
# The actions on a bucket's policy, by method.
_ON_POLICY = {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"}
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
    protocol: Protocol
    # the form without Action and Version, or the members of the JSON object, or S3's Bucket
    parameters: Mapping[str, str]
    service: str | None
    region: str | None
    access_key_id: str | None
    signed_headers: tuple[str, ...]
    signature: str | None

    @property
    def session_token(self) -> str | None:
        return self.request.headers.get("X-Amz-Security-Token")


def read(request: Request) -> Incoming:
    """Parse a request. Never raise: what cannot be read is None or empty."""
    body = request.get_data(cache=True, parse_form_data=False)
    form = {name: value for name, value in request.form.items() if name not in ("Action", "Version")}
    named = _PATHS.get(request.path) if request.method == "POST" else None
    target = named or request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    found = match.groupdict() if match else {}
    protocol, parameters = Protocol.QUERY, form
    action = request.form.get("Action") or target or f"{request.method} {request.path}"
    if found.get("service") == "s3":
        protocol, (action, parameters) = Protocol.S3, _read_s3(request)
    elif action == target:
        protocol = _IN_JSON.get(found.get("service", ""), Protocol.JSON)
        parameters = _json_members(body)
    return Incoming(
        request=request,
        body=body,
        action=action,
        protocol=protocol,
        parameters=parameters,
        service=found.get("service"),
        region=found.get("region"),
        access_key_id=found.get("key"),
        signed_headers=tuple(found.get("headers", "").split(";")),
        signature=found.get("signature"),
    )


def _read_s3(request: Request) -> tuple[str, dict[str, str]]:
    """Return the action, and the bucket if it names one in its path."""
    bucket, _, key = request.path.removeprefix("/").partition("/")
    if not bucket and request.method == "GET":
        return "ListBuckets", {}
    on_policy = _ON_POLICY.get(request.method) if "policy" in request.args and not key else None
    return on_policy or f"{request.method} {request.path}", {"Bucket": bucket}


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
        message = f"The simulated AWS has no {incoming.service}."
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
    scheme = S3SigV4Auth if incoming.service == "s3" else SigV4Auth
    auth = scheme(
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
