"""Filing and reading requests."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request
from starlette.responses import JSONResponse, Response

from service.api import inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.paging import conditional, decode_cursor, encode_cursor
from service.api.problems import documented
from service.api.views import request_out, summary_out
from service.db.selection import Selection
from service.domain.errors import Code, Malformed
from service.domain.operation import TARGET_OF, Operation, OperationName
from service.workflow.file import Draft, file
from service.workflow.read import list_requests, show

router = APIRouter(prefix="/v1/requests", tags=["Requests"])

_ETAG: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing has changed since the ETag you sent."}}
_IF_NONE_MATCH = Header(alias="If-None-Match", max_length=1000, description="The ETag that you have.")

_EXAMPLES: dict[str, Any] = {
    "create_access_key": {
        "summary": "A new key, for somebody else",
        "value": {
            "operation": "create_access_key",
            "account_id": "111122223333",
            "justification": "Rotation of the break-glass key, due this quarter.",
            "ticket": "OPS-4711",
            "recipient": "carol",
            "lifetime": "P30D",
        },
    },
    "deactivate_access_key": {
        "summary": "An emergency: run it as soon as it is approved",
        "value": {
            "operation": "deactivate_access_key",
            "account_id": "111122223333",
            "access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "justification": "The key was found in a public repository.",
            "run_on_approval": True,
        },
    },
    "activate_access_key": {
        "summary": "An inactive key works again",
        "value": {
            "operation": "activate_access_key",
            "account_id": "111122223333",
            "access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "justification": "A job that still needs the old key was found.",
        },
    },
    "delete_access_key": {
        "summary": "The end of a rotation",
        "value": {
            "operation": "delete_access_key",
            "account_id": "111122223333",
            "access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "justification": "Inactive for a week, nobody missed it.",
            "ticket": "OPS-4712",
        },
    },
    "delete_login_profile": {
        "summary": "No root password in a member account",
        "value": {
            "operation": "delete_login_profile",
            "account_id": "444455556666",
            "justification": "Member accounts need no root password.",
        },
    },
    "allow_password_recovery": {
        "summary": "Somebody has to sign in as root once more",
        "value": {
            "operation": "allow_password_recovery",
            "account_id": "444455556666",
            "justification": "The payment settings can be changed by root only.",
            "ticket": "OPS-4713",
        },
    },
    "deactivate_mfa_device": {
        "summary": "A lost MFA device",
        "value": {
            "operation": "deactivate_mfa_device",
            "account_id": "444455556666",
            "serial_number": "arn:aws:iam::444455556666:mfa/root-account-mfa-device",
            "justification": "The device was lost in the move.",
        },
    },
    "delete_signing_certificate": {
        "summary": "A certificate of former times",
        "value": {
            "operation": "delete_signing_certificate",
            "account_id": "444455556666",
            "certificate_id": "TA7SMP42TDN5Z26OBPJE7EXAMPLE",
            "justification": "Nothing has signed with X.509 for years.",
        },
    },
}


@router.post(
    "",
    status_code=201,
    summary="File a request",
    response_model=outputs.RequestOut,
    responses=documented(400, 401, 403, 409, 413, 422, 503)
    | {201: {"description": "Filed.", "headers": {"Location": {"schema": {"type": "string"}}}}},
)
def file_request(
    ctx: Ctx,
    actor: SignedIn,
    body: Annotated[inputs.NewRequest, Body(openapi_examples=_EXAMPLES)],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1 to 255 visible ASCII characters. Sent again with the same body, the answer is the request "
            "that was filed before; it never runs out.",
        ),
    ] = None,
) -> Response:
    """The account is read first, and what cannot run is refused with the reason. For the role `requester`,
    people and machines.
    """
    request = file(ctx, actor, _draft(body), idempotency_key=_checked(idempotency_key))
    shown = show(ctx, actor, request.filing.request_id)
    return JSONResponse(
        request_out(ctx, shown).model_dump(mode="json"),
        status_code=201,
        headers={"Location": f"/v1/requests/{request.filing.request_id}"},
    )


@router.get(
    "",
    summary="List requests",
    response_model=outputs.RequestPageOut,
    responses=documented(401, 422, 503) | _ETAG,
)
def get_requests(
    ctx: Ctx,
    actor: SignedIn,
    http: Request,
    wanted: Annotated[inputs.RequestFilter, Query()],
    if_none_match: Annotated[str | None, _IF_NONE_MATCH] = None,
) -> Response:
    """Newest first. Approvers, auditors and operators see all requests, everybody else those they take part in."""
    del if_none_match  # documented here, read by `conditional`
    found = list_requests(
        ctx,
        actor,
        Selection(**wanted.model_dump(exclude={"awaiting", "cursor", "limit"})),
        awaiting_me=wanted.awaiting == "me",
        after=decode_cursor(wanted.cursor),
        limit=wanted.limit,
    )
    page = outputs.RequestPageOut(
        items=[summary_out(ctx, found.directory, request) for request in found.requests],
        next_cursor=encode_cursor(found.following),
    )
    return conditional(http, page)


@router.get(
    "/{request_id}",
    summary="Read a request",
    response_model=outputs.RequestOut,
    responses=documented(401, 404, 422, 503) | _ETAG,
)
def get_request(
    ctx: Ctx,
    actor: SignedIn,
    http: Request,
    request_id: inputs.RequestId,
    if_none_match: Annotated[str | None, _IF_NONE_MATCH] = None,
) -> Response:
    """Everything that a decision needs, the digest to send back with it, and what you may do now.
    For its participants, approvers, auditors and operators; to everybody else it does not exist.
    """
    del if_none_match
    return conditional(http, request_out(ctx, show(ctx, actor, request_id)))


def _draft(body: inputs.NewRequest) -> Draft:
    name = OperationName(body.operation)
    fields = body.model_dump()
    operation = Operation(OperationName(fields.pop("operation")), fields.pop(TARGET_OF.get(name, ""), None))
    lifetime = fields.pop("lifetime", None)
    return Draft(operation=operation, lifetime=None if lifetime is None else inputs.duration(lifetime), **fields)


def _checked(idempotency_key: str | None) -> str | None:
    longest = 255
    if idempotency_key is None:
        return None
    visible = idempotency_key.isascii() and idempotency_key.isprintable() and " " not in idempotency_key
    if not visible or not 1 <= len(idempotency_key) <= longest:
        raise Malformed(Code.MALFORMED_IDEMPOTENCY_KEY, "An Idempotency-Key is 1 to 255 visible ASCII characters.")
    return idempotency_key
