"""The directory: who is known, with which roles and groups today."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.domain.actor import WORKER, ActorKind, Grant, Group, Member, Person, Role


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
            email=named.email or person.email,
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
