"""Reading what came back: each field is there and has AWS's form, or the answer is not AWS's.

botocore does not hold answers against its model: what is missing is left out, what stands twice becomes a list.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from botocore.utils import parse_timestamp

# 16 to 128 characters by the model, and in practice capitals and digits; a secret has small letters as well.
KEY_ID = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)
SERIAL_NUMBER = re.compile(r"[\w+=/:,.@-]{9,256}", re.ASCII)
CERTIFICATE_ID = re.compile(r"\w{24,128}", re.ASCII)
# `Active`, `Inactive`, `Expired`, and of an account `ACTIVE`, `PENDING_CLOSURE`; read tolerantly.
WORD = re.compile(r"[A-Za-z_]{1,32}", re.ASCII)
# Of a service or a region, in lower case; `N/A` for both where AWS knows of no use.
SERVICE = re.compile(r"[\w./ -]{1,64}", re.ASCII)
ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)
ARN = re.compile(r"arn:aws[a-z-]*:[\w+=/:,.@-]{1,512}", re.ASCII)
# A secret and a session token: no pattern in the model but that nothing in them is blank.
OPAQUE = re.compile(r"[!-~]{16,8192}", re.ASCII)

# IAM's lists that are read.
PAGED = ("ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
_MARKER = re.compile(r"[\x20-\xff]{1,4096}")  # the model's pattern, and more than its length
# Far more than a root user can have; AWS may put fewer on a page than it could.
_MOST_PAGES = 100


class NotOfAws(Exception):  # what it says of an answer
    """An answer that AWS does not give. `field` is our own name of what is wrong, nothing of the answer."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def text(answer: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    """Raises NotOfAws."""
    value = answer.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise NotOfAws(name)
    return value


def time(answer: Mapping[str, Any], name: str) -> datetime:
    """In UTC. Raises NotOfAws."""
    value = answer.get(name)
    if not isinstance(value, datetime):
        raise NotOfAws(name)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first or the last day of all years
        raise NotOfAws(name) from None


def member(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Raises NotOfAws."""
    value = answer.get(name)
    if not isinstance(value, Mapping):
        raise NotOfAws(name)
    return value


def members(answer: object, name: str) -> list[Mapping[str, Any]]:
    """A list of structures. Raises NotOfAws."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise NotOfAws(name)
    return value


def every_page(call: Callable[..., Any], name: str) -> list[Mapping[str, Any]]:
    """What stands under `name` on all pages of one of IAM's lists, each of which says whether it is the last.

    Raises NotOfAws, also where the pages do not end.
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
            if page.get("Marker"):  # AWS has one where there is more, and only there
                raise NotOfAws("Marker")
            return found
        following = text(page, "Marker", _MARKER)
        if following == marker.get("Marker"):
            break
        marker = {"Marker": following}
    raise NotOfAws("Marker")


def check_truncation(**event: Any) -> None:
    """Raise NotOfAws unless a page says `true` or `false`; botocore takes all else for false.

    botocore calls this with the bytes that came, before it reads them: its event `before-parse`.
    """
    try:
        page = ET.fromstring(event["response_dict"]["body"])  # noqa: S314  # as botocore itself in a moment
    except ET.ParseError:
        return  # botocore's own parser says so
    if any(each.tag.endswith("IsTruncated") and each.text not in ("true", "false") for each in page.iter()):
        raise NotOfAws("IsTruncated")


def parse_time(value: Any) -> datetime | None:
    """As botocore does, but None for what is no time: a new key is not thrown away because its date is broken.

    AWS's times are UTC where they do not say so.
    """
    try:
        found: datetime = parse_timestamp(value)
    except (ValueError, TypeError, ArithmeticError, RuntimeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
