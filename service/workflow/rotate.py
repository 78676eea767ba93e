"""A rotation after its receipt: the old key is deactivated, and after a wait deleted, as was approved with the new one.

Each look reads AWS first. A call is claimed before it is made, and recorded after it. The claim is compared and swapped
with the stops of people: whoever stops the rotation before it is not overtaken. A claimed call that was not recorded
is looked for in AWS, once it cannot arrive any more.
"""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

from service.domain.account import INACTIVE, Part, RootCredentials
from service.domain.actor import WORKER, Actor
from service.domain.capability import plan
from service.domain.errors import Code, Conflict, ServiceError
from service.domain.event_table import (
    CUT_OVER_RELEASED,
    EXECUTION_DENIED,
    EXECUTION_UNRESOLVED,
    OLD_KEY_DEACTIVATED,
    OLD_KEY_USED,
    ROTATION_WAITING,
)
from service.domain.events import Event, taken_away
from service.domain.operation import OperationName
from service.domain.outcome import Done, ResultCode
from service.domain.permissions import check_may_release
from service.domain.request import OperationRequest, Result, Status
from service.domain.rotation import (
    Move,
    Stop,
    due_since,
    is_to_remind,
    left,
    new_key_id,
    next_look,
    next_move,
    old_key_id,
)
from service.domain.standing import Standing
from service.workflow.change import change, write_step
from service.workflow.context import Context, RootSession
from service.workflow.read import Shown, show
from service.workflow.recorded import refuse, stored
from service.workflow.take_away import perform

# What AWS refuses, and what nobody can find out, must end as well: somebody has to look.
_PATIENCE = timedelta(days=1)


