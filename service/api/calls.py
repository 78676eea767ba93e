"""One line in the log for each HTTP call, and its id: in the line, in the answer, and in what the call causes."""

import logging
import time
from collections.abc import Iterable
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import call_id

logger = logging.getLogger(__name__)

HEADER = b"x-request-id"
_LONGEST_PATH = 1000
_LONGEST_WORD = 64
_NO_ANSWER = 0


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
        with call_id.working(_given(scope["headers"])) as chosen:

            async def send_with_id(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message = {**message, "headers": [*message["headers"], (HEADER, chosen.encode())]}
                await send(message)

            try:
                await self._app(scope, receive, send_with_id)
            finally:
                _log(scope, status, time.monotonic() - begun)


def _given(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the caller's id. With two, a proxy may have logged the other one, so neither counts."""
    found = [value for name, value in headers if name.lower() == HEADER]
    return found[0].decode("latin-1") if len(found) == 1 else None


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
