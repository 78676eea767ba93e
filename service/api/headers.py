"""Rejects duplicate headers. With them a sender could show a proxy one value and the service another."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem
from service.domain.errors import Code, Malformed

# Headers with a single value. Duplicates of a hook's signature headers are refused where those are read.
_SINGLE = frozenset({b"authorization", b"content-type", b"host", b"idempotency-key"})
# Headers whose value is a list. Several lines are joined into one (RFC 9110, 5.3).
_LISTS = frozenset({b"accept", b"if-none-match"})


class SingleHeaders:
    """Refuses a duplicate header with a single value, and joins the lines of one with a list."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers: list[tuple[bytes, bytes]] = list(scope["headers"])
            names = [name.lower() for name, _ in headers]
            if len(set(names)) == len(names):
                await self._app(scope, receive, send)
                return
            if any(names.count(name) > 1 for name in _SINGLE):
                await problem(Malformed(Code.DOUBLED_HEADER))(scope, receive, send)
                return
            lines = {name: [value for each, value in headers if each.lower() == name] for name in _LISTS}
            kept = [(name, value) for name, value in headers if name.lower() not in _LISTS]
            scope = {**scope, "headers": kept + [(name, b", ".join(found)) for name, found in lines.items() if found]}
        await self._app(scope, receive, send)
