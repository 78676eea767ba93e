"""Checks of AWS's answers: every field must be present and have AWS's form, or the answer is not from AWS.

botocore does not validate answers against its model: it omits a missing field, and makes a list of a repeated one.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from botocore.utils import parse_timestamp

# The model allows 16 to 128 characters; in practice they are capitals and digits. A secret also has small letters.
KEY_ID = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)
SERIAL_NUMBER = re.compile(r"[\w+=/:,.@-]{9,256}", re.ASCII)
CERTIFICATE_ID = re.compile(r"\w{24,128}", re.ASCII)
# `Active`, `Inactive`, `Expired`; for an account `ACTIVE`, `PENDING_CLOSURE`. AWS may add more.
WORD = re.compile(r"[A-Za-z_]{1,32}", re.ASCII)
# The name of a service or a region, in lower case. Both are `N/A` if AWS knows of no use.
SERVICE = re.compile(r"[\w./ -]{1,64}", re.ASCII)
ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)
# The ids of an organization's root and of its units (botocore's model).
ROOT_ID = re.compile(r"r-[0-9a-z]{4,32}", re.ASCII)
UNIT_ID = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}", re.ASCII)
# A tag, with the model's lengths. Its characters are left as they are, but half a surrogate pair is no character: no
# answer of ours could contain it.
TAG_KEY = re.compile(r"[^\ud800-\udfff]{1,128}")
TAG_VALUE = re.compile(r"[^\ud800-\udfff]{0,256}")
ARN = re.compile(r"arn:aws[a-z-]*:[\w+=/:,.@-]{1,512}", re.ASCII)
# A secret or a session token. The model only says that they have no blanks.
OPAQUE = re.compile(r"[!-~]{16,8192}", re.ASCII)

# The lists of IAM that the service reads.
PAGED = ("ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
# The calls to S3 whose refusal decides something.
ON_POLICY = ("ListBuckets", "GetBucketPolicy", "DeleteBucketPolicy")
_NO_SUCCESS = 300
_MARKER = re.compile(r"[\x20-\xff]{1,4096}")  # the model's pattern; its length is less
# Far more than a root user can fill. AWS may put fewer items on a page than it could.
_MOST_PAGES = 100
_TOKEN = re.compile(r"[\s\S]{1,100000}")  # the pattern and length in the model of Organizations
# A page has twenty accounts or fewer, even none (API reference). AWS's largest organizations have tens of thousands.
_MOST_TOKENS = 10_000


class NotOfAws(Exception):  # a statement, not an error
    """The answer is not one of AWS's. `field` is our own name for the fault; it quotes nothing from the answer."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def text(answer: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    """Return a string of the given form. Raise NotOfAws."""
    value = answer.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise NotOfAws(name)
    return value


def time(answer: Mapping[str, Any], name: str) -> datetime:
    """Return a time in UTC. Raise NotOfAws."""
    value = answer.get(name)
    if not isinstance(value, datetime):
        raise NotOfAws(name)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first or the last day that datetime can hold
        raise NotOfAws(name) from None


def member(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a structure. Raise NotOfAws."""
    value = answer.get(name)
    if not isinstance(value, Mapping):
        raise NotOfAws(name)
    return value


def members(answer: object, name: str) -> list[Mapping[str, Any]]:
    """Return a list of structures. Raise NotOfAws."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise NotOfAws(name)
    return value


def every_page(call: Callable[..., Any], name: str) -> list[Mapping[str, Any]]:
    """Return the items under `name` from all pages of an IAM list. Each page says whether it is the last.

    Raise NotOfAws, also if the pages do not end.
    """
    found: list[Mapping[str, Any]] = []
    marker: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        page = call(**marker)
        found += members(page, name)
        is_truncated = page.get("IsTruncated")
        if not isinstance(is_truncated, bool):
            raise NotOfAws("IsTruncated")
        if not is_truncated:
            if page.get("Marker"):  # AWS sends one only if there are more pages
                raise NotOfAws("Marker")
            return found
        following = text(page, "Marker", _MARKER)
        if following == marker.get("Marker"):
            break
        marker = {"Marker": following}
    raise NotOfAws("Marker")


def every_token_page(call: Callable[..., Any], name: str, **arguments: str) -> list[Mapping[str, Any]]:
    """Return the items under `name` from all pages of a list of Organizations. The last page has no `NextToken`.

    Raise NotOfAws, also if the pages do not end.
    """
    found: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    seen: set[str] = set()
    for _ in range(_MOST_TOKENS):
        page = call(**arguments, **token)
        found += members(page, name)
        if page.get("NextToken") is None:
            return found
        token = {"NextToken": text(page, "NextToken", _TOKEN)}
        if token["NextToken"] in seen:
            break
        seen.add(token["NextToken"])
    raise NotOfAws("NextToken")


def check_truncation(**event: Any) -> None:
    """Raise NotOfAws unless `IsTruncated` is `true` or `false`. botocore takes anything else for false.

    botocore calls this with the raw bytes before it parses them (its event `before-parse`).
    """
    try:
        page = ET.fromstring(event["response_dict"]["body"])  # noqa: S314  # botocore parses the same bytes next
    except ET.ParseError:
        return  # botocore's own parser will raise
    if any(each.tag.endswith("IsTruncated") and each.text not in ("true", "false") for each in page.iter()):
        raise NotOfAws("IsTruncated")


def check_error_id(**event: Any) -> None:
    """Raise NotOfAws if an error of S3 does not have the id of its header in its body too.

    botocore drops the one of the body. A proxy that replaces the body seldom changes the header.
    """
    answer = event["response_dict"]
    if answer["status_code"] < _NO_SUCCESS:
        return
    try:
        found = ET.fromstring(answer["body"]).findtext("RequestId")  # noqa: S314  # as above
    except ET.ParseError:
        found = None
    if found is None or found != answer["headers"].get("x-amz-request-id"):
        raise NotOfAws("RequestId")


def parse_time(value: Any) -> datetime | None:
    """Parse a time as botocore does, but return None if it is invalid: a bad date must not lose a new key.

    AWS's times without a zone are UTC.
    """
    try:
        found: datetime = parse_timestamp(value)
    except (ValueError, TypeError, ArithmeticError, RuntimeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
