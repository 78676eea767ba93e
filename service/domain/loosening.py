"""Which people suffice under one rulebook who did not under another."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from service.domain.electors import Kind, Memberships, Part, cheapest
from service.domain.globs import TooMany
from service.domain.sufficing import Case, numbers_of, parts_of

# Groups of one case whose every combination is looked at.
_MOST_GROUPS = 10
_MOST_SETS = 4

_Stated = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Before:
    """How a kind of people was known before. `sure` None are no approvers by name; `named` are in the settings."""

    named: bool
    sure: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """People who suffice now. Before, fewer than `least` of them could approve, or stand for one of `groups`."""

    people: tuple[Part, ...]
    least: int
    groups: frozenset[str] | None


class Comparison:
    """Compares who suffices before and now in the same account, whatever providers state of the people.

    `named` are the people and machines of the settings before, and now.
    """

    def __init__(self, before: frozenset[str], now: frozenset[str]) -> None:
        self._named_before = before
        self._left = before - now
        self._found: dict[tuple[object, ...], tuple[Gain, ...]] = {}

    def gains(self, old: Case, new: Case) -> tuple[Gain, ...]:
        """Return some of the smallest sets of people who suffice now and did not before, empty without any.

        Raise TooMany.
        """
        key = (*old.key, *new.key)
        if key not in self._found:
            gains: dict[object, Gain] = {}
            for gain in () if not self._left and _is_same(old, new) else self._gains(old, new):
                gains.setdefault(numbers_of(gain.people), gain)
                if len(gains) == _MOST_SETS:
                    break
            self._found[key] = tuple(gains.values())
        return self._found[key]

    def _gains(self, old: Case, new: Case) -> Iterator[Gain]:
        """Yield sets that suffice now and break a bound of before: people of some groups, or people in all.

        By Hall's theorem people suffice if and only if there are enough for each combination of groups.
        """
        if len(old.approvals) > _MOST_GROUPS:
            raise TooMany
        kinds = self._kinds(old, new)
        sizes = [kind.size(new.quorum) for kind, _ in kinds]
        bounds: list[tuple[frozenset[str] | None, int]] = [(None, old.quorum)]
        for number in range(1, len(old.approvals) + 1):
            bounds += [
                (frozenset(groups), sum(old.approvals[group] for group in groups))
                for groups in itertools.combinations(sorted(old.approvals), number)
            ]
        for groups_of_bound, least in bounds:
            costs = [_costs(kind, before, groups_of_bound, old, new) for kind, before in kinds]
            filled = cheapest(new.places, sizes, costs)
            if filled is None:
                return
            if filled[0] < least:
                yield Gain(parts_of([kind for kind, _ in kinds], filled[1]), least, groups_of_bound)

    def _kinds(self, old: Case, new: Case) -> list[tuple[Kind, _Before]]:
        """Return the approvers now, those together who are in the same of the groups demanded before and now."""
        asked_before, asked_now = frozenset(old.approvals), frozenset(new.approvals)
        sure = {who: kind.sure & asked_before for kind in old.electors.kinds for who in kind.people}
        unknown = _Before(named=False)
        found: dict[tuple[Kind, _Before], list[str]] = {}
        for kind in new.electors.kinds:
            alike = replace(kind, people=(), sure=kind.sure & asked_now, asks=False)
            if kind.stated is not None:
                found[alike, unknown] = []
            for who in kind.people or sorted(self._left):
                before = _Before(who in self._named_before, sure.get(who))
                found.setdefault((alike, before), []).append(who)
        return [(replace(kind, people=tuple(sorted(who))), before) for (kind, before), who in found.items()]


def _is_same(old: Case, new: Case) -> bool:
    return (
        old.approvals == new.approvals
        and old.quorum == new.quorum
        and old.electors.kinds == new.electors.kinds
        and old.electors.memberships.given_by == new.electors.memberships.given_by
    )


def _costs(kind: Kind, before: _Before, groups: frozenset[str] | None, old: Case, new: Case) -> Mapping[str, int]:
    """Return the places that one of this kind can take now. Each costs 1 if the bound of before counted them."""
    found = {}
    for place in new.places:
        stated = list(_stated(kind, place, new.electors.memberships))
        if stated:
            found[place] = min(int(_counted(each, before, groups, old)) for each in stated)
    return found


def _stated(kind: Kind, place: str, memberships: Memberships) -> Iterator[_Stated]:
    """Yield the fewest groups that providers have to state of one of this kind for a place."""
    own: _Stated = frozenset() if kind.stated is None else frozenset({kind.stated})
    if not place or place in kind.sure:
        yield own
        return
    for each in memberships.giving.get(place, ()):
        yield own | {each}


def _counted(stated: _Stated, before: _Before, groups: frozenset[str] | None, old: Case) -> bool:
    electors = old.electors
    approved = before.sure is not None
    if not before.named:
        approved = any(kind.stated in stated for kind in electors.kinds if kind.stated is not None)
    if not approved or groups is None:
        return approved
    none: frozenset[str] = frozenset()
    member_of = (before.sure or none).union(*(electors.memberships.given_by.get(each, none) for each in stated))
    return not groups.isdisjoint(member_of)
