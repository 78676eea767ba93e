"""Whether a stored request is what the audit log tells of it.

Somebody who can write to the database can put another key's id into a row, or add a row. They cannot change the log's
earlier events, and the events that they append must keep to the rules.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from service import verifier
from service.db import audit
from service.db.engine import Tx
from service.db.proved_log import ProvedLog, digest_of, read_log
from service.domain.canonical import parse_timestamp
from service.domain.demands import SignedApprovals
from service.domain.errors import Code, Conflict
from service.domain.event_table import DECIDED, EXECUTION_STARTED
from service.domain.policy import SMALLEST_QUORUM
from service.domain.recorded import differences
from service.domain.request import Decision, OperationRequest, Verdict
from service.domain.times import contradiction
from service.workflow.context import Context
from service.workflow.signatures import signatures_at
from service.workflow.standing import policy_of


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


def check_told(ctx: Context, tx: Tx, request: OperationRequest, now: datetime) -> None:
    """Raise Conflict if the log tells otherwise of the request."""
    doubt = doubt_of(ctx, tx, request, now)
    if doubt is not None:
        raise doubt


def doubt_of(ctx: Context, tx: Tx, request: OperationRequest, now: datetime) -> Conflict | None:
    """Return the reason in a stable wording, which quotes nothing from the row but times."""
    return _doubt(ctx, tx, request, _events_of(tx, request), now)


def doubt_of_approval(ctx: Context, tx: Tx, request: OperationRequest, now: datetime) -> Conflict | None:
    """Return why a request that was executed is not to be believed, as `doubt_of` does.

    A key is taken away without a new approval. So where approvals have to be signed, those of the execution are proved
    once more: nobody makes up a request from rows.
    """
    contents = _events_of(tx, request)
    doubt = _doubt(ctx, tx, request, contents, now)
    if doubt is not None or not ctx.signing.founders:
        return doubt
    log, events = read_log(tx), parsed(contents)
    claimed = next((event["seq"] for event in events if event["event"] == EXECUTION_STARTED), 0)
    if request.stopped_at is not None:
        # Its new key can still be taken away. The rejection that stopped it stands in place of an approval.
        request = replace(request, decisions=tuple(_approved(each for each in events if each["seq"] < claimed)))
    level = _level(ctx, request, log, claimed)
    if level is SignedApprovals.OFF:
        return None
    signatures = signatures_at(ctx, tx, request, claimed)
    filing = request.filing
    approvers = {
        made.person
        for made in request.decisions
        if made.verdict is Verdict.APPROVE and signatures.objection(request, made, level, timedelta.max) is None
    }
    if len(approvers - {filing.requester, filing.recipient}) < max(SMALLEST_QUORUM, filing.quorum):
        return altered("It was executed without as many signed approvals as it needed.")
    return None


def _approved(events: Iterable[Mapping[str, Any]]) -> Iterator[Decision]:
    """Yield the approvals among these events: of each person the last decision, if it is one.

    Somebody else may have written these events, so a value of the wrong kind is taken as missing.
    """
    last = {str(event["data"].get("person")): event for event in events if event["event"] == DECIDED}
    for person, event in last.items():
        said = {name: value for name, value in event["data"].items() if isinstance(value, str)}
        if said.get("decision") == Verdict.APPROVE:
            yield Decision(
                person=person,
                verdict=Verdict.APPROVE,
                digest=said.get("digest", ""),
                comment=said.get("comment"),
                credential=said.get("credential", ""),
                decided_at=parse_timestamp(event["at"]),
                statement=said.get("statement"),
                signature=said.get("signature"),
            )


def _level(ctx: Context, request: OperationRequest, log: ProvedLog, claimed: int) -> SignedApprovals:
    """Return which of its approvals had to be signed when event `claimed` began its execution.

    Today's demand reaches back to the first rulebook that made it of any account, since a filing can be made up.
    """
    today = policy_of(ctx, request).signed_approvals
    is_older = 0 < claimed < log.asked_since.get(today, 0)
    return SignedApprovals.strictest([request.filing.signed_approvals, SignedApprovals.OFF if is_older else today])


def _events_of(tx: Tx, request: OperationRequest) -> list[str]:
    request_id = request.filing.request_id
    return audit.of_requests(tx, [request_id])[request_id]


def _doubt(ctx: Context, tx: Tx, request: OperationRequest, contents: list[str], now: datetime) -> Conflict | None:
    if ctx.signing.founders:
        life = read_log(tx).lives.get(request.filing.request_id)
        if life is None or life.digest != digest_of(contents):
            return altered("The log's tree has other events of this request.")
    recorded = parsed(contents)
    for difference in differences(request, recorded):
        return altered(f"The log tells otherwise of this request: {difference.what}.")
    wrong = contradiction(request, now)
    if wrong is not None:
        return Conflict(Code.CONTRADICTORY_TIMES, contradiction=wrong)
    replay = verifier.Replay(is_log=False)
    for event in recorded:
        for found in replay.take(event):
            if isinstance(found, verifier.Finding):
                return altered(f"The log's events of this request break a rule: {found.name}.")
    return None


def altered(what: str) -> Conflict:
    """Return the doubt, which names `what` the log or AWS tells otherwise."""
    return Conflict(Code.ALTERED, f"{what} The service changes nothing in AWS for it; tell the operators.")
