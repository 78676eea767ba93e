"""Running an approved request: the one route whose answer may hold a secret."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException
from starlette.responses import JSONResponse, Response

from service.api import inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.problems import documented
from service.api.views import created_key_out, request_out, rootkey_csv
from service.domain.request import Status
from service.workflow.execute import execute
from service.workflow.read import show

router = APIRouter(prefix="/v1/requests/{request_id}", tags=["Execution"])

_JSON = "application/json"
_CSV = "text/csv"

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Done. For a create the key with its secret, this once; else the request.",
        "content": {
            _JSON: {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/CreatedKeyOut"},
                        {"$ref": "#/components/schemas/RequestOut"},
                    ]
                }
            },
            _CSV: {
                "schema": {"type": "string"},
                "example": "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\r\nAWSSecretKey=(the secret, shown this once)\r\n",
            },
        },
    },
    202: {
        "description": "In doubt: the answer of AWS was lost. The service finds out what is true, and settles.",
        "model": outputs.RequestOut,
    },
}


@router.post(
    "/execution",
    summary="Run an approved request, once",
    response_model=outputs.CreatedKeyOut | outputs.RequestOut,
    responses=documented(401, 403, 404, 406, 409, 422, 503) | _ANSWERS,
)
def post_execution(
    ctx: Ctx,
    actor: SignedIn,
    request_id: inputs.RequestId,
    accept: Annotated[
        str, Header(description=f"`{_JSON}`, or `{_CSV}` for a create as a download named `rootkey.csv`.")
    ] = "*/*",
) -> Response:
    """A create is for its recipient alone, since the answer is the secret; anything else for the requester or the
    recipient. An execution that ends as `failed` is a problem, `execution_failed`, so that no script takes it for
    success.
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
