"""Who can approve in an account, as far as settings tell, and which of them suffice.

People who are alike to the rules are one kind. So questions about all sets of people take few steps.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.domain.actor import ActorKind, Group, Role
from service.domain.directory import Directory

# The place of an approval that no group has to give.
ANYBODY = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """Approvers who are alike: these people or, without any, whoever signs in with the provider's group `stated`.

    `sure` are the groups that they are in, whatever a provider states. `asks` says that they can file as well.
    """

    people: tuple[str, ...] = ()
    sure: frozenset[str] = frozenset()
    asks: bool = False
    stated: tuple[str, str] | None = None

    def size(self, enough: int) -> int:
        """Return how many there are. Of people whom only a provider knows there are `enough`."""
        return len(self.people) or enough


class Memberships:
    """The groups that somebody can be in at once.

    A provider may put anybody into a group that names one of its own, named people too. `apart` are pairs of groups
    of which nobody is said to be in both; that does not hold for whom the settings put into both.
    """

    def __init__(
        self, groups: Mapping[str, Group], issuers: Collection[str], apart: Collection[frozenset[str]] = ()
    ) -> None:
        self._apart = tuple(apart)
        self.apart_groups = frozenset[str]().union(*apart)
        stated = {each for group in groups.values() for each in group.provider_groups if each[0] in issuers}
        self.given_by = {
            each: frozenset(name for name, group in groups.items() if each in group.provider_groups) for each in stated
        }
        self.giving: dict[str, list[tuple[str, str]]] = {name: [] for name in groups}
        for each, names in sorted(self.given_by.items()):
            for name in names:
                self.giving[name].append(each)

    def ways(self, kind: Kind, *wanted: str) -> Iterator[frozenset[str]]:
        """Yield the smallest sets of groups in which one of this kind can be, all `wanted` included."""
        found = [kind.sure]
        for group in wanted:
            found = [way for groups in found for way in self._joined(groups, group)]
        return (way for way in dict.fromkeys(found) if self._can_be(kind.sure, way))

    def _joined(self, groups: frozenset[str], group: str) -> Iterator[frozenset[str]]:
        if group in groups or group == ANYBODY:
            yield groups
            return
        for stated in self.giving.get(group, ()):
            yield groups | self.given_by[stated]

    def _can_be(self, sure: frozenset[str], way: frozenset[str]) -> bool:
        return not any(pair <= way and not pair <= sure for pair in self._apart)


@dataclass(frozen=True, slots=True)
class Electors:
    """Who can approve in an account. `askers` can file and are no approvers; with `is_asked` others always can."""

    kinds: tuple[Kind, ...]
    askers: tuple[str, ...]
    is_asked: bool
    memberships: Memberships
    _alike: dict[frozenset[str], tuple[Kind, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def alike_in(self, groups: frozenset[str]) -> tuple[Kind, ...]:
        """Return the kinds as if there were no other groups than these: so they are fewer."""
        if groups not in self._alike:
            known = groups | self.memberships.apart_groups
            people: dict[Kind, list[str]] = {}
            for kind in self.kinds:
                people.setdefault(replace(kind, people=(), sure=kind.sure & known), []).extend(kind.people)
            self._alike[groups] = tuple(replace(kind, people=tuple(sorted(who))) for kind, who in people.items())
        return self._alike[groups]


def electors_of(directory: Directory, account_id: str, memberships: Memberships, *, is_create: bool) -> Electors:
    """Return who can approve a request for this account, and who can file it."""
    everybody = directory.members.values()
    asking = [member for member in everybody if member.has(Role.REQUESTER, on=account_id)]
    people = {member.subject for member in asking if member.kind is ActorKind.PERSON}
    grants = [
        (issuer, grant)
        for issuer, granted in directory.grants.items()
        for grant in granted
        if grant.accounts is None or account_id in grant.accounts
    ]
    is_asked = any(Role.REQUESTER in grant.roles for _, grant in grants)
    if any(member.kind is ActorKind.MACHINE for member in asking):
        # A machine may file what anybody else receives; of a create only a person can be the recipient.
        is_asked = is_asked or not is_create or any(directory.grants.values())
        people |= {member.subject for member in everybody if member.kind is ActorKind.PERSON}
    approvers = directory.approvers_of(account_id)
    alike: dict[tuple[frozenset[str], bool], list[str]] = {}
    for subject in sorted(approvers):
        alike.setdefault((directory.groups_of(subject), subject in people), []).append(subject)
    kinds = [Kind(tuple(subjects), sure, asks) for (sure, asks), subjects in alike.items()]
    none: frozenset[str] = frozenset()
    kinds += [
        Kind(sure=memberships.given_by.get(stated, none), stated=stated)
        for stated in sorted({(issuer, grant.group) for issuer, grant in grants if Role.APPROVER in grant.roles})
    ]
    return Electors(tuple(kinds), tuple(sorted(people - approvers)), is_asked, memberships)


@dataclass(frozen=True, slots=True)
class Part:
    """So many of one kind, who stand for a group or for anybody."""

    kind: Kind
    place: str
    number: int

    @property
    def condition(self) -> str:
        """Return the group that a provider has to put them into, empty if none."""
        return "" if self.place in self.kind.sure else self.place


def people_of(parts: Iterable[Part]) -> frozenset[tuple[object, ...]]:
    """Return who these are, whatever group they stand for, if they are in it anyway."""
    found: dict[tuple[object, ...], int] = {}
    for part in parts:
        who = part.kind.people, part.kind.stated, part.condition
        found[who] = found.get(who, 0) + part.number
    return frozenset((*who, number) for who, number in found.items())


def cheapest(
    places: Mapping[str, int], sizes: Sequence[int], costs: Sequence[Mapping[str, int]]
) -> tuple[int, list[dict[str, int]]] | None:
    """Fill all places with distinct people at the least cost. Return it, and how many of each kind are in each place.

    `costs` has for each kind the places that it can take. Return None if the places cannot be filled.
    Source: minimum-cost flow by successive shortest paths.
    """
    taken: list[dict[str, int]] = [{} for _ in sizes]
    free, total = list(sizes), 0
    for place, number in places.items():
        for _ in range(number):
            cost = _fill(place, taken, free, costs)
            if cost is None:
                return None
            total += cost
    return total, taken


def _fill(start: str, taken: list[dict[str, int]], free: list[int], costs: Sequence[Mapping[str, int]]) -> int | None:
    """Take one more person for a place, by the cheapest chain of people who move to another place."""
    distance: dict[str, int] = {start: 0}
    came: dict[str, tuple[str, int]] = {}
    changed = [start]
    while changed:
        place = changed.pop(0)
        for kind, cost in enumerate(costs):
            if place not in cost:
                continue
            for other, number in taken[kind].items():
                after = distance[place] + cost[place] - cost[other]
                if number and other != place and after < distance.get(other, after + 1):
                    distance[other], came[other] = after, (place, kind)
                    changed.append(other)
    ends = [
        (distance[place] + cost[place], place, kind)
        for place in distance
        for kind, cost in enumerate(costs)
        if free[kind] and place in cost
    ]
    if not ends:
        return None
    total, place, kind = min(ends)
    free[kind] -= 1
    taken[kind][place] = taken[kind].get(place, 0) + 1
    while place != start:
        before, kind = came[place]
        taken[kind][place] -= 1
        taken[kind][before] = taken[kind].get(before, 0) + 1
        place = before
    return total
