"""Ending what an execution left open, by asking AWS what is true; never by guessing, never by doing it again."""

from datetime import timedelta

from service.db import audit, requests
from service.db.engine import Tx, read
from service.domain.account import AccessKey
from service.domain.actor import WORKER
from service.domain.errors import Code, Conflict
from service.domain.events import KEY_QUARANTINED, Event
from service.domain.operation import Done, InDoubt, Operation, OperationName, Outcome, Refused
from service.domain.request import OperationRequest, Status
from service.workflow.change import change
from service.workflow.context import Context, RootSession

# AWS gives whole seconds by its own clock; ours may be off by this much.
_CLOCK_TOLERANCE = timedelta(minutes=1)


def abandon(ctx: Context, request_id: str) -> None:
    """An execution that outlived its whole time budget has no process any more: what it did is in doubt."""

    def step(_tx: Tx, request: OperationRequest) -> OperationRequest:
        if request.status is not Status.EXECUTING:
            return request
        return request.settle(InDoubt(detail="The process that executed the request stopped."), ctx.now())

    change(ctx, WORKER, request_id, step)


def reconcile(ctx: Context, request_id: str) -> None:
    """Settle a request that is in doubt. Raises Unavailable when AWS is away; it stays in doubt then.

    The caller waits for the consistency delay first: AWS shows new and deleted keys everywhere only after a while.
    """
    with read(ctx.engine) as tx:
        request = requests.get(tx, request_id)
    if request is None or request.status is not Status.IN_DOUBT:
        return
    with ctx.roots.sign_in(ctx.account(request.filing.account_id)) as root:
        outcome, quarantined = _find_out(ctx, root, request)
    if outcome is None:
        return

    def step(tx: Tx, current: OperationRequest) -> OperationRequest:
        if current.version != request.version:
            raise Conflict(Code.WRONG_STATUS, "Somebody else settled this request meanwhile.")
        settled = current.settle(outcome, ctx.now())
        if quarantined:
            event = Event(KEY_QUARANTINED, {"access_key_ids": list(quarantined)})
            audit.append(tx, event, actor=WORKER, at=ctx.now(), request_id=request_id)
        return settled

    change(ctx, WORKER, request_id, step)


def _find_out(ctx: Context, root: RootSession, request: OperationRequest) -> tuple[Outcome | None, tuple[str, ...]]:
    """What is true, and the keys that nobody can account for. An outcome of None: ask again later."""
    keys = root.access_keys()
    if not request.filing.operation.is_create:
        return _seen_in(keys, request.filing.operation, root.signer_key_id), ()
    new = [key for key in keys if key.access_key_id not in (request.known_key_ids or ())]
    if not new:
        detail = "AWS made no key, or it is gone. File a new request."
        return Refused(code="not_created", detail=detail, signer_key_id=root.signer_key_id), ()
    if len(new) == 1 and _could_be_ours(ctx, request, new[0]):
        deletion = root.perform(Operation(OperationName.DELETE_ACCESS_KEY, new[0].access_key_id))
        if not isinstance(deletion, Done):
            return None, ()
        detail = f"AWS made the key {new[0].access_key_id}, but its secret was lost with the answer; it was deleted."
        return Refused(code="secret_lost", detail=detail, signer_key_id=root.signer_key_id), ()
    ids = tuple(sorted(key.access_key_id for key in new))
    detail = f"Keys appeared that cannot be told from this request's: {', '.join(ids)}. Somebody has to look."
    return Refused(code="quarantined", detail=detail, signer_key_id=root.signer_key_id), ids


def _could_be_ours(ctx: Context, request: OperationRequest, key: AccessKey) -> bool:
    """Whether it was made while our one call could have been on its way."""
    if request.claimed_at is None:
        return False
    earliest = request.claimed_at - _CLOCK_TOLERANCE
    return earliest <= key.created_at <= request.claimed_at + ctx.roots.call_budget + _CLOCK_TOLERANCE


def _seen_in(keys: tuple[AccessKey, ...], operation: Operation, signer_key_id: str) -> Outcome:
    found = {key.access_key_id: key.status for key in keys}.get(str(operation.access_key_id))
    if found == operation.wanted_status:
        return Done(signer_key_id=signer_key_id, aws_request_id=None)
    detail = f"AWS did not do it: the key is {found or 'gone'}."
    return Refused(code="not_done", detail=detail, signer_key_id=signer_key_id)
