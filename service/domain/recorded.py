"""Compares a stored request with its events in the audit log. Rows can be overwritten; the log only grows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.domain.canonical import parse_timestamp, timestamp
from service.domain.event_table import (
    CUT_OVER_RELEASED,
    DECIDED,
    FILED,
    KEY_DEACTIVATED,
    KEY_EXPIRING,
    KEY_EXPIRY_FAILED,
    KEY_RETIRED,
    OLD_KEY_DEACTIVATED,
    RECEIPT_CONFIRMED,
    RECEIPT_GIVEN_UP,
    RECEIPT_OVERDUE,
    ROTATION_STOPPING,
)
from service.domain.events import EVENT_OF, REACHED
from service.domain.request import TERMINAL, Decision, OperationRequest, Status

# An event of the request, parsed from JSON. It has at least `event` and `data`.
Recorded = Mapping[str, Any]

_LIFE = frozenset(EVENT_OF.values())
_STARTED = REACHED[Status.EXECUTING]
# Columns with exactly the time of their event. Versions without `previous` read the clock twice, so theirs may differ.
_EXACT = {
    "approved_at": {REACHED[Status.APPROVED]},
    "claimed_at": {_STARTED},
    "received_at": {RECEIPT_CONFIRMED},
    "released_at": {CUT_OVER_RELEASED},
    "stopped_at": {ROTATION_STOPPING},
}
# Columns whose time is read before waiting for the row's lock, so it may be earlier than the event's.
_DATED_BEFORE = {
    "settled_at": {REACHED[status] for status in (Status.DELIVERED, Status.SUCCEEDED, Status.FAILED)},
    "overdue_at": {RECEIPT_OVERDUE},
    "unconfirmed_at": {RECEIPT_GIVEN_UP},
    "deactivated_at": {KEY_DEACTIVATED},
    "cut_over_at": {OLD_KEY_DEACTIVATED},
    "expiry_announced_at": {KEY_EXPIRING},
    "expiry_failed_at": {KEY_EXPIRY_FAILED},
    "retired_at": {KEY_RETIRED},
    "ended_at": {name for (_, after), name in EVENT_OF.items() if after in TERMINAL},
}
_OF_DECISION = ("digest", "comment", "credential", "statement", "signature")
_CLOCK_ASKED_TWICE = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(minutes=5)  # for all tries to write one step


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the row and the log. `what` is in our words; the other two may quote anybody's text."""

    what: str
    recorded: str
    stored: str


def differences(request: OperationRequest, recorded: Sequence[Recorded]) -> Iterator[Difference]:
    """Compare a request with its own events, oldest first. `recorded` may omit refusals."""
    digests = [event["data"].get("digest") for event in recorded if event["event"] == FILED]
    if digests != [request.digest] or not request.is_intact:
        yield Difference("what was filed", f"the digest {digests} of the log", request.digest)
    status = _last(recorded, "status", Status.PENDING)
    if status != request.status:
        yield Difference("status", f"{status}, as the log says", request.status)
    for name, expected, found in _values(request, recorded):
        if expected != found:
            yield Difference(name, repr(expected), repr(found))
    yield from _times(request, recorded)
    logged = {event["data"].get("person"): event for event in recorded if event["event"] == DECIDED}
    stored = {decision.person: decision for decision in request.decisions}
    for person in sorted(logged.keys() | stored.keys(), key=str):
        yield from _decision(person, logged.get(person), stored.get(person))


def _values(request: OperationRequest, recorded: Sequence[Recorded]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each value, the log's value, and the row's."""
    started = [event for event in recorded if event["event"] == _STARTED]
    known = None if request.known_key_ids is None else list(request.known_key_ids)
    yield "result", _last(recorded, "result"), None if request.result is None else request.result.document
    yield "execute_by", _last(recorded, "execute_by"), _text(request.execute_by)
    yield "expires_at", _last(recorded, "expires_at"), _text(request.expires_at)
    yield "known_key_ids", _last(started, "known_key_ids"), known
    yield "source", _last(started, "source"), request.source
    yield "claimed_by", _actor(started[-1]) if started else None, request.claimed_by
    is_delivered = any(event["event"] == REACHED[Status.DELIVERED] for event in recorded)
    receipt_by = request.settled_at + request.filing.receipt_window if is_delivered and request.settled_at else None
    yield "receipt_by", _text(receipt_by), _text(request.receipt_by)


def _times(request: OperationRequest, recorded: Sequence[Recorded]) -> Iterator[Difference]:
    for name, events in (_EXACT | _DATED_BEFORE).items():
        happened = [event for event in recorded if event["event"] in events]
        if name == "ended_at":  # a receipt ends a create, and not a rotation
            happened = [event for event in happened if event["data"].get("status") in TERMINAL]
        stored: datetime | None = getattr(request, name)
        if not happened and stored is None:
            continue
        event = happened[-1] if happened else None
        tolerance = _tolerance(event) if name in _EXACT else _LONGEST_WAIT
        if event is None or not _is_at(event, stored, tolerance):
            yield Difference(name, str(event and event.get("at")), str(_text(stored)))


def _decision(person: object, logged: Recorded | None, stored: Decision | None) -> Iterator[Difference]:
    """Compare a decision, including its time: a vote before a suspension is void, one after it counts."""
    expected = logged and tuple(logged["data"].get(name) for name in ("decision", *_OF_DECISION))
    found = stored and (stored.verdict.value, *(getattr(stored, name) for name in _OF_DECISION))
    if expected != found:
        yield Difference(f"decision of {person}", repr(expected), repr(found))
    elif logged and stored and not _is_at(logged, stored.decided_at, _tolerance(logged)):
        yield Difference(f"decision of {person}, time", str(logged.get("at")), timestamp(stored.decided_at))


def _tolerance(event: Recorded | None) -> timedelta:
    return _CLOCK_ASKED_TWICE if event is not None and "previous" not in event else timedelta()


def _is_at(event: Recorded, stored: datetime | None, tolerance: timedelta) -> bool:
    try:
        apart = None if stored is None else abs(parse_timestamp(event["at"]) - stored)
    except (ValueError, TypeError, LookupError):
        return False
    return apart is not None and (not apart or apart < tolerance)


def _last(recorded: Sequence[Recorded], name: str, otherwise: Any = None) -> Any:
    """Return what the last step of the request's life says. Other events do not change it, whatever they say."""
    steps = (event["data"] for event in reversed(recorded) if event["event"] in _LIFE)
    return next((data[name] for data in steps if name in data), otherwise)


def _actor(event: Recorded) -> Any:
    actor = event.get("actor")
    return actor.get("subject") if isinstance(actor, Mapping) else None


def _text(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)
