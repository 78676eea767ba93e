"""Checks a row against the audit log before a key is taken away or a doubt is settled."""

from typing import NoReturn

from service.db import requests
from service.db.engine import read
from service.domain.actor import WORKER
from service.domain.errors import Conflict
from service.domain.event_table import EXECUTION_DENIED
from service.domain.request import OperationRequest
from service.workflow.change import deny
from service.workflow.context import Context
from service.workflow.doubts import doubt_of_approval


def stored(ctx: Context, request_id: str) -> tuple[OperationRequest | None, Conflict | None]:
    """Return the request, and why it must not be acted on; None if it agrees with the log.

    Both are read in one transaction: act on this object, never on a later read. Raise Unavailable.
    """
    with read(ctx.engine) as tx:
        request = requests.get(tx, request_id)
        return request, None if request is None else doubt_of_approval(ctx, tx, request, ctx.now())


def refuse(ctx: Context, request: OperationRequest, doubt: Conflict) -> NoReturn:
    """Raise the doubt, which the log says once."""
    deny(ctx, WORKER, request.filing.request_id, doubt, EXECUTION_DENIED)
