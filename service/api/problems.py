"""Problem details (RFC 9457): how every refusal is answered and documented. No input is echoed."""

import logging
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from service import call_id
from service.api.contract.refusals import example
from service.api.invalid import UNSAID, invalid_fields, refused_fields
from service.api.sign_ins import sign_ins_of
from service.api.statuses import STATUSES
from service.domain.errors import (
    Code,
    Invalid,
    NoRole,
    NotFound,
    ServiceError,
    SignInAgain,
    TooMany,
    Unauthenticated,
    Unavailable,
    UnknownKey,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_EXAMPLE_ID = "6f1d0c52a8e94b7f9d3be2a4c0715f86"

_TITLES = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    406: "Not acceptable",
    409: "Not possible now",
    413: "Body too large",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


def no_such_resource() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such resource.")


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; `detail` is for people; `call_id` is what the service's log has."""

    model_config = ConfigDict(defer_build=True)  # only the contract needs it

    type: str
    title: str
    status: int
    code: Code
    detail: str
    call_id: Annotated[str, Field(max_length=call_id.LONGEST)]


class InvalidField(BaseModel):
    """One place where the input is wrong, and the reason."""

    model_config = ConfigDict(defer_build=True)  # as above

    location: list[str | int]
    reason: str


class ValidationProblem(Problem):
    """A problem with the input. `errors` lists each place."""

    errors: list[InvalidField]


# Codes of every route that requires a sign-in.
READING = (
    Code.DOUBLED_HEADER,
    Code.UNAUTHENTICATED,
    Code.INVALID_TOKEN,
    Code.NO_ROLE,
    Code.SUSPENDED,
    Code.TOO_MANY_FAILURES,
    Code.TOO_MANY_CALLS,
    Code.PROVIDER_UNREACHABLE,
    Code.UNAVAILABLE,
)
# Codes of every route that reads a body.
TAKING_BODY = (Code.BODY_TOO_LARGE, Code.BODY_TOO_SLOW, Code.TOO_MANY_WAITING)
TAKING_INPUT = (Code.INVALID_REQUEST, *READING)


def documented(
    *codes: Code,
    common: tuple[Code, ...] = TAKING_INPUT,
    invalid: tuple[str, str] = ("path", "request_id"),
    said: Iterable[ServiceError] = (),
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route with these codes, the `common` ones and `internal`, which every route has.

    `invalid` is an example of a place with invalid input. `said` are refusals that replace the usual examples here.
    """
    here = {refusal.code: refusal for refusal in said}
    by_status: dict[int, dict[str, Any]] = {}
    for code in (*codes, *common, Code.INTERNAL):
        status = STATUSES[code]
        content = _content(here[code], _EXAMPLE_ID) if code in here else _usual(code)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            content = {**content, "errors": _wrong(code, str(content["detail"]), invalid)}
        by_status.setdefault(status, {})[code.value] = {"value": content}
    return {status: _documented(status, by_status[status]) for status in sorted(by_status)}


@cache
def _usual(code: Code) -> dict[str, object]:
    """Return the usual example for `code`, which all routes share."""
    return _content(example(code), _EXAMPLE_ID)


def _wrong(code: Code, detail: str, invalid: tuple[str, str]) -> list[dict[str, object]]:
    """Return the `errors` of an example: `invalid`, or the field that the rule is about, if there is a body."""
    if code is Code.INVALID_REQUEST:
        return [{"location": [*invalid], "reason": UNSAID}]
    field, where = code.field, invalid[0]
    if field is None or where != "body":
        return []
    return [{"location": ["header" if field == "Idempotency-Key" else where, field], "reason": detail}]


def _documented(status: int, examples: dict[str, Any]) -> dict[str, Any]:
    model = ValidationProblem if status == HTTPStatus.UNPROCESSABLE_ENTITY else Problem
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    named = ", ".join(f"`{code}`" for code in examples)
    return {
        "description": f"{_TITLES[status]}: {named}",
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def install(app: FastAPI) -> None:
    """Answer every refusal with a problem, including the framework's own."""
    app.add_exception_handler(ServiceError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_crash)


def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # the table above says so
    try:
        _note_failed_sign_in(request, error)
    except TooMany as too_many:
        error = too_many
    if error.exact != error.detail:
        # The caller gets a uniform text; the operator gets the exact reason.
        logger.warning("refused", extra={"fields": {"code": error.code, "why": error.exact}})
    status = STATUSES[error.code]
    headers = _challenge(error) | (_SOON if error.code is Code.TOO_MANY_WAITING else _RETRY_AFTER.get(status, {}))
    if isinstance(error, Unavailable | TooMany) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.code is Code.NOT_RECORDED:
        headers = {}  # the caller must not retry: the service settles it
    errors = refused_fields(request, error) if status == HTTPStatus.UNPROCESSABLE_ENTITY else None
    return problem(error, headers=headers, errors=errors)


def _note_failed_sign_in(request: Request, error: ServiceError) -> None:
    """Count and log a refused token. A valid token without a role is logged only. Raise TooMany."""
    failures = sign_ins_of(request).failures
    if isinstance(error, Unauthenticated | UnknownKey) and error.check is not None:
        failures.count(request, check=error.check, issuer=error.issuer)
    elif isinstance(error, NoRole) and error.issuer is not None:
        failures.log(request, check=error.check, issuer=error.issuer)


_SOON = {"Retry-After": "10"}
_RETRY_AFTER = {429: {"Retry-After": "60"}, 503: _SOON}


def _challenge(error: ServiceError) -> dict[str, str]:
    """Return the challenge header of RFC 6750, section 3, and RFC 9470, section 3. It contains no input."""
    names: dict[str, str] = {}
    if isinstance(error, SignInAgain):
        names = {"error": "insufficient_user_authentication", "max_age": str(error.max_age)}
        names |= {"acr_values": error.acr_values} if error.acr_values else {}
    elif error.code is Code.INVALID_TOKEN:
        names = {"error": "invalid_token"}
    elif error.code in {Code.ROLE_REQUIRED, Code.NO_ROLE}:
        names = {"error": "insufficient_scope"}
    elif error.code is not Code.UNAUTHENTICATED:
        return {}
    parameters = ", ".join(f'{name}="{value}"' for name, value in names.items())
    return {"WWW-Authenticate": f"Bearer {parameters}".strip()}


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(Invalid(Code.INVALID_REQUEST), errors=invalid_fields(request, error))


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # FastAPI answers 400 for a body that it cannot decode, 422 for one that is not JSON. We answer 422 for both.
        return _on_invalid(request, RequestValidationError([{"type": "json_invalid", "loc": ("body",)}]))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = {"Allow": ", ".join(_methods_of(request))}
        return problem(ServiceError(Code.METHOD_NOT_ALLOWED), headers=allowed)
    # Everything else, such as an unreadable file of the documentation, is answered as not found.
    return problem(no_such_resource())


def _methods_of(request: Request) -> list[str]:
    """List all methods of this path. Starlette itself lists only those of the first matching route."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    routes: list[APIRoute] = request.app.state.routes
    # A path without a route is a file of the documentation.
    known = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()} or {"GET"}
    return sorted(known | {"HEAD"} if "GET" in known else known)


def _on_crash(_request: Request, error: Exception) -> Response:
    # No local variables in the log, and no exception text in the response: either could contain secrets or input.
    # The line of the call has the path. This one has the same id.
    logger.error("unexpected error", exc_info=error)
    return problem(ServiceError(Code.INTERNAL))


def problem(
    refusal: ServiceError, *, headers: dict[str, str] | None = None, errors: list[dict[str, object]] | None = None
) -> Response:
    content = _content(refusal, call_id.current() or "")
    if errors is not None:
        content["errors"] = errors
    return JSONResponse(content, status_code=STATUSES[refusal.code], headers=headers, media_type=MEDIA_TYPE)


def _content(refusal: ServiceError, of_call: str) -> dict[str, object]:
    status = STATUSES[refusal.code]
    return {
        "type": f"urn:rootquorum:problem:{refusal.code}",
        "title": _TITLES[status],
        "status": status,
        "code": refusal.code.value,
        "detail": refusal.detail,
        "call_id": of_call,
    }
