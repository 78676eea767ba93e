"""Records what a provider's token says about a person, if it is new. That may void their votes."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from service.db import audit, people, requests
from service.db.engine import Tx, begin, retried
from service.domain.actor import WORKER, Actor, Member, Person, Word
from service.domain.errors import NoRole
from service.domain.event_table import PERSON_CHANGED, PERSON_SEEN
from service.domain.events import known_as
from service.domain.proof import Login, Proof, Unsaid
from service.domain.sign_in_checks import RoleCheck
from service.workflow.context import Context
from service.workflow.tell import tell

# The longest subject that can be stored. Real names are shorter.
_LONGEST_SUBJECT = 255
# Writing "last seen" on every call would be too much.
_SEEN_EVERY = timedelta(minutes=1)
_NO_GROUPS = {
    Unsaid.ABSENT: (
        RoleCheck.GROUPS_ABSENT,
        "Your token has no groups, so it neither gives you a role nor takes one away.",
    ),
    Unsaid.ELSEWHERE: (
        RoleCheck.GROUPS_ELSEWHERE,
        "Your token has only a reference to your groups, because they are too many. Have the provider send fewer.",
    ),
    Unsaid.UNREADABLE: (
        RoleCheck.GROUPS_UNREADABLE,
        "The groups in your token are not a list of names, so they give you no role.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A person as a token shows them. `spelled` is the subject as in the token, `subject` the person's stored subject.

    `word` is the token's groups; None if it has none, or if the settings name no groups of this issuer.
    """

    login: Login
    spelled: str
    subject: str
    word: Word | None

    @property
    def issuer(self) -> str:
        return self.login.issuer

    def is_newer(self, known: Person) -> bool:
        """Return whether it has groups from a newer token of this issuer than all before."""
        before = known.said.get(self.issuer)
        return self.word is not None and (before is None or self.word.proved_at > before.proved_at)


class News(Exception):
    """A provider's token says something that is not recorded yet."""

    def __init__(self, shown: _Shown) -> None:
        super().__init__()
        self.shown = shown


def seen(ctx: Context, tx: Tx, login: Login, spelled: str) -> Member:
    """Return the member with today's roles by this token. `spelled` is the subject as in the token.

    Raise Forbidden, or News if it must be recorded first who was seen.
    """
    known = _known(tx, login, spelled)
    subject = spelled if known is None else known.subject
    _check_subject(ctx, subject)
    if known is not None and known.suspended_at is not None:
        return ctx.directory.as_member(known)
    named, shown = ctx.directory.person(subject), _shown(ctx, login, spelled, subject)
    if shown.word is None and named is None:
        raise _without_word(ctx, login)
    if known is None and named is None and not ctx.directory.as_member(_new(ctx, shown)).roles:
        # Do not store somebody who never had a role here.
        raise NoRole(RoleCheck.NO_GROUP)
    if known is None or _is_news(ctx, shown, known):
        raise News(shown)
    # A token older than the newest one seen does not restore groups that the newest one lacks.
    said, word = known.said.get(login.issuer), shown.word
    held = Word(said.groups & word.groups, word.proved_at) if said and word else None
    return ctx.directory.as_member(known.by_word_of(login.issuer, held))


def record_news(ctx: Context, news: News) -> None:
    """Record who was seen. That may void their votes. Raise Forbidden, Unavailable."""
    try:
        _record(ctx, news.shown)
    except IntegrityError:  # two first sign-ins of the same person at once
        _record(ctx, news.shown)


@retried
def _record(ctx: Context, shown: _Shown) -> None:
    with begin(ctx.engine) as tx:
        known = people.lock(tx, shown.subject)
        audit.hold(tx)  # what they vote after this is later than what is void from now on
        _write_down(ctx, tx, shown, known)


def as_actor(member: Member, credential: str, proof: Proof | None = None) -> Actor:
    return Actor(
        kind=member.kind,
        subject=member.subject,
        name=member.name,
        roles=member.roles,
        limits=member.limits,
        credential=credential,
        proof=proof,
    )


def _known(tx: Tx, login: Login, spelled: str) -> Person | None:
    """Return the person whom a claim with this spelling names. Raise Forbidden.

    Earlier versions used the claim in lower case as the subject. A person who is known by it stays that person, and
    keeps all votes, but only for the first spelling that signs in.
    """
    known = people.get(tx, spelled)
    if known is None and login.formerly is not None:
        known = people.get(tx, login.formerly)
        if known is not None and known.spelling is None:
            return None  # another person, whose claim has no capitals
    if known is not None:
        _check_spelling(known, spelled)
    return known


def _check_spelling(known: Person, spelled: str) -> None:
    if known.spelling not in {None, "", spelled}:
        raise NoRole(
            RoleCheck.SPELLING,
            "The name of somebody known here differs from yours only by case. An operator has to resolve this.",
        )


