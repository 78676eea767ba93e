"""Actors (people, machines, the service itself), and the directory of who is known with which roles today."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.canonical import Document, Json
from service.domain.proof import Proof

# A person's subject, from the settings or from a claim: visible ASCII without `#`. For people without such a name, `#`
# separates issuer and subject.
SUBJECT_PATTERN = r"[!-\"$-~]{1,255}"


def is_subject(text: str) -> bool:
    return re.fullmatch(SUBJECT_PATTERN, text) is not None


class ActorKind(StrEnum):
    PERSON = "person"
    MACHINE = "machine"
    SERVICE = "service"


class Role(StrEnum):
    """A role of an actor. Recipient and participant are not roles: they depend on the request."""

    REQUESTER = "requester"
    APPROVER = "approver"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bearer:
    """A holder of roles. `limits` maps a role to its accounts; a role that is not in it holds in all accounts."""

    kind: ActorKind
    subject: str
    name: str
    roles: frozenset[Role]
    limits: Mapping[Role, frozenset[str]] = field(default_factory=dict)

    def has(self, *any_of: Role, on: str | None) -> bool:
        """Return whether this actor holds one of the roles in account `on`, or in all accounts if None."""
        return any(role in self.roles and (role not in self.limits or on in self.limits[role]) for role in any_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor(_Bearer):
    """The authenticated caller. `subject` is stable. `credential` names what proved it: the id of an API token or, with
    `proof`, a sign-in at a provider.
    """

    credential: str
    proof: Proof | None = None


# Executes requests that run on approval, expires overdue ones, and settles those in doubt.
WORKER = Actor(kind=ActorKind.SERVICE, subject="rootquorum", name="Rootquorum", roles=frozenset(), credential="worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(_Bearer):
    """A person or machine from the settings, or a person whom a provider has authenticated.

    Only machines have a `login`: the issuer's name and the subject of the machine's tokens. `is_named` says whether the
    settings name this member. Votes before `votes_since` are void. `groups` are those that rules name. Until
    `away_until` nobody waits for this member.
    """

    login: tuple[str, str] | None = None
    is_named: bool = True
    votes_since: datetime | None = None
    is_suspended: bool = False
    groups: frozenset[str] = frozenset()
    away_until: datetime | None = None
    seen_at: datetime | None = None

    @property
    def is_let_in(self) -> bool:
        """Return whether this member can sign in. A member whom the settings do not name needs a role."""
        return not self.is_suspended and (self.is_named or bool(self.roles))

    @property
    def approves(self) -> bool:
        """Return whether this is an approver of any account. A machine never is, whatever its roles."""
        return self.kind is ActorKind.PERSON and Role.APPROVER in self.roles and not self.is_suspended

    def approves_less_than(self, other: "Member") -> bool:
        """Return whether `other` is an approver of an account, or in a group, that this member is not one of."""
        if not other.approves or not self.approves:
            return other.approves
        if not other.groups <= self.groups:
            return True
        mine, theirs = self.limits.get(Role.APPROVER), other.limits.get(Role.APPROVER)
        return mine is not None and (theirs is None or not theirs <= mine)


@dataclass(frozen=True, slots=True)
class Grant:
    """The roles that a provider's group gives, in these accounts or, for None, in all."""

    group: str
    roles: frozenset[Role]
    accounts: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Approvers by their subjects, and by the groups (issuer, group) that their provider states."""

    people: frozenset[str] = frozenset()
    provider_groups: frozenset[tuple[str, str]] = frozenset()

    def has(self, person: "Person") -> bool:
        return person.subject in self.people or any(
            group in word.groups for issuer, word in person.said.items() for group in self._stated_by(issuer)
        )

    def _stated_by(self, issuer: str) -> Iterator[str]:
        return (group for of_issuer, group in self.provider_groups if of_issuer == issuer)

    def document(self) -> Document:
        stated: list[Json] = [{"issuer": issuer, "group": group} for issuer, group in sorted(self.provider_groups)]
        return {"people": list[Json](sorted(self.people)), "provider_groups": stated}


@dataclass(frozen=True, slots=True)
class Word:
    """The groups in the newest token of an issuer, as far as they have grants here, and the token's time of issue."""

    groups: frozenset[str]
    proved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as the service last saw them, or as an operator suspended them.

    `words` maps an issuer's name in the settings to its newest word. `issuer`, `groups` and `proved_at` repeat the
    newest of these; versions before 0008 write only those three. Those versions also took a claim's lower-case form
    for the subject. `spelling` is that claim's original spelling: empty until the next sign-in, None if the subject
    is the claim unchanged.
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
        """Return a `votes_since` that voids all votes so far. It never moves back, whatever the clock says.

        `last_vote` is when they last voted on an open request, if a clock ahead of ours recorded it; else None.
        """
        after_it = now if last_vote is None else last_vote + timedelta(microseconds=1)
        return max(now, after_it, self.votes_since or now)

    @property
    def said(self) -> Mapping[str, Word]:
        """Return the word of each issuer, including a newer one that an earlier version has stored since."""
        if self.issuer is None or self.proved_at is None:
            return self.words
        known = self.words.get(self.issuer)
        if known is not None and known.proved_at >= self.proved_at:
            return self.words
        return {**self.words, self.issuer: Word(self.groups, self.proved_at)}

    def by_word_of(self, issuer: str, word: Word | None) -> "Person":
        """Return this person with only this word of `issuer`, and none of any other issuer."""
        return replace(
            self,
            issuer=issuer,
            groups=word.groups if word else frozenset(),
            proved_at=None,
            words={issuer: word} if word else {},
        )


