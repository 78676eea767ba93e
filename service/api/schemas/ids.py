"""What ids look like that go out. It stands in the contract, and is not checked again on the way: an id that AWS one
day makes longer must not keep anybody from reading their request, or from their secret.
"""

from typing import Annotated, Any

from pydantic import WithJsonSchema


def _bounded(longest: int, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "maxLength": longest}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


Uuid = Annotated[str, _bounded(36, r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
AccountId = Annotated[str, _bounded(12, r"^[0-9]{12}$")]
Digest = Annotated[str, _bounded(64, r"^[0-9a-f]{64}$")]
# The longest that AWS's own model of IAM allows for a key (128) and for an MFA device (256).
AccessKeyId = Annotated[str, _bounded(128)]
Target = Annotated[str, _bounded(256)]
CertificateId = Annotated[str, _bounded(128)]
AwsRequestId = Annotated[str, _bounded(128)]
Subject = Annotated[str, _bounded(255)]
Credential = Annotated[str, _bounded(64)]
EventName = Annotated[str, _bounded(64, r"^[a-z_]+\.[a-z_]+$")]
Destination = Annotated[str, _bounded(40)]
Cursor = Annotated[str, _bounded(200)]
