"""Reminders of requests that wait for approvers, and the check whether enough approvers are left."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from service.domain.canonical import Json, timestamp
from service.domain.demands import listed
from service.domain.event_table import REQUEST_STUCK, REQUEST_WAITING
from service.domain.events import Event
from service.domain.filing import Filing
from service.domain.request import OperationRequest
from service.domain.standing import Standing

# Settings, sign-ins and suspensions change who can approve. A check is cheap, and nobody waits for it.
LOOK_EVERY = timedelta(minutes=15)

ESCALATING = frozenset({REQUEST_WAITING, REQUEST_STUCK})

# The number of the last reminder, counted from 1.
_LAST = 2

# A reminder names at most this many people, and counts the others.
_MOST_NAMES = 20


def reminders(filing: Filing) -> tuple[datetime, datetime]:
    """Return the times of the reminders: at half and at nine tenths of the approval window."""
    clock = filing.approve_by - filing.filed_at
    return filing.filed_at + clock / 2, filing.filed_at + clock * 0.9


def next_look(filing: Filing, now: datetime) -> datetime:
    """Return the time of the next check, at the latest that of the next reminder."""
    return min([now + LOOK_EVERY, *(at for at in reminders(filing) if at > now)])


def look(request: OperationRequest, standing: Standing, now: datetime) -> tuple[OperationRequest, list[Event]]:
    """Check who can still approve a pending request. Return the request after the check, and the events to record.

    Each event happens once, except that a request may become stuck again after it was not.
    """
    past = list(takewhile(lambda at: at <= now, reminders(request.filing)))
    looked = replace(request, look_at=next_look(request.filing, now))
    events = []
    if past and (request.reminded_at is None or request.reminded_at < past[-1]):
        looked = replace(looked, reminded_at=now)
        events.append(Event(REQUEST_WAITING, _about(request, standing, len(past), now)))
    if not _is_stuck(request, standing, is_late=bool(past)):
        return replace(looked, stuck_at=None), events
    if request.stuck_at is None:
        looked = replace(looked, stuck_at=now)
        events.append(Event(REQUEST_STUCK, _about(request, standing, len(past), now)))
    return looked, events


def is_escalated(event: Event) -> bool:
    """Return whether an event goes to the policy's `escalate_to` destinations. The first reminder does not."""
    return event.name == REQUEST_STUCK or event.data["reminder"] == _LAST


def _is_stuck(request: OperationRequest, standing: Standing, *, is_late: bool) -> bool:
    if standing.barred_because(request) is not None:
        return True
    directory = standing.directory
    here = frozenset(
        who for who in standing.approvers_of(request) if not directory.is_away(who, request.filing.approve_by)
    )
    # If sign-ins make approvers, some are unknown until they sign in. They get half the approval window to do so.
    return bool(standing.missing_even_with(request, here, may_grow=not is_late))


def _about(request: OperationRequest, standing: Standing, reminder: int, now: datetime) -> dict[str, Json]:
    directory = standing.directory
    here = (who for who in standing.waited_for(request) if not directory.is_away(who, now))
    names = sorted(directory.name_of(person) for person in here)
    missing = standing.missing(request)
    return {
        "reminder": reminder,
        "missing": sum(each.count for each in missing),
        "demands": listed(missing) or "one more vote, even a repeated one",
        "people": list[Json](names[:_MOST_NAMES]),
        "others": max(0, len(names) - _MOST_NAMES),
        "approve_by": timestamp(request.filing.approve_by),
    }
