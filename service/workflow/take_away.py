"""Taking a key away: deactivated, and deleted when the grace is over. Every step is written down by itself."""

from datetime import timedelta

from service.domain.account import ACTIVE, AccessKey
from service.domain.errors import Code, Conflict, ExecutionFailed, Unavailable
from service.domain.event_table import KEY_DEACTIVATED
from service.domain.events import taken_away
from service.domain.operation import Operation, OperationName
from service.domain.outcome import Done, Drilled, InDoubt, Refused, ResultCode
from service.domain.request import OperationRequest, Result
from service.workflow.change import write_step
from service.workflow.context import Context, RootSession
from service.workflow.doubts import altered

# What became of it, for the result of its request.
TAKEN_AWAY = "so the key was deactivated, and then deleted"


def ended(code: ResultCode, detail: str, access_key_id: str, done: Done) -> Result:
    """Return the result of a request whose key was taken away, or was gone already."""
    return Result(
        code=code,
        detail=detail,
        access_key_id=access_key_id,
        signer_key_id=done.signer_key_id,
        aws_request_id=done.aws_request_id,
    )


NO_KEY_OF_A_DRILL = "It was a drill, which makes no key."

# AWS takes no call that was signed by a clock further off (AWS documentation, Signature Version 4: 5 to 15 minutes).
_LARGEST_SKEW = timedelta(minutes=15)


def is_of_the_time(ctx: Context, request: OperationRequest, key: AccessKey, tolerance: timedelta) -> bool:
    """Return whether the key was made while our one call could have been under way, by AWS's clock."""
    if request.claimed_at is None:
        return False
    earliest = request.claimed_at - tolerance
    return earliest <= key.created_at <= request.claimed_at + ctx.roots.call_budget + tolerance


def take_away(
    ctx: Context, root: RootSession, request: OperationRequest, key: AccessKey
) -> tuple[OperationRequest, Done] | None:
    """Go as far as is due, and return the request once its key is deleted, with what AWS said.

    Raises Unavailable when AWS is away, ExecutionFailed when it refuses, Conflict when somebody was quicker. Raises it
    as well when AWS made the key at another time than that of the execution, so that it is none of this request.
    """
    if not is_of_the_time(ctx, request, key, _LARGEST_SKEW):
        raise altered("AWS made this key at another time.")
    if request.deactivated_at is None:
        done = Done(signer_key_id=root.signer_key_id, aws_request_id=None)
        if key.status == ACTIVE:
            done = perform(root, OperationName.DEACTIVATE_ACCESS_KEY, key.access_key_id)
        event = taken_away(KEY_DEACTIVATED, key.access_key_id, done)
        request = write_step(ctx, request, request.deactivated(ctx.now()), event)
    if request.delete_at is None or ctx.now() < request.delete_at:
        return None
    return request, perform(root, OperationName.DELETE_ACCESS_KEY, key.access_key_id)


def perform(root: RootSession, name: OperationName, access_key_id: str) -> Done:
    """Make the call. Raise Unavailable, ExecutionFailed when AWS refuses, Conflict when the key is gone already."""
    outcome = root.perform(Operation(name, access_key_id))
    match outcome:
        case Done():
            return outcome
        case Refused(is_gone=True):
            raise Conflict(Code.WRONG_STATUS, "Somebody else took the key away meanwhile.")
        case Refused():
            raise ExecutionFailed(Code.EXECUTION_FAILED, f"The key is not taken away. {outcome.detail}")
        case InDoubt(detail=why):
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, f"The key is not taken away yet. {why}")
        case Drilled():
            raise altered(NO_KEY_OF_A_DRILL)
