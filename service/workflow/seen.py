"""What a provider's token says of a person, written down where it is news; it may void their votes."""

from dataclasses import dataclass, replace
from datetime import timedelta

from service.db import people, requests
from service.db.engine import Tx, begin, read, retried
from service.domain.actor import WORKER, Actor, Member, Person, Word
from service.domain.errors import NoRole
from service.domain.event_table import PERSON_CHANGED, PERSON_SEEN
from service.domain.events import known_as
from service.domain.proof import Login, Proof, Unsaid
from service.domain.sign_in_checks import RoleCheck
from service.workflow.context import Context
from service.workflow.tell import tell

# A subject is stored; and names that are longer than this are nobody's.
_LONGEST_SUBJECT = 255
# "Last seen" is not worth a write for every call.
_SEEN_EVERY = timedelta(minutes=1)
_NO_GROUPS = {
    Unsaid.ABSENT: (
        RoleCheck.GROUPS_ABSENT,
        "Your token says nothing of groups, so it gives you no role; it takes none from you either.",
    ),
    Unsaid.ELSEWHERE: (
        RoleCheck.GROUPS_ELSEWHERE,
        "Your token does not name your groups, only where they are: they are too many. Have the provider send fewer.",
    ),
    Unsaid.UNREADABLE: (
        RoleCheck.GROUPS_UNREADABLE,
        "What your token says of groups is no list of names, so it gives you no role.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What a token shows of a person: `spelled` is the subject as it stands there, `subject` whom that names.

    `word` is what it says of groups; None where it says nothing, or where the settings ask this issuer for none.
    """

    login: Login
    spelled: str
    subject: str
    word: Word | None

    @property
    def issuer(self) -> str:
        return self.login.issuer

    def is_newer(self, known: Person) -> bool:
        """Whether it says something of groups, by a newer token of this issuer than all before."""
        before = known.said.get(self.issuer)
        return self.word is not None and (before is None or self.word.proved_at > before.proved_at)


@retried
def seen(ctx: Context, login: Login, spelled: str) -> Member:
    """Write down who was seen, if that is news, and return what they may be today by this token.

    `spelled` is the subject as the token has it. Raises Forbidden, Unavailable; IntegrityError when the same person is
    written down for the first time by somebody else as well.
    """
    with read(ctx.engine) as tx:
        known = _known(tx, login, spelled)
    subject = spelled if known is None else known.subject
    _check_subject(ctx, subject)
    if known is not None and known.suspended_at is not None:
        return ctx.directory.as_member(known)
    named, shown = ctx.directory.person(subject), _shown(ctx, login, spelled, subject)
    if shown.word is None and named is None:
        raise _without_word(ctx, login)
    if known is None and named is None and not ctx.directory.as_member(_new(ctx, shown)).roles:
        # Whoever never was anybody here is not kept.
        raise NoRole(RoleCheck.NO_GROUP)
    if known is None or _is_news(ctx, shown, known):
        with begin(ctx.engine) as tx:
            known = _write_down(ctx, tx, shown, people.lock(tx, subject))
    # A token that is older than the newest one seen does not give back what that one no longer had.
    said, word = known.said.get(login.issuer), shown.word
    held = Word(said.groups & word.groups, word.proved_at) if said and word else None
    return ctx.directory.as_member(known.by_word_of(login.issuer, held))


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
    """The person whom a claim with this spelling names. Raises Forbidden.

    Earlier versions took the lower-case form of a claim for the subject. Whoever is known by it stays that person, and
    keeps all votes; but only for the first spelling that comes.
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
            "Somebody is known here whose name differs from yours by case alone. An operator has to look.",
        )


def _check_subject(ctx: Context, subject: str) -> None:
    if len(subject) > _LONGEST_SUBJECT:
        raise NoRole(RoleCheck.NAME, "Nobody can have a subject as long as yours here.")
    if subject.lower() == WORKER.subject or ctx.directory.is_taken(subject):
        raise NoRole(
            RoleCheck.NAME,
            "Nobody can have this subject here: the settings have it, or one that differs by case alone.",
        )


def _shown(ctx: Context, login: Login, spelled: str, subject: str) -> _Shown:
    word = None
    if not isinstance(login.groups, Unsaid) and ctx.directory.grants.get(login.issuer):
        word = Word(ctx.directory.known_groups(login.issuer) & login.groups, login.proof.issued_at)
    return _Shown(login=login, spelled=spelled, subject=subject, word=word)


def _without_word(ctx: Context, login: Login) -> NoRole:
    """Why it gives nobody a role whom the settings do not name."""
    if isinstance(login.groups, Unsaid) and ctx.directory.grants.get(login.issuer):
        return NoRole(*_NO_GROUPS[login.groups])
    detail = "The settings give nobody a role for groups of your provider, and do not name you."
    return NoRole(RoleCheck.NO_GRANTS, detail)


def _new(ctx: Context, shown: _Shown) -> Person:
    """Somebody as this token alone shows them."""
    return Person(
        subject=shown.subject,
        name=shown.login.name,
        issuer=shown.issuer,
        groups=shown.word.groups if shown.word else frozenset(),
        seen_at=ctx.now(),
        proved_at=shown.login.proof.issued_at,
        words={shown.issuer: shown.word} if shown.word else {},
    )


def _is_news(ctx: Context, shown: _Shown, known: Person) -> bool:
    if known.seen_at is None or known.spelling == "" or shown.is_newer(known):
        return True
    return ctx.now() - known.seen_at >= _SEEN_EVERY


def _write_down(ctx: Context, tx: Tx, shown: _Shown, known: Person | None) -> Person:
    """Save what a sign-in has shown, and say so where it changes what somebody may be."""
    if known is None:
        after, event = _new(ctx, shown), PERSON_SEEN
        people.add(tx, after)
    else:
        _check_spelling(known, shown.spelled)
        if known.suspended_at is not None:
            return known
        after, event = _after(ctx, tx, shown, known), PERSON_CHANGED
        people.save(tx, after)
    if known is None or _is_change(shown, after, known):
        member, proof = ctx.directory.as_member(after), shown.login.proof
        said = after.by_word_of(shown.issuer, after.said.get(shown.issuer))
        tell(ctx, tx, known_as(event, said, member), actor=as_actor(member, proof.credential, proof), at=ctx.now())
    return after


def _is_change(shown: _Shown, after: Person, known: Person) -> bool:
    now, before = after.said.get(shown.issuer), known.said.get(shown.issuer)
    is_spelled = after.spelling not in {known.spelling, after.subject}
    return is_spelled or after.name != known.name or (now and now.groups) != (before and before.groups)


def _after(ctx: Context, tx: Tx, shown: _Shown, known: Person) -> Person:
    """What is known after a sign-in. A token of this issuer that is newer than all before says what somebody is by it.

    With less of an approver's role than the one before, it voids the votes that they have cast by any sign-in.
    """
    now, issuer, new = ctx.now(), shown.issuer, _new(ctx, shown)
    after = replace(known, seen_at=now, spelling=shown.spelled if known.spelling == "" else known.spelling)
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
