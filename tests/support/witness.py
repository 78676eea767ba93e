"""Checks every problem that a house returns against the contract of its route."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.house import House, described

from service.api.problems import MEDIA_TYPE

DOCUMENT: dict[str, Any] = described().openapi()
_PATHS = {re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path)): described for path, described in DOCUMENT["paths"].items()}


def documented_codes(operation: dict[str, Any], status: int) -> set[str]:
    content = operation["responses"].get(str(status), {}).get("content", {})
    return set(content.get(MEDIA_TYPE, {}).get("examples", {}))


class Witness:
    def __init__(self, app: ASGIApp, undocumented: list[str]) -> None:
        self._app = app
        self._undocumented = undocumented

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[Message] = []

        async def note(message: Message) -> None:
            parts.append(message)
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._judge(scope, parts)

    def _judge(self, scope: Scope, parts: list[Message]) -> None:
        operation = _operation(scope)
        if operation is None or dict(parts[0]["headers"]).get(b"content-type") != MEDIA_TYPE.encode():
            return
        status = parts[0]["status"]
        code = json.loads(b"".join(part.get("body", b"") for part in parts[1:]))["code"]
        if status == 413 and "requestBody" not in operation:
            return  # a too large body is refused even on routes without a body
        if code not in documented_codes(operation, status):
            self._undocumented.append(f"{scope['method']} {scope['path']}: {status} {code}")


def _operation(scope: Scope) -> dict[str, Any] | None:
    if scope["type"] != "http":
        return None
    found: dict[str, Any] = next((described for path, described in _PATHS.items() if path.fullmatch(scope["path"])), {})
    return found.get(scope["method"].lower())


@contextmanager
def watched(house: House) -> Iterator[House]:
    """Fail at the end if the house has returned a problem that the contract of its route does not name."""
    undocumented: list[str] = []
    stack = house.app.build_middleware_stack
    house.app.build_middleware_stack = lambda: Witness(stack(), undocumented)  # type: ignore[method-assign]
    yield house
    assert undocumented == []
