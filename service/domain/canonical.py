"""The canonical bytes of a document: RFC 8785 (JSON Canonicalization Scheme).

Only strings, integers, booleans, null, lists and objects with ASCII names are allowed. For those, the standard
library's sorted compact JSON *is* RFC 8785, so a verifier needs no library. A test compares it with `rfc8785`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"
Document: TypeAlias = Mapping[str, Json]

# RFC 8785 writes numbers as IEEE doubles; integers beyond this would lose digits in another reader.
_LARGEST_EXACT_INTEGER = 2**53 - 1
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
# Values of just these types need no check. Nearly all leaves of a document have one of them.
_PLAIN = frozenset({str, bool, type(None)})


def canonical(document: Json) -> bytes:
    """Return the UTF-8 bytes of `document` in RFC 8785 form.

    Raise TypeError for anything but the types above, ValueError for an integer beyond 2^53-1, a name that is
    not ASCII or text with a lone surrogate.
    """
    _check(document)
    return _ENCODER.encode(document).encode()


def sha256(document: Json) -> str:
    """Return the SHA-256 of the canonical bytes in lower-case hex."""
    return hashlib.sha256(canonical(document)).hexdigest()


def _check(value: Json) -> None:
    match value:
        case dict():
            for name, item in value.items():
                if not isinstance(name, str) or not name.isascii():
                    raise ValueError("names in canonical JSON are ASCII strings")
                if type(item) not in _PLAIN:
                    _check(item)
        case None | bool() | str():
            pass
        case int():
            if abs(value) > _LARGEST_EXACT_INTEGER:
                raise ValueError("integer too large for canonical JSON")
        case list() | tuple():
            for item in value:
                _check(item)
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def timestamp(at: datetime) -> str:
    """Format as RFC 3339 in UTC, always with microseconds, so that the text sorts by time. Raise ValueError."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone is no point in time")
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_timestamp(text: str) -> datetime:
    """Invert `timestamp`. Raise ValueError for any other form."""
    at = datetime.fromisoformat(text)
    try:
        is_ours = timestamp(at) == text
    except OverflowError:  # the year 1 or 9999 in another zone may have no time in UTC
        is_ours = False
    if not is_ours:
        raise ValueError("not a time as `timestamp` writes it")
    return at


def seconds(duration: timedelta) -> int:
    """Return a duration in whole seconds, the only unit in documents and tables."""
    return int(duration.total_seconds())
