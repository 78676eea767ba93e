"""The only way to change a stored request: lock, judge, save and audit it in one transaction."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

from service.db import audit, requests
from service.db.engine import Tx, retried
from service.domain.actor import WORKER, Actor
from service.domain.demands import SignedApprovals
from service.domain.errors import Code, Conflict, NotFound, ServiceError, Superseded
from service.domain.event_table import EventName
from service.domain.events import Event, between, marked
from service.domain.permissions import check_may_see
from service.domain.request import OperationRequest
from service.domain.standing import Standing
from service.workflow.context import Context
from service.workflow.doubts import check_told
from service.workflow.read import Shown
from service.workflow.sign_in import Caller, recording_sign_ins, signed_in
from service.workflow.signatures import Pair
from service.workflow.standing import standing_of
from service.workflow.tell import tell
from service.workflow.void import VotesLost, check_no_vote_is_lost, void_lost_votes

logger = logging.getLogger(__name__)

# Within this time the same refusal is recorded once.
_REPEATED = timedelta(minutes=1)
# Within the same time, so many refusals of one actor are recorded.
_MOST_REFUSALS = 20
# Longer than any request is open: its windows are at most a year each.
_OPEN = timedelta(days=3 * 366)

Step = Callable[[OperationRequest, Standing, Actor, datetime], OperationRequest]

_SOMEBODY_WAS_QUICKER = {Code.WRONG_STATUS, Code.ALREADY_EXECUTED}


def change(
    ctx: Context,
    caller: Caller,
    request_id: str,
    step: Step,
    *incidents: Event,
    denied: EventName | None = None,
    presented: Pair | None = None,
    against_log: bool = False,
    stops: bool = False,
) -> Shown:
    """Apply `step` to the locked request and return the changed request. The step and its records share one time.

    An overdue request expires instead, and the caller gets Conflict. A refusal by the step is audited as the event
    `denied`, if given, and then raised. `incidents` are audited after the change. Votes of people who have lost the
    role become void for good before the step, in a transaction of their own. `presented` are the statement and the
    signature of a decision that the step makes. With `against_log`, a request whose approvals have to be signed must be
    what the log tells of it: rejections are not signed, so a row could forget one. A step that `stops` a request works
    while signatures cannot be judged.
    Raise NotFound if the request does not exist or the actor may not see it; Unauthenticated or Forbidden if the caller
    cannot sign in; Unavailable.
    """
    run = partial(
        _change,
        ctx,
        caller,
        request_id,
        step,
        *incidents,
        denied=denied,
        presented=presented,
        against_log=against_log,
        stops=stops,
    )
    try:
        return run()
    except VotesLost:
        # In a transaction of its own, since people are locked before the log. Either way a lost vote does not count.
        void_lost_votes(ctx, request_id)
        return run(votes_are_void=True)


@retried
@recording_sign_ins
def _change(
    ctx: Context,
    caller: Caller,
    request_id: str,
    step: Step,
    *incidents: Event,
    denied: EventName | None,
    presented: Pair | None,
    against_log: bool,
    stops: bool,
    votes_are_void: bool = False,
) -> Shown:
    refusal: ServiceError | None = None
    with ctx.begin() as tx:
        actor = signed_in(ctx, tx, caller)
        before, now = requests.lock(tx, request_id), ctx.now()
        if before is None:
            raise NotFound(Code.NOT_FOUND)
        try:
            check_may_see(before, actor)
            standing = standing_of(ctx, tx, before, actor, held=True, presented=presented, stopping=stops)
            if before.is_overdue(now):
                raise Conflict(Code.EXPIRED)
            if not votes_are_void:
                check_no_vote_is_lost(before, standing)
            if against_log and standing.signed_approvals(before) is not SignedApprovals.OFF:
                check_told(ctx, tx, before, now)
            after = step(before, standing, actor, now)
        except ServiceError as error:
            refusal = error
        # Not within the `try`: what cannot be recorded must not be committed.
        if refusal is None:
            record(ctx, tx, actor, before, after, *incidents, at=now, standing=standing)
        elif before.is_overdue(now) and refusal.code is Code.EXPIRED:
            record(ctx, tx, WORKER, before, before.expire(now), at=now)
        elif denied is not None:
            event = Event(denied, {"code": refusal.code.value, "reason": refusal.detail})
            _tell_refusal(ctx, tx, actor, before, event, at=now)
    if refusal is not None:
        raise refusal
    return Shown(after, standing, actor, now)


def deny(ctx: Context, actor: Actor, request_id: str, refusal: ServiceError, denied: EventName) -> NoReturn:
    """Audit a refusal from outside a transaction as the event `denied`, and raise it."""

    def refuse(*_: object) -> OperationRequest:
        raise refusal

    change(ctx, actor, request_id, refuse, denied=denied)
    raise refusal


def touch(ctx: Context, request_id: str) -> None:
    """Run `change` without a step, so that it writes an expiry and void votes."""
    try:
        change(ctx, WORKER, request_id, lambda request, *_: request)
    except Conflict as conflict:
        if conflict.code is not Code.EXPIRED:
            raise


def _tell_refusal(
    ctx: Context, tx: Tx, actor: Actor, request: OperationRequest, refusal: Event, *, at: datetime
) -> None:
    """Audit a refusal, unless the log has the same one from the last minute, or many of the same actor.

    So neither repeats nor a tour of many requests can fill the log. What is not audited is in the service's own log.
    The worker retries as long as a request is open. It audits each reason once, and never that somebody was quicker.
    """
    if actor == WORKER and refusal.data["code"] in _SOMEBODY_WAS_QUICKER:
        return
    request_id, since = request.filing.request_id, at - (_OPEN if actor == WORKER else _REPEATED)
    same = marked(refusal, request)
    if audit.is_refused(tx, same, subject=actor.subject, request_id=request_id, between=(since, at)):
        return
    if actor != WORKER and audit.recent_refusals(tx, actor.subject, at - _REPEATED) >= _MOST_REFUSALS:
        fields = {"request_id": request_id, "code": refusal.data["code"]}
        logger.warning("a refusal was not audited, since its actor had many", extra={"fields": fields})
        return
    tell(ctx, tx, refusal, actor=actor, at=at, request=request)


def write_step(ctx: Context, before: OperationRequest, after: OperationRequest, *incidents: Event) -> OperationRequest:
    """Write the worker's change from `before` to `after`. Raise Superseded, Unavailable."""

    def step(current: OperationRequest, *_: object) -> OperationRequest:
        if current.version != before.version:
            raise Superseded
        return after

    return change(ctx, WORKER, before.filing.request_id, step, *incidents).request


def record(
    ctx: Context,
    tx: Tx,
    actor: Actor,
    before: OperationRequest,
    after: OperationRequest,
    *incidents: Event,
    at: datetime,
    standing: Standing | None = None,
) -> None:
    """Save a changed request with the events that describe the change, then the incidents. A claim has a `standing`."""
    if after is not before:
        requests.save(tx, before, after)
    happened = [*between(before, after), *incidents]
    tell(ctx, tx, *happened, actor=actor, at=at, request=after, standing=standing)
