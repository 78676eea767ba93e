"""What can be wrong with the service itself. Each incident is told once when it begins, and once when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.canonical import Document, timestamp
from service.domain.event_table import (
    ANCHOR_KEPT,
    ANCHOR_OVERDUE,
    CLOCK_RIGHT,
    CLOCK_WRONG,
    COSIGNATURE_KEPT,
    COSIGNATURE_OVERDUE,
    WITNESS_AGREES,
    WITNESS_CONTRADICTS,
    WORKER_BACK,
    WORKER_SILENT,
    EventName,
)


class Incident(StrEnum):
    """What can be wrong. The clock is a host's own, and the last two are of a witness; the others concern the fleet."""

    NO_WORKER = "no_worker"
    NOT_ANCHORED = "not_anchored"
    CLOCK = "clock"
    NOT_COSIGNED = "not_cosigned"
    CONTRADICTED = "contradicted"


# The event when it begins, and the one when it ends.
TOLD: Mapping[Incident, tuple[EventName, EventName]] = {
    Incident.NO_WORKER: (WORKER_SILENT, WORKER_BACK),
    Incident.NOT_ANCHORED: (ANCHOR_OVERDUE, ANCHOR_KEPT),
    Incident.CLOCK: (CLOCK_WRONG, CLOCK_RIGHT),
    Incident.NOT_COSIGNED: (COSIGNATURE_OVERDUE, COSIGNATURE_KEPT),
    Incident.CONTRADICTED: (WITNESS_CONTRADICTS, WITNESS_AGREES),
}


# More than `health.clock_tolerance` can be.
_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on something is an incident. None never is one."""

    worker_silence: timedelta | None = None
    anchor_within: timedelta | None = None
    cosigned_within: timedelta | None = None
    clock_tolerance: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether an incident is there, and the data of its event."""

    is_there: bool
    data: Document


def no_worker(last_pass: datetime | None, since: datetime, now: datetime, limits: Limits) -> Finding:
    """Judge whether workers are silent. The caller has looked since `since`: before that, silence proves nothing."""
    silence = limits.worker_silence
    latest = since if last_pass is None or is_to_come(last_pass, now) else max(last_pass, since)
    is_there = silence is not None and now - latest > silence
    return Finding(is_there, {"last_pass": None if last_pass is None else timestamp(last_pass)})


def not_anchored(
    size: int, anchored: tuple[int, datetime] | None, begun: datetime | None, now: datetime, limits: Limits
) -> Finding:
    """Judge whether the head of a log of `size` events, which began at `begun`, was anchored lately.

    `anchored` are size and time of the last anchor. A log without later events needs none.
    """
    kept, at = (0, begun) if anchored is None or is_to_come(anchored[1], now) else anchored
    is_late = limits.anchor_within is not None and at is not None and now - at > limits.anchor_within
    return Finding(is_late and size > kept, {"size": size, "anchored": kept})


def not_cosigned(about: Document, waits_since: datetime | None, now: datetime, limits: Limits) -> Finding:
    """Judge whether a witness has left events uncosigned for too long. `about` is the data of the event."""
    within = limits.cosigned_within
    return Finding(within is not None and waits_since is not None and now - waits_since > within, about)


def is_to_come(at: datetime, now: datetime) -> bool:
    """Return whether a time is still to come. A clock that was ahead wrote it, so it proves nothing."""
    return at - now > _AHEAD


def clock(host: str, ahead: Mapping[str, timedelta], limits: Limits) -> Finding:
    """Judge a host's clock by how far each other clock is ahead of it."""
    wrong = wrong_clocks(ahead, limits)
    return Finding(
        bool(wrong), {"host": host, "seconds_ahead": {name: int(ahead[name].total_seconds()) for name in wrong}}
    )


def wrong_clocks(ahead: Mapping[str, timedelta], limits: Limits) -> list[str]:
    """Return the names of the clocks that disagree with this host's."""
    tolerance = limits.clock_tolerance
    return [] if tolerance is None else sorted(name for name, by in ahead.items() if abs(by) > tolerance)
