"""Running an approved request: the one route whose answer may hold a secret."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException
from starlette.responses import JSONResponse, Response

from service.api import schemas
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
        "model": schemas.RequestOut,
    },
}


@router.post(
    "/execution",
    summary="Run an approved request, once",
    response_model=schemas.CreatedKeyOut | schemas.RequestOut,
    responses=documented(401, 403, 404, 406, 409, 422, 503) | _ANSWERS,
)
def post_execution(
    ctx: Ctx,
    actor: SignedIn,
    request_id: schemas.RequestId,
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
    """The wanted media type, JSON where both will do. Raises 406 before anything has run."""
    wanted = {
        media_range.split(";")[0].strip().lower()
        for media_range in accept.split(",")
        if not media_range.replace(" ", "").lower().endswith(";q=0")
    }
    if not wanted.isdisjoint({_JSON, "application/*", "*/*"}):
        return _JSON
    if not wanted.isdisjoint({_CSV, "text/*"}):
        return _CSV
    raise HTTPException(406)
