"""Opaque cursors."""

import base64
import binascii
from uuid import UUID

from service.db.outbox import Place
from service.domain.canonical import parse_timestamp, timestamp
from service.domain.errors import Code, Invalid
from service.domain.selection import Cursor


def encode_cursor(cursor: Cursor | None) -> str | None:
    return None if cursor is None else _encode(f"{timestamp(cursor.filed_at)} {cursor.request_id}")


def decode_cursor(text: str | None) -> Cursor | None:
    """Raise Invalid for a cursor that this service did not issue."""
    if text is None:
        return None
    try:
        filed_at, request_id = _decode(text).split(" ")
        cursor = Cursor(parse_timestamp(filed_at), str(UUID(request_id)))
    except ValueError as error:
        raise _not_ours() from error
    if encode_cursor(cursor) != text:
        raise _not_ours()
    return cursor


def encode_sequence(seq: int) -> str:
    return _encode(str(seq))


def decode_sequence(text: str | None) -> int:
    """Raise Invalid for a cursor that this service did not issue."""
    if text is None:
        return 0
    try:
        seq = int(_decode(text))
    except ValueError as error:
        raise _not_ours() from error
    if not 0 <= seq < 2**63 or encode_sequence(seq) != text:
        raise _not_ours()
    return seq


def encode_place(place: Place | None) -> str | None:
    return None if place is None else _encode(f"{place.seq} {place.destination}")


def decode_place(text: str | None) -> Place | None:
    """Raise Invalid for a cursor that this service did not issue."""
    if text is None:
        return None
    try:
        seq, destination = _decode(text).split(" ")
        place = Place(int(seq), destination)
    except ValueError as error:
        raise _not_ours() from error
    if not 0 <= place.seq < 2**63 or encode_place(place) != text:
        raise _not_ours()
    return place


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> str:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError) as error:
        raise _not_ours() from error
    if not decoded.isprintable():  # PostgreSQL takes no NUL
        raise _not_ours()
    return decoded


def _not_ours() -> Invalid:
    return Invalid(Code.INVALID_REQUEST, "This service did not hand out this cursor.", field="cursor")
