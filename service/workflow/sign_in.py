"""Signing in: an API token or a provider's word, turned into an actor with the roles of today."""

from sqlalchemy.exc import IntegrityError

from service.db import people, tokens
from service.db.engine import read, retried
from service.domain.actor import Actor
from service.domain.errors import Code, Forbidden, NoRole, bad_token
from service.domain.proof import Login, Unsaid
from service.domain.sign_in_checks import RoleCheck, TokenCheck
from service.workflow.context import Context
from service.workflow.seen import as_actor, seen

_NOT_SAID = "Your token does not say who is behind this login"
_NOBODY = {
    Unsaid.ABSENT: (
        RoleCheck.PERSON_ABSENT,
        f"{_NOT_SAID}: the claim that the settings name is missing.",
    ),
    Unsaid.ELSEWHERE: (
        RoleCheck.PERSON_ELSEWHERE,
        f"{_NOT_SAID}, only where the provider says it.",
    ),
    Unsaid.UNREADABLE: (
        RoleCheck.PERSON_UNREADABLE,
        f"{_NOT_SAID}: the claim that the settings name is no name.",
    ),
    Unsaid.UNVERIFIED: (
        RoleCheck.PERSON_UNVERIFIED,
        "Your provider does not say that your mail address is verified, so it does not say who you are.",
    ),
}


@retried
def sign_in(ctx: Context, token_hash: str) -> Actor:
    """Who presented the API token with this hash. Raises Unauthenticated, Forbidden, Unavailable.

    Roles are those of the settings today, never those of the day when the token was made.
    """
    with read(ctx.engine) as tx:
        token = tokens.by_hash(tx, token_hash)
        person = None if token is None else people.get(tx, token.subject)
    if token is None:
        raise bad_token(TokenCheck.UNKNOWN)
    if token.revoked_at is not None:
        raise bad_token(TokenCheck.REVOKED)
    if token.expires_at <= ctx.now():
        raise bad_token(TokenCheck.EXPIRED)
    member = ctx.directory.get(token.subject)
    if member is None or member.kind is not token.kind:
        raise bad_token(TokenCheck.OWNER)
    if person is not None and person.suspended_at is not None:
        raise Forbidden(Code.SUSPENDED)
    return as_actor(member, token.id)


def sign_in_by_provider(ctx: Context, login: Login) -> Actor:
    """Whom a provider has proved. What it says of a person's groups is written down, and may void their votes.

    Raises Forbidden for whoever is suspended or has no role here, Unavailable.
    """
    proof = login.proof
    machine = ctx.directory.machine(login.issuer, proof.subject)
    if machine is not None:
        return as_actor(machine, proof.credential, proof)
    if login.machine_by is not None:
        raise NoRole(
            RoleCheck.MACHINE,
            f"This counts as a machine, since {login.machine_by}; and the settings name no such machine.",
        )
    if isinstance(login.subject, Unsaid):
        raise NoRole(*_NOBODY[login.subject])
    try:
        member = seen(ctx, login, login.subject)
    except IntegrityError:  # two first sign-ins of the same person at once
        member = seen(ctx, login, login.subject)
    if member.is_suspended:
        raise Forbidden(Code.SUSPENDED)
    if ctx.directory.person(member.subject) is None and not member.roles:
        raise NoRole(RoleCheck.NO_GROUP)
    return as_actor(member, proof.credential, proof)
