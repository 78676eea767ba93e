"""JSON over the guarded client, for products with an API of their own."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx

from service.outbound import guarded
from service.outbound.guarded import Unreachable

_LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
# The comments on a page. Even at the longest that a product allows, they fit into that answer.
PAGE = 10
# The limit for comments since the event, in case a tracker's pages never end.
_MOST_PAGES = 100

TOO_MANY_COMMENTS = "the ticket has too many comments"

# The limit for all pages together, in case each comes late.
_LONGEST_SECONDS = 30

_Part = TypeVar("_Part")


class Refused(Exception):
    """The product refuses this for good, so a retry is useless. The message quotes nothing from its answer."""


class NotFound(Refused):
    """It does not exist, or is hidden from us."""


class Moved(NotFound):
    """It has moved for good. We do not follow: the settings do not name the new place, nor who controls it."""


class Forbidden(Unreachable):
    """Not allowed now. A retry makes sense: rights may be granted, and rate limits pass."""


@dataclass(frozen=True, slots=True)
class Rest:
    """One product's API. `headers` have our credential."""

    client: httpx.BaseTransport = field(repr=False)
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str | int] | None = None, **headers: str
    ) -> Any:
        """Call the API, and return the answer's JSON; None for an empty body. `path` begins with a slash and is quoted.

        Raise NotFound, Moved, Refused, Forbidden, Unreachable, Unsafe. A failure that other credentials or a retry
        could fix is Unreachable.
        """
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        reply = guarded.send(
            self.client,
            method,
            url,
            headers={"Accept": "application/json", "Content-Type": "application/json", **self.headers, **headers},
            content=b"" if body is None else json.dumps(body).encode(),
            largest=_LARGEST_ANSWER_BYTES,
        )
        _check(reply.status)
        if len(reply.body) >= _LARGEST_ANSWER_BYTES:
            raise Unreachable(guarded.TOO_LONG)
        try:
            return json.loads(reply.body) if reply.body.strip() else None
        except (ValueError, RecursionError):
            raise Unreachable("the answer is no JSON") from None


def _check(status: int) -> None:
    if httpx.codes.is_success(status):
        return
    answered = f"answered {status}"
    if status in {httpx.codes.MOVED_PERMANENTLY, httpx.codes.PERMANENT_REDIRECT}:
        raise Moved(f"{answered}: it was moved or renamed, or the settings have an old address or name")
    if status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise NotFound(answered)
    if status in {httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY}:
        raise Refused(answered)
    raise Forbidden(answered) if status == httpx.codes.FORBIDDEN else Unreachable(answered)


def pages() -> Iterator[int]:
    """Yield page numbers from 1, as many as one attempt may read."""
    until = time.monotonic() + _LONGEST_SECONDS
    yield from takewhile(lambda _: time.monotonic() < until, range(1, _MOST_PAGES + 1))


def part(kind: type[_Part], answer: Any, *path: str) -> _Part:
    """Return the value at `path` in an answer. Raise Unreachable if it is not of this kind."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(answer, kind):
        raise Unreachable("the answer has another form than is documented")
    return answer


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic authentication."""
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    """Return the header with a bearer token."""
    return {"Authorization": f"Bearer {token}"}
