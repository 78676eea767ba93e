"""Sign-in: turns an API token or a provider's token into an actor with today's roles."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from service.db import tokens
from service.db.engine import Tx, read, retried
from service.domain.actor import Actor
from service.domain.errors import Code, Forbidden, NoRole, Unavailable, bad_token
from service.domain.proof import ApiToken, Login, Unsaid
from service.domain.sign_in_checks import RoleCheck, TokenCheck
from service.workflow.context import Context
from service.workflow.seen import News, as_actor, record_news, seen

_NOT_SAID = "Your token does not identify you"
_NOBODY = {
    Unsaid.ABSENT: (
        RoleCheck.PERSON_ABSENT,
        f"{_NOT_SAID}: it lacks the claim that the settings require.",
    ),
    Unsaid.ELSEWHERE: (
        RoleCheck.PERSON_ELSEWHERE,
        f"{_NOT_SAID}: it has only a reference to the claim, not its value.",
    ),
    Unsaid.UNREADABLE: (
        RoleCheck.PERSON_UNREADABLE,
        f"{_NOT_SAID}: the claim that the settings require is not a name.",
    ),
    Unsaid.UNVERIFIED: (
        RoleCheck.PERSON_UNVERIFIED,
        "Your provider does not report your mail address as verified, so it does not identify you.",
    ),
}


Caller = Actor | ApiToken | Login
"""Who calls: somebody with a token whose form or signature is good, or an actor who has signed in already."""

P = ParamSpec("P")
T = TypeVar("T")


def recording_sign_ins(function: Callable[Concatenate[Context, P], T]) -> Callable[Concatenate[Context, P], T]:
    """Let a function sign its caller in within its own transaction, by `signed_in`.

    If a provider's token says something new, that is first recorded in a transaction of its own.
    """

    @wraps(function)
    def recording(ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(ctx, *args, **kwargs)
        except News as news:
            record_news(ctx, news)
        try:
            return function(ctx, *args, **kwargs)
        except News as news:  # only where clocks of hosts are more than a minute apart
            raise Unavailable(Code.UNAVAILABLE) from news

    return recording


@retried
@recording_sign_ins
def sign_in(ctx: Context, caller: Caller) -> Actor:
    """Return the actor of a token. Raise Unauthenticated, Forbidden, Unavailable."""
    with read(ctx.engine) as tx:
        return signed_in(ctx, tx, caller)


def signed_in(ctx: Context, tx: Tx, caller: Caller) -> Actor:
    """Return who calls, with today's roles. Lock no row before: this may raise.

    Raise Unauthenticated for a bad token; Forbidden for somebody who is suspended or has no role here; News.
    """
    match caller:
        case ApiToken():
            return _by_api_token(ctx, tx, caller.hash)
        case Login():
            try:
                return _by_provider(ctx, tx, caller)
            except NoRole as refusal:
                refusal.issuer = caller.issuer
                raise
        case Actor():
            return caller


def _by_api_token(ctx: Context, tx: Tx, token_hash: str) -> Actor:
    """Return the token's owner. Roles come from today's settings, not from those at the token's creation."""
    found = tokens.with_owner(tx, token_hash)
    if found is None:
        raise bad_token(TokenCheck.UNKNOWN)
    token, is_suspended = found
    if token.revoked_at is not None:
        raise bad_token(TokenCheck.REVOKED)
    if token.expires_at <= ctx.now():
        raise bad_token(TokenCheck.EXPIRED)
    member = ctx.directory.get(token.subject)
    if member is None or member.kind is not token.kind:
        raise bad_token(TokenCheck.OWNER)
    if is_suspended:
        raise Forbidden(Code.SUSPENDED)
    return as_actor(member, token.id)


def _by_provider(ctx: Context, tx: Tx, login: Login) -> Actor:
    proof = login.proof
    machine = ctx.directory.machine(login.issuer, proof.subject)
    if machine is not None:
        return as_actor(machine, proof.credential, proof)
    if login.machine_by is not None:
        raise NoRole(
            RoleCheck.MACHINE,
            f"This counts as a machine, since {login.machine_by}; but the settings have no such machine.",
        )
    if isinstance(login.subject, Unsaid):
        raise NoRole(*_NOBODY[login.subject])
    member = seen(ctx, tx, login, login.subject)
    if member.is_suspended:
        raise Forbidden(Code.SUSPENDED)
    if ctx.directory.person(member.subject) is None and not member.roles:
        raise NoRole(RoleCheck.NO_GROUP)
    return as_actor(member, proof.credential, proof)
