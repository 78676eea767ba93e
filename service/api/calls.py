"""One line in the log for each HTTP call, and its id: in the line, in the answer, and in what the call causes."""

import logging
import time
from collections.abc import Iterable
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import call_id, spans

logger = logging.getLogger(__name__)

HEADER = b"x-request-id"
_LONGEST_PATH = 1000
_LONGEST_WORD = 64
_NO_ANSWER = 0
_FAULTS_OF_OURS = 500
_TRACEPARENT = b"traceparent"
# Where the scope of a call has the template of its route. `Head` and others copy the scope, but not this list.
_ROUTES = "rootquorum.routes"
# Any other method is any text of the caller's.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Calls:
    """Gives each call an id, returns it in `X-Request-ID`, and logs one line when the call has ended.

    The line has method, path, status, address and duration. It has no query string, header or body: each may hold a
    secret.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = _NO_ANSWER, time.monotonic()
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        traceparent = _only(scope["headers"], _TRACEPARENT)
        given = _only(scope["headers"], HEADER)
        with call_id.working(given) as chosen, spans.top(method, traceparent) as span:
            scope[_ROUTES] = routes = list[str]()

            async def send_with_id(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message = {**message, "headers": [*message["headers"], (HEADER, chosen.encode())]}
                await send(message)

            try:
                await self._app(scope, receive, send_with_id)
            finally:
                _note(span, method, routes, status)
                _log(scope, status, time.monotonic() - begun)


class Routed:
    """Tells `Calls` the template of the call's route, which has no id. It is the innermost middleware of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                scope.get(_ROUTES, []).append(route)


def _only(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    """Return the header that the caller sent. With two, a proxy may have read the other one, so neither counts."""
    found = [value for name, value in headers if name.lower() == wanted]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _note(span: spans.Span, method: str, routes: list[str], status: int) -> None:
    for route in routes:
        span.rename(f"{method} {route}")
        span.note({"http.route": route})
    span.note({"http.request.method": method, "http.response.status_code": status})
    if status >= _FAULTS_OF_OURS:
        span.fail(str(status))


def _log(scope: Scope, status: int, seconds: float) -> None:
    client = scope.get("client")
    # Percent-encoded, so that no character of it does anything in a terminal.
    path = quote(scope["path"])[:_LONGEST_PATH]
    fields = {
        "method": scope["method"][:_LONGEST_WORD],
        "path": path,
        "status": status,
        "address": quote(str(client[0]), safe=":")[:_LONGEST_WORD] if client else None,
        "milliseconds": round(seconds * 1000),
    }
    logger.info("%s %s %d", fields["method"], path, status, extra={"fields": fields})
