"""Answers, written once. FastAPI would validate a returned model again, and write it from Python objects."""

import hashlib
from collections.abc import Mapping

from fastapi import Request
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.responses import Response

_JSON = "application/json"


def answer(body: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body.model_dump_json(), status_code=status, headers=headers, media_type=_JSON)


def conditional(request: Request, body: BaseModel | Mapping[str, object]) -> Response:
    """Return `body` with its ETag, or 304 if the caller already has it."""
    content = to_json(body)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in known:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(content, media_type=_JSON, headers={"ETag": etag})
