"""What people do to a request besides running it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from service.api import inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.problems import documented
from service.api.views import request_out
from service.domain.request import Verdict
from service.workflow.decide import confirm_receipt, decide, withdraw
from service.workflow.read import show

router = APIRouter(prefix="/v1/requests/{request_id}")

_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_EXAMPLES: dict[str, Any] = {
    "approve": {"summary": "Approve what you read", "value": {"decision": "approve", "digest": _DIGEST}},
    "reject": {
        "summary": "Reject, and say why",
        "value": {"decision": "reject", "digest": _DIGEST, "comment": "The old key is still in use."},
    },
}


@router.post(
    "/decisions",
    tags=["Decisions"],
    summary="Approve or reject",
    response_model=outputs.RequestOut,
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_decision(
    ctx: Ctx,
    actor: SignedIn,
    request_id: inputs.RequestId,
    body: Annotated[inputs.NewDecision, Body(openapi_examples=_EXAMPLES)],
) -> outputs.RequestOut:
    """One person, one vote, on exactly what the digest names. For the role `approver`, people only, and neither the
    requester nor the recipient; a rejection ends the request, also one that is approved already.
    """
    decide(ctx, actor, request_id, Verdict(body.decision), digest=body.digest, comment=body.comment)
    return request_out(ctx, show(ctx, actor, request_id))


@router.post(
    "/withdrawal",
    tags=["Requests"],
    summary="Withdraw a request",
    response_model=outputs.RequestOut,
    responses=documented(401, 403, 404, 409, 422, 503),
)
def post_withdrawal(ctx: Ctx, actor: SignedIn, request_id: inputs.RequestId) -> outputs.RequestOut:
    """Ends a request that has not run. For its requester."""
    withdraw(ctx, actor, request_id)
    return request_out(ctx, show(ctx, actor, request_id))


@router.post(
    "/receipt",
    tags=["Execution"],
    summary="Confirm that the secret arrived",
    response_model=outputs.RequestOut,
    responses=documented(401, 403, 404, 409, 422, 503),
)
def post_receipt(ctx: Ctx, actor: SignedIn, request_id: inputs.RequestId) -> outputs.RequestOut:
    """Closes a request whose key was delivered. For its recipient."""
    confirm_receipt(ctx, actor, request_id)
    return request_out(ctx, show(ctx, actor, request_id))
