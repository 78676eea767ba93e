"""Reads what a token says of itself, before anything is verified. None of it is believed here."""

import base64
import json
import re
from typing import Any

from service.domain.errors import bad_token
from service.domain.proof import Login
from service.domain.sign_in_checks import TokenCheck

_LONGEST_TOKEN = 16 * 1024
_PARTS = 3
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class NoIssuers:
    """Refuses every token, as a Verifier without issuers would. It loads nothing that verifies."""

    def verify(self, token: str) -> Login:
        """Raise Unauthenticated, with the check that failed."""
        read(token)
        raise bad_token(TokenCheck.ISSUER)


def is_jwt(token: str) -> bool:
    """Return whether it has the three parts of a signed JWT. Only the provider can read any other token."""
    return token.count(".") == _PARTS - 1


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the unverified header and claims. Duplicate names are refused: readers could disagree on the value."""
    if len(token) > _LONGEST_TOKEN:
        raise bad_token(TokenCheck.SIZE)
    if not is_jwt(token):
        raise bad_token(TokenCheck.OPAQUE)
    header, claims, _signature = token.split(".")
    try:
        return _object(header), _object(claims)
    except (ValueError, RecursionError) as error:
        raise bad_token(TokenCheck.MALFORMED) from error


def _object(part: str) -> dict[str, Any]:
    if _BASE64URL.fullmatch(part) is None:
        raise ValueError("not Base64url")
    text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
    document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # a value is wrong, not our code
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name occurs twice")
    return document


def _no_number(_constant: str) -> object:
    raise ValueError("JSON has no such number")
