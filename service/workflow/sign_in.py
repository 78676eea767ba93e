"""Sign-in: turns an API token or a provider's token into an actor with today's roles."""

from sqlalchemy.exc import IntegrityError

from service.db import people, tokens
from service.db.engine import read, retried
from service.domain.actor import Actor
from service.domain.errors import Code, Forbidden, NoRole, bad_token
from service.domain.proof import Login, Unsaid
from service.domain.sign_in_checks import RoleCheck, TokenCheck
from service.workflow.context import Context
from service.workflow.seen import as_actor, seen

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


@retried
def sign_in(ctx: Context, token_hash: str) -> Actor:
    """Return the owner of the API token with this hash. Raise Unauthenticated, Forbidden, Unavailable.

    Roles come from today's settings, not from those at the token's creation.
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
    """Return the person or machine of a provider's token. Record a person's groups, which may void their votes.

    Raise Forbidden for somebody who is suspended or has no role here, Unavailable.
    """
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
    try:
        member = seen(ctx, login, login.subject)
    except IntegrityError:  # two first sign-ins of the same person at once
        member = seen(ctx, login, login.subject)
    if member.is_suspended:
        raise Forbidden(Code.SUSPENDED)
    if ctx.directory.person(member.subject) is None and not member.roles:
        raise NoRole(RoleCheck.NO_GROUP)
    return as_actor(member, proof.credential, proof)
