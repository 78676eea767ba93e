"""Drift: changes to root credentials that no executed request explains."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from service.api.contract import described
from service.api.deps import Ctx, SignedIn, Waiting
from service.api.problems import TAKING_BODY, documented
from service.api.schemas import inputs, outputs
from service.api.views import drift_check_out, drift_out, finding_out
from service.domain.drift import account_changing, finding_closed, no_such_finding
from service.domain.errors import Code, no_such_account
from service.domain.permissions import (
    TO_ACCEPT_DRIFT,
    TO_CHECK_DRIFT,
    TO_SEE_DRIFT,
    only_people_accept_drift,
    role_required,
)
from service.workflow.drift import accept_drift, check_drift_now, open_drift

router = APIRouter(prefix="/v1", tags=["Drift"])


@router.get(
    "/drift",
    operation_id="listDrift",
    summary="List open drift",
    responses=described.answer("The open findings.", "drift")
    | documented(
        Code.ROLE_REQUIRED,
        invalid=("query", "account_id"),
        said=[role_required(TO_SEE_DRIFT, everywhere=True)],
    ),
)
def get_drift(ctx: Ctx, actor: SignedIn, wanted: Annotated[inputs.DriftFilter, Query()]) -> outputs.DriftOut:
    """List all differences that still exist and that nobody has accepted, by account, and since when that is known.
    Requires the role `operator`, `auditor` or `approver`.
    """
    return drift_out(ctx.account_name, open_drift(ctx, actor, wanted.account_id))


@router.post(
    "/accounts/{account_id}/drift-check",
    operation_id="checkDrift",
    summary="Check for drift now",
    responses=described.answer("The result.", "drift_check")
    | documented(
        Code.ROLE_REQUIRED,
        Code.NOT_FOUND,
        Code.ACCOUNT_BUSY,
        Code.NOT_CAPABLE,
        Code.ACCOUNT_UNREACHABLE,
        Code.ROOT_NOT_PROVED,
        Code.TOO_MANY_WAITING,
        invalid=("path", "account_id"),
        said=[role_required(TO_CHECK_DRIFT), no_such_account(), account_changing()],
    ),
)
def post_drift_check(
    ctx: Ctx, actor: SignedIn, waiting: Waiting, account_id: inputs.AccountId
) -> outputs.DriftCheckOut:
    """Read the account now and compare it. The first check takes the current state as expected. Requires the role
    `operator`.
    """
    with waiting.one("read", actor.subject):
        return drift_check_out(ctx.account_name, check_drift_now(ctx, actor, account_id))


@router.post(
    "/drift/{finding_id}/acceptance",
    operation_id="acceptDrift",
    summary="Accept a finding",
    responses=described.answer("The closed finding.", "accepted")
    | documented(
        Code.ROLE_REQUIRED,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.NOT_FOUND,
        Code.WRONG_STATUS,
        *TAKING_BODY,
        invalid=("body", "comment"),
        said=[role_required(TO_ACCEPT_DRIFT), only_people_accept_drift(), no_such_finding(), finding_closed()],
    ),
)
def post_acceptance(
    ctx: Ctx,
    actor: SignedIn,
    finding_id: inputs.FindingId,
    body: Annotated[inputs.Acceptance, Body(openapi_examples=described.bodies("acceptances"))],
) -> outputs.FindingOut:
    """Close the finding and expect the found state from now on. Nothing changes in AWS. Requires the role `operator`;
    for people only, because a human has to investigate first.
    """
    return finding_out(ctx.account_name, accept_drift(ctx, actor, finding_id, body.comment))
