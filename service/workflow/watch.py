"""Watches the service itself: its workers, the anchors of its log, and its clock.

Whatever begins or ends is told once for the whole fleet, or once for each host in the case of a clock.
"""

import socket
from collections.abc import Iterator, Mapping
from datetime import datetime

from service.db import audit, marks
from service.db.engine import Tx, begin, read, retried
from service.db.marks import Mark
from service.domain.actor import WORKER
from service.domain.canonical import Document
from service.domain.errors import Code, ServiceError, Unavailable
from service.domain.event_table import WORKER_SILENT
from service.domain.events import Event
from service.domain.incident import (
    TOLD,
    Finding,
    Incident,
    clock,
    is_to_come,
    no_worker,
    not_anchored,
    not_cosigned,
)
from service.workflow.clocks import clocks_ahead
from service.workflow.context import Context
from service.workflow.cosigned import contradictions, last_cosigned
from service.workflow.deliver import deliver
from service.workflow.tell import tell

_HOST = socket.gethostname()[:40]
# A mark of an incident has this size while the incident is there.
_THERE, _OVER = 1, 0


def watch(ctx: Context, since: datetime) -> None:
    """Tell what has begun and what has ended. `since` is when this process began to watch. Raise Unavailable.

    Where no worker is left, nobody would send that event, so send it from here. What fails then waits for a worker.
    """
    told = {_tell_news(ctx, incident, about, finding) for incident, about, finding in _look(ctx, since)}
    if WORKER_SILENT in told:
        for name in ctx.destinations:
            try:
                deliver(ctx, name)
            except ServiceError:
                continue  # the destination is away; the delivery keeps its place


def open_incidents(ctx: Context) -> Mapping[str, datetime]:
    """Return the incidents that are there, each with the time when it was told.

    After its kind, the name has the host of a clock, or the witness.
    """
    with read(ctx.engine) as tx:
        found = marks.starting_with(tx, _PREFIX)
    return {name.removeprefix(_PREFIX): mark.at for name, mark in found.items() if mark.size == _THERE}


def note_anchor(ctx: Context, size: int) -> None:
    """Record that somebody has kept the head of the log with `size` events. Raise Unavailable."""
    with begin(ctx.engine) as tx:
        before = marks.last(tx, marks.ANCHORED)
        if before is None or before.size <= size:
            marks.put(tx, marks.ANCHORED, Mark(ctx.now(), _HOST, size))


def check_worked(ctx: Context, tx: Tx) -> None:
    """Raise Unavailable if no worker makes passes: nobody would roll back a new key, or end its lifetime."""
    silence = ctx.limits.worker_silence
    if silence is None:
        return
    mark, now = marks.last(tx, marks.LOOKED), ctx.now()
    if mark is None or is_to_come(mark.at, now) or now - mark.at > silence:
        raise Unavailable(Code.NO_WORKER)


_PREFIX = "told "


@retried
def _look(ctx: Context, since: datetime) -> list[tuple[Incident, str, Finding]]:
    """Return each kind of incident, the host or the witness that it is about, and what was found."""
    with read(ctx.engine) as tx:
        found = marks.among(tx, marks.LOOKED, marks.ANCHORED)
        size, ahead = audit.last(tx), clocks_ahead(ctx, tx)
        begun = audit.begun(tx)
        of_witnesses = list(_of_witnesses(ctx, tx, size, since))
    looked, anchored, now = found.get(marks.LOOKED), found.get(marks.ANCHORED), ctx.now()
    kept = None if anchored is None else (anchored.size, anchored.at)
    return [
        (Incident.NO_WORKER, "", no_worker(None if looked is None else looked.at, since, now, ctx.limits)),
        (Incident.NOT_ANCHORED, "", not_anchored(size, kept, begun, now, ctx.limits)),
        (Incident.CLOCK, _HOST, clock(_HOST, ahead, ctx.limits)),
        *of_witnesses,
    ]


def _of_witnesses(ctx: Context, tx: Tx, size: int, since: datetime) -> Iterator[tuple[Incident, str, Finding]]:
    if not ctx.log.signers:
        return
    last, contradicting = last_cosigned(ctx, tx, size), contradictions(ctx, tx)
    for name, witness in ctx.log.witnesses.items():
        own, how = last[witness.key_id], contradicting.get(name)
        about: Document = {"witness": name, "size": size, "cosigned": own.size}
        late = not_cosigned(about, own.waits_since(since), ctx.now(), ctx.limits)
        yield Incident.NOT_COSIGNED, name, late
        data = {"witness": name, "how": None if how is None else how.name.lower()}
        yield Incident.CONTRADICTED, name, Finding(how is not None, data)


@retried
def _tell_news(ctx: Context, incident: Incident, about: str, finding: Finding) -> str | None:
    """Record the incident's begin or its end, unless that was told already. Return the event's name, if it is news."""
    name = f"{_PREFIX}{incident} {about}".rstrip()
    with read(ctx.engine) as tx:
        if _is_told(tx, name, finding):
            return None
    with begin(ctx.engine) as tx:
        audit.hold(tx)  # another process may be telling it, too
        if _is_told(tx, name, finding):
            return None
        now, event = ctx.now(), TOLD[incident][0 if finding.is_there else 1]
        tell(ctx, tx, Event(event, finding.data), actor=WORKER, at=now)
        marks.put(tx, name, Mark(now, _HOST, _THERE if finding.is_there else _OVER))
    return event


def _is_told(tx: Tx, name: str, finding: Finding) -> bool:
    mark = marks.last(tx, name)
    return (mark is not None and mark.size == _THERE) == finding.is_there
