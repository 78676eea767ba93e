"""Checks a row against the audit log before a key is taken away or a doubt is settled.

Somebody who can write to the database can put another key's id into a row, or add a row. They cannot change the log's
earlier events, and the events that they append must keep to the rules.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn

from service import verifier
from service.db import audit, requests
from service.db.engine import Tx, read
from service.domain.actor import WORKER
from service.domain.errors import Code, Conflict
from service.domain.event_table import EXECUTION_DENIED
from service.domain.recorded import differences
from service.domain.request import OperationRequest
from service.domain.times import contradiction
from service.workflow.change import deny
from service.workflow.context import Context


def stored(ctx: Context, request_id: str) -> tuple[OperationRequest | None, Conflict | None]:
    """Return the request, and why it must not be acted on; None if it agrees with the log.

    Both are read in one transaction: act on this object, never on a later read. Raise Unavailable.
    """
    with read(ctx.engine) as tx:
        request = requests.get(tx, request_id)
        return request, None if request is None else _doubt(tx, request, ctx.now())


def refuse(ctx: Context, request: OperationRequest, doubt: Conflict) -> NoReturn:
    """Raise the doubt, which the log says once."""
    deny(ctx, WORKER, request.filing.request_id, doubt, EXECUTION_DENIED)


def parsed(contents: Iterable[str]) -> list[dict[str, Any]]:
    """Parse events. One that cannot be parsed has no name and no data; the check of the log reports it."""
    return [_parsed(content) for content in contents]


def _parsed(content: str) -> dict[str, Any]:
    try:
        event = json.loads(content)
    except (ValueError, RecursionError):
        return {"event": None, "data": {}}
    is_event = isinstance(event, dict) and isinstance(event.get("data"), dict) and "event" in event
    return event if is_event else {"event": None, "data": {}}


def _doubt(tx: Tx, request: OperationRequest, now: datetime) -> Conflict | None:
    """Return the reason in a stable wording, which quotes nothing from the row but times."""
    request_id = request.filing.request_id
    recorded = parsed(audit.of_requests(tx, [request_id])[request_id])
    for difference in differences(request, recorded):
        return _altered(f"The log tells otherwise of this request: {difference.what}.")
    wrong = contradiction(request, now)
    if wrong is not None:
        return Conflict(Code.CONTRADICTORY_TIMES, contradiction=wrong)
    replay = verifier.Replay(is_log=False)
    for event in recorded:
        for found in replay.take(event):
            if isinstance(found, verifier.Finding):
                return _altered(f"The log's events of this request break a rule: {found.name}.")
    return None


def _altered(what: str) -> Conflict:
    return Conflict(Code.ALTERED, f"{what} The service changes nothing in AWS for it; tell the operators.")
