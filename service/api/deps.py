"""What a route asks for in its signature."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.auth.api_tokens import fingerprint
from service.domain.actor import Actor
from service.domain.errors import Code, Unauthenticated, bad_token
from service.workflow.context import Context
from service.workflow.sign_in import sign_in

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="api-token",
    description="A token of a person (`rqp_…`) or of a machine (`rqm_…`), made by `rootquorum token create`.",
)


def _context(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


Ctx = Annotated[Context, Depends(_context)]


def _signed_in(ctx: Ctx, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> Actor:
    if credentials is None:
        raise Unauthenticated(Code.UNAUTHENTICATED, "Sign in with a bearer token.")
    token_hash = fingerprint(credentials.credentials)
    if token_hash is None:
        raise bad_token()
    return sign_in(ctx, token_hash)


SignedIn = Annotated[Actor, Depends(_signed_in)]