def release(ctx: Context, actor: Actor, request_id: str, *, access_key_id: str, comment: str) -> Shown:
    """Record that a person says that the old key may be deactivated now. A repeat changes nothing.

    `access_key_id` is the old key as they know it. Raise Forbidden, NotFound; Conflict if the rotation is not so far,
    or the service still signs with the old key; Unavailable.
    """

    def step(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
        check_may_release(request, actor, standing, now)
        if access_key_id != old_key_id(request):
            raise Conflict(Code.NO_SUCH_KEY, "This rotation does not replace that access key.")
        return request.release(now)

    shown = show(ctx, actor, request_id)
    if shown.request.released_at is not None and access_key_id == old_key_id(shown.request):
        return shown
    step(shown.request, shown.standing, actor, shown.now)
    with _signed_in(ctx, shown.request) as root:
        if root.signer_key_id == access_key_id:
            raise Conflict(
                Code.SIGNING_KEY, "The service still signs with the old key. Put the new one into its profile first."
            )
    said = Event(CUT_OVER_RELEASED, {"access_key_id": access_key_id, "comment": comment})
    return change(ctx, actor, request_id, step, said, denied=EXECUTION_DENIED)


def rotate(ctx: Context, request_id: str) -> None:
    """Go one step further with a rotation, if one is due.

    Raises ServiceError when AWS is away or refuses, or when somebody was quicker; the next pass goes on. What lasts for
    a day after a step was due ends the rotation as `unresolved`, with an incident. Raises Conflict, which is audited
    once, when the row is not what the log tells.
    """
    request, doubt = stored(ctx, request_id)
    now = ctx.now()
    if request is None or request.status is not Status.ROTATING or request.look_at is None or now < request.look_at:
        return
    try:
        if doubt is not None:
            refuse(ctx, request, doubt)
        request, move = _look(ctx, request)
    except ServiceError as error:
        # A clock that is wrong does not tell when a day is over.
        if not _is_hopeless(request, now) or error.code in {Code.WRONG_STATUS, Code.CLOCK_WRONG}:
            raise
        _give_up(ctx, request, error.detail)
        return
    if move is not Move.WAIT:
        _act(ctx, request, OperationName(move))


def _signed_in(ctx: Context, request: OperationRequest) -> AbstractContextManager[RootSession]:
    planned = plan(ctx.account(request.filing.account_id), OperationName.DEACTIVATE_ACCESS_KEY)
    return ctx.sign_in(request.filing, planned)


def _look(ctx: Context, request: OperationRequest) -> tuple[OperationRequest, Move]:
    """Read the account, record what is true of it, and return what is due after that."""
    with _signed_in(ctx, request) as root:
        observed = root.observe_twice(ctx.now(), Part.LAST_USE, Part.SIGNER)
    request, was_acting = _caught_up(ctx, request, observed), request.acting_at is not None
    if request.status is not Status.ROTATING:
        return request, Move.WAIT
    now, notice, move = ctx.now(), ctx.policy.expiry_notice, next_move(request, observed, ctx.now())
    if isinstance(move, Stop):
        result = _result(request, move.code, f"{move.detail} {left(request, observed)}")
        used = Event(OLD_KEY_USED, {"access_key_id": old_key_id(request)})
        incidents = [used] if move.code is ResultCode.OLD_KEY_USED else []
        return write_step(ctx, request, request.stop(result, now), *incidents), Move.WAIT
    if move is not Move.WAIT:
        if was_acting and request.acting_at is not None and _is_hopeless(request, now):
            return _give_up(ctx, request, f"AWS did not do it. {left(request, observed)}"), Move.WAIT
        return request, move
    looked = request.look_again(next_look(request, observed, now, notice))
    if is_to_remind(request, now, notice):
        return write_step(ctx, request, looked.remind(now), Event(ROTATION_WAITING)), move
    return write_step(ctx, request, looked), move


def _caught_up(ctx: Context, request: OperationRequest, observed: RootCredentials) -> OperationRequest:
    """Record the effect of a claimed call whose answer or record was lost."""
    if request.acting_at is None:
        return request
    old_id = old_key_id(request)
    old, unanswered = observed.key(old_id), Done(signer_key_id=str(observed.signer_key_id), aws_request_id=None)
    if request.cut_over_at is not None and old is None:
        return write_step(ctx, request, request.rotated(_deleted(request, unanswered), ctx.now()))
    if request.cut_over_at is None and old is not None and old.status == INACTIVE:
        event = taken_away(OLD_KEY_DEACTIVATED, old_id, unanswered)
        return write_step(ctx, request, request.found_cut_over(ctx.now()), event)
    return request


def _act(ctx: Context, request: OperationRequest, name: OperationName) -> None:
    """Claim the call, make it, and record it. People may stop the rotation meanwhile; what was done stays true."""
    budget, old_id = ctx.roots.call_budget, old_key_id(request)
    with _signed_in(ctx, request) as root:
        if root.signer_key_id == old_id:
            raise Conflict(
                Code.SIGNING_KEY, "The service signs with the old key again. Put the new one into its profile."
            )
        claimed = write_step(ctx, request, request.act(ctx.now(), ctx.now() + budget))
        if claimed.acting_at is None or ctx.now() - claimed.acting_at > budget * 2 / 3:
            # This process was frozen. After the budget, another look reads AWS, and nobody would notice a later effect.
            raise Conflict(Code.WRONG_STATUS, "The process was delayed too long, and nothing was sent to AWS.")
        done = perform(root, name, old_id)

    def step(current: OperationRequest, _standing: Standing, _actor: Actor, now: datetime) -> OperationRequest:
        if current.acting_at != claimed.acting_at or current.status is not Status.ROTATING:
            raise Conflict(Code.WRONG_STATUS, "Somebody else has looked at the rotation meanwhile.")
        if name is OperationName.DELETE_ACCESS_KEY:
            return current.rotated(_deleted(current, done), now)
        return current.cut_over(now)

    events = [] if name is OperationName.DELETE_ACCESS_KEY else [taken_away(OLD_KEY_DEACTIVATED, old_id, done)]
    change(ctx, WORKER, request.filing.request_id, step, *events)


def _is_hopeless(request: OperationRequest, now: datetime) -> bool:
    since = due_since(request)
    return since is not None and now - since >= _PATIENCE


def _give_up(ctx: Context, request: OperationRequest, why: str) -> OperationRequest:
    result = _result(
        request, ResultCode.UNRESOLVED, f"For a day the rotation could not go on: {why} Somebody has to look."
    )
    return write_step(ctx, request, request.stop(result, ctx.now()), Event(EXECUTION_UNRESOLVED))


def _result(request: OperationRequest, code: ResultCode, detail: str) -> Result:
    """Return the result at the end. Of the delivery it keeps the new key, and the file in which that was sealed."""
    sealed = None if request.result is None else request.result.sealed_sha256
    return Result(code=code, detail=detail, access_key_id=new_key_id(request), sealed_sha256=sealed)


def _deleted(request: OperationRequest, done: Done) -> Result:
    result = _result(
        request, ResultCode.ROTATED, f"The old key {old_key_id(request)} was deactivated and then deleted."
    )
    return replace(result, signer_key_id=done.signer_key_id, aws_request_id=done.aws_request_id)
