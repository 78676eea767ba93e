"""Whether a stored request is what the audit log tells of it.

Somebody who can write to the database can put another key's id into a row, or add a row. They cannot change the log's
earlier events, and the events that they append must keep to the rules.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from service import verifier
from service.db import audit
from service.db.engine import Tx
from service.domain.errors import Code, Conflict
from service.domain.recorded import differences
from service.domain.request import OperationRequest
from service.domain.times import contradiction


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


def check_told(tx: Tx, request: OperationRequest, now: datetime) -> None:
    """Raise Conflict if the log tells otherwise of the request."""
    doubt = doubt_of(tx, request, now)
    if doubt is not None:
        raise doubt


def doubt_of(tx: Tx, request: OperationRequest, now: datetime) -> Conflict | None:
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
