"""The dependencies that routes declare in their signatures.

A dependency that never waits is async, because FastAPI calls any other in a thread.
"""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from service.api.rates import Rates
from service.api.sign_ins import sign_ins_of
from service.api.waiting import Places
from service.auth.api_tokens import fingerprint, is_api_token
from service.domain.actor import Actor
from service.domain.errors import Code, Unauthenticated, bad_token
from service.domain.proof import ApiToken, Login
from service.domain.sign_in_checks import TokenCheck
from service.workflow.context import Context
from service.workflow.sign_in import sign_in


async def _context(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


Ctx = Annotated[Context, Depends(_context)]


class _Bearer(HTTPBearer):
    """Reads the token and counts the call. It is all in one, since FastAPI takes long to resolve each dependency."""

    async def __call__(self, request: Request) -> ApiToken | Login:  # type: ignore[override]  # a scheme may give anything
        credentials = await super().__call__(request)
        if credentials is None:
            raise Unauthenticated(Code.UNAUTHENTICATED)
        caller = await _known(request, credentials.credentials)
        # Count the call for whoever makes it: the person at their provider, or the token.
        rates: Rates = request.app.state.rates
        rates.person.take(caller.hash if isinstance(caller, ApiToken) else f"{caller.issuer} {caller.proof.subject}")
        return caller


async def _known(request: Request, token: str) -> ApiToken | Login:
    if not is_api_token(token):
        # It may have to fetch the provider's keys.
        return await run_in_threadpool(sign_ins_of(request).verifier.verify, token)
    token_hash = fingerprint(token)
    if token_hash is None:
        raise bad_token(TokenCheck.MALFORMED)
    return ApiToken(token_hash)


_bearer = _Bearer(
    auto_error=False,
    scheme_name="token",
    description="A JWT from your identity provider, or an API token from `rootquorum token create`, for a person "
    "(`rqp_…`) or a machine (`rqm_…`).",
)

# A token of good form, or with a good signature. The workflow function that gets it signs its owner in.
# Raises Unauthenticated, TooMany.
Presented = Annotated[ApiToken | Login, Security(_bearer)]


def _signed_in(ctx: Ctx, caller: Presented) -> Actor:
    return sign_in(ctx, caller)


async def _places(request: Request) -> Places:
    places: Places = request.app.state.places
    return places


# Limits the calls that wait for AWS at the same time.
Waiting = Annotated[Places, Depends(_places)]
SignedIn = Annotated[Actor, Depends(_signed_in)]
