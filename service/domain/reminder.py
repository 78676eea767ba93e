"""Requests that wait for approvers: when the worker looks at them, whom it reminds, and when too few are left."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from service.domain.canonical import Json, timestamp
from service.domain.event_table import REQUEST_STUCK, REQUEST_WAITING
from service.domain.events import Event
from service.domain.filing import Filing
from service.domain.permissions import Standing
from service.domain.request import OperationRequest

# Who can approve changes with settings, sign-ins and suspensions: a look is cheap, and nobody waits for it.
LOOK_EVERY = timedelta(minutes=15)

ESCALATING = frozenset({REQUEST_WAITING, REQUEST_STUCK})

# Of the reminders, counted from 1.
_LAST = 2

# Of whom one is reminded by name; the others are counted.
_MOST_NAMES = 20


def reminders(filing: Filing) -> tuple[datetime, datetime]:
    """When people are reminded: at half and at nine tenths of the approval clock."""
    clock = filing.approve_by - filing.filed_at
    return filing.filed_at + clock / 2, filing.filed_at + clock * 0.9


def next_look(filing: Filing, now: datetime) -> datetime:
    """Not later than the next reminder."""
    return min([now + LOOK_EVERY, *(at for at in reminders(filing) if at > now)])


def look(request: OperationRequest, standing: Standing, now: datetime) -> tuple[OperationRequest, list[Event]]:
    """A pending request after a look at who can still approve it, and what there is to tell. Each is told once; that
    it is stuck again after it was not.
    """
    past = list(takewhile(lambda at: at <= now, reminders(request.filing)))
    looked = replace(request, look_at=next_look(request.filing, now))
    events = []
    if past and (request.reminded_at is None or request.reminded_at < past[-1]):
        looked = replace(looked, reminded_at=now)
        events.append(Event(REQUEST_WAITING, _about(request, standing, len(past))))
    if not _is_stuck(request, standing, is_late=bool(past)):
        return replace(looked, stuck_at=None), events
    if request.stuck_at is None:
        looked = replace(looked, stuck_at=now)
        events.append(Event(REQUEST_STUCK, _about(request, standing, len(past))))
    return looked, events


def is_escalated(event: Event) -> bool:
    """Whether those are told to whom the policy escalates: they are spared the first reminder."""
    return event.name == REQUEST_STUCK or event.data["reminder"] == _LAST


def _is_stuck(request: OperationRequest, standing: Standing, *, is_late: bool) -> bool:
    # Where sign-ins make approvers, those who have not signed in yet are not known: half the clock is theirs.
    can_tell = is_late or not standing.directory.may_grow
    return can_tell and standing.approvals(request) + len(standing.waited_for(request)) < standing.needed(request)


def _about(request: OperationRequest, standing: Standing, reminder: int) -> dict[str, Json]:
    names = sorted(standing.directory.name_of(person) for person in standing.waited_for(request))
    return {
        "reminder": reminder,
        "missing": max(0, standing.needed(request) - standing.approvals(request)),
        "people": list[Json](names[:_MOST_NAMES]),
        "others": max(0, len(names) - _MOST_NAMES),
        "approve_by": timestamp(request.filing.approve_by),
    }
