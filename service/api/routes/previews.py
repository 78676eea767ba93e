"""The route that shows a request before it is filed. It has a path of its own: below `/v1/requests` stand ids."""

from typing import Annotated

from fastapi import APIRouter, Body

from service.api.contract import described
from service.api.deps import Ctx, SignedIn, Waiting
from service.api.problems import documented
from service.api.routes.requests import NOT_FILED, draft_of
from service.api.schemas import inputs, outputs
from service.api.views import preview_out
from service.domain.permissions import TO_FILE, role_required
from service.workflow.file import preview

router = APIRouter(prefix="/v1/previews", tags=["Requests"])


@router.post(
    "",
    operation_id="previewRequest",
    summary="See a request before you file it",
    responses=described.answer("As it would be filed.", "preview")
    | documented(*NOT_FILED, invalid=("body", "justification"), said=[role_required(TO_FILE)]),
)
def preview_request(
    ctx: Ctx,
    actor: SignedIn,
    waiting: Waiting,
    body: Annotated[inputs.NewRequest, Body(openapi_examples=described.bodies("filings"))],
) -> outputs.PreviewOut:
    """Read the account, and return what approvers would read, or refuse it as filing would. Nothing is filed, and
    nobody is told. Requires the role `requester`; for people and machines.
    """
    with waiting.one("file", actor.subject):
        return preview_out(ctx.account_name, preview(ctx, actor, draft_of(body)))
