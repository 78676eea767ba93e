"""Drift: what accounts have that no executed request explains."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.api import inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.problems import documented
from service.api.views import finding_out, look_out
from service.workflow.drift import accept_drift, check_drift_now, open_drift

router = APIRouter(prefix="/v1", tags=["Drift"])


@router.get("/drift", summary="List what is open", responses=documented(401, 403, 422, 503))
def get_drift(ctx: Ctx, actor: SignedIn, wanted: Annotated[inputs.DriftFilter, Query()]) -> outputs.DriftOut:
    """Every difference that lasts and that nobody has accepted, by account. For the roles `operator`, `auditor` and
    `approver`.
    """
    return outputs.DriftOut(items=[finding_out(ctx, finding) for finding in open_drift(ctx, actor, wanted.account_id)])


@router.post(
    "/accounts/{account_id}/drift-check",
    summary="Look for drift now",
    responses=documented(401, 403, 404, 409, 422, 503),
)
def post_drift_check(ctx: Ctx, actor: SignedIn, account_id: inputs.AccountId) -> outputs.DriftCheckOut:
    """Reads the account and compares. The first look adopts what is there. For the role `operator`."""
    return look_out(ctx, check_drift_now(ctx, actor, account_id))


@router.post(
    "/drift/{finding_id}/acceptance",
    summary="Accept what was found",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_acceptance(
    ctx: Ctx, actor: SignedIn, finding_id: inputs.FindingId, body: inputs.Acceptance
) -> outputs.FindingOut:
    """Somebody looked into it: what was found is expected from now on, and the finding is closed. It changes nothing
    in AWS. For the role `operator`.
    """
    return finding_out(ctx, accept_drift(ctx, actor, finding_id, body.comment))
