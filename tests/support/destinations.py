"""Destinations for tests: one that only keeps what it receives, and one that is a real server."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks
from support.served import served

from service.api.contract.webhooks import model
from service.domain.canonical import Json
from service.domain.delivery import Answer, Attempt, Notice
from service.notify.message import Message

NOTICE = Notice(
    id="5c1ee2a4-6f0f-4c3c-8f43-2f5b8a3c9d11",
    event="execution.succeeded",
    ticket="OPS-7",
    document={
        "type": "execution.succeeded",
        "timestamp": "2026-11-24T12:00:00.000000Z",
        "data": {
            "account_id": "111122223333",
            "account_name": "production",
            "request": {
                "id": "0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2",
                "status": "succeeded",
                "operation": "delete_access_key",
                "effect": "The root access key AKIAEXAMPLE stops working for good. It cannot be brought back.",
                "until": None,
                "ticket": "OPS-7",
                "link": "https://rootquorum.example/desk/requests/0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2",
            },
            "actor": {"kind": "person", "name": "Alice"},
            "audit": {"sequence": 12, "root": "q" * 43 + "="},
        },
    },
)


def saying(**said: Json) -> Notice:
    """Return the notice with these data instead."""
    data = NOTICE.document["data"]
    assert isinstance(data, dict)
    return replace(NOTICE, document={**NOTICE.document, "data": {**data, **said}})


def of_a_drill(notice: Notice) -> Notice:
    """Return the notice as that of a drill."""
    data = notice.document["data"]
    assert isinstance(data, dict)
    assert isinstance(data["request"], dict)
    request = {**data["request"], "drill": True}
    return replace(notice, document={**notice.document, "data": {**data, "request": request}})


# A delivery staged by the version before the signed log, on schema revision 0006.
STAGED_BY_0006 = saying(audit={"sequence": 12, "sha256": "0" * 64})


def _staged_by_0011() -> Notice:
    data = NOTICE.document["data"]
    assert isinstance(data, dict)
    assert isinstance(data["request"], dict)
    request = {name: value for name, value in data["request"].items() if name not in {"effect", "until"}}
    before = {name: value for name, value in data.items() if name != "account_name"}
    return replace(NOTICE, document={**NOTICE.document, "data": {**before, "request": request}})


# A delivery staged by the version before the page for people, on schema revision 0011.
STAGED_BY_0011 = _staged_by_0011()


@dataclass
class Post:
    """A destination that keeps what it was sent, and answers as told."""

    answer: Callable[[Notice], Answer] = lambda _: Answer.DELIVERED
    only: frozenset[str] | None = None
    sent: list[Notice] = field(default_factory=list)

    def wants(self, event: str, _ticket: str | None) -> bool:
        return self.only is None or event in self.only

    def deliver(self, notice: Notice) -> Attempt:
        assert_documented(notice)
        self.sent.append(notice)
        return Attempt(self.answer(notice), "It said so.")

    @property
    def events(self) -> list[str]:
        return [notice.event for notice in self.sent]


def assert_documented(notice: Notice) -> None:
    """Check that the notice matches the OpenAPI document exactly."""
    said = model(notice.event).model_validate(notice.document).model_dump()
    assert _shape(said) == _shape(notice.document)


def _shape(part: object) -> object:
    return {name: _shape(inner) for name, inner in part.items()} if isinstance(part, Mapping) else None


@dataclass
class MemoryTracker:
    """A tracker that has every ticket, and keeps the comments on them."""

    comments: list[Message] = field(default_factory=list)

    def check(self) -> None:
        pass

    def has_comment(self, _ticket: str, marker: str, _since: datetime) -> bool:
        return marker in {comment.marker for comment in self.comments}

    def comment(self, _ticket: str, message: Message) -> None:
        self.comments.append(message)

    def state(self, _ticket: str) -> str:
        return "Open"

    def move(self, ticket: str, state: str) -> None:
        raise AssertionError(f"nobody moves {ticket} to {state}")


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # from the specification's examples


class Siem(ThreadingHTTPServer):
    """A server that keeps what is posted to it, and answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SiemHandler)
        self.status = 204
        self.headers: dict[str, str] = {}
        self.received: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/in"

    def verified(self) -> list[str]:
        """Return the types of the received messages, each verified by the reference package."""
        webhook = standardwebhooks.Webhook(SECRET)
        return [json.loads(json.dumps(webhook.verify(body, headers)))["type"] for headers, body in self.received]

    def sequences(self) -> list[int]:
        """Return the audit sequence number of each received message, with repeats."""
        return [json.loads(body)["data"]["audit"]["sequence"] for _, body in self.received]


class _SiemHandler(BaseHTTPRequestHandler):
    server: Siem

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # the sender was killed meanwhile
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Siem]:
    with served(Siem()) as siem:
        yield siem
