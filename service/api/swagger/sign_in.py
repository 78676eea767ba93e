"""The sign-in from the pages: the two endpoints of its OAuth 2.0 flow, which stand in for the provider's."""

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import JSONResponse, RedirectResponse, Response

from service.api.deps import Waiting
from service.api.problems import no_such_resource
from service.api.sign_ins import neighbourhood, sign_ins_of
from service.auth.refusals import Refusal
from service.domain.errors import Unavailable

if TYPE_CHECKING:
    from service.auth.browser import BrowserClient

router = APIRouter(prefix="/sign-in/{issuer}", include_in_schema=False)

_Parameter = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class _Authorization(BaseModel):
    """The parameters read from an authorization request (RFC 6749, section 4.1.1; RFC 7636, section 4.3)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    state: _Parameter
    redirect_uri: _Parameter
    code_challenge: _Parameter
    code_challenge_method: Literal["S256"]


@router.get("/authorize")
def authorize(request: Request, issuer: str, asked: Annotated[_Authorization, Query()]) -> Response:
    """Redirect to the provider as the client in the settings. The provider checks `redirect_uri`."""
    url = _client(request, issuer).authorization_url(
        state=asked.state, redirect_uri=asked.redirect_uri, code_challenge=asked.code_challenge
    )
    return RedirectResponse(url, status_code=302)


@router.post("/token")
def token(
    request: Request,
    waiting: Waiting,
    issuer: str,
    body: Annotated[bytes, Body(media_type="application/x-www-form-urlencoded")],
) -> Response:
    """Exchange a code for a token (RFC 6749). Return only the access token, even if the provider sent more.

    The provider is called with this service's own credentials, so attempts are counted before the call.
    """
    client, failures = _client(request, issuer), sign_ins_of(request).failures
    form = {name: values[0] for name, values in parse_qs(body.decode("ascii", "replace")).items()}
    # A hanging provider must not hold every thread of the API.
    with failures.trying(request), waiting.one("sign_in", neighbourhood(request.scope)):
        try:
            answer = client.exchange(
                code=form.get("code", ""),
                redirect_uri=form.get("redirect_uri", ""),
                code_verifier=form.get("code_verifier", ""),
            )
        except Unavailable:
            failures.count(request, check="no_answer", issuer=issuer)
            raise
        if isinstance(answer, Refusal):
            failures.count(request, check=answer.check, issuer=issuer)
            return JSONResponse({"error": answer.error, "error_description": answer.description}, status_code=400)
    return JSONResponse({"access_token": answer, "token_type": "Bearer"})


def _client(request: Request, issuer: str) -> "BrowserClient":
    client = sign_ins_of(request).browsers.get(issuer)
    if client is None:
        raise no_such_resource()
    return client
