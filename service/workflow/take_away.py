"""Taking a key away: deactivated, and deleted when the grace is over. Every step is written down by itself."""

from service.domain.account import ACTIVE, AccessKey
from service.domain.errors import Code, Conflict, Unavailable
from service.domain.operation import Done, Operation, OperationName, Refused
from service.domain.request import OperationRequest
from service.workflow.change import write_step
from service.workflow.context import Context, RootSession


def take_away(ctx: Context, root: RootSession, request: OperationRequest, key: AccessKey) -> OperationRequest | None:
    """Go as far as is due, and return the request once its key is deleted.

    Raises Unavailable when AWS is away or refuses, Conflict when somebody was quicker.
    """
    if request.deactivated_at is None:
        if key.status == ACTIVE:
            _perform(root, OperationName.DEACTIVATE_ACCESS_KEY, key)
        request = write_step(ctx, request, request.deactivated(ctx.now()))
    if request.delete_at is None or ctx.now() < request.delete_at:
        return None
    _perform(root, OperationName.DELETE_ACCESS_KEY, key)
    return request


def _perform(root: RootSession, name: OperationName, key: AccessKey) -> None:
    outcome = root.perform(Operation(name, key.access_key_id))
    if isinstance(outcome, Done):
        return
    if isinstance(outcome, Refused) and outcome.code == "aws_NoSuchEntity":
        raise Conflict(Code.WRONG_STATUS, "Somebody else took the key away meanwhile.")
    raise Unavailable(Code.ACCOUNT_UNREACHABLE, f"The key is not taken away yet. {outcome.detail}")
