"""Signs in on a machine without a browser: somebody types a code into a browser elsewhere (RFC 8628)."""

import re
import time
from collections.abc import Callable
from typing import Any

from rootquorum_client.errors import NoAnswer, TimedOut, WrongAnswer
from rootquorum_client.provider import SCOPE, Refused, Tokens, check_address, metadata, posted, tokens_of

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_VISIBLE = re.compile(r"[!-~]{1,4096}")
_USER_CODE = re.compile(r"[!-~]([ -~]{0,62}[!-~])?")
# Seconds, of RFC 8628, section 3.2 and 3.5.
_USUAL_INTERVAL, _SLOWER = 5, 5
_SHORTEST_INTERVAL, _LONGEST = 1, 24 * 3600
# The answers of a provider, or of a proxy before it, that is busy or away.
_PASSING = {429, 502, 503, 504}


def sign_in_by_device(
    issuer: str,
    client_id: str,
    *,
    show: Callable[[str, str], object],
    scope: str = SCOPE,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Tokens:
    """Have somebody sign in elsewhere, and return their tokens.

    `show` gets the address for their browser, and the code to type there. `wait` and `clock` are in seconds.

    Raise ClientError; TimedOut if the code ends before somebody has signed in; WrongAnswer if the provider has no
    device flow.
    """
    found = metadata(issuer, "device_authorization_endpoint", "token_endpoint")
    begun = posted(found["device_authorization_endpoint"], {"client_id": client_id, "scope": scope})
    code = _text(begun, "device_code", _VISIBLE)
    address, user_code = _text(begun, "verification_uri", _VISIBLE), _text(begun, "user_code", _USER_CODE)
    check_address(address)
    pause = max(_seconds(begun, "interval", _USUAL_INTERVAL), _SHORTEST_INTERVAL)
    ends_at = clock() + _seconds(begun, "expires_in", None)
    show(address, user_code)
    while clock() + pause < ends_at:
        wait(pause)
        try:
            form = {"grant_type": _GRANT, "device_code": code, "client_id": client_id}
            return tokens_of(posted(found["token_endpoint"], form), None)
        except NoAnswer:
            pause *= 2
        except Refused as refused:
            match refused.error:
                case "authorization_pending":
                    pass
                case "slow_down":
                    pause += _SLOWER
                case "expired_token":
                    break
                case None if refused.status in _PASSING:
                    pause *= 2
                case _:
                    raise
    raise TimedOut("Nobody has signed in before the code ended.")


def _text(document: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _unusable(name)
    return value


def _seconds(document: dict[str, Any], name: str, usual: float | None) -> float:
    value = document.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
        raise _unusable(name)
    return value


def _unusable(name: str) -> WrongAnswer:
    return WrongAnswer(f"The provider's answer has no {name} that can be used.")