@dataclass(frozen=True, slots=True)
class Index:
    """Answers about the settings' members that would otherwise take a search through all of them."""

    members: Mapping[str, Member]
    machines: Mapping[tuple[str, str], Member]
    lower_case: frozenset[str]
    approvers: tuple[str, ...]

    @classmethod
    def of(cls, members: Mapping[str, Member]) -> "Index":
        return cls(
            members=members,
            machines={member.login: member for member in members.values() if member.login is not None},
            lower_case=frozenset(subject.lower() for subject in members),
            approvers=tuple(subject for subject, member in members.items() if member.approves),
        )


@dataclass(frozen=True, slots=True)
class Directory:
    """The people and machines that the service knows, by subject. Subjects of people and of machines are distinct.

    `members` are in the settings. `seen` are people with a stored record; those of them who are in the settings, too,
    are found here. There may be more records than the directory was given (see `workflow/standing.py`).

    A member named in the settings has the roles from the settings, however they sign in. All others get their roles
    from `grants`: each issuer's grants apply to the groups that this issuer states. `groups` are those that rules name;
    the members of them whom the settings name have them already.
    """

    members: Mapping[str, Member]
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    seen: Mapping[str, Member] = field(default_factory=dict)
    _index: Index | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._index is None or self._index.members is not self.members:
            object.__setattr__(self, "_index", Index.of(self.members))

    @property
    def index(self) -> Index:
        assert self._index is not None  # set at the start
        return self._index

    @property
    def everybody(self) -> Mapping[str, Member]:
        return {**self.members, **self.seen}

    def get(self, subject: str) -> Member | None:
        return self.seen.get(subject) or self.members.get(subject)

    def person(self, subject: str) -> Member | None:
        member = self.get(subject)
        return member if member is not None and member.kind is ActorKind.PERSON else None

    def machine(self, issuer: str, subject: str) -> Member | None:
        return self.index.machines.get((issuer, subject))

    def name_of(self, subject: str) -> str:
        """Return the name to show: for somebody who has left, the subject itself."""
        if subject == WORKER.subject:
            return WORKER.name
        member = self.get(subject)
        return member.name if member else subject

    def joined(self, people: Iterable[Person]) -> "Directory":
        """Return the directory with these people, whom the service has seen or has suspended."""
        seen = {
            person.subject: self.as_member(person)
            for person in people
            if self.person(person.subject) or person.subject not in self.members  # a machine's subject stays its own
        }
        return replace(self, seen={**self.seen, **seen})

    def as_member(self, person: Person) -> Member:
        """Return a person whom the service has seen with their roles of today."""
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
        return replace(
            named,
            votes_since=person.votes_since,
            is_suspended=person.suspended_at is not None,
            groups=named.groups.union(name for name, group in self.groups.items() if group.has(person)),
            seen_at=person.seen_at,
        )

    def known_groups(self, issuer: str) -> frozenset[str]:
        """Return the groups of a provider that have grants, or are in groups, here."""
        granted = frozenset(grant.group for grant in self.grants.get(issuer, ()))
        return granted.union(
            stated for group in self.groups.values() for of, stated in group.provider_groups if of == issuer
        )

    def groups_of(self, subject: str) -> frozenset[str]:
        """Return the groups that rules name and that this person is in today."""
        member = self.get(subject)
        return frozenset() if member is None else member.groups

    def is_taken(self, subject: str) -> bool:
        """Return whether a person cannot take this subject: a machine has it, or one differs by case alone."""
        return self.person(subject) is None and subject.lower() in self.index.lower_case

    def is_suspended(self, subject: str) -> bool:
        member = self.get(subject)
        return member is not None and member.is_suspended

    def is_away(self, subject: str, at: datetime) -> bool:
        """Return whether nobody waits for this person at that time. A vote of theirs counts all the same."""
        member = self.get(subject)
        return member is not None and member.away_until is not None and at < member.away_until

    def may_ask(self, subject: str, kind: ActorKind, account_id: str) -> bool:
        """Return whether a requester of this kind could still file a request for this account."""
        member = self.get(subject)
        if member is None or member.kind is not kind or not member.is_let_in:
            return False
        return member.has(Role.REQUESTER, on=account_id)

    def may_receive(self, subject: str) -> bool:
        """Return whether this is a person who can sign in, and so can fetch the secret."""
        person = self.person(subject)
        return person is not None and person.is_let_in

    @property
    def all_approvers(self) -> frozenset[str]:
        """Return the people in this directory who are approvers of any account today."""
        named = (subject for subject in self.index.approvers if subject not in self.seen)
        return frozenset(named) | {subject for subject, member in self.seen.items() if member.approves}

    def approvers_of(self, account_id: str) -> frozenset[str]:
        """Return the people in this directory who are approvers of this account today."""
        return frozenset(subject for subject in self.all_approvers if self.is_approver(subject, account_id))

    def is_approver(self, subject: str, account_id: str) -> bool:
        member = self.get(subject)
        return member is not None and member.approves and member.has(Role.APPROVER, on=account_id)

    def approver_groups(self, account_id: str | None = None) -> frozenset[tuple[str, str]]:
        """Return issuer and group of each grant of the approver role in this account or, for None, in any account."""
        return frozenset(
            (issuer, grant.group)
            for issuer, grants in self.grants.items()
            for grant in grants
            if Role.APPROVER in grant.roles
            and (account_id is None or grant.accounts is None or account_id in grant.accounts)
        )

    @property
    def may_grow(self) -> bool:
        """Return whether a sign-in can make somebody an approver, not only the settings."""
        return any(Role.APPROVER in grant.roles for grants in self.grants.values() for grant in grants)

    @property
    def growing_groups(self) -> frozenset[str]:
        """Return the groups that a sign-in can put somebody into."""
        return frozenset(name for name, group in self.groups.items() if group.provider_groups)


def _limit(role: Role, held: Iterable[Grant]) -> frozenset[str] | None:
    limits = [grant.accounts for grant in held if role in grant.roles]
    if any(limit is None for limit in limits):
        return None
    return frozenset(account for limit in limits if limit is not None for account in limit)
