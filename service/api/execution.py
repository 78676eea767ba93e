"""Running an approved request, the one route whose answer may hold a secret; and confirming that it arrived."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException
from starlette.responses import JSONResponse, Response

from service.api import examples, inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.problems import documented
from service.api.views import created_key_out, request_out, rootkey_csv
from service.domain.errors import Code
from service.domain.request import Status
from service.workflow.decide import confirm_receipt
from service.workflow.execute import execute
from service.workflow.read import show

router = APIRouter(prefix="/v1/requests/{request_id}", tags=["Execution"])

_JSON = "application/json"
_CSV = "text/csv"

_ANSWERS = examples.answer(
    "Done. For a create the key with its secret, this once; else the request.",
    "created_key",
    "executed",
) | examples.answer(
    "In doubt: the answer of AWS was lost. Do not repeat it: the service finds out what is true, and settles.",
    "in_doubt",
    status=202,
)
_ANSWERS[200]["content"][_CSV] = {
    "schema": {"type": "string"},
    "examples": examples.shown("rootkey"),
}
_ANSWERS[202]["model"] = outputs.RequestOut


@router.post(
    "/execution",
    summary="Run an approved request, once",
    response_model=outputs.CreatedKeyOut | outputs.RequestOut,
    responses=_ANSWERS
    | documented(
        Code.NOT_THE_RECIPIENT,
        Code.NOT_THE_EXECUTOR,
        Code.NOT_FOUND,
        Code.NOT_ACCEPTABLE,
        Code.ALREADY_EXECUTED,
        Code.WRONG_STATUS,
        Code.EXPIRED,
        Code.QUORUM_LOST,
        Code.PARTICIPANT_SUSPENDED,
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
        said={Code.WRONG_STATUS: "The request is pending; that is not possible any more, or not yet."},
    ),
)
def post_execution(
    ctx: Ctx,
    actor: SignedIn,
    request_id: inputs.RequestId,
    accept: Annotated[
        str, Header(description=f"`{_JSON}`, or `{_CSV}` for a create as a download named `rootkey.csv`.")
    ] = "*/*",
) -> Response:
    """Calls AWS, once; one that ends as `failed` is the problem `execution_failed`, so that no script takes it for
    success. A create is for its recipient alone, since the answer is the secret; anything else for the requester or the
    recipient.
    """
    media_type = _negotiated(accept)
    request, key = execute(ctx, actor, request_id)
    if key is not None and media_type == _CSV:
        headers = {"Content-Disposition": 'attachment; filename="rootkey.csv"'}
        return Response(rootkey_csv(key), media_type=_CSV, headers=headers)
    if key is not None:
        return JSONResponse(created_key_out(request, key).model_dump(mode="json"))
    status = 202 if request.status is Status.IN_DOUBT else 200
    shown = request_out(ctx, show(ctx, actor, request_id))
    return JSONResponse(shown.model_dump(mode="json"), status_code=status)


@router.post(
    "/receipt",
    summary="Confirm that the secret arrived",
    response_model=outputs.RequestOut,
    responses=examples.answer("Closed.", "received")
    | documented(
        Code.NOT_THE_RECIPIENT,
        Code.NOT_FOUND,
        Code.RECEIPT_TOO_LATE,
        Code.WRONG_STATUS,
        Code.EXPIRED,
        said={
            Code.NOT_THE_RECIPIENT: "Only the recipient may confirm that the secret arrived.",
            Code.WRONG_STATUS: "The request is approved; no receipt is outstanding.",
        },
    ),
)
def post_receipt(ctx: Ctx, actor: SignedIn, request_id: inputs.RequestId) -> outputs.RequestOut:
    """Keeps the new key: one whose receipt is not confirmed in time is taken back. For its recipient."""
    confirm_receipt(ctx, actor, request_id)
    return request_out(ctx, show(ctx, actor, request_id))


def _negotiated(accept: str) -> str:
    """The media type that is wanted most, JSON where both are as welcome. Raises 406 before anything has run."""
    weights = dict(_weighed(media_range) for media_range in accept.lower().split(","))
    wanted = {
        offered: next((weights[name] for name in (offered, f"{kind}/*", "*/*") if name in weights), 0.0)
        for offered, kind in ((_JSON, "application"), (_CSV, "text"))
    }
    best = max(wanted, key=wanted.__getitem__)
    if not wanted[best] > 0:
        raise HTTPException(406)
    return best


def _weighed(media_range: str) -> tuple[str, float]:
    name, *parameters = media_range.replace(" ", "").replace("\t", "").split(";")
    weight = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    # A weight is 0 to 1 with at most three digits (RFC 9110, 12.4.2); what is none counts as nothing.
    return name, float(weight) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", weight, re.ASCII) else 0.0
