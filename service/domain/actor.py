"""Who acts: a person, a machine, or the service itself."""

from dataclasses import dataclass
from enum import StrEnum


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
class Actor:
    """One who acts, as just proved. `subject` is stable; `credential` names what proved it (a token's id)."""

    kind: ActorKind
    subject: str
    name: str
    roles: frozenset[Role]
    credential: str

    def has(self, *any_of: Role) -> bool:
        return not self.roles.isdisjoint(any_of)


# Runs what was approved to run by itself, expires what is overdue, settles what was left in doubt.
WORKER = Actor(kind=ActorKind.SERVICE, subject="rootquorum", name="Rootquorum", roles=frozenset(), credential="worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person or a machine that the settings name."""

    kind: ActorKind
    subject: str
    name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Directory:
    """Everybody the service knows, by subject. Subjects of people and of machines are distinct."""

    members: dict[str, Member]

    def get(self, subject: str) -> Member | None:
        return self.members.get(subject)

    def person(self, subject: str) -> Member | None:
        member = self.members.get(subject)
        return member if member is not None and member.kind is ActorKind.PERSON else None

    def name_of(self, subject: str) -> str:
        """The name to show; the subject itself for somebody who has left."""
        if subject == WORKER.subject:
            return WORKER.name
        member = self.members.get(subject)
        return member.name if member else subject

    @property
    def approvers(self) -> frozenset[str]:
        """The people who hold the role today. A machine never counts, whatever its roles say."""
        return frozenset(
            subject
            for subject, member in self.members.items()
            if member.kind is ActorKind.PERSON and Role.APPROVER in member.roles
        )
