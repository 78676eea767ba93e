"""Demands: what a rule demands of a request beyond the policy, and whether a set of approvals meets it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from service.domain.canonical import Document, Json, seconds
from service.domain.hours import Hours


class SignedApprovals(StrEnum):
    """Which approvals count only with a signature by their approver's own key. The later value is the stricter one."""

    OFF = "off"
    # Those of people who have a key that counts. So nobody who signs can be passed over.
    ENROLLED = "enrolled"
    REQUIRED = "required"

    @classmethod
    def strictest(cls, wanted: Iterable["SignedApprovals"]) -> "SignedApprovals":
        return max(wanted, key=[*cls].index, default=cls.OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The demands of the rule of this name. `approvals` maps a group to how many of it have to approve.

    None, False and empty demand nothing. `decision_amr` are methods of which a sign-in must have one.
    """

    rule: str
    approvals: Mapping[str, int] = field(default_factory=dict)
    quorum: int | None = None
    max_lifetime: timedelta | None = None
    require_root_mfa: bool = False
    ticket_required: bool = False
    approval_comment: bool = False
    decision_amr: frozenset[str] = frozenset()
    hours: Hours | None = None
    signed_approvals: SignedApprovals = SignedApprovals.OFF
    sealed_delivery: bool = False

    def document(self) -> Document:
        """Return what it demands, durations in seconds. It omits what it does not demand."""
        said: dict[str, Json] = {
            "approvals": dict(self.approvals),
            "quorum": self.quorum,
            "max_lifetime_seconds": None if self.max_lifetime is None else seconds(self.max_lifetime),
            "require_root_mfa": self.require_root_mfa,
            "ticket_required": self.ticket_required,
            "approval_comment": self.approval_comment,
            "decision_amr": list[Json](sorted(self.decision_amr)),
            "hours": None if self.hours is None else self.hours.document(),
            "signed_approvals": None if self.signed_approvals is SignedApprovals.OFF else self.signed_approvals.value,
            "sealed_delivery": self.sealed_delivery,
        }
        return {"rule": self.rule, **{name: value for name, value in said.items() if value}}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Demand":
        """Invert `document`. Raise KeyError, TypeError or ValueError for anything else."""
        said = dict(document)
        lifetime, hours = said.pop("max_lifetime_seconds", None), said.pop("hours", None)
        return cls(
            max_lifetime=None if lifetime is None else timedelta(seconds=lifetime),
            decision_amr=frozenset(said.pop("decision_amr", ())),
            hours=None if hours is None else Hours.from_document(hours),
            signed_approvals=SignedApprovals(said.pop("signed_approvals", SignedApprovals.OFF)),
            **said,  # named as in `document`; an unknown name is a TypeError
        )


@dataclass(frozen=True, slots=True)
class Missing:
    """The approvals that are still missing: each for one of these groups or, if there are none, for anybody."""

    groups: tuple[str, ...]
    count: int

    def __str__(self) -> str:
        return f"{self.count} of {' or '.join(self.groups)}" if self.groups else f"{self.count} more"


class Tally:
    """People with the groups that each is in, assigned to demands so that as many as possible are met.

    A person meets one demand. It is a maximum matching: whoever is in two groups is assigned where nobody else can be,
    and the order of people does not matter. Source: Kuhn's algorithm, by augmenting paths.
    """

    def __init__(self, approvals: Mapping[str, int], quorum: int, people: Mapping[str, Collection[str]]) -> None:
        """`approvals` are demanded of groups; `quorum` is the number of people in all, and not less than their sum."""
        self._approvals = approvals
        self._people = {person: sorted(approvals.keys() & set(people[person])) for person in sorted(people)}
        self._assigned: dict[str, set[str]] = {group: set() for group in sorted(approvals)}
        for person in self._people:
            self._assign(person)
        assigned = sum(map(len, self._assigned.values()))
        anybody = quorum - sum(approvals.values())
        self._missing_of_anybody = max(0, anybody - (len(self._people) - assigned))

    def _assign(self, newcomer: str) -> None:
        """Assign one more person, by reassigning others if necessary. Breadth first, so that nothing recurses."""
        came_from: dict[str, tuple[str | None, str]] = {}
        waiting: list[tuple[str | None, str]] = [(None, newcomer)]
        for left, person in waiting:  # it grows meanwhile
            for group in self._people[person]:
                if group in came_from:
                    continue
                came_from[group] = left, person
                if len(self._assigned[group]) < self._approvals[group]:
                    self._move(group, came_from)
                    return
                waiting += [(group, other) for other in sorted(self._assigned[group])]

    def _move(self, into: str | None, came_from: Mapping[str, tuple[str | None, str]]) -> None:
        while into is not None:
            left, person = came_from[into]
            self._assigned[into].add(person)
            if left is not None:
                self._assigned[left].remove(person)
            into = left

    @property
    def missing(self) -> tuple[Missing, ...]:
        """Return what is missing, empty if nothing is."""
        found: dict[tuple[str, ...], int] = {}
        for group, assigned in self._assigned.items():
            lacking = self._approvals[group] - len(assigned)
            if lacking:
                helpful = tuple(sorted(self._helping(group)))
                found[helpful] = found.get(helpful, 0) + lacking
        if self._missing_of_anybody:
            found[()] = self._missing_of_anybody
        return tuple(Missing(groups, count) for groups, count in found.items())

    @property
    def is_met(self) -> bool:
        return not self.missing

    def helps(self, groups: Collection[str]) -> bool:
        """Return whether one more person, who is in these groups, would meet one more demand."""
        if self._missing_of_anybody:
            return True
        lacking = (group for group, assigned in self._assigned.items() if len(assigned) < self._approvals[group])
        return any(not self._helping(group).isdisjoint(groups) for group in lacking)

    def _helping(self, lacking: str) -> set[str]:
        """Return the groups whose people could help: a person there frees another, who is also in this group."""
        found, to_look_at = {lacking}, [lacking]
        while to_look_at:
            group = to_look_at.pop()
            for other, assigned in self._assigned.items():
                if other not in found and any(group in self._people[person] for person in assigned):
                    found.add(other)
                    to_look_at.append(other)
        return found


def strictest(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the largest number for each group."""
    found: dict[str, int] = {}
    for each in counts:
        for group, count in each.items():
            found[group] = max(found.get(group, 0), count)
    return found


def listed(missing: Collection[Missing]) -> str:
    """Describe what is missing, such as `1 of security and 1 more`."""
    return " and ".join(map(str, missing))
