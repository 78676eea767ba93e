"""Messages from trackers."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from service.api.contract.described import named
from service.api.deps import Ctx
from service.api.middleware import LARGEST_HOOK_BYTES
from service.api.problems import TAKING_BODY, documented
from service.domain.errors import Code, ServiceError, Unauthenticated
from service.domain.hooks import BadSignature, Source, Unrelated
from service.workflow.hooks import withdraw_of

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/hooks", tags=["Hooks"])

_NO_REQUEST = "No open request names the ticket and was filed before the ticket was closed."

_STANDARD = {"type": "ticket.closed", "timestamp": "2026-03-02T09:31:00Z", "data": {"ticket": "OPS-4711"}}
_GITHUB = {
    "action": "closed",
    "issue": {"number": 12, "state": "closed", "closed_at": "2026-03-02T09:31:00Z"},
    "repository": {"full_name": "example/operations"},
}
_DONE = {"id": "10002", "name": "Done", "statusCategory": {"key": "done"}}
_JIRA = {
    "webhookEvent": "jira:issue_updated",
    "timestamp": 1772443860123,
    "issue": {"key": "OPS-4711", "fields": {"status": _DONE, "resolutiondate": "2026-03-02T09:31:00.087+0000"}},
    "changelog": {"items": [{"field": "status", "from": "3", "to": "10002", "toString": "Done"}]},
}

_BODY = {
    "description": "The message as the product sends it, at most 1 MiB.",
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "examples": named(
                standard=("Standard Webhooks: a ticket was closed", _STANDARD),
                github=("GitHub: a closed issue, shortened", _GITHUB),
                jira=("Jira: a closed issue, shortened", _JIRA),
            ),
        },
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "description": "GitHub's default: the same JSON in one field.",
                "properties": {"payload": {"type": "string", "maxLength": LARGEST_HOOK_BYTES}},
                "required": ["payload"],
                "additionalProperties": False,
            },
            "examples": named(github=("GitHub: the same as a form", {"payload": '{"action": "closed"}'})),
        },
    },
}


def _header(name: str, description: str, pattern: str = "^.+$") -> dict[str, Any]:
    schema = {"type": "string", "maxLength": 4096, "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


_HUB = "^sha256=[0-9a-f]{64}$"
_SIGNATURES = [
    _header("webhook-id", "`standard`: the message's id. The signature covers it."),
    _header(
        "webhook-timestamp",
        "`standard`: the time of sending in seconds since 1970; at most five minutes off.",
        "^[1-9][0-9]{0,10}$",
    ),
    _header(
        "webhook-signature",
        "`standard`: `v1,` (HMAC-SHA256) or `v1a,` (Ed25519), and Base64. One of at most 16 must be valid.",
        r"^\S+( \S+){0,15}$",
    ),
    _header("X-Hub-Signature-256", "`github`: HMAC-SHA256 of the body.", _HUB),
    _header("X-GitHub-Event", "`github`: `issues` or `pull_request`. Other events do nothing."),
    _header("X-Hub-Signature", "`jira`: HMAC-SHA256 of the body.", _HUB),
]


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/{source}",
    status_code=204,
    operation_id="receiveHook",
    summary="Report a closed ticket",
    response_class=Response,
    response_description="Accepted, even if it had no effect.",
    responses=documented(
        Code.BAD_SIGNATURE,
        *TAKING_BODY,
        common=(Code.DOUBLED_HEADER, Code.TOO_MANY_CALLS, Code.INVALID_REQUEST, Code.UNAVAILABLE),
        invalid=("path", "source"),
        said=[ServiceError(Code.BODY_TOO_LARGE, kib=LARGEST_HOOK_BYTES // 1024)],
    ),
    openapi_extra={"parameters": _SIGNATURES, "requestBody": _BODY, "security": []},
)
def post_hook(
    ctx: Ctx,
    request: Request,
    source: Annotated[str, Path(max_length=64, description="The hook's name in the settings.")],
    body: Annotated[bytes, Depends(_body)],
) -> None:
    """Withdraw the requests that name the ticket, were filed before it was closed, and have not begun to run. A hook
    can never approve anything. For the trackers under `hooks` in the settings. They need no token: they sign the
    message. Each signature header may occur once only. A validly signed message that closes no ticket is accepted
    and does nothing; the service's log says why.
    """
    sources: dict[str, Source] = request.app.state.hooks
    if source not in sources:
        raise _bad_signature()
    try:
        found = sources[source].closed(request.headers, body, ctx.now())
    except BadSignature:
        raise _bad_signature() from None
    if isinstance(found, Unrelated):
        why = found.why
    elif not withdraw_of(ctx, source, found):
        why = _NO_REQUEST
    else:
        return
    logger.info("hook withdrew nothing", extra={"fields": {"source": source, "why": why}})


def _bad_signature() -> Unauthenticated:
    return Unauthenticated(Code.BAD_SIGNATURE)
