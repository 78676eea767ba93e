"""JSON over the guarded client, for products that are told through their own API."""

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
# As many comments as are no longer than that together, if each is as long as a product allows.
PAGE = 10
# Of comments since the event; a tracker that never ends keeps nobody for longer.
_MOST_PAGES = 100

TOO_MANY_COMMENTS = "the ticket has too many comments"

# For pages that all come late.
_LONGEST_SECONDS = 30

_Part = TypeVar("_Part")


class Refused(Exception):
    """The other side will not take this, however often it is asked. The message quotes nothing of its answer."""


class NotFound(Refused):
    """There is no such thing, or it is not shown to us."""


class Moved(NotFound):
    """It is somewhere else for good. We do not follow: what is there, and who decides on it, nobody here has named."""


class Forbidden(Unreachable):
    """We may not, for now: rights are given, and limits of calls pass."""


@dataclass(frozen=True, slots=True)
class Rest:
    """One product's API. `headers` hold what proves us."""

    client: httpx.BaseTransport = field(repr=False)
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str | int] | None = None, **headers: str
    ) -> Any:
        """What the answer's JSON says; None where there is none. `path` begins with a slash and is quoted already.

        Raises NotFound, Moved, Refused, Forbidden, Unreachable, Unsafe. What better credentials or some patience could
        mend is unreachable.
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
    """Numbers from 1, of as many pages as one attempt may read."""
    until = time.monotonic() + _LONGEST_SECONDS
    yield from takewhile(lambda _: time.monotonic() < until, range(1, _MOST_PAGES + 1))


def part(kind: type[_Part], answer: Any, *path: str) -> _Part:
    """What stands there in an answer. Raises Unreachable where that is nothing of this kind."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(answer, kind):
        raise Unreachable("the answer has another form than is documented")
    return answer


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic authentication."""
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}
