"""Calls the service over HTTP. Redirects are refused, and answers have a limit."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from service.client.refused import Refused

_Kind = TypeVar("_Kind")

_SECONDS = 30
# A request with the longest texts has a tenth of it.
_LARGEST_BYTES = 4 * 1024 * 1024
LARGEST_TOKEN = 16 * 1024
_NOT_ALLOWED = "The server is an https URL, or an http URL on loopback, without user, query and fragment."


class Remote:
    """One server as one caller. `url` is where the service is, without a slash at its end.

    Raise Refused for another URL than https, or http on loopback, since the token goes there; for a malformed token.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url, is_local = _checked(url)
        if not 0 < len(token) <= LARGEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise Refused("The token is empty, or no token.")
        # On loopback no proxy of the environment may see the token.
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            timeout=_SECONDS,
            trust_env=not is_local,
            verify=not is_local,
        )

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the object that is answered. Raise Refused with the problem's detail."""
        return _answered(self._send("GET", path, params=query))

    def get_text(self, path: str) -> str:
        """Return the text that is answered. Raise Refused with the problem's detail."""
        return self._send("GET", path).decode("utf-8", "replace")

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do the same with a body."""
        return _answered(self._send("POST", path, json=body))

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, path: str, **options: Any) -> bytes:
        content = bytearray()
        try:
            with self._http.stream(method, f"{self.url}{path}", **options) as answer:
                for part in answer.iter_raw():
                    content += part
                    if len(content) > _LARGEST_BYTES:
                        raise Refused("The server's answer is too long.")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Refused(f"The server did not answer: {str(error) or type(error).__name__}.") from None
        if not answer.is_success:
            detail = (_object(bytes(content)) or {}).get("detail")
            raise Refused(
                detail if isinstance(detail, str) and detail else f"The server answered {answer.status_code}."
            )
        return bytes(content)


def _answered(content: bytes) -> dict[str, Any]:
    document = _object(content)
    if document is None:
        raise Refused("The server's answer is no JSON object. Is this the service's URL?")
    return document


def items(answer: Mapping[str, Any], *path: str) -> list[Any]:
    """Return the list at a path in an answer. Raise Refused if there is none."""
    return _at(answer, path, list)


def text(answer: Mapping[str, Any], *path: str) -> str:
    """Return the text at a path in an answer. Raise Refused if there is none."""
    return _at(answer, path, str)


def objects(answer: Mapping[str, Any], *path: str) -> list[dict[str, Any]]:
    """Return those of the list at a path that are objects. Raise Refused if there is no list."""
    return [each for each in _at(answer, path, list) if isinstance(each, dict)]


def _at(answer: Mapping[str, Any], path: Sequence[str], kind: type[_Kind]) -> _Kind:
    found: Any = answer
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, kind):
        raise Refused(f"The server's answer has no {' of '.join(reversed(path))}.")
    return found


def _checked(url: str) -> tuple[str, bool]:
    """Return the URL without a slash at its end, and whether it is plain http on loopback."""
    try:
        split = urlsplit(url)
        host, _ = split.hostname or "", split.port
    except ValueError:
        raise Refused(_NOT_ALLOWED) from None
    is_plain = split.scheme == "http"
    is_odd = split.username is not None or split.password is not None or "?" in url or "#" in url or not url.isascii()
    if not host or is_odd or not (split.scheme == "https" or (is_plain and _is_loopback(host))):
        raise Refused(_NOT_ALLOWED)
    if any(letter <= " " or letter == "\\" for letter in url):
        raise Refused(_NOT_ALLOWED)
    return f"{split.scheme}://{split.netloc.lower()}{split.path}".rstrip("/"), is_plain


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    # The parser recurses, and a hostile answer nests deeply.
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
