"""Decisions on a request, and its withdrawal."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from service.api.answers import answer
from service.api.contract import described
from service.api.deps import Ctx, Presented
from service.api.problems import TAKING_BODY, documented
from service.api.schemas import inputs, outputs
from service.api.views import request_out
from service.domain.errors import Code
from service.domain.request import Verdict
from service.workflow.decide import decide, withdraw

router = APIRouter(prefix="/v1/requests/{request_id}")


@router.post(
    "/decisions",
    tags=["Decisions"],
    operation_id="decide",
    summary="Approve or reject",
    response_model=outputs.RequestOut,
    responses=described.answer("The request with your decision.", "approved", "rejected")
    | documented(
        Code.SIGN_IN_AGAIN,
        Code.ROLE_REQUIRED,
        Code.SELF_APPROVAL,
        Code.RECIPIENT_APPROVAL,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.VOTE_NOT_COUNTED,
        Code.NOT_FOUND,
        Code.WRONG_DIGEST,
        Code.SIGNATURE_REQUIRED,
        Code.KEY_NOT_ENDORSED,
        Code.WRONG_SIGNATURE,
        Code.STATEMENT_TOO_OLD,
        Code.ALREADY_DECIDED,
        Code.ALREADY_APPROVED,
        Code.RULES_NOT_IN_FORCE,
        Code.NOT_NEEDED,
        Code.ACCOUNT_MOVED,
        Code.WRONG_STATUS,
        Code.EXPIRED,
        Code.PARTICIPANT_SUSPENDED,
        Code.REQUESTER_LOST_ROLE,
        Code.RECIPIENT_GONE,
        Code.CONTRADICTORY_TIMES,
        Code.ALTERED,
        *TAKING_BODY,
        Code.COMMENT_REQUIRED,
        invalid=("body", "digest"),
    ),
)
def post_decision(
    ctx: Ctx,
    caller: Presented,
    request_id: inputs.RequestId,
    body: Annotated[inputs.NewDecision, Body(openapi_examples=described.bodies("decisions"))],
) -> Response:
    """Approve or reject exactly what the digest covers; each person has one vote. A rejection ends the request, even if
    it is already approved. Requires the role `approver`; machines, the requester and the recipient may not decide. An
    identical repeat returns the request and changes nothing. Where `quorum.signed_approvals` says so, an approval has
    to be signed; `GET …/statement` returns what to sign.
    """
    signed = None if body.statement is None or body.signature is None else (body.statement, body.signature)
    shown = decide(
        ctx, caller, request_id, Verdict(body.decision), digest=body.digest, comment=body.comment, signed=signed
    )
    return answer(request_out(ctx.account_name, shown))


@router.post(
    "/withdrawal",
    tags=["Requests"],
    operation_id="withdraw",
    summary="Withdraw a request",
    response_model=outputs.RequestOut,
    responses=described.answer("The withdrawn request.", "withdrawn")
    | documented(
        Code.NOT_THE_REQUESTER,
        Code.NOT_FOUND,
        Code.RULES_NOT_IN_FORCE,
        Code.WRONG_STATUS,
        Code.EXPIRED,
    ),
)
def post_withdrawal(ctx: Ctx, caller: Presented, request_id: inputs.RequestId) -> Response:
    """End a request that has not run. A repeat changes nothing. For the requester only."""
    return answer(request_out(ctx.account_name, withdraw(ctx, caller, request_id)))
