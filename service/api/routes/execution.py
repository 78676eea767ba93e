"""Running an approved request, the two routes whose answers may hold a secret; and confirming that it arrived."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from service.api.contract import examples
from service.api.deps import Ctx, SignedIn, Waiting
from service.api.key_files import FILES, FileName, profile_of
from service.api.problems import documented
from service.api.schemas import inputs, outputs
from service.api.views import created_key_out, request_out
from service.domain.actor import Actor
from service.domain.errors import Code, Conflict, ServiceError
from service.domain.permissions import no_receipt_due, only_the_recipient_confirms
from service.domain.request import OperationRequest, Status
from service.workflow.context import Context
from service.workflow.decide import confirm_receipt
from service.workflow.execute import execute
from service.workflow.read import show

router = APIRouter(prefix="/v1/requests/{request_id}", tags=["Execution"])

_JSON = "application/json"

_IN_DOUBT = examples.answer(
    "In doubt: the answer of AWS was lost. Do not repeat it: the service finds out what is true, and settles.",
    "in_doubt",
    status=202,
)
_IN_DOUBT[202]["model"] = outputs.RequestOut
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Done: the file, this once. Read it as text.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "examples": examples.shown("rootkey", "credentials")},
            "text/plain": {"schema": {"type": "string"}, "examples": examples.shown("profile")},
        },
    }
}

_REFUSALS = (
    Code.SIGN_IN_AGAIN,
    Code.NOT_THE_RECIPIENT,
    Code.NOT_THE_EXECUTOR,
    Code.NOT_FOUND,
    Code.NOT_ACCEPTABLE,
    Code.ALREADY_EXECUTED,
    Code.WRONG_STATUS,
    Code.EXPIRED,
    Code.QUORUM_LOST,
    Code.PARTICIPANT_SUSPENDED,
    Code.REQUESTER_LOST_ROLE,
    Code.RECIPIENT_GONE,
    Code.CONTRADICTORY_TIMES,
    Code.ALTERED,
    Code.ACCOUNT_BUSY,
    Code.NOT_CAPABLE,
    Code.EXECUTION_FAILED,
    Code.UNKNOWN_ACCOUNT,
    Code.LIFETIME_REQUIRED,
    Code.LIFETIME_TOO_LONG,
    Code.TICKET_REQUIRED,
    Code.UNKNOWN_TICKET,
    Code.TICKET_STATE,
    Code.TRACKER_UNREACHABLE,
    Code.ACCOUNT_UNREACHABLE,
    Code.ROOT_NOT_PROVED,
    Code.NOT_RECORDED,
    Code.TOO_MANY_WAITING,
)
_SAID = (
    ServiceError(Code.SIGN_IN_AGAIN, what="This execution", seconds="900"),
    ServiceError(Code.WRONG_STATUS, status=Status.PENDING),
)


@router.post(
    "/execution",
    operation_id="execute",
    summary="Run an approved request, once",
    response_model=outputs.CreatedKeyOut | outputs.RequestOut,
    responses=examples.answer(
        "Done. For a create the key with its secret, this once; else the request.", "created_key", "executed"
    )
    | _IN_DOUBT
    | documented(*_REFUSALS, said=_SAID),
)
def post_execution(
    ctx: Ctx, actor: SignedIn, waiting: Waiting, http: Request, request_id: inputs.RequestId
) -> Response:
    """Calls AWS, once; one that ends as `failed` is the problem `execution_failed`, so that no script takes it for
    success. A create is for its recipient alone, since the answer is the secret, and takes as fresh a sign-in as a
    decision; anything else is for the requester or the recipient. Both are judged as they are today. The answer is
    JSON; for a file see the paths below this one.
    """
    _check_accepted(http, _JSON)
    with waiting.one("execute", actor.subject):
        request, key = execute(ctx, actor, request_id)
    if key is None:
        return _without_secret(ctx, actor, request)
    return Response(created_key_out(request, key).model_dump_json(), media_type=_JSON)


@router.post(
    "/execution/{file}",
    operation_id="executeIntoFile",
    summary="Run an approved create, once, and get the new key as a file",
    response_class=Response,
    responses=_FILE | _IN_DOUBT | documented(Code.NO_FILE, *_REFUSALS, said=_SAID),
)
def post_execution_into_file(
    ctx: Ctx,
    actor: SignedIn,
    waiting: Waiting,
    *,
    http: Request,
    request_id: inputs.RequestId,
    file: Annotated[
        FileName,
        Path(
            description="`rootkey.csv` as the AWS console writes it; `credentials.csv` for `aws configure import`; "
            "`profile.ini` for the AWS credentials file, a profile named `root-` and the account id."
        ),
    ],
) -> Response:
    """Does the same, and answers with a file as AWS's own tools read it. It is still the one and only execution: a key
    that was answered as JSON is not given again as a file. For the recipient of a create.
    """
    written = FILES[file]
    # Either of the two: Swagger UI offers a choice between them, which need not be that of the file.
    _check_accepted(http, *{each.media_type for each in FILES.values()})
    # What was asked for never changes, so this need not be judged together with the execution.
    if not show(ctx, actor, request_id).request.filing.operation.is_create:
        raise Conflict(Code.NO_FILE)
    with waiting.one("execute", actor.subject):
        request, key = execute(ctx, actor, request_id)
    if key is None:
        return _without_secret(ctx, actor, request)
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    content = written.write(key, profile_of(request.filing.account_id))
    return Response(content, media_type=written.media_type, headers=headers)


def _without_secret(ctx: Context, actor: Actor, request: OperationRequest) -> Response:
    shown = request_out(ctx.account_name, show(ctx, actor, request.filing.request_id))
    status = 202 if request.status is Status.IN_DOUBT else 200
    return JSONResponse(shown.model_dump(mode="json"), status_code=status)


@router.post(
    "/receipt",
    operation_id="confirmReceipt",
    summary="Confirm that the secret arrived",
    response_model=outputs.RequestOut,
    responses=examples.answer("Closed.", "received")
    | documented(
        Code.NOT_THE_RECIPIENT,
        Code.NOT_FOUND,
        Code.RECEIPT_TOO_LATE,
        Code.WRONG_STATUS,
        Code.EXPIRED,
        said=[only_the_recipient_confirms(), no_receipt_due(Status.APPROVED)],
    ),
)
def post_receipt(ctx: Ctx, actor: SignedIn, request_id: inputs.RequestId) -> outputs.RequestOut:
    """Keeps the new key: one whose receipt is not confirmed in time is taken back. Again, it changes nothing. For its
    recipient.
    """
    confirm_receipt(ctx, actor, request_id)
    return request_out(ctx.account_name, show(ctx, actor, request_id))


def _check_accepted(request: Request, *media_types: str) -> None:
    """Raise 406, before anything has run, for a client that says that it cannot read what this path answers with.

    Nobody chooses by `Accept`: what a path answers with, it always answers with. So whatever is unclear is let pass.
    """
    weights = dict(_weighed(media_range) for media_range in request.headers.get("accept", "").split(","))
    weights.pop("", None)
    if weights and not any(_weight(media_type, weights) > 0 for media_type in media_types):
        raise ServiceError(Code.NOT_ACCEPTABLE)


def _weight(media_type: str, weights: Mapping[str, float]) -> float:
    """Take the range that says most of it. Old Java's HttpURLConnection says `*` for `*/*`."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*", "*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weighed(media_range: str) -> tuple[str, float]:
    """Read a range and its weight, 0 to 1 (RFC 9110, section 12.4.2). What is no number is no objection."""
    name, *parameters = re.sub(r"\s", "", media_range.lower()).split(";")
    weight = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    return name, float(weight) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", weight) else 1.0
