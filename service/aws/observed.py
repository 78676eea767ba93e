"""Watches every call to AWS of this process: how long it took, how it ended, and what time AWS's answer gives."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import botocore.session

# What a call's context keeps between botocore's two events.
_BEGAN = "rootquorum_began"
# The monotonic clock stands still while a virtual machine is suspended, so an older answer says nothing.
_FRESH_SECONDS = 600.0
_THROTTLED = {429, 503}
_POSSIBLE_YEARS = range(2000, 9000)


class Call(NamedTuple):
    """A call with all its retries. `name` is `service.Operation`.

    `fault` is None, or why it failed: `refused`, `throttled`, `failed` (by AWS's own fault) or `unreachable`.
    """

    name: str
    seconds: float
    fault: str | None


class _Answered(NamedTuple):
    """The time in AWS's last answer, and the monotonic time at which it came."""

    said: datetime
    at: float


_observers: list[Callable[[Call], None]] = []
_answered: list[_Answered] = []


def add_observer(observer: Callable[[Call], None]) -> None:
    """Have it called after each later call. It must not raise."""
    _observers.append(observer)


def remove_observer(observer: Callable[[Call], None]) -> None:
    _observers.remove(observer)


def watch(session: botocore.session.Session) -> None:
    """Watch the calls of this session's clients."""
    session.register("before-call", _begun)
    session.register("after-call", _ended)
    session.register("after-call-error", _failed)


def clock_ahead(now: datetime) -> timedelta | None:
    """Return by how much AWS's clock is ahead of `now`, to a second; None if AWS has not answered lately."""
    if not _answered:
        return None
    last = _answered[-1]
    passed = time.monotonic() - last.at
    return None if passed > _FRESH_SECONDS else last.said + timedelta(seconds=passed) - now


# None of these may raise: an exception after a create would put it in doubt.


def _begun(**event: Any) -> None:
    event["context"][_BEGAN] = time.monotonic()


def _ended(**event: Any) -> None:
    response, parsed = event["http_response"], event["parsed"]
    status = response.status_code
    fault = None
    if status >= 300:  # noqa: PLR2004  # what is no success in HTTP
        is_ours = status < 500  # noqa: PLR2004  # and whose fault it is
        is_throttled = status in _THROTTLED or "Throttl" in str(parsed.get("Error", {}).get("Code"))
        fault = "throttled" if is_throttled else "refused" if is_ours else "failed"
    if parsed.get("ResponseMetadata", {}).get("RequestId"):  # otherwise it may be the answer of somebody else
        _note_time(response.headers.get("Date"))
    _tell(event, fault)


def _failed(**event: Any) -> None:
    _tell(event, "unreachable")


def _note_time(date: str | None) -> None:
    try:
        said = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return
    if said.year not in _POSSIBLE_YEARS:
        return  # or comparing it with another time may fail
    if said.tzinfo is None:
        said = said.replace(tzinfo=UTC)
    # A list with one element, replaced as a whole, so that threads can share it.
    _answered[:] = [_Answered(said, time.monotonic())]


def _tell(event: dict[str, Any], fault: str | None) -> None:
    now = time.monotonic()
    call = Call(event["event_name"].partition(".")[2], now - event["context"].get(_BEGAN, now), fault)
    for observer in tuple(_observers):
        observer(call)
