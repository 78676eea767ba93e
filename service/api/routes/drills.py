"""Routes that show who answers in drills, and when each approver last gave a sign of life."""

from fastapi import APIRouter
from starlette.responses import Response

from service.api.answers import answer
from service.api.contract import described
from service.api.deps import Ctx, Presented
from service.api.drill_views import approver_out, report_out
from service.api.problems import READING, documented
from service.api.schemas import drill_outputs as outputs
from service.api.schemas import inputs
from service.domain.errors import Code
from service.domain.permissions import TO_REPORT_ON_DRILLS, TO_SEE_APPROVERS, role_required
from service.workflow.drills import approvers, no_drill, report

router = APIRouter(prefix="/v1", tags=["Drills"])


@router.get(
    "/requests/{request_id}/drill",
    operation_id="readDrillReport",
    summary="Read the report on a drill",
    response_model=outputs.DrillReportOut,
    responses=described.answer("The report.", "drill_report")
    | documented(Code.ROLE_REQUIRED, Code.NOT_FOUND, said=[role_required(TO_REPORT_ON_DRILLS), no_drill()]),
)
def get_report(ctx: Ctx, caller: Presented, request_id: inputs.RequestId) -> Response:
    """Return who was asked to decide, who answered, how fast, how they had signed in, and with which key they signed.
    Requires the role `operator` or `auditor`.
    """
    return answer(report_out(report(ctx, caller, request_id)))


@router.get(
    "/approvers",
    operation_id="listApprovers",
    summary="List approvers, and when they last gave a sign of life",
    response_model=outputs.ApproversOut,
    responses=described.answer("The approvers.", "approvers")
    | documented(Code.ROLE_REQUIRED, common=READING, said=[role_required(TO_SEE_APPROVERS, everywhere=True)]),
)
def get_approvers(ctx: Ctx, caller: Presented) -> Response:
    """List everybody known who can approve somewhere: those without any sign of life first, then those of whom the last
    one is oldest. Decisions on drills count. Requires the role `operator` or `auditor`.
    """
    return answer(outputs.ApproversOut(items=[approver_out(each) for each in approvers(ctx, caller)]))
