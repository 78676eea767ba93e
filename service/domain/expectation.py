"""Expectations of who can approve what, and what contradicts them.

Only the smallest sets of people who suffice are looked at: whoever is added to them, they still do.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from service.domain.actor import ActorKind
from service.domain.electors import Electors, Part, people_of
from service.domain.globs import TooMany
from service.domain.operation import OperationName
from service.domain.policy import SMALLEST_QUORUM
from service.domain.realm import Site, sites
from service.domain.rules import Rule
from service.domain.situations import Book
from service.domain.sufficing import Case, Search

# The sets of people that one finding names.
_MOST_SETS = 4
GAVE_UP = "There are too many cases to look through; name fewer accounts, patterns or tags."
TAKES_NONE = "It takes no account of the settings, and none that an organization may list."

_NO_GROUP = "the settings have no group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What has to hold for every account and operation that `selector` takes. The selector's name is its name.

    Whoever suffices has to include so many of each group in `needs`, and to be `quorum_at_least` people or more. None
    of the sets in `never` may suffice, no two people of a group in `no_two_of`, and no members of a group in
    `never_alone` by themselves. `possible` says whether anybody has to be able to get it approved, or nobody; then
    also without any `also_without_any` people and, with `named_only`, with people of the settings alone.
    """

    selector: Rule
    needs: Mapping[str, int] = field(default_factory=dict)
    quorum_at_least: int | None = None
    never: tuple[frozenset[str], ...] = ()
    no_two_of: tuple[str, ...] = ()
    never_alone: tuple[str, ...] = ()
    possible: bool | None = None
    also_without_any: int = 0
    named_only: bool = False

    @property
    def groups(self) -> frozenset[str]:
        return frozenset(self.needs).union(self.no_two_of, self.never_alone)


@dataclass(slots=True)
class Finding:
    """What contradicts an expectation: `what` is the sentence about `sets` of people, true of all `places`.

    `rules` are those that apply at the first place. All people of the sets are of the group `within`, if any.
    """

    what: str
    sets: tuple[tuple[Part, ...], ...] = ()
    electors: Electors | None = None
    within: str | None = None
    rules: tuple[Rule, ...] = ()
    places: list[tuple[Site, OperationName]] = field(default_factory=list)


def faults(book: Book, expectations: Collection[Expectation], apart: Collection[frozenset[str]]) -> Iterator[str]:
    """Yield a sentence for each name that the settings do not have: what is expected of nobody would always hold."""
    directory = book.realm.rulebook.directory
    groups = directory.groups.keys()
    for group in sorted(frozenset().union(*apart) - groups):
        yield f"assume.apart: {_NO_GROUP} {group}."
    for each in expectations:
        where = f'"{each.selector.name}"'
        for group in sorted(each.groups - groups):
            yield f"{where}: {_NO_GROUP} {group}."
        for who in sorted(frozenset().union(*each.never)):
            member = directory.members.get(who)
            if member is None or member.kind is not ActorKind.PERSON:
                yield f"{where}: the settings name no person {who}."
        for account_id in sorted(each.selector.accounts):
            if not book.realm.may_serve(account_id):
                yield f"{where}: account {account_id} is not in the settings, and no organization may list it."


def broken_assumptions(book: Book, apart: Collection[frozenset[str]]) -> Iterator[str]:
    """Yield what the settings say against the assumption that nobody is in both groups of a pair."""
    members = book.realm.rulebook.directory.members.values()
    for pair in sorted(apart, key=sorted):
        both = " and ".join(sorted(pair))
        for member in members:
            if member.approves and pair <= member.groups:
                yield f"{member.subject} is in {both}."
        for (issuer, group), names in sorted(book.memberships.given_by.items()):
            if pair <= names:
                yield f"whoever signs in with group {group} of issuer {issuer} is in {both}."


