"""The OpenAPI document. Only a process whose contract is asked for imports this."""

from copy import deepcopy
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api import problems
from service.api.contract import described, examples, webhooks

# The default address. A running service gives its own at /openapi.json.
_SERVERS = [{"url": "http://127.0.0.1:8080", "description": "Where `rootquorum serve` listens by default."}]
_CONTACT = {"name": "The operators of this service"}
_LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
_MAKING = Lock()


def contract_of(app: FastAPI) -> dict[str, Any]:
    """Return FastAPI's document with the problem schemas and the examples that the routes refer to.

    It is made once for each app: other threads wait for it. It takes half a second.
    """
    with _MAKING:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
        return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        webhooks=webhooks.routes(),
        servers=_SERVERS,
        contact=_CONTACT,
        license_info=_LICENSE,
    )
    for operation in (each for path in document["paths"].values() for each in path.values()):
        operation.setdefault("security", [])  # explicit, so that no tool reports it as missing
        body = operation.get("requestBody", {})
        _leave_out_null(body)
        for content in body.get("content", {}).values():
            described.fill(content, examples.BODIES)
    schemas = document["components"]["schemas"]
    for model in (problems.Problem, problems.ValidationProblem):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["examples"] = examples.ANSWERS
    # Whoever changes this document changes no other, and no example.
    return deepcopy(document)


def _leave_out_null(body: dict[str, Any]) -> None:
    """Document a body that may be missing as just that. FastAPI adds null, which generated clients send as a body."""
    for content in body.get("content", {}).values():
        choices = content["schema"].get("anyOf", [])
        if {"type": "null"} in choices:
            [content["schema"]] = [each for each in choices if each != {"type": "null"}]
