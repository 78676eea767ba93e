"""Liveness and readiness."""

from fastapi import APIRouter, Request

from service.api.contract import described
from service.api.deps import Ctx
from service.api.problems import documented
from service.api.schemas import outputs
from service.domain.errors import Code, Unavailable
from service.workflow.health import check_ready, check_writes
from service.workflow.rules_in_force import check_current

router = APIRouter(tags=["Health"])

_ALIVE, _YES = described.answer("Yes.", "alive"), described.answer("Yes.", "ok")


@router.get("/livez", operation_id="livez", summary="Is the process alive?", responses=_ALIVE | documented(common=()))
async def livez(request: Request) -> outputs.AliveOut:
    """Return the version, even if the database or AWS is unavailable. No sign-in is required."""
    # Not in the thread pool: the process is alive even while all its threads wait for AWS.
    return outputs.AliveOut(status="ok", version=request.app.version)


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it serve?",
    responses=_YES | documented(common=(Code.RULES_NOT_IN_FORCE, Code.UNAVAILABLE)),
)
def readyz(request: Request, ctx: Ctx) -> outputs.HealthOut:
    """Check that the database answers, has the schema that this version needs, and accepts a write. Where approvals are
    signed, check that the audit log is the one that this process has read, and that it has the signed rules in force.
    A process that was told to end is not ready. No sign-in is required.

    It tries at most one write every ten seconds; in between it returns the last result.
    """
    if request.app.state.is_ending:
        raise Unavailable(Code.UNAVAILABLE, "This process was told to end.")
    check_ready(ctx)
    check_writes(ctx)
    # It reads the log too, where approvals are signed.
    check_current(ctx)
    return outputs.HealthOut(status="ok")
