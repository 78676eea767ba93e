"""Is it alive, and can it serve?"""

from fastapi import APIRouter

from service.api import examples, outputs
from service.api.deps import Ctx
from service.api.problems import documented
from service.domain.errors import Code
from service.workflow.health import check_ready

router = APIRouter(tags=["Health"])

_YES = examples.answer("Yes.", "ok")


@router.get("/livez", summary="Is the process alive?", responses=_YES | documented(common=()))
async def livez() -> outputs.HealthOut:
    """Yes, whatever else is away. For everybody."""
    # Not in the thread pool: while all its threads wait for AWS, the process is alive all the same.
    return outputs.HealthOut(status="ok")


@router.get("/readyz", summary="Can it serve?", responses=_YES | documented(common=(Code.UNAVAILABLE,)))
def readyz(ctx: Ctx) -> outputs.HealthOut:
    """Yes, when the database answers and its schema is the one that this version needs. For everybody."""
    check_ready(ctx)
    return outputs.HealthOut(status="ok")
