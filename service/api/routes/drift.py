"""Drift: what accounts have that no executed request explains."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from service.api.contract import examples
from service.api.deps import Ctx, SignedIn, Waiting
from service.api.problems import TAKING_BODY, documented
from service.api.schemas import inputs, outputs
from service.api.views import finding_out, look_out
from service.domain.errors import Code
from service.workflow.drift import accept_drift, check_drift_now, open_drift

router = APIRouter(prefix="/v1", tags=["Drift"])


@router.get(
    "/drift",
    operation_id="listDrift",
    summary="List what is open",
    responses=examples.answer("What is open.", "drift")
    | documented(
        Code.ROLE_REQUIRED,
        invalid=("query", "account_id"),
        said={Code.ROLE_REQUIRED: "To see drift one needs the role approver or auditor or operator for all accounts."},
    ),
)
def get_drift(ctx: Ctx, actor: SignedIn, wanted: Annotated[inputs.DriftFilter, Query()]) -> outputs.DriftOut:
    """Every difference that lasts and that nobody has accepted, by account. For the roles `operator`, `auditor` and
    `approver`.
    """
    return outputs.DriftOut(
        items=[finding_out(ctx.account_name, finding) for finding in open_drift(ctx, actor, wanted.account_id)]
    )


@router.post(
    "/accounts/{account_id}/drift-check",
    operation_id="checkDrift",
    summary="Look for drift now",
    responses=examples.answer("The look.", "look")
    | documented(
        Code.ROLE_REQUIRED,
        Code.NOT_FOUND,
        Code.ACCOUNT_BUSY,
        Code.NOT_CAPABLE,
        Code.ACCOUNT_UNREACHABLE,
        Code.ROOT_NOT_PROVED,
        Code.TOO_MANY_WAITING,
        invalid=("path", "account_id"),
        said={
            Code.ROLE_REQUIRED: "To look for drift one needs the role operator for this account.",
            Code.NOT_FOUND: "This account is not configured.",
            Code.ACCOUNT_BUSY: "The account is being looked at, or something is being done to it, or was a moment ago. "
            "Try again later.",
        },
    ),
)
def post_drift_check(
    ctx: Ctx, actor: SignedIn, waiting: Waiting, account_id: inputs.AccountId
) -> outputs.DriftCheckOut:
    """Reads the account now and compares; the first look takes what is there as right. For the role `operator`."""
    with waiting.one("read", actor.subject):
        return look_out(ctx.account_name, check_drift_now(ctx, actor, account_id))


@router.post(
    "/drift/{finding_id}/acceptance",
    operation_id="acceptDrift",
    summary="Accept what was found",
    responses=examples.answer("Closed.", "accepted")
    | documented(
        Code.ROLE_REQUIRED,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.NOT_FOUND,
        Code.WRONG_STATUS,
        *TAKING_BODY,
        invalid=("body", "comment"),
        said={
            Code.ROLE_REQUIRED: "To accept drift one needs the role operator for this account.",
            Code.MACHINE_MAY_NOT_DECIDE: "Only people accept drift; a machine may look for it.",
            Code.NOT_FOUND: "There is no such finding.",
            Code.WRONG_STATUS: "The finding is closed already.",
        },
    ),
)
def post_acceptance(
    ctx: Ctx,
    actor: SignedIn,
    finding_id: inputs.FindingId,
    body: Annotated[inputs.Acceptance, Body(openapi_examples=examples.ACCEPTANCES)],
) -> outputs.FindingOut:
    """What was found is expected from now on, and the finding is closed; nothing changes in AWS. For the role
    `operator`, people only, since somebody has to have looked into it.
    """
    return finding_out(ctx.account_name, accept_drift(ctx, actor, finding_id, body.comment))