def _check_subject(ctx: Context, subject: str) -> None:
    if len(subject) > _LONGEST_SUBJECT:
        raise NoRole(RoleCheck.NAME, "Your subject is too long for this service.")
    if subject.lower() == WORKER.subject or ctx.directory.is_taken(subject):
        raise NoRole(
            RoleCheck.NAME,
            "This subject cannot be used: the settings have it, or one that differs only by case.",
        )


def _shown(ctx: Context, login: Login, spelled: str, subject: str) -> _Shown:
    word = None
    if not isinstance(login.groups, Unsaid) and ctx.directory.known_groups(login.issuer):
        word = Word(ctx.directory.known_groups(login.issuer) & login.groups, login.proof.issued_at)
    return _Shown(login=login, spelled=spelled, subject=subject, word=word)


def _without_word(ctx: Context, login: Login) -> NoRole:
    """Return why this token gives no role to a person whom the settings do not name."""
    if isinstance(login.groups, Unsaid) and ctx.directory.grants.get(login.issuer):
        return NoRole(*_NO_GROUPS[login.groups])
    detail = "The settings give no role to groups of your provider, and do not name you."
    return NoRole(RoleCheck.NO_GRANTS, detail)


def _new(ctx: Context, shown: _Shown) -> Person:
    """Return a new person from this token alone."""
    return Person(
        subject=shown.subject,
        name=shown.login.name,
        issuer=shown.issuer,
        groups=shown.word.groups if shown.word else frozenset(),
        seen_at=ctx.now(),
        proved_at=shown.login.proof.issued_at,
        words={shown.issuer: shown.word} if shown.word else {},
        **_email(shown),
    )


def _email(shown: _Shown, known: Person | None = None) -> dict[str, Any]:
    """Return the person's address after this token: the one that it vouches for, or none if it no longer does.

    Nothing changes by a token without an address, or by one that is older than what is known.
    """
    said, at = shown.login.email, shown.login.proof.issued_at
    is_old = known is not None and known.email_at is not None and at <= known.email_at
    if said is Unsaid.ABSENT or is_old:
        return {}
    return {"email": said if isinstance(said, str) else None, "email_at": at}


def _is_news(ctx: Context, shown: _Shown, known: Person) -> bool:
    if known.seen_at is None or known.spelling == "" or shown.is_newer(known):
        return True
    is_new_address = _email(shown, known).get("email", known.email) != known.email
    return is_new_address or ctx.now() - known.seen_at >= _SEEN_EVERY


def _write_down(ctx: Context, tx: Tx, shown: _Shown, known: Person | None) -> None:
    """Save what a sign-in has shown, and record an event if it changes the person."""
    if known is None:
        after, event = _new(ctx, shown), PERSON_SEEN
        people.add(tx, after)
    else:
        _check_spelling(known, shown.spelled)
        if known.suspended_at is not None:
            return
        after, event = _after(ctx, tx, shown, known), PERSON_CHANGED
        people.save(tx, after)
    if known is None or _is_change(shown, after, known):
        member, proof = ctx.directory.as_member(after), shown.login.proof
        said = after.by_word_of(shown.issuer, after.said.get(shown.issuer))
        tell(ctx, tx, known_as(event, said, member), actor=as_actor(member, proof.credential, proof), at=ctx.now())


def _is_change(shown: _Shown, after: Person, known: Person) -> bool:
    now, before = after.said.get(shown.issuer), known.said.get(shown.issuer)
    is_spelled = after.spelling not in {known.spelling, after.subject}
    return is_spelled or after.name != known.name or (now and now.groups) != (before and before.groups)


def _after(ctx: Context, tx: Tx, shown: _Shown, known: Person) -> Person:
    """Return the person after a sign-in. Only a token newer than all of this issuer's before updates the groups.

    If it gives less of the approver role than the one before, it voids the person's votes from all sign-ins.
    """
    now, issuer, new = ctx.now(), shown.issuer, _new(ctx, shown)
    spelling = shown.spelled if known.spelling == "" else known.spelling
    after = replace(known, seen_at=now, spelling=spelling, **_email(shown, known))
    if known.issuer is None:
        after = replace(after, name=new.name, issuer=issuer, groups=new.groups, proved_at=new.proved_at)
    if not shown.is_newer(known):
        return after
    after = replace(after, name=new.name, words={**known.said, **new.words})
    if known.proved_at is None or shown.login.proof.issued_at >= known.proved_at:
        after = replace(after, issuer=issuer, groups=new.groups, proved_at=new.proved_at)
    before = ctx.directory.as_member(known.by_word_of(issuer, known.said.get(issuer)))
    if ctx.directory.as_member(after.by_word_of(issuer, shown.word)).approves_less_than(before):
        return replace(after, votes_since=known.void_until(now, requests.last_vote(tx, known.subject, now)))
    return after
