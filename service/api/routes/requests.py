"""Routes that file and read requests."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from starlette.responses import JSONResponse, Response

from service.api.answers import answer, conditional
from service.api.contract import described
from service.api.deps import Ctx, Presented, SignedIn, Waiting
from service.api.links import lead_people_to_the_page, link
from service.api.paging import decode_cursor, encode_cursor
from service.api.problems import TAKING_BODY, documented
from service.api.schemas import inputs, log_outputs, outputs
from service.api.views import page_out, request_out
from service.domain.errors import Code, Malformed
from service.domain.operation import TARGET_OF, Operation, OperationName
from service.domain.permissions import TO_FILE, TO_HAVE_EVIDENCE, role_required
from service.domain.rotation_plan import RotationPlan
from service.domain.selection import Selection
from service.workflow.audit import evidence_of
from service.workflow.file import Draft, file
from service.workflow.read import list_requests, show

router = APIRouter(prefix="/v1/requests", tags=["Requests"])

_ETAG: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing has changed since the ETag that you sent."}}
_FOR_PEOPLE: dict[int | str, dict[str, Any]] = {
    303: {"description": "Only for a browser without a token: it is redirected to this request at the desk."}
}
_LOCATION = {"Location": {"description": "The path of the request.", "schema": {"type": "string"}}}
_LONGEST_KEY = 255
# Why a request is not filed, and not previewed.
NOT_FILED = (
    Code.ROLE_REQUIRED,
    Code.DUPLICATE_REQUEST,
    Code.TOO_MANY_OPEN,
    Code.NO_QUORUM,
    Code.NOT_CAPABLE,
    Code.KEY_LIMIT_REACHED,
    Code.ROOT_MFA_REQUIRED,
    Code.NO_SUCH_KEY,
    Code.ALREADY_IN_STATUS,
    Code.SIGNING_KEY,
    Code.LAST_ACTIVE_KEY,
    Code.NO_PASSWORD,
    Code.PASSWORD_EXISTS,
    Code.NO_SUCH_MFA_DEVICE,
    Code.NO_SUCH_CERTIFICATE,
    Code.NO_SUCH_BUCKET,
    Code.NO_SUCH_QUEUE,
    Code.NO_POLICY,
    Code.QUEUE_ELSEWHERE,
    *TAKING_BODY,
    Code.UNKNOWN_ACCOUNT,
    Code.UNKNOWN_RECIPIENT,
    Code.RECIPIENT_REQUIRED,
    Code.LIFETIME_REQUIRED,
    Code.LIFETIME_TOO_LONG,
    Code.SEALED_DELIVERY_REQUIRED,
    Code.WRONG_SEALED_TO,
    Code.TICKET_REQUIRED,
    Code.UNKNOWN_TICKET,
    Code.TICKET_STATE,
    Code.TRACKER_UNREACHABLE,
    Code.ACCOUNT_UNREACHABLE,
    Code.ROOT_NOT_PROVED,
)
_IF_NONE_MATCH = Header(alias="If-None-Match", max_length=1000, description="The ETag that you have.")


@router.post(
    "",
    status_code=201,
    operation_id="fileRequest",
    summary="File a request",
    response_model=outputs.RequestOut,
    responses=described.answer("Filed.", "filed", status=201, headers=_LOCATION)
    | documented(
        Code.MALFORMED_IDEMPOTENCY_KEY,
        Code.RULES_NOT_IN_FORCE,
        Code.IDEMPOTENCY_KEY_REUSED,
        *NOT_FILED,
        invalid=("body", "justification"),
        said=[role_required(TO_FILE)],
    ),
)
def file_request(
    ctx: Ctx,
    actor: SignedIn,
    *,
    waiting: Waiting,
    http: Request,
    body: Annotated[inputs.NewRequest, Body(openapi_examples=described.bodies("filings"))],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            # Documented here, but checked below: an invalid key is 400 (IETF draft, section 2.7), not 422.
            json_schema_extra={"minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[!-~]+$"},
            description="1 to 255 visible ASCII characters. A repeat with the same key and body returns the request "
            "that was filed before. A key never expires.",
        ),
    ] = None,
) -> Response:
    """Read the account, and file the request if it could run there; otherwise refuse it with the reason. Nothing
    changes in AWS before two people have approved it. Requires the role `requester`; for people and machines.
    """
    key = _checked(idempotency_key)
    with waiting.one("file", actor.subject):
        shown = file(ctx, actor, draft_of(body), idempotency_key=key)
    return answer(
        request_out(ctx.account_name, shown),
        status=201,
        headers={"Location": link(http, f"/v1/requests/{shown.request.filing.request_id}")},
    )


@router.get(
    "",
    operation_id="listRequests",
    summary="List requests",
    response_model=outputs.RequestPageOut,
    responses=described.answer("A page.", "page") | _ETAG | documented(invalid=("query", "cursor")),
)
def get_requests(
    ctx: Ctx,
    caller: Presented,
    http: Request,
    wanted: Annotated[inputs.RequestFilter, Query()],
    if_none_match: Annotated[str | None, _IF_NONE_MATCH] = None,
) -> Response:
    """List requests, newest first. `awaiting=me` lists those that wait for you. Approvers, auditors and operators see
    all requests; others see only those in which they take part.
    """
    del if_none_match  # documented here, read by `conditional`
    found = list_requests(
        ctx,
        caller,
        Selection(**wanted.model_dump(exclude={"awaiting", "cursor", "limit"})),
        awaiting_me=wanted.awaiting == "me",
        after=decode_cursor(wanted.cursor),
        limit=wanted.limit,
    )
    page = page_out(ctx.account_name, found.directory, found.requests, encode_cursor(found.following))
    return conditional(http, page)


@router.get(
    "/{request_id}",
    operation_id="readRequest",
    summary="Read a request",
    response_model=outputs.RequestOut,
    responses=described.answer("The request.", "pending") | _FOR_PEOPLE | _ETAG | documented(Code.NOT_FOUND),
    dependencies=[Depends(lead_people_to_the_page)],
)
def get_request(
    ctx: Ctx,
    caller: Presented,
    http: Request,
    request_id: inputs.RequestId,
    if_none_match: Annotated[str | None, _IF_NONE_MATCH] = None,
) -> Response:
    """Return everything that you need for a decision, the digest to send back, and the actions that you may take now.
    For its participants, approvers, auditors and operators; everybody else gets 404.
    """
    del if_none_match
    return conditional(http, request_out(ctx.account_name, show(ctx, caller, request_id)))


@router.get(
    "/{request_id}/evidence",
    operation_id="readEvidence",
    summary="Read a request's evidence",
    response_model=log_outputs.EvidenceOut | log_outputs.SignedEvidenceOut,
    responses=described.answer("The evidence.", "evidence")
    | documented(
        Code.ROLE_REQUIRED,
        Code.NOT_FOUND,
        Code.LOG_NOT_SIGNED,
        said=[role_required(TO_HAVE_EVIDENCE)],
    ),
)
def get_evidence(ctx: Ctx, actor: SignedIn, request_id: inputs.RequestId) -> Response:
    """Return the request, each decision with the person's sign-in, the policy, the outcome, and every event with its
    proof against one checkpoint. `rootquorum audit verify` checks it offline. For the participants, and for the role
    `auditor`.
    """
    # No pydantic: it writes times in another form than the log does.
    return JSONResponse(evidence_of(ctx, actor, request_id))


def draft_of(body: inputs.NewRequest) -> Draft:
    name = OperationName(body.operation)
    fields = body.model_dump()
    operation = Operation(OperationName(fields.pop("operation")), fields.pop(TARGET_OF.get(name, ""), None))
    lifetime, steps = fields.pop("lifetime", None), fields.pop("rotation", None)
    return Draft(
        operation=operation,
        lifetime=None if lifetime is None else inputs.duration(lifetime),
        rotation=None if steps is None else RotationPlan(**{step: inputs.duration(steps[step]) for step in steps}),
        **fields,
    )


def _checked(idempotency_key: str | None) -> str | None:
    if idempotency_key is None:
        return None
    visible = idempotency_key.isascii() and idempotency_key.isprintable() and " " not in idempotency_key
    if not visible or not 1 <= len(idempotency_key) <= _LONGEST_KEY:
        raise Malformed(Code.MALFORMED_IDEMPOTENCY_KEY)
    return idempotency_key
