"""Actors (people, machines, the service itself), and what gives them roles and groups."""

import re
from collections.abc import Iterator, Mapping
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
    `away_until` nobody waits for this member. `email` is where this member is told in person.
    """

    login: tuple[str, str] | None = None
    is_named: bool = True
    votes_since: datetime | None = None
    is_suspended: bool = False
    groups: frozenset[str] = frozenset()
    away_until: datetime | None = None
    seen_at: datetime | None = None
    email: str | None = field(default=None, repr=False)

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
    is the claim unchanged. `email` is the newest address that a provider vouched for, and `email_at` when the token was
    issued that said so, or that said that it no longer does.
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
    email: str | None = field(default=None, repr=False)
    email_at: datetime | None = None

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
