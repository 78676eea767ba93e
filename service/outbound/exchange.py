"""The HTTP traffic of a test event, shown to an operator without our credentials."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from service.domain.text import plain
from service.outbound.guarded import Unreachable, Unsafe

_NOT_SHOWN = "(not shown)"
# The same in every request, or shown by the other lines.
_LEFT_OUT = frozenset({"accept", "accept-encoding", "connection", "content-length", "host", "user-agent"})
# Other headers show only their name: an unknown one may hold a secret.
_SENT = frozenset(
    {"content-type", "if-match", "origin", "referer", "webhook-id", "webhook-timestamp", "x-requested-with"}
    # The attributes of a CloudEvent in binary mode.
    | {"ce-id", "ce-source", "ce-specversion", "ce-subject", "ce-time", "ce-type"}
)
_ANSWERED = ("content-type", "retry-after")
_LONGEST_VALUE = 200
# The bodies of events: the plain one, and a CloudEvent.
_EVENTS = frozenset({"application/json", "application/cloudevents+json"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, None if there was none."""

    request: httpx.Request
    answer: httpx.Response | None

    def lines(self, *, with_path: bool) -> Iterator[str]:
        """Yield the lines to show. Use `with_path` False if the path may be a secret. At most two answer headers."""
        url = self.request.url
        port = "" if url.port is None else f":{url.port}"
        target = url.raw_path.decode("ascii") if with_path else f"/{_NOT_SHOWN}"
        yield f"{self.request.method} {url.scheme}://{url.host}{port}{target}"
        for name, value in self.request.headers.items():
            if name not in _LEFT_OUT:
                yield f"  {name}: {_shown(name, value)}"
        if self.request.content:
            yield f"  {_body(self.request)}"
        if self.answer is None:
            yield "no complete answer"
            return
        yield f"answered {self.answer.status_code}"
        for name in _ANSWERED:
            if name in self.answer.headers:
                yield f"  {name}: {plain(self.answer.headers[name], _LONGEST_VALUE)}"


@dataclass
class Recorder(httpx.BaseTransport):
    """A client that passes requests to another one and records them."""

    client: httpx.BaseTransport
    exchanges: list[Exchange] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send and record the request. Raise what the client raises."""
        try:
            answer = self.client.handle_request(request)
        except (Unreachable, Unsafe):
            self.exchanges.append(Exchange(request, None))
            raise
        self.exchanges.append(Exchange(request, answer))
        return answer

    def close(self) -> None:
        self.client.close()


def _shown(name: str, value: str) -> str:
    if name == "webhook-signature":
        # The versions show how many secrets there are, and of which kind.
        return " ".join(f"{signature.partition(',')[0]},{_NOT_SHOWN}" for signature in value.split(" "))
    return value if name in _SENT else _NOT_SHOWN


def _body(request: httpx.Request) -> str:
    """Return the body if it is JSON, which is the event. A form is not shown: it holds sign-in credentials."""
    if request.headers.get("content-type") in _EVENTS:
        return request.content.decode()
    return f"({len(request.content)} bytes, not shown)"