def contradictions(book: Book, expectation: Expectation) -> list[Finding]:
    """Return what contradicts it, empty if it holds. What cannot be looked through does not hold."""
    found: list[Finding] = []
    for is_strictest, claims in ((False, list(_claims(expectation))), (True, list(_claims_of_strictest(expectation)))):
        if claims:
            try:
                found += _judged(book, expectation, claims, strictest=is_strictest)
            except TooMany:
                found.append(Finding(GAVE_UP))
    return _joined(found)


def relies_on_providers(book: Book, expectation: Expectation) -> bool:
    """Return whether what is possible, as expected, is not by people of the settings without a provider's word."""
    if not expectation.possible or expectation.named_only or not book.has_providers:
        return False
    alone = replace(
        expectation, needs={}, quorum_at_least=None, never=(), no_two_of=(), never_alone=(), named_only=True
    )
    return bool(contradictions(book, alone))


_Claim = Callable[[Case], Finding | None]


def _judged(book: Book, expectation: Expectation, claims: list[_Claim], *, strictest: bool) -> list[Finding]:
    """Judge each case once for each claim, however many accounts have it."""
    found: dict[tuple[object, ...], list[Finding]] = {}
    names = sorted(expectation.selector.operations or OperationName)
    for site in sites(book.realm, expectation.selector, strictest=strictest):
        rules = book.applying(site)
        for name in names:
            case = book.case(site, rules, name, named_only=strictest and expectation.named_only)
            if case.key not in found:
                found[case.key] = list(filter(None, (claim(case) for claim in claims)))
            for finding in found[case.key]:
                finding.rules = finding.rules if finding.places else book.rules_for(rules, name)
                finding.places.append((site, name))
    return list(itertools.chain(*found.values())) if found else [Finding(TAKES_NONE)]


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Join findings that say the same of the same people."""
    found: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        first = found.setdefault((finding.what, frozenset(map(people_of, finding.sets)), finding.within), finding)
        if first is not finding:
            first.places += finding.places
    return list(found.values())


def _claims(expectation: Expectation) -> Iterator[_Claim]:
    """Yield what has to hold where the fewest rules apply."""
    if expectation.quorum_at_least is not None:
        yield partial(_too_few, expectation.quorum_at_least)
    for group, number in sorted(expectation.needs.items()):
        what = f"these suffice with fewer than {number} of {group}"
        yield partial(_sufficing, Search(of=group, fewer_than=number), what)
    for people in expectation.never:
        yield partial(_sufficing, Search(people=people), "these suffice together")
    for group in expectation.no_two_of:
        yield partial(_two_sufficing, Search(within=group), f"two of {group} suffice")
    for group in expectation.never_alone:
        yield partial(_sufficing, Search(within=group), f"members of {group} suffice by themselves")
    if expectation.possible is False:
        yield partial(_sufficing, Search(), "these suffice")


def _claims_of_strictest(expectation: Expectation) -> Iterator[_Claim]:
    """Yield what has to hold where the most rules apply."""
    if expectation.possible:
        yield partial(_impossible, expectation.also_without_any)


def _too_few(least: int, case: Case) -> Finding | None:
    return None if case.quorum >= least else _sufficing(Search(), f"fewer than {least} people suffice", case)


def _two_sufficing(search: Search, what: str, case: Case) -> Finding | None:
    return None if case.quorum > SMALLEST_QUORUM else _sufficing(search, what, case)


def _sufficing(search: Search, what: str, case: Case) -> Finding | None:
    found = tuple(itertools.islice(case.suffice(search), _MOST_SETS))
    return Finding(what, found, case.electors, search.within) if found else None


def _impossible(absent: int, case: Case) -> Finding | None:
    blocking = case.blocked_without(absent)
    if blocking is None:
        return None
    if blocking:
        return Finding(f"nobody can get it approved without {' and '.join(blocking)}")
    return Finding(f"nobody can get it approved: {case.lacking()}")
