"""What comes in from trackers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from service.api.deps import Ctx
from service.api.problems import TAKING_BODY, documented
from service.domain.errors import Code, Unauthenticated
from service.notify.inbound import Source
from service.notify.webhooks import BadSignature
from service.workflow.hooks import withdraw_of

router = APIRouter(prefix="/v1/hooks", tags=["Hooks"])

_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "examples": {
                "standard": {
                    "summary": "A ticket was closed, by Standard Webhooks",
                    "value": {"type": "ticket.closed", "data": {"ticket": "OPS-4711"}},
                }
            },
        }
    },
}


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/{source}",
    status_code=204,
    summary="Say that a ticket was closed",
    response_class=Response,
    response_description="Taken, whatever it was about.",
    responses=documented(
        Code.BAD_SIGNATURE,
        *TAKING_BODY,
        common=(Code.INVALID_REQUEST, Code.UNAVAILABLE),
        invalid=("path", "source"),
    ),
    openapi_extra={"requestBody": _BODY},
)
def post_hook(
    ctx: Ctx,
    request: Request,
    source: Annotated[str, Path(max_length=64, description="Its name in the settings.")],
    body: Annotated[bytes, Depends(_body)],
) -> None:
    """Withdraws the requests that name the ticket, were filed before, and have not begun to run. Nothing that comes in
    approves anything. For the trackers that the settings name under `hooks`: no token signs them in, but their own
    signature, `webhook-signature` (Standard Webhooks), `X-Hub-Signature-256` (GitHub) or `X-Hub-Signature` (Jira).
    """
    sources: dict[str, Source] = request.app.state.hooks
    if source not in sources:
        raise _bad_signature()
    try:
        closed = sources[source].closed(request.headers, body, ctx.now())
    except BadSignature:
        raise _bad_signature() from None
    if closed is not None:
        withdraw_of(ctx, source, closed)


def _bad_signature() -> Unauthenticated:
    return Unauthenticated(Code.BAD_SIGNATURE, "The message is not signed by whom it should be, or not now.")
