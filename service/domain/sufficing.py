"""Which people suffice for one operation on one account, and without whom nobody does."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from service.domain.demands import Tally, listed
from service.domain.electors import ANYBODY, Electors, Kind, Part, cheapest
from service.domain.policy import Policy

# Somebody who files it and is no approver; else the number of a kind of approvers.
_OTHER = -1
# Sets of people to try after the first.
_MOST_TRIED = 300


@dataclass(frozen=True, slots=True)
class Search:
    """Which people to look for: of `people` alone, members of the group `within` alone, or with fewer than `fewer_than`
    members of the group `of`.
    """

    people: frozenset[str] | None = None
    within: str | None = None
    of: str | None = None
    fewer_than: int | None = None


@dataclass(frozen=True)
class Case:
    """What one operation on one account demands, and who can approve it there.

    As the quorum is never less than the groups' sum, the smallest sets of people who suffice have `quorum` people.
    Whoever else is added to people who suffice, they still do.
    """

    approvals: Mapping[str, int]
    quorum: int
    electors: Electors

    @classmethod
    def of(cls, policy: Policy, electors: Electors) -> "Case":
        return cls(policy.approvals, policy.quorum, electors)

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells it from others. All cases have to share their Electors."""
        return frozenset(self.approvals.items()), self.quorum, id(self.electors)

    @cached_property
    def places(self) -> dict[str, int]:
        """Return how many approvals each group has to give, and how many anybody may."""
        return {**self.approvals, ANYBODY: self.quorum - sum(self.approvals.values())}

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the approvers, those together who are in the same of the demanded groups."""
        return self.electors.alike_in(frozenset(self.approvals))

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(kind.size(self.quorum) for kind in self.kinds)

    @cached_property
    def _costs(self) -> list[dict[str, int]]:
        return [self.costs(kind, Search()) for kind in self.kinds]

    def costs(self, kind: Kind, search: "Search") -> dict[str, int]:
        """Return the places that one of this kind can take. Each costs 1 if who takes it has to be in `search.of`."""
        also = () if search.within is None else (search.within,)
        found = {}
        for place in self.places:
            ways = list(self.electors.memberships.ways(kind, place, *also))
            if ways:
                found[place] = int(search.of is not None and all(search.of in way for way in ways))
        return found

    def suffice(self, search: "Search") -> Iterator[tuple[Part, ...]]:
        """Yield smallest sets of people who suffice, as a search wants them: each time other kinds of people.

        The first is found if there is any. Of the rest it tries as many as are quickly tried.
        """
        asked = frozenset(filter(None, (search.within, search.of)))
        kinds = list(self.electors.alike_in(asked.union(self.approvals)))
        if search.people is not None:
            kinds = [Kind((who,), kind.sure) for kind in kinds for who in kind.people if who in search.people]
        all_costs = {kind: self.costs(kind, search) for kind in kinds}
        kinds = [kind for kind in kinds if all_costs[kind]]
        costs = [all_costs[kind] for kind in kinds]
        first = self._filled([kind.size(self.quorum) for kind in kinds], kinds, costs, search)
        if first is None:
            return
        yield first
        found = {numbers_of(first)}
        sets = itertools.combinations_with_replacement(range(len(kinds)), self.quorum)
        for chosen in itertools.islice(sets, _MOST_TRIED):
            sizes = [chosen.count(at) for at in range(len(kinds))]
            if all(size <= kind.size(self.quorum) for size, kind in zip(sizes, kinds, strict=True)):
                other = self._filled(sizes, kinds, costs, search)
                if other is not None and numbers_of(other) not in found:
                    found.add(numbers_of(other))
                    yield other

    def _filled(
        self, sizes: Sequence[int], kinds: Sequence[Kind], costs: Sequence[Mapping[str, int]], search: "Search"
    ) -> tuple[Part, ...] | None:
        filled = cheapest(self.places, sizes, costs)
        if filled is None or (search.fewer_than is not None and filled[0] >= search.fewer_than):
            return None
        return parts_of(kinds, filled[1])

    def blocked_without(self, absent: int) -> tuple[str, ...] | None:
        """Return so many people, or fewer, without whom nobody can get it approved; None if there are none.

        Empty means that nobody can anyway. Of any people who suffice, one has to be absent, so few are tried.
        """
        hit = self._hit(list(self._sizes), len(self.electors.askers), absent)
        if hit is None:
            return None
        return tuple(sorted(who for number in {*hit} for who in self._named(number)[: hit.count(number)]))

    def needed_people(self) -> frozenset[str]:
        """Return everybody without whom nobody can get it approved. Empty if nobody can anyway."""
        found = self._solution(list(self._sizes), len(self.electors.askers))
        if found is None:
            return frozenset()
        return frozenset(
            who
            for number in found
            if self._hit(*self._without(number, list(self._sizes), len(self.electors.askers)), 0) is not None
            for who in self._named(number)
        )

    def lacking(self) -> str:
        """Describe why nobody can get it approved."""
        if not self.electors.is_asked and not self.electors.askers and not any(kind.asks for kind in self.kinds):
            return "nobody may file it"
        groups = {
            f"{at} {number}": places.keys()
            for at, (places, size) in enumerate(zip(self._costs, self._sizes, strict=True))
            for number in range(size)
        }
        missing = Tally(self.approvals, self.quorum, groups).missing
        return f"{listed(missing)} is missing" if missing else "too few are left besides whoever files it"

    def _named(self, number: int) -> tuple[str, ...]:
        return self.electors.askers if number == _OTHER else self.kinds[number].people

    def _hit(self, sizes: list[int], askers: int, absent: int) -> tuple[int, ...] | None:
        found = self._solution(sizes, askers)
        if found is None:
            return ()
        if not absent:
            return None
        for number in sorted(found):
            hit = self._hit(*self._without(number, sizes, askers), absent - 1)
            if hit is not None:
                return (number, *hit)
        return None

    @staticmethod
    def _without(number: int, sizes: list[int], askers: int) -> tuple[list[int], int]:
        if number == _OTHER:
            return sizes, askers - 1
        return [size - (at == number) for at, size in enumerate(sizes)], askers

    def _solution(self, sizes: list[int], askers: int) -> set[int] | None:
        """Return the named kinds that file and approve it in one way to get it approved, None if there is none."""
        for number, fewer in self._filed(sizes, askers):
            filled = cheapest(self.places, fewer, self._costs)
            if filled is not None:
                used = {at for at, places in enumerate(filled[1]) if any(places.values())}
                named = {at for at in used if self.kinds[at].stated is None}
                return named | ({number} if number is not None else set())
        return None

    def _filed(self, sizes: list[int], askers: int) -> Iterator[tuple[int | None, list[int]]]:
        """Yield who files it, and how many approvers of each kind are left then."""
        if self.electors.is_asked:
            yield None, sizes
        elif askers:
            yield _OTHER, sizes
        else:
            for at, kind in enumerate(self.kinds):
                if kind.asks and sizes[at]:
                    yield at, self._without(at, sizes, 0)[0]


def parts_of(kinds: Sequence[Kind], taken: Sequence[Mapping[str, int]]) -> tuple[Part, ...]:
    """Return who is in which place."""
    return tuple(
        Part(kind, place, number)
        for kind, places in zip(kinds, taken, strict=True)
        for place, number in sorted(places.items())
        if number
    )


def numbers_of(parts: Sequence[Part]) -> frozenset[tuple[Kind, int]]:
    """Return how many of each kind these are, whatever they stand for."""
    found: dict[Kind, int] = {}
    for part in parts:
        found[part.kind] = found.get(part.kind, 0) + part.number
    return frozenset(found.items())
