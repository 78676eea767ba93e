"""Who acts: a person, a machine, or the service itself; and who is known, with the roles of today."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.proof import Proof

# How a person may be named, by the settings or by a claim: visible ASCII. `#` is what stands between issuer and subject
# of those who have no such name.
SUBJECT_PATTERN = r"[!-\"$-~]{1,255}"


def is_subject(text: str) -> bool:
    """Whether somebody can be named so."""
    return re.fullmatch(SUBJECT_PATTERN, text) is not None


class ActorKind(StrEnum):
    PERSON = "person"
    MACHINE = "machine"
    SERVICE = "service"


class Role(StrEnum):
    """What an actor may be. Being the recipient or a participant is not a role: the request says it."""

    REQUESTER = "requester"
    APPROVER = "approver"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bearer:
    """Who holds roles. `limits` has the accounts that a role is limited to; a role that is not in it holds in all."""

    kind: ActorKind
    subject: str
    name: str
    roles: frozenset[Role]
    limits: Mapping[Role, frozenset[str]] = field(default_factory=dict)

    def has(self, *any_of: Role, on: str | None) -> bool:
        """Whether one of the roles is held in the account `on`; for None, in all of them."""
        return any(role in self.roles and (role not in self.limits or on in self.limits[role]) for role in any_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor(_Bearer):
    """One who acts, as just proved. `subject` is stable; `credential` names what proved it: the id of an API token,
    or, with `proof`, a sign-in at a provider.
    """

    credential: str
    proof: Proof | None = None


# Runs what was approved to run by itself, expires what is overdue, settles what was left in doubt.
WORKER = Actor(kind=ActorKind.SERVICE, subject="rootquorum", name="Rootquorum", roles=frozenset(), credential="worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(_Bearer):
    """A person or a machine that the settings name, or a person whom a provider has proved.

    `login` is a machine's: its issuer's name and the subject of its tokens. `is_named` is whether the settings name
    them. Votes before `votes_since` are void.
    """

    login: tuple[str, str] | None = None
    is_named: bool = True
    votes_since: datetime | None = None
    is_suspended: bool = False

    @property
    def is_let_in(self) -> bool:
        """Whether they can sign in. Whom the settings do not name needs a role for that."""
        return not self.is_suspended and (self.is_named or bool(self.roles))

    @property
    def approves(self) -> bool:
        """Whether they are an approver of anything. A machine never is, whatever its roles say."""
        return self.kind is ActorKind.PERSON and Role.APPROVER in self.roles and not self.is_suspended

    def approves_less_than(self, other: "Member") -> bool:
        """Whether `other` is an approver of something that this one is not."""
        if not other.approves or not self.approves:
            return other.approves
        mine, theirs = self.limits.get(Role.APPROVER), other.limits.get(Role.APPROVER)
        return mine is not None and (theirs is None or not theirs <= mine)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a provider's group means here: these roles, in these accounts or, for None, in all."""

    group: str
    roles: frozenset[Role]
    accounts: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """What the newest token of an issuer says: those groups that mean something here, and when it was issued."""

    groups: frozenset[str]
    proved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody as the service has last seen them, or as an operator has suspended them.

    `words` has what each issuer says, by its name in the settings. `issuer`, `groups` and `proved_at` are the newest of
    these; versions before 0008 write them alone. `spelling` is how a claim is spelled whose lower-case form those
    versions took for the subject: empty until the next sign-in, None where the subject is the claim as it stands.
    """

    subject: str
    name: str
    issuer: str | None = None
    groups: frozenset[str] = frozenset()
    seen_at: datetime | None = None
    proved_at: datetime | None = None
    votes_since: datetime | None = None
    suspended_at: datetime | None = None
    words: Mapping[str, Word] = field(default_factory=dict)
    spelling: str | None = None

    def void_until(self, now: datetime, last_vote: datetime | None) -> datetime:
        """From when on their votes count, if all so far are void; never earlier than it was, whatever the clock.

        `last_vote` is when they voted last on what is open, by a clock that was ahead of ours; None if by none.
        """
        after_it = now if last_vote is None else last_vote + timedelta(microseconds=1)
        return max(now, after_it, self.votes_since or now)

    @property
    def said(self) -> Mapping[str, Word]:
        """What each issuer says, with what an earlier version has written down since."""
        if self.issuer is None or self.proved_at is None:
            return self.words
        known = self.words.get(self.issuer)
        if known is not None and known.proved_at >= self.proved_at:
            return self.words
        return {**self.words, self.issuer: Word(self.groups, self.proved_at)}

    def by_word_of(self, issuer: str, word: Word | None) -> "Person":
        """The same with this word of one issuer, and with none of any other."""
        return replace(
            self,
            issuer=issuer,
            groups=word.groups if word else frozenset(),
            proved_at=None,
            words={issuer: word} if word else {},
        )


@dataclass(frozen=True, slots=True)
class Directory:
    """Everybody the service knows, by subject. Subjects of people and of machines are distinct.

    Whom the settings name has the roles that the settings say, however they sign in; everybody else has those that
    the `grants` of any issuer make of the groups that this issuer says.
    """

    members: Mapping[str, Member]
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)

    def get(self, subject: str) -> Member | None:
        return self.members.get(subject)

    def person(self, subject: str) -> Member | None:
        member = self.members.get(subject)
        return member if member is not None and member.kind is ActorKind.PERSON else None

    def machine(self, issuer: str, subject: str) -> Member | None:
        return next((member for member in self.members.values() if member.login == (issuer, subject)), None)

    def name_of(self, subject: str) -> str:
        """The name to show; the subject itself for somebody who has left."""
        if subject == WORKER.subject:
            return WORKER.name
        member = self.members.get(subject)
        return member.name if member else subject

    def joined(self, people: Iterable[Person]) -> "Directory":
        """With those whom the service has seen, or has suspended."""
        seen = {
            person.subject: self.as_member(person)
            for person in people
            if self.person(person.subject) or person.subject not in self.members  # a machine's name is nobody else's
        }
        return replace(self, members={**self.members, **seen})

    def as_member(self, person: Person) -> Member:
        """What somebody whom the service has seen may be today."""
        named = self.person(person.subject)
        if named is None:
            held = [
                grant
                for issuer, word in person.said.items()
                for grant in self.grants.get(issuer, ())
                if grant.group in word.groups
            ]
            roles = frozenset(role for grant in held for role in grant.roles)
            named = Member(
                kind=ActorKind.PERSON,
                subject=person.subject,
                name=person.name,
                roles=roles,
                limits={role: limit for role in roles if (limit := _limit(role, held)) is not None},
                is_named=False,
            )
        return replace(named, votes_since=person.votes_since, is_suspended=person.suspended_at is not None)

    def known_groups(self, issuer: str) -> frozenset[str]:
        """The groups of a provider that mean something here."""
        return frozenset(grant.group for grant in self.grants.get(issuer, ()))

    def is_taken(self, subject: str) -> bool:
        """Whether a person cannot have this subject: a machine has it, or a name differs from it by case alone."""
        return self.person(subject) is None and any(name.lower() == subject.lower() for name in self.members)

    def is_suspended(self, subject: str) -> bool:
        member = self.members.get(subject)
        return member is not None and member.is_suspended

    def may_ask(self, subject: str, kind: ActorKind, account_id: str) -> bool:
        """Whether a requester of this kind could still file something about this account."""
        member = self.members.get(subject)
        if member is None or member.kind is not kind or not member.is_let_in:
            return False
        return member.has(Role.REQUESTER, on=account_id)

    def may_receive(self, subject: str) -> bool:
        """Whether it is a person who can sign in, and so fetch what they are to receive."""
        person = self.person(subject)
        return person is not None and person.is_let_in

    @property
    def all_approvers(self) -> frozenset[str]:
        """The people who are an approver of anything today."""
        return frozenset(subject for subject, member in self.members.items() if member.approves)

    def approvers_of(self, account_id: str) -> frozenset[str]:
        """The people who hold the role for this account today."""
        return frozenset(subject for subject in self.all_approvers if self.is_approver(subject, account_id))

    def is_approver(self, subject: str, account_id: str) -> bool:
        """Whether they hold the role for this account today."""
        member = self.members.get(subject)
        return member is not None and member.approves and member.has(Role.APPROVER, on=account_id)

    @property
    def may_grow(self) -> bool:
        """Whether somebody can become an approver by a sign-in, and not by the settings alone."""
        return any(Role.APPROVER in grant.roles for grants in self.grants.values() for grant in grants)


def _limit(role: Role, held: Iterable[Grant]) -> frozenset[str] | None:
    limits = [grant.accounts for grant in held if role in grant.roles]
    if any(limit is None for limit in limits):
        return None
    return frozenset(account for limit in limits if limit is not None for account in limit)
