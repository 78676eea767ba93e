"""Is it alive, and can it serve?"""

from fastapi import APIRouter, Request

from service.api.contract import examples
from service.api.deps import Ctx
from service.api.problems import documented
from service.api.schemas import outputs
from service.domain.errors import Code
from service.workflow.health import check_ready, check_writes

router = APIRouter(tags=["Health"])

_ALIVE, _YES = examples.answer("Yes.", "alive"), examples.answer("Yes.", "ok")


@router.get("/livez", operation_id="livez", summary="Is the process alive?", responses=_ALIVE | documented(common=()))
async def livez(request: Request) -> outputs.AliveOut:
    """Yes, whatever else is away; and which version it is. For everybody."""
    # Not in the thread pool: while all its threads wait for AWS, the process is alive all the same.
    return outputs.AliveOut(status="ok", version=request.app.version)


@router.get(
    "/readyz", operation_id="readyz", summary="Can it serve?", responses=_YES | documented(common=(Code.UNAVAILABLE,))
)
def readyz(ctx: Ctx) -> outputs.HealthOut:
    """Yes, when the database answers, has the schema that this version needs, and takes a write. For everybody.

    A write is tried every ten seconds at most; in between the last one's result is good.
    """
    check_ready(ctx)
    check_writes(ctx)
    return outputs.HealthOut(status="ok")
