"""Decisions, withdrawals and receipts: what people do to a request besides executing it."""

from datetime import datetime

from service.domain.actor import Actor
from service.domain.errors import Code, Conflict
from service.domain.event_table import DECISION_DENIED
from service.domain.permissions import (
    check_comment,
    check_may_approve,
    check_may_receive,
    check_may_reject,
    check_may_repeat,
    check_may_withdraw,
    check_sealed_digest,
    check_still_signed_in,
    is_repeated,
)
from service.domain.request import Decision, OperationRequest, Status, Verdict
from service.domain.standing import Standing
from service.workflow.change import change
from service.workflow.context import Context
from service.workflow.read import Shown
from service.workflow.sign_in import Caller
from service.workflow.signatures import Pair


def decide(
    ctx: Context,
    caller: Caller,
    request_id: str,
    verdict: Verdict,
    *,
    digest: str,
    comment: str | None,
    signed: Pair | None = None,
) -> Shown:
    """Record one person's decision on exactly what `digest` covers. An identical repeat changes nothing.

    `signed` are the statement and its armored signature. Raise Forbidden, Conflict, Invalid or Unauthenticated with the
    rule that refuses (audited); Invalid for a rejection without a comment, NotFound, Unavailable.
    """
    check_comment(verdict, comment)
    statement, signature = signed or (None, None)

    def step(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
        decision = Decision(
            person=actor.subject,
            verdict=verdict,
            digest=digest,
            comment=comment,
            credential=actor.credential,
            decided_at=now,
            statement=statement,
            signature=signature,
        )
        repeated = is_repeated(request, decision, standing)
        if repeated:
            check_may_repeat(request, actor, standing, now)
        elif verdict is Verdict.APPROVE:
            check_may_approve(request, actor, standing, now)
            check_comment(verdict, comment, standing.policy)
        else:
            check_may_reject(request, actor, standing, now)
        if digest != request.digest:
            raise Conflict(Code.WRONG_DIGEST)
        if not repeated:
            standing.check_signed(request, decision)
        return request if repeated else request.decide(decision, standing.has_quorum)

    return change(
        ctx, caller, request_id, step, denied=DECISION_DENIED, presented=signed, stops=verdict is Verdict.REJECT
    )


def withdraw(ctx: Context, caller: Caller, request_id: str) -> Shown:
    """End the actor's own request before it runs, or stop their rotation. A repeat changes nothing.

    Raise Forbidden, Conflict, NotFound, Unavailable.
    """

    def step(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
        check_still_signed_in(actor, standing)
        is_off = request.status is Status.WITHDRAWN or request.stopped_at is not None
        if is_off and actor.subject == request.filing.requester:
            return request
        check_may_withdraw(request, actor, now)
        return request.withdraw(now)

    return change(ctx, caller, request_id, step, stops=True)


def confirm_receipt(ctx: Context, caller: Caller, request_id: str, *, sealed_sha256: str | None = None) -> Shown:
    """Record that the recipient has the secret. A repeat changes nothing.

    `sealed_sha256` is the hex SHA-256 of the sealed file that the recipient holds; None if nothing was sealed.
    Raise Forbidden, Conflict, NotFound, Unavailable.
    """

    def step(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
        check_still_signed_in(actor, standing)
        repeated = request.received_at is not None and actor.subject == request.filing.recipient
        if not repeated:
            check_may_receive(request, actor)
        check_sealed_digest(request, sealed_sha256)
        return request if repeated else request.receive(now)

    return change(ctx, caller, request_id, step)
