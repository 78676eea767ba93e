"""Syslog: each event is one message of RFC 5424. Its structured data are for searching, its text is the event in JSON.

A message is ASCII, but for names in the structured data, which are UTF-8. No character of it is a control.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.domain.canonical import Json
from service.domain.delivery import Answer, Attempt, Notice
from service.domain.event_table import EVENTS, Severity
from service.domain.text import plain
from service.outbound.guarded import Unreachable, Unsafe
from service.outbound.syslog import SyslogServer

_VERSION, _APPLICATION, _NIL = "1", "rootquorum", "-"
# "Log audit" (RFC 5424, table 1).
_FACILITY = 13
# RFC 5424, table 2: 2 is critical, 3 error, 4 warning, 5 notice, 6 informational.
_SEVERITIES: Mapping[Severity, int] = {
    Severity.CRITICAL: 2,
    Severity.HIGH: 3,
    Severity.MEDIUM: 4,
    Severity.LOW: 5,
    Severity.INFORMATIONAL: 6,
}
# A name of one's own needs an enterprise number, and this project has none. RFC 5612 assigns this one to examples.
_OURS = "rootquorum@32473"
# RFC 5424, 6.3.3: these three must be escaped in a value, and nothing else may be.
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "]": "\\]"})
_LONGEST_VALUE = 200
# What each receiver should take (RFC 5425, 4.3.1); it may cut or drop more.
_LARGEST_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Syslog:
    """A syslog server as a destination. `hostname` is this service's own in each message; `-` if it is unknown."""

    server: SyslogServer
    hostname: str = _NIL
    events: frozenset[str] | None = None

    def wants(self, event: str, _ticket: str | None) -> bool:
        return self.events is None or event in self.events

    def check(self) -> None:
        """Check that the server can be reached, without sending. Raise Unreachable, Unsafe."""
        self.server.check()

    def deliver(self, notice: Notice) -> Attempt:
        try:
            self.server.send(self.written(notice).encode())
        except (Unreachable, Unsafe) as error:
            return Attempt(Answer.AGAIN, str(error))
        return Attempt(Answer.DELIVERED, "sent")

    def written(self, notice: Notice) -> str:
        """Return the message, without its framing: at most 8192 bytes. A retry is the same in every byte."""
        priority = _FACILITY * 8 + _SEVERITIES[EVENTS[notice.event].severity]
        header = f"<{priority}>{_VERSION} {notice.document['timestamp']} {self.hostname} {_APPLICATION} {_NIL}"
        beginning = f"{header} {notice.event} {_structured(notice)} "
        texts = [beginning + text for text in _texts(notice)]
        return next((text for text in texts if len(text.encode()) <= _LARGEST_BYTES), texts[-1])


def _structured(notice: Notice) -> str:
    pairs = "".join(
        f' {name}="{plain(str(value), _LONGEST_VALUE).translate(_ESCAPED)}"' for name, value in _facts(notice) if value
    )
    return f"[{_OURS}{pairs}]"


def _facts(notice: Notice) -> Iterator[tuple[str, Json]]:
    data = _mapping(notice.document["data"])
    request, actor, head = (_mapping(data.get(name)) for name in ("request", "actor", "audit"))
    yield "delivery", notice.id
    yield "sequence", head.get("sequence")
    yield "account", data.get("account_id")
    yield "request", request.get("id")
    yield "operation", request.get("operation")
    yield "status", request.get("status")
    yield "drill", "true" if request.get("drill") is True else None
    yield "ticket", request.get("ticket")
    yield "actor", actor.get("name")


def _texts(notice: Notice) -> Iterator[str]:
    """Yield the event as JSON, then without the names that can make it too long, then without its data."""
    yield _json(notice.document)
    data = _mapping(notice.document["data"])
    kept = {name: value for name, value in data.items() if name in {"account_id", "request", "actor", "audit"}}
    yield _json({**notice.document, "data": kept})
    yield _json({name: value for name, value in notice.document.items() if name != "data"})


def _json(document: Mapping[str, Json]) -> str:
    """Return one line of ASCII: JSON's escapes leave no character that breaks a line or reorders a terminal's."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).replace("\x7f", "\\u007f")


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
