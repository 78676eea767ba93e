"""How a rotation goes on: what is due, from the request and from what AWS says of both keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.account import ACTIVE, INACTIVE, RootCredentials, difference
from service.domain.operation import OperationName
from service.domain.outcome import ResultCode
from service.domain.request import OperationRequest, Verdict

# AWS reports the last use of a key hours late, so nobody gains by asking more often.
LOOK_EVERY = timedelta(hours=1)


class Move(StrEnum):
    """What is due now: nothing, or one call to AWS about the old key."""

    WAIT = "wait"
    DEACTIVATE = OperationName.DEACTIVATE_ACCESS_KEY
    DELETE = OperationName.DELETE_ACCESS_KEY


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the rotation ends here. Both keys stay as they are."""

    code: ResultCode
    detail: str


def next_move(request: OperationRequest, observed: RootCredentials, now: datetime) -> Move | Stop:
    """Return what is due. `observed` has the last use of each key, and the key that the service signs with.

    The first rule that applies decides: a stop, then a change of the account, then a deadline, then what is due.
    """
    if request.stopped_at is not None:
        return _stopped(request)
    old_id, deadline = old_key_id(request), request.cut_over_by
    expected = {old_id: ACTIVE if request.cut_over_at is None else INACTIVE, new_key_id(request): ACTIVE}
    changed, old = difference(expected, observed.statuses), observed.key(old_id)
    if changed is not None or old is None or deadline is None:
        return Stop(ResultCode.ACCOUNT_CHANGED, f"The account has changed since the delivery: {changed}.")
    if request.cut_over_at is None:
        if now >= deadline:
            return Stop(ResultCode.NOT_CUT_OVER, _missed(request, observed))
        is_due = request.released_at is not None or now >= unused_from(request, old.last_used_at)
        return Move.DEACTIVATE if is_due and observed.signer_key_id != old_id else Move.WAIT
    # A deactivation that was found out later may have happened as early as its claim.
    deactivated_from = min(request.cut_over_at, request.acting_at or request.cut_over_at)
    if old.last_used_at is not None and old.last_used_at > deactivated_from:
        return Stop(ResultCode.OLD_KEY_USED, f"{old_id} was used after its deactivation. Somebody has to look.")
    return Move.DELETE if request.delete_old_at is not None and now >= request.delete_old_at else Move.WAIT


def old_key_id(request: OperationRequest) -> str:
    return str(request.filing.operation.target)


def new_key_id(request: OperationRequest) -> str:
    return str(request.result and request.result.access_key_id)


def unused_from(request: OperationRequest, last_used_at: datetime | None) -> datetime:
    """Return from when on the old key counts as unused. Time before the receipt does not count.

    Nobody could have changed over before it, and AWS reports a use late.
    """
    assert request.filing.rotation is not None
    assert request.received_at is not None
    return max(request.received_at, last_used_at or request.received_at) + request.filing.rotation.unused_for


def next_look(request: OperationRequest, observed: RootCredentials, now: datetime, notice: timedelta) -> datetime:
    """Return when to look again: in an hour, or earlier if a step, a deadline or its reminder comes earlier."""
    deadline, old = request.cut_over_by, observed.key(old_key_id(request))
    if request.cut_over_at is not None or deadline is None:
        times = [request.delete_old_at or now]
    else:
        times = [deadline, deadline - notice, unused_from(request, None if old is None else old.last_used_at)]
    return min([now + LOOK_EVERY, *(at for at in times if at > now)])


def is_to_remind(request: OperationRequest, now: datetime, notice: timedelta) -> bool:
    """Return whether it is time to say that the cut-over is still to come. That is said once."""
    if request.cut_over_by is None or request.received_at is None or request.cut_over_at is not None:
        return False
    is_reminded = request.reminded_at is not None and request.reminded_at >= request.received_at
    return not is_reminded and now >= request.cut_over_by - notice


def due_since(request: OperationRequest) -> datetime | None:
    """Return since when the rotation should have gone on or ended; a time to come if it may still wait."""
    return request.stopped_at or request.delete_old_at or request.cut_over_by


def left(request: OperationRequest, observed: RootCredentials) -> str:
    """Say what is left of both keys."""
    found = observed.statuses
    old_id, new_id = old_key_id(request), new_key_id(request)
    return f"The old key {old_id} is {found.get(old_id, 'gone')}, the new key {new_id} is {found.get(new_id, 'gone')}."


def _stopped(request: OperationRequest) -> Stop:
    if any(decision.verdict is Verdict.REJECT for decision in request.decisions):
        return Stop(ResultCode.ROTATION_REJECTED, "An approver stopped the rotation.")
    return Stop(ResultCode.ROTATION_WITHDRAWN, "The requester stopped the rotation.")


def _missed(request: OperationRequest, observed: RootCredentials) -> str:
    if observed.signer_key_id == old_key_id(request):
        return "The time for the cut-over is over, and the service still signs with the old key."
    return "The time for the cut-over is over."
