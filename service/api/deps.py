"""The dependencies that routes declare in their signatures."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.sign_ins import sign_ins_of
from service.api.waiting import Places
from service.auth.api_tokens import fingerprint, is_api_token
from service.domain.actor import Actor
from service.domain.errors import Code, NoRole, Unauthenticated, UnknownKey, bad_token
from service.domain.proof import Login
from service.domain.sign_in_checks import TokenCheck
from service.workflow.context import Context
from service.workflow.sign_in import sign_in, sign_in_by_provider

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A JWT from your identity provider, or an API token from `rootquorum token create`, for a person "
    "(`rqp_…`) or a machine (`rqm_…`).",
)


def _context(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


Ctx = Annotated[Context, Depends(_context)]


def _by_provider(ctx: Context, request: Request, login: Login) -> Actor:
    """Sign in by a provider's token. A valid token without a role is logged, but not counted as a failure."""
    try:
        return sign_in_by_provider(ctx, login)
    except NoRole as refusal:
        sign_ins_of(request).failures.log(request, check=refusal.check, issuer=login.issuer)
        raise


def _signed_in(
    ctx: Ctx, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Actor:
    if credentials is None:
        raise Unauthenticated(Code.UNAUTHENTICATED)
    sign_ins, token = sign_ins_of(request), credentials.credentials
    try:
        if not is_api_token(token):
            return _by_provider(ctx, request, sign_ins.verifier.verify(token))
        token_hash = fingerprint(token)
        if token_hash is None:
            raise bad_token(TokenCheck.MALFORMED)
        return sign_in(ctx, token_hash)
    except (Unauthenticated, UnknownKey) as refusal:
        sign_ins.failures.count(request, check=refusal.check, issuer=refusal.issuer)
        raise


def _places(request: Request) -> Places:
    places: Places = request.app.state.places
    return places


# Limits the calls that wait for AWS at the same time.
Waiting = Annotated[Places, Depends(_places)]
SignedIn = Annotated[Actor, Depends(_signed_in)]
