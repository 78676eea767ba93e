"""The execution of an approved request, with two routes that may return a secret; and the receipt of the secret."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from service.api.answers import answer
from service.api.contract import described
from service.api.deps import Ctx, Presented, SignedIn, Waiting
from service.api.key_files import FILES, FileName, profile_of
from service.api.problems import TAKING_BODY, documented
from service.api.schemas import inputs, outputs
from service.api.views import created_key_out, request_out, sealed_key_out
from service.domain.actor import Actor
from service.domain.errors import Code, Conflict, ServiceError, no_file_in_clear
from service.domain.outcome import CreatedKey, SealedKey
from service.domain.permissions import (
    no_cut_over_due,
    no_receipt_due,
    only_the_involved_cut_over,
    only_the_recipient_confirms,
)
from service.domain.request import OperationRequest, Status
from service.workflow.context import Context
from service.workflow.decide import confirm_receipt
from service.workflow.execute import execute
from service.workflow.read import show
from service.workflow.rotate import release

router = APIRouter(prefix="/v1/requests/{request_id}", tags=["Execution"])

_JSON = "application/json"

_IN_DOUBT = described.answer(
    "In doubt: AWS's response was lost. Do not repeat the call: the service finds out what happened, and settles.",
    "in_doubt",
    status=202,
)
_IN_DOUBT[202]["model"] = outputs.RequestOut
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Done: the file, shown once. Read it as text.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "examples": described.examples("rootkey", "credentials")},
            "text/plain": {"schema": {"type": "string"}, "examples": described.examples("profile")},
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
    Code.OUTSIDE_HOURS,
    Code.ACCOUNT_MOVED,
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
    Code.SEALED_DELIVERY_REQUIRED,
    Code.WRONG_SEALED_TO,
    Code.TICKET_REQUIRED,
    Code.UNKNOWN_TICKET,
    Code.TICKET_STATE,
    Code.TRACKER_UNREACHABLE,
    Code.ACCOUNT_UNREACHABLE,
    Code.ROOT_NOT_PROVED,
    Code.RULES_NOT_IN_FORCE,
    Code.CLOCK_WRONG,
    Code.NO_WORKER,
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
    response_model=outputs.CreatedKeyOut | outputs.SealedKeyOut | outputs.RequestOut,
    responses=described.answer(
        "Done. For a create, the key with its secret, shown once, in clear or sealed; otherwise, and for a "
        "drill, the request.",
        "created_key",
        "sealed_key",
        "executed",
    )
    | _IN_DOUBT
    | documented(*_REFUSALS, said=_SAID),
)
def post_execution(
    ctx: Ctx, actor: SignedIn, waiting: Waiting, http: Request, request_id: inputs.RequestId
) -> Response:
    """Call AWS, once. An execution that ends as `failed` returns the problem `execution_failed`, so no script takes it
    for success. A create is for its recipient only, because the response is the secret, and requires as fresh a sign-in
    as a decision. With `sealed_to`, the secret is sealed to that key, and nothing is in clear. Any other operation is
    for the requester or the recipient. Their roles of today count. The response is JSON; for a file see the paths below
    this one.
    """
    _check_accepted(http, _JSON)
    with waiting.one("execute", actor.subject):
        request, key = execute(ctx, actor, request_id)
    if key is None:
        return _without_secret(ctx, actor, request)
    return answer(sealed_key_out(request, key) if isinstance(key, SealedKey) else created_key_out(request, key))


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
            "`profile.ini` for the AWS credentials file, with a profile named `root-` plus the account id."
        ),
    ],
) -> Response:
    """Do the same, but return a file that AWS's own tools read. It is still the only execution: a key that was returned
    as JSON is not returned again as a file. For the recipient of a create only. A key that is to be sealed has no file
    in clear, and a drill none at all.
    """
    written = FILES[file]
    # Accept both media types: Swagger UI lets people choose one, which may not be the one of the file.
    _check_accepted(http, *{each.media_type for each in FILES.values()})
    # The operation of a request never changes, so this check can run apart from the execution.
    filing = show(ctx, actor, request_id).request.filing
    if not filing.operation.is_create or filing.drill:
        raise Conflict(Code.NO_FILE)
    if filing.sealed_to is not None:
        raise no_file_in_clear()
    with waiting.one("execute", actor.subject):
        request, key = execute(ctx, actor, request_id)
    if not isinstance(key, CreatedKey):
        return _without_secret(ctx, actor, request)
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    content = written.write(key, profile_of(request.filing.account_id))
    return Response(content, media_type=written.media_type, headers=headers)


def _without_secret(ctx: Context, actor: Actor, request: OperationRequest) -> Response:
    shown = request_out(ctx.account_name, show(ctx, actor, request.filing.request_id))
    status = 202 if request.status is Status.IN_DOUBT else 200
    return answer(shown, status=status)


@router.post(
    "/receipt",
    operation_id="confirmReceipt",
    summary="Confirm that the secret arrived",
    response_model=outputs.RequestOut,
    responses=described.answer("The closed request.", "received")
    | documented(
        Code.NOT_THE_RECIPIENT,
        Code.NOT_FOUND,
        Code.RULES_NOT_IN_FORCE,
        Code.WRONG_SEALED_DIGEST,
        Code.RECEIPT_TOO_LATE,
        Code.WRONG_STATUS,
        Code.EXPIRED,
        *TAKING_BODY,
        invalid=("body", "sealed_sha256"),
        said=[only_the_recipient_confirms(), no_receipt_due(Status.APPROVED)],
    ),
)
def post_receipt(
    ctx: Ctx,
    caller: Presented,
    request_id: inputs.RequestId,
    body: Annotated[inputs.NewReceipt | None, Body(openapi_examples=described.bodies("receipts"))] = None,
) -> Response:
    """Keep the new key. Without a receipt in time it is deactivated and deleted. A repeat changes nothing. For the
    recipient only. The receipt of a sealed key names the SHA-256 of what arrived; any other body is none.
    """
    sealed_sha256 = None if body is None else body.sealed_sha256
    shown = confirm_receipt(ctx, caller, request_id, sealed_sha256=sealed_sha256)
    return answer(request_out(ctx.account_name, shown))


@router.post(
    "/cut-over",
    operation_id="cutOver",
    summary="Say that the old key may be deactivated",
    response_model=outputs.RequestOut,
    responses=described.answer("The rotation, which goes on.", "released")
    | documented(
        Code.SIGN_IN_AGAIN,
        Code.NOT_THE_EXECUTOR,
        Code.NOT_FOUND,
        Code.NO_SUCH_KEY,
        Code.SIGNING_KEY,
        Code.WRONG_STATUS,
        Code.ALTERED,
        Code.NOT_CAPABLE,
        Code.UNKNOWN_ACCOUNT,
        Code.ACCOUNT_UNREACHABLE,
        Code.ROOT_NOT_PROVED,
        Code.RULES_NOT_IN_FORCE,
        Code.TOO_MANY_WAITING,
        *TAKING_BODY,
        invalid=("body", "access_key_id"),
        said=[only_the_involved_cut_over(), no_cut_over_due(Status.DELIVERED)],
    ),
)
def post_cut_over(
    ctx: Ctx,
    actor: SignedIn,
    waiting: Waiting,
    *,
    request_id: inputs.RequestId,
    body: Annotated[inputs.NewCutOver, Body(openapi_examples=described.bodies("cut-overs"))],
) -> Response:
    """Do not wait until the old key of a rotation is unused: the service deactivates it in its next pass. It is refused
    while the service itself signs with the old key. A repeat changes nothing. For the requester and the recipient, in
    person.
    """
    with waiting.one("execute", actor.subject):
        shown = release(ctx, actor, request_id, access_key_id=body.access_key_id, comment=body.comment)
    return answer(request_out(ctx.account_name, shown))


def _check_accepted(request: Request, *media_types: str) -> None:
    """Raise NOT_ACCEPTABLE before anything runs if the client declares that it cannot read this path's media type.

    `Accept` does not choose the media type: each path always returns the same one. So an unclear header passes.
    """
    weights = dict(_weighed(media_range) for media_range in request.headers.get("accept", "").split(","))
    weights.pop("", None)
    if weights and not any(_weight(media_type, weights) > 0 for media_type in media_types):
        raise ServiceError(Code.NOT_ACCEPTABLE)


def _weight(media_type: str, weights: Mapping[str, float]) -> float:
    """Return the weight of the most specific range. Old Java's HttpURLConnection sends `*` for `*/*`."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*", "*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weighed(media_range: str) -> tuple[str, float]:
    """Parse a range and its weight, 0 to 1 (RFC 9110, section 12.4.2). A weight that is not a number counts as 1."""
    name, *parameters = re.sub(r"\s", "", media_range.lower()).split(";")
    weight = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    return name, float(weight) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", weight) else 1.0
