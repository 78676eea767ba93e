"""The form of ids in responses. The contract states it, but responses are not checked against it.

If AWS makes an id longer one day, people must still be able to read their request, or get their secret.
"""

from typing import Annotated, Any

from pydantic import WithJsonSchema


def _bounded(longest: int, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "maxLength": longest}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


Uuid = Annotated[str, _bounded(36, r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
AccountId = Annotated[str, _bounded(12, r"^[0-9]{12}$")]
# An organizational unit or the root, by the model of Organizations.
UnitId = Annotated[str, _bounded(68)]
Digest = Annotated[str, _bounded(64, r"^[0-9a-f]{64}$")]
# The longest ids in AWS's own model of IAM: 128 for a key and 256 for an MFA device.
AccessKeyId = Annotated[str, _bounded(128)]
Target = Annotated[str, _bounded(256)]
CertificateId = Annotated[str, _bounded(128)]
AwsRequestId = Annotated[str, _bounded(128)]
Subject = Annotated[str, _bounded(255)]
Credential = Annotated[str, _bounded(64)]
EventName = Annotated[str, _bounded(64, r"^[a-z_]+\.[a-z_]+$")]
Destination = Annotated[str, _bounded(40)]
# A SHA-256 in Base64 for paths.
KeyId = Annotated[str, _bounded(43, r"^[A-Za-z0-9_-]{43}$")]
Cursor = Annotated[str, _bounded(200)]
