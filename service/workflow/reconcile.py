"""Ending what an execution left open, by asking AWS what is true; never by guessing, never by doing it again."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from service.domain.account import PASSWORD, Part
from service.domain.actor import WORKER, Actor
from service.domain.capability import plan_for
from service.domain.errors import Code, Conflict, ServiceError, Unavailable
from service.domain.event_table import EXECUTION_UNRESOLVED
from service.domain.events import Event, quarantined
from service.domain.operation import Operation, OperationName, facts
from service.domain.outcome import Done, Drilled, InDoubt, Outcome, Refused, ResultCode
from service.domain.request import OperationRequest, Status
from service.domain.standing import Standing
from service.workflow.change import change, write_step
from service.workflow.context import Context, RootSession
from service.workflow.doubts import altered
from service.workflow.recorded import refuse, stored
from service.workflow.take_away import NO_KEY_OF_A_DRILL, is_of_the_time

# AWS gives whole seconds by its own clock; ours may be off by this much.
_CLOCK_TOLERANCE = timedelta(minutes=1)

# A doubt that AWS cannot be asked about must end as well: it keeps others from asking for the same thing.
_PATIENCE = timedelta(days=1)


# AWS need not be asked: a drill sends no call.
_STOPPED_DRILL = Refused(code=ResultCode.NOT_DONE, detail="The process stopped in the middle of the drill.")


def abandon(ctx: Context, request_id: str) -> None:
    """An execution that outlived its whole time budget has no process any more: what it did is in doubt."""

    def step(request: OperationRequest, _standing: Standing, _actor: Actor, now: datetime) -> OperationRequest:
        if request.status is not Status.EXECUTING:
            return request
        return request.settle(InDoubt(detail="The process that executed the request stopped."), now)

    change(ctx, WORKER, request_id, step)


def reconcile(ctx: Context, request_id: str) -> None:
    """Settle a request that is in doubt.

    The caller waits for the consistency delay first: AWS shows new and deleted keys everywhere only after a while.
    Raises Unavailable when AWS is away, or Conflict, which is audited once, when the row is not what the log tells; and
    the request stays in doubt. After a day of that it is settled as `unresolved`, with an incident, so that it ends and
    people look.
    """
    request, doubt = stored(ctx, request_id)
    if request is None or request.status is not Status.IN_DOUBT:
        return
    try:
        if doubt is not None:
            refuse(ctx, request, doubt)
        outcome, *incidents = (_STOPPED_DRILL,) if request.filing.drill else _found_out(ctx, request)
    except ServiceError as error:
        # A clock that is wrong does not tell when a day is over.
        is_early = request.claimed_at is not None and ctx.now() - request.claimed_at < _PATIENCE
        if is_early or error.code is Code.CLOCK_WRONG:
            raise
        detail = f"For a day it could not be found out what became of it: {error.detail} Somebody has to look."
        outcome, incidents = Refused(code=ResultCode.UNRESOLVED, detail=detail), [Event(EXECUTION_UNRESOLVED)]

    write_step(ctx, request, request.settle(outcome, ctx.now()), *incidents)


def _found_out(ctx: Context, request: OperationRequest) -> "tuple[Outcome, *tuple[Event, ...]]":
    account = ctx.account(request.filing.account_id)
    planned = plan_for(account, request.filing.operation)
    # Only a key that a create left behind is acted on; whatever else is just looked at.
    with ctx.sign_in(request.filing, planned if planned.is_create else planned.to_read) as root:
        return _find_out(ctx, root, request)


def _find_out(ctx: Context, root: RootSession, request: OperationRequest) -> "tuple[Outcome, *tuple[Event, ...]]":
    """Ask AWS what is true. Return the outcome, and incidents for keys that nobody explains. Raise Unavailable."""
    operation = request.filing.operation
    if not operation.is_create:
        found = facts(operation, root.observe_twice(ctx.now(), *operation.kind.reads))
        if operation.is_unlock and operation.state_in(found) not in {None, _policy_of(request)}:
            return _replaced(operation, root.signer_key_id)
        return (_seen_in(found, operation, root.signer_key_id),)
    observed = root.observe_twice(ctx.now(), Part.LAST_USE, Part.SIGNER)
    new = [key for key in observed.keys if key.access_key_id not in (request.known_key_ids or ())]
    if not new:
        detail = "AWS made no key, or it is gone. File a new request."
        return (Refused(code=ResultCode.NOT_CREATED, detail=detail, signer_key_id=root.signer_key_id),)
    if len(new) == 1 and not observed.is_held(new[0]) and is_of_the_time(ctx, request, new[0], _CLOCK_TOLERANCE):
        return _take_back(root, new[0].access_key_id)
    return _quarantine(root, "cannot be told from this request's", *(key.access_key_id for key in new))


def _take_back(root: RootSession, access_key_id: str) -> "tuple[Outcome, *tuple[Event, ...]]":
    match root.perform(Operation(OperationName.DELETE_ACCESS_KEY, access_key_id)):
        case Done():
            detail = f"AWS made the key {access_key_id}, but its secret was lost with the answer; it was deleted."
            return (Refused(code=ResultCode.SECRET_LOST, detail=detail, signer_key_id=root.signer_key_id),)
        case Refused(is_gone=True):
            # Another worker has just deleted it, and knows better how this ends.
            raise Conflict(Code.WRONG_STATUS, "Somebody else took the key back meanwhile.")
        case Refused(detail=why):
            return _quarantine(
                root, f"is this request's, nobody has its secret, but AWS keeps it ({why})", access_key_id
            )
        case InDoubt(detail=why):
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, why)
        case Drilled():
            raise altered(NO_KEY_OF_A_DRILL)


def _quarantine(root: RootSession, why: str, *access_key_ids: str) -> "tuple[Outcome, *tuple[Event, ...]]":
    detail = f"{', '.join(sorted(access_key_ids))}: {why}. Somebody has to look."
    return Refused(code=ResultCode.QUARANTINED, detail=detail, signer_key_id=root.signer_key_id), quarantined(
        *access_key_ids
    )


def _policy_of(request: OperationRequest) -> str | None:
    """Return the SHA-256 of the policy that was approved to be deleted."""
    return request.filing.operation.state_in(facts(request.filing.operation, request.filing.observed))


def _replaced(operation: Operation, signer_key_id: str) -> "tuple[Outcome, *tuple[Event, ...]]":
    """Another policy is there: somebody has set it after the deletion, or instead of the one that was approved."""
    detail = (
        f"{operation.target} has another policy now. So nobody can tell whether the approved one was deleted, or "
        "replaced before. Somebody has to look."
    )
    refused = Refused(code=ResultCode.UNRESOLVED, detail=detail, signer_key_id=signer_key_id)
    return refused, Event(EXECUTION_UNRESOLVED)


def _seen_in(found: Mapping[str, str], operation: Operation, signer_key_id: str) -> Outcome:
    state = operation.state_in(found)
    if state == operation.kind.wanted:
        return Done(signer_key_id=signer_key_id, aws_request_id=None)
    is_now = "as it was" if operation.is_unlock else state or "gone"
    detail = f"AWS did not do it: {operation.target or PASSWORD} is {is_now}."
    return Refused(code=ResultCode.NOT_DONE, detail=detail, signer_key_id=signer_key_id)
