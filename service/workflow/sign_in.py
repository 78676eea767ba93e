"""Signing in: an API token or a provider's word, turned into an actor with the roles of today."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from service.db import people, tokens
from service.db.engine import Tx, begin, read, retried
from service.domain.actor import WORKER, Actor, ActorKind, Member, Person
from service.domain.errors import Code, Forbidden, TokenCheck, bad_token, suspended
from service.domain.events import PERSON_CHANGED, PERSON_SEEN, known_as
from service.domain.proof import Login, Proof
from service.workflow.context import Context
from service.workflow.tell import tell

# A subject is stored; and names that are longer than this are nobody's.
_LONGEST_SUBJECT = 255
# "Last seen" is not worth a write for every call.
_SEEN_EVERY = timedelta(minutes=1)


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
        raise suspended()
    return _actor(member, token.id)


def sign_in_by_provider(ctx: Context, login: Login) -> Actor:
    """Whom a provider has proved. What it says of a person's groups is written down, and may void their votes.

    Raises Forbidden for whoever is suspended or has no role here, Unavailable.
    """
    proof = login.proof
    machine = ctx.directory.machine(login.issuer, proof.subject)
    if machine is not None:
        return _actor(machine, proof.credential, proof)
    if login.is_machine:
        raise Forbidden(Code.NO_ROLE, "This is a machine that the settings do not name.")
    if login.subject is None:
        raise Forbidden(Code.NO_ROLE, "Your token does not say who is behind this login.")
    named = ctx.directory.get(login.subject)
    is_machines = named is not None and named.kind is not ActorKind.PERSON
    if is_machines or login.subject == WORKER.subject or len(login.subject) > _LONGEST_SUBJECT:
        raise Forbidden(Code.NO_ROLE, "Nobody can have this subject here.")
    try:
        member = _seen(ctx, login, login.subject)
    except IntegrityError:  # two first sign-ins of the same person at once
        member = _seen(ctx, login, login.subject)
    if member.is_suspended:
        raise suspended()
    if named is None and not member.roles:
        raise Forbidden(Code.NO_ROLE, "You are signed in, but none of your groups has a role here.")
    return _actor(member, proof.credential, proof)


def _actor(member: Member, credential: str, proof: Proof | None = None) -> Actor:
    return Actor(
        kind=member.kind,
        subject=member.subject,
        name=member.name,
        roles=member.roles,
        limits=member.limits,
        credential=credential,
        proof=proof,
    )


@retried
def _seen(ctx: Context, login: Login, subject: str) -> Member:
    """Write down who was seen, if that is news, and return what they may be today by this token."""
    groups = ctx.directory.known_groups(login.issuer) & login.groups
    shown = Person(
        subject=subject,
        name=login.name,
        issuer=login.issuer,
        groups=groups,
        seen_at=ctx.now(),
        proved_at=login.proof.issued_at,
    )
    with read(ctx.engine) as tx:
        known = people.get(tx, subject)
    member = ctx.directory.as_member(shown)
    if known is None and not member.roles and ctx.directory.person(subject) is None:
        return member  # whoever never was anybody here is not kept
    if known is None or _is_news(shown, known):
        with begin(ctx.engine) as tx:
            known = _write_down(ctx, tx, login.proof, shown, people.lock(tx, subject))
    # A token that is older than the newest one seen does not give back what that one no longer had.
    held = known.groups & groups if known.issuer == login.issuer else frozenset[str]()
    return ctx.directory.as_member(replace(known, groups=held))


def _is_news(shown: Person, known: Person) -> bool:
    if known.suspended_at is not None:
        return False
    if known.seen_at is None or shown.seen_at is None or _is_newer(shown, known):
        return True
    return shown.seen_at - known.seen_at >= _SEEN_EVERY


def _is_newer(shown: Person, known: Person) -> bool:
    """Whether it was shown by a newer token than all before."""
    return known.proved_at is None or (shown.proved_at is not None and shown.proved_at > known.proved_at)


def _write_down(ctx: Context, tx: Tx, proof: Proof, shown: Person, known: Person | None) -> Person:
    """Save what a sign-in has shown, and say so where it changes what somebody may be."""
    if known is not None and known.suspended_at is not None:
        return known
    if known is None:
        after, event = shown, PERSON_SEEN
        people.add(tx, after)
    else:
        after, event = _after(ctx, shown, known), PERSON_CHANGED
        people.save(tx, after)
    member = ctx.directory.as_member(after)
    if known is None or (after.name, after.issuer, after.groups) != (known.name, known.issuer, known.groups):
        by = _actor(member, proof.credential, proof)
        tell(ctx, tx, known_as(event, after, member), actor=by, at=ctx.now())
    return after


def _after(ctx: Context, shown: Person, known: Person) -> Person:
    """A newer token says what somebody is; without an approver's role it voids the votes that they have cast."""
    now = ctx.now()
    if not _is_newer(shown, known):
        return replace(known, seen_at=now)
    after = replace(shown, votes_since=known.votes_since)
    as_member = ctx.directory.as_member
    if as_member(after).approves_less_than(as_member(known)):
        return replace(after, votes_since=known.void_until(now))
    return after
