"""What a browser signs around a challenge: `clientDataJSON` (W3C Web Authentication, section 5.8.1)."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from service.signing.faults import BadSignature, Fault


@dataclass(frozen=True, slots=True)
class Site:
    """The page that asked for a signature. `is_framed` says that it stood inside a page of another origin."""

    origin: str
    is_framed: bool


def read_site(client_data: bytes) -> Site:
    """Read the origin and whether the page was framed. Raise BadSignature (malformed)."""
    try:
        members = json.loads(client_data.decode(), object_pairs_hook=_unrepeated, parse_constant=_refuse)
    # The parser recurses, and hostile input nests deeply.
    except (ValueError, RecursionError):
        raise BadSignature(Fault.MALFORMED) from None
    origin = members.get("origin") if isinstance(members, dict) else None
    if not isinstance(origin, str) or not _is_plain(origin):
        raise BadSignature(Fault.MALFORMED)
    return Site(origin, is_framed=members.get("crossOrigin", False) is not False or "topOrigin" in members)


def check(client_data: bytes, origin: str, challenge: bytes) -> Site:
    """Return the site, if this is the browser's word on exactly this challenge and origin.

    A browser writes type, challenge and origin first, in this order (section 5.8.1.1). OpenSSH demands it
    (`webauthn_check_prepare_hash` in ssh-ecdsa-sk.c). It ignores the rest, which is read here. Raise BadSignature
    (malformed, wrong-signature).
    """
    if not _is_plain(origin):
        raise BadSignature(Fault.MALFORMED)
    expected = f'{{"type":"webauthn.get","challenge":"{base64url(challenge)}","origin":"{origin}"'.encode()
    if not client_data.startswith(expected):
        raise BadSignature(Fault.WRONG_SIGNATURE)
    return read_site(client_data)


def base64url(data: bytes) -> str:
    """Encode without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _is_plain(origin: str) -> bool:
    """Return whether JSON writes this origin as it is. Those of the web are: they are ASCII (RFC 6454, section 6.2)."""
    return origin.isascii() and origin.isprintable() and not {'"', "\\"} & {*origin}


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")
