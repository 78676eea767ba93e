"""Checks that the times of a request do not contradict each other."""

from collections.abc import Iterator
from datetime import datetime

from service.domain.canonical import timestamp
from service.domain.policy import CLOCK_SKEW
from service.domain.request import OperationRequest

# The name of what happened, and its time.
_Point = tuple[str, datetime | None]
_PRESENT = "the present"


def contradiction(request: OperationRequest, now: datetime) -> str | None:
    """Describe the first two times that cannot both be true. Return None if all can.

    Times must follow the order of events, must not be past the deadline that allowed them, and must not be in the
    future. The clocks of a fleet's hosts may differ by `CLOCK_SKEW`.
    """
    for (before, earlier), (after, later) in _in_order(request, now):
        if earlier is not None and later is not None and earlier - later > CLOCK_SKEW:
            # The sentence stays the same on each check, so that a repetition is recognized.
            other = "which is still to come" if after == _PRESENT else f"{after} at {timestamp(later)}"
            return f"{before} is at {timestamp(earlier)}, {other}"
    return None


def _in_order(request: OperationRequest, now: datetime) -> Iterator[tuple[_Point, _Point]]:
    """Yield pairs where the first must not be later than the second. Either may never have happened."""
    filing = request.filing
    filed, present = ("the filing", filing.filed_at), (_PRESENT, now)
    approve_by, execute_by = (
        ("the last time to approve it", filing.approve_by),
        ("the last time to run it", request.execute_by),
    )
    approved, claimed = ("the approval", request.approved_at), ("the claim", request.claimed_at)
    settled, ended = ("the settlement", request.settled_at), ("the end", request.ended_at)
    decisions: list[_Point] = [("a decision", decision.decided_at) for decision in request.decisions]
    received, cut_over = ("the receipt", request.received_at), ("the end of the old key", request.cut_over_at)
    afterwards: list[_Point] = [
        received,
        ("the deactivation of the key", request.deactivated_at),
        ("the deletion of the key", request.retired_at),
        ("the start of the cut-over", request.released_at),
        cut_over,
        ("the stop of the rotation", request.stopped_at),
        ended,
    ]
    for point in (filed, *decisions, approved, claimed, settled, *afterwards):
        yield point, present
        yield filed, point
    # A void vote can be cast again after the approval, but not after the claim.
    for decision in decisions:
        yield decision, approve_by if request.approved_at is None else execute_by
        yield decision, claimed
        yield decision, ended
    yield approved, approve_by
    yield approved, claimed
    yield claimed, execute_by
    yield claimed, settled
    for point in afterwards:
        yield settled, point
    yield received, cut_over
    yield cut_over, ended
    if request.approved_at is not None:
        yield execute_by, ("the end of the execution window", request.approved_at + filing.execution_window)
