"""Receipt or roll-back: a new key that its recipient does not confirm is taken back, as was approved with it.

First the receipt is given up and committed, so that nobody can confirm a key that is about to stop working; then the
key is deactivated; after the grace it is deleted. Every call is idempotent and every step is written down by itself,
so a process may stop anywhere. A key in use has somebody who holds its secret: it is reported and left alone.
"""

from service.domain.account import Part
from service.domain.capability import plan
from service.domain.operation import OperationName
from service.domain.outcome import Done, ResultCode
from service.domain.request import OperationRequest, Result, Status
from service.workflow.change import write_step
from service.workflow.context import Context
from service.workflow.recorded import refuse, stored
from service.workflow.take_away import TAKEN_AWAY, ended, take_away


def roll_back(ctx: Context, request_id: str) -> None:
    """Go one or more steps towards the end of an unconfirmed key, as far as is due.

    Raises ServiceError when AWS is away or refuses, or when somebody was quicker; the next pass goes on. Raises
    Conflict, which is audited once, when the row is not what the log tells.
    """
    request, doubt = stored(ctx, request_id)
    if request is None or request.result is None or not _is_due(ctx, request):
        return
    if doubt is not None:
        refuse(ctx, request, doubt)
    if request.filing.drill:
        nothing = Result(
            code=ResultCode.UNCONFIRMED, detail="Nobody confirmed the receipt of this drill. There is no key."
        )
        write_step(ctx, request, request.roll_back(nothing, ctx.now()))
        return
    key_id = str(request.result.access_key_id)
    planned = plan(ctx.account(request.filing.account_id), OperationName.DEACTIVATE_ACCESS_KEY)
    with ctx.sign_in(request.filing, planned) as root:
        observed = root.observe_twice(ctx.now(), Part.LAST_USE, Part.SIGNER)
        key = observed.key(key_id)
        if key is None:
            gone = Done(signer_key_id=root.signer_key_id, aws_request_id=None)
            result = _result(gone, key_id, "and the key is gone already")
            write_step(ctx, request, request.roll_back(result, ctx.now()))
            return
        if observed.is_held(key):
            write_step(ctx, request, request.report_overdue(ctx.now()))
            return
        if request.unconfirmed_at is None:
            request = write_step(ctx, request, request.give_up(ctx.now()))
        taken = take_away(ctx, root, request, key)
        if taken is not None:
            request, done = taken
            result = _result(done, key_id, TAKEN_AWAY)
            write_step(ctx, request, request.roll_back(result, ctx.now()))


def _result(done: Done, key_id: str, consequence: str) -> Result:
    return ended(ResultCode.UNCONFIRMED, f"Nobody confirmed that the secret arrived, {consequence}.", key_id, done)


def _is_due(ctx: Context, request: OperationRequest) -> bool:
    if request.status is not Status.DELIVERED or request.receipt_by is None or request.overdue_at is not None:
        return False
    return ctx.now() >= (request.delete_at or request.receipt_by)
