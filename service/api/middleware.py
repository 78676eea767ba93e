"""Middleware for every request and every response, on all routes."""

import asyncio
from collections import Counter

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem
from service.api.sign_ins import neighbourhood
from service.domain.errors import Code, ServiceError, TooMany

LARGEST_BODY_BYTES = 64 * 1024
# A tracker sends the whole issue; its text alone may be larger than any other body.
LARGEST_HOOK_BYTES = 1024 * 1024
# From the end of the headers to the end of the body.
_SLOWEST_BODY_SECONDS = 10.0
# Incomplete bodies from one address. A body that arrives in one piece is not counted.
_MOST_UNFINISHED_BODIES = 20

_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
# Swagger UI sets style attributes; its script comes only from this service.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The desk has neither: everything that it runs or shows comes from its own files and from the API, and its script makes
# no element from text.
_DESK_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# The search runs in a worker, and its script makes a style element and elements from text. So inline styles are
# allowed, and trusted types not demanded. But only the service's files run, and no style loads from elsewhere.
_HELP_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_OF_DOCS = {
    b"content-security-policy": _DOCS_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}
_OF_API = _OF_DOCS | {b"content-security-policy": _API_POLICY.encode(), b"cache-control": b"no-store"}
_OF_DESK = _OF_API | {b"content-security-policy": _DESK_POLICY.encode()}
# Asked for again each time, and sent only if they changed: an old script must not meet a new service.
_OF_DESK_FILES = _OF_DESK | {b"cache-control": b"no-cache"}
_OF_HELP = _OF_DESK_FILES | {b"content-security-policy": _HELP_POLICY.encode()}


class Head:
    """Answers HEAD on every GET route, with the headers of GET and no body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = asyncio.Event()
        whole = False

        async def receive_until_begun() -> Message:
            # After the headers, report that the client has gone, so that no body is produced for nobody.
            nonlocal whole
            if not whole:
                message = await receive()
                whole = not message.get("more_body", False)
                return message
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                begun.set()

        await self._app({**scope, "method": "GET"}, receive_until_begun, send_without_body)


class SecurityHeaders:
    """Forbids caching, framing, sniffing and third-party scripts. The files of the pages may be cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = _headers_of(_path(scope))
        transport: list[tuple[bytes, bytes]] = scope["app"].state.transport_headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [header for header in message["headers"] if header[0] not in ours]
                message = {**message, "headers": others + list(ours.items()) + transport}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Reads the whole body before the route runs. Refuses a body that is too large, too slow, or one of too many.

    A limit that applies only while a route reads the body is too late for a route without one. That would act first
    and then lose its response, which after an execution is a secret.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._unfinished: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._whole(scope, receive)
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        given = False

        async def receive_again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_again, send)

    async def _whole(self, scope: Scope, receive: Receive) -> bytes | Response:
        """Return the body, or the problem with it.

        A client that disconnects before its body is complete has requested nothing: an execution would show its
        secret to nobody.
        """
        largest = LARGEST_HOOK_BYTES if _path(scope).startswith("/v1/hooks/") else LARGEST_BODY_BYTES
        message = await receive()
        if message["type"] == "http.disconnect":
            return _closing(_too_slow())
        body: bytes = message.get("body", b"")
        if len(body) <= largest and message.get("more_body", False):
            address = neighbourhood(scope)
            if self._unfinished[address] >= _MOST_UNFINISHED_BODIES:
                return _closing(
                    TooMany(Code.TOO_MANY_WAITING, "Too many bodies from your address are still incomplete.")
                )
            self._unfinished[address] += 1
            try:
                async with asyncio.timeout(_SLOWEST_BODY_SECONDS):
                    body += await _rest(receive, largest)
            except (TimeoutError, ClientDisconnect):
                return _closing(_too_slow())
            finally:
                self._unfinished -= Counter([address])  # drops addresses with none left
        if len(body) > largest:
            return problem(ServiceError(Code.BODY_TOO_LARGE, kib=largest // 1024))
        return body


def _headers_of(path: str) -> dict[bytes, bytes]:
    if path.startswith("/desk/files/"):
        return _OF_DESK_FILES
    if path == "/desk" or path.startswith("/desk/"):
        return _OF_DESK
    if path == "/help" or path.startswith("/help/"):
        return _OF_HELP
    return _OF_DOCS if path == "/docs" or path.startswith("/docs/") else _OF_API


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def _rest(receive: Receive, largest: int) -> bytes:
    """Read to the end, or until the body is too large. Raise ClientDisconnect."""
    body, more = bytearray(), True
    while more and len(body) <= largest:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _too_slow() -> ServiceError:
    return ServiceError(Code.BODY_TOO_SLOW, seconds=f"{_SLOWEST_BODY_SECONDS:g}")


def _closing(refusal: ServiceError) -> Response:
    """Return a problem, and close the connection after it: the rest of the body may never arrive."""
    return problem(refusal, headers={"Connection": "close", "Retry-After": "10"})
