"""The end of a new key's lifetime: announced beforehand, then the key is deactivated, and after the grace deleted.

All of it was approved with the key, so it happens to a key in use as well. Only the key that the service itself signs
with waits, and is reported: without it nothing more could be done in the account, not even its deletion.
"""

from datetime import datetime, timedelta

from service.domain.account import Part
from service.domain.actor import WORKER, Actor
from service.domain.capability import plan
from service.domain.errors import Code, Conflict, ServiceError, Unavailable
from service.domain.event_table import KEY_RETIRED
from service.domain.events import expiry_failed, taken_away
from service.domain.operation import OperationName
from service.domain.outcome import Done, ResultCode
from service.domain.request import OperationRequest, Status
from service.domain.standing import Standing
from service.workflow.change import change, write_step
from service.workflow.context import Context
from service.workflow.recorded import refuse, stored
from service.workflow.take_away import TAKEN_AWAY, ended, take_away

# A key that outlives its lifetime because AWS was away for a moment is no incident.
_OUTAGE = timedelta(hours=1)


def expire_key(ctx: Context, request_id: str) -> None:
    """Go one or more steps towards the end of a key, as far as is due.

    Raises ServiceError when AWS refuses or has been away for an hour, which is reported once, or when somebody was
    quicker; the next pass goes on. Raises Conflict, which is audited once, when the row is not what the log tells.
    """
    request, doubt = stored(ctx, request_id)
    if request is None or request.expires_at is None or request.retired_at is not None:
        return
    if request.unconfirmed_at is not None and request.overdue_at is None:
        return  # it is being taken back already
    if doubt is not None:
        refuse(ctx, request, doubt)
    end, now = request.expires_at, ctx.now()
    if request.expiry_announced_at is None and now >= end - ctx.policy.expiry_notice:
        request = write_step(ctx, request, request.announce_expiry(now))
    due_at = max(end, request.delete_at or end)
    if now < due_at:
        return
    try:
        _end(ctx, request)
    except Unavailable as failure:
        # A clock that is wrong does not tell when an hour is over, and the report is made once.
        if now >= due_at + _OUTAGE and failure.code is not Code.CLOCK_WRONG:
            _report(ctx, request, failure.detail)
        raise
    except ServiceError as failure:
        if failure.code is not Code.WRONG_STATUS:  # which says that somebody was quicker
            _report(ctx, request, failure.detail)
        raise


def _end(ctx: Context, request: OperationRequest) -> None:
    key_id = str(request.result and request.result.access_key_id)
    planned = plan(ctx.account(request.filing.account_id), OperationName.DEACTIVATE_ACCESS_KEY)
    with ctx.sign_in(request.filing, planned) as root:
        observed = root.observe_twice(ctx.now(), Part.SIGNER)
        key = observed.key(key_id)
        how, done = "and the key was gone already", Done(signer_key_id=root.signer_key_id, aws_request_id=None)
        if key is not None:
            if observed.signer_key_id == key_id:
                raise Conflict(
                    Code.SIGNING_KEY, "The service still signs with this key. Put another one into its profile."
                )
            taken = take_away(ctx, root, request, key)
            if taken is None:
                return
            request, done = taken
            how = TAKEN_AWAY
        if request.status is not Status.DELIVERED:
            write_step(ctx, request, request.retire(ctx.now()), taken_away(KEY_RETIRED, key_id, done))
            return
        result = ended(ResultCode.EXPIRED, f"The lifetime of the key had ended, {how}.", key_id, done)
        write_step(ctx, request, request.roll_back(result, ctx.now()))


def _report(ctx: Context, request: OperationRequest, reason: str) -> None:
    """The key outlives its lifetime: an incident, once."""
    if request.expiry_failed_at is not None or request.result is None:
        return

    def step(current: OperationRequest, _standing: Standing, _actor: Actor, now: datetime) -> OperationRequest:
        if current.expiry_failed_at is not None or current.retired_at is not None:
            raise Conflict(Code.WRONG_STATUS, "Somebody else has reported it, or done it.")
        return current.report_expiry_failed(now)

    incident = expiry_failed(str(request.result.access_key_id), reason)
    change(ctx, WORKER, request.filing.request_id, step, incident)
