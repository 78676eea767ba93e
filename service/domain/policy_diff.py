"""What becomes possible or impossible between two rulebooks, for each account and operation."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from service.domain.globs import Globs, TooMany
from service.domain.loosening import Comparison, Gain
from service.domain.operation import OperationName
from service.domain.policy import Policy
from service.domain.realm import MOST_STEPS, Realm, Site, tagged, unsaid
from service.domain.rules import Placement, Rule, folded
from service.domain.situations import Book
from service.domain.strictness import Change, is_plainly_no_looser, policy_changes

# Pairs of rules that are looked at, for all accounts and operations, and names. This takes seconds.
_MOST_PAIRS = 100_000
_MOST_NAMES = 3_000

_Placed = tuple[frozenset[str] | None, Mapping[str, str] | None]
_UNKNOWN: _Placed = (None, None)


@dataclass(slots=True)
class Found:
    """Something that differs, and where: each account with each operation once, by the rules of then and now."""

    places: dict[tuple[str, OperationName], Site] = field(default_factory=dict)
    rules: tuple[tuple[Rule, ...], tuple[Rule, ...]] = ((), ())


@dataclass(slots=True)
class Differences:
    """What differs. The keys of `possible` and `impossible` are some of the sets of people who suffice or no longer do.

    `values` are values of the policy, as they were and are. `served` and `dropped` are accounts. With `gave_up`, there
    are more cases than were looked at, and something may become possible in them.
    """

    possible: dict[tuple[Gain, ...], Found] = field(default_factory=dict)
    impossible: dict[tuple[Gain, ...], Found] = field(default_factory=dict)
    values: dict[tuple[Change, Any, Any], Found] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    gave_up: bool = False

    @property
    def is_looser(self) -> bool:
        """Return whether something becomes possible that was not, or whether that cannot be told."""
        return self.gave_up or bool(self.possible or self.served) or any(each.is_looser for each, _, _ in self.values)


@dataclass(frozen=True, slots=True)
class _Account:
    """An account as both see it: its id and its name before and now, and an example of it."""

    account_id: str
    names: tuple[str, str]
    is_other: bool


def compare(old: Realm, new: Realm) -> Differences:
    """Return what differs between two realms."""
    found = Differences()
    is_no_looser = _has_same_accounts(old, new) and is_plainly_no_looser(old.rulebook, new.rulebook)
    try:
        _Comparing(Book(old), Book(new), found, is_no_looser=is_no_looser).run()
    except TooMany:
        found.gave_up = not is_no_looser
    return found


def _has_same_accounts(old: Realm, new: Realm) -> bool:
    """Return whether rules by name, unit and tag apply to the same accounts in both."""
    return (
        old.accounts == new.accounts
        and old.has_organizations == new.has_organizations
        and set(old.listings) == set(new.listings)
    )


class _Comparing:
    def __init__(self, old: Book, new: Book, found: Differences, *, is_no_looser: bool) -> None:
        self.old, self.new, self.found, self._is_no_looser = old, new, found, is_no_looser
        before, now = (frozenset(book.realm.rulebook.directory.members) for book in (old, new))
        self._gained, self._lost = Comparison(before, now), Comparison(now, before)
        self._values: dict[tuple[int, int], tuple[tuple[Change, Any, Any], ...]] = {}

    def run(self) -> None:
        """Compare what can be looked through. Raise TooMany at the end if that is not all."""
        alike = self._alike()
        most = _MOST_PAIRS // (len(alike) * len(OperationName) or 1)
        placed = list(itertools.islice(_placements(self.old, self.new), most + 1))
        for units_and_tags, accounts in itertools.product(placed[:most], alike.values()):
            self._compare(accounts, units_and_tags)
        if len(placed) > most:
            raise TooMany

    def _compare(self, accounts: Sequence[_Account], placed: _Placed) -> None:
        """Compare all operations on accounts that are alike, placed like this."""
        first = accounts[0]
        old_rules, new_rules = (
            book.named(first.account_id, name) & book.placed(*(placed if book.realm.has_organizations else _UNKNOWN))
            for book, name in zip((self.old, self.new), first.names, strict=True)
        )
        for name in OperationName:
            policies = self.old.policy(old_rules, name), self.new.policy(new_rules, name)
            site = Site(first.account_id, Placement())
            cases = self.old.case(site, old_rules, name), self.new.case(site, new_rules, name)
            gained = () if self._is_no_looser else self._gained.gains(*cases)
            lost: tuple[Gain, ...] = ()
            with suppress(TooMany):  # what becomes impossible is told as far as it is found
                lost = self._lost.gains(cases[1], cases[0])
            founds = [self.found.possible.setdefault(gained, Found())] if gained else []
            founds += [self.found.impossible.setdefault(lost, Found())] if lost else []
            founds += [self.found.values.setdefault(each, Found()) for each in self._changed(*policies)]
            for found in founds:
                if not found.places:
                    found.rules = self.old.rules_for(old_rules, name), self.new.rules_for(new_rules, name)
                for each in accounts:
                    place = Placement(name=each.names[1], units=placed[0], tags=placed[1])
                    found.places.setdefault((each.account_id, name), Site(each.account_id, place, each.is_other))

    def _changed(self, old: Policy, new: Policy) -> tuple[tuple[Change, Any, Any], ...]:
        key = id(old), id(new)
        if key not in self._values:
            self._values[key] = tuple(
                (change, getattr(old, change.what), getattr(new, change.what)) for change in policy_changes(old, new)
            )
        return self._values[key]

    def _alike(self) -> dict[tuple[object, ...], list[_Account]]:
        """Return the accounts that both serve, together where the same rules and people are theirs."""
        found: dict[tuple[object, ...], list[_Account]] = {}
        for account in self._accounts():
            key: list[object] = []
            for book, name in zip((self.old, self.new), account.names, strict=True):
                key.append(book.named(account.account_id, name))
                key += [id(book.electors(account.account_id, operation)) for operation in OperationName]
            found.setdefault(tuple(key), []).append(account)
        return found

    def _accounts(self) -> Iterator[_Account]:
        """Yield the accounts that both serve. Add those to the findings that only one does."""
        old, new = self.old.realm, self.new.realm
        ids = {*old.accounts, *new.accounts, *old.others(), *new.others()}
        if any(not listing.allow for realm in (old, new) for listing in realm.listings):
            ids.add(unsaid(old.said | new.said))
        self.found.served = sorted(each for each in ids if not old.may_serve(each))
        self.found.dropped = sorted(each for each in ids if not new.may_serve(each))
        both = sorted(ids.difference(self.found.served, self.found.dropped))
        names = self._names() if any(each not in old.accounts or each not in new.accounts for each in both) else []
        for account_id in both:
            before, now = old.accounts.get(account_id), new.accounts.get(account_id)
            if before is not None and now is not None:
                yield _Account(account_id, (before, now), is_other=False)
                continue
            for name in names:
                seen = (name if before is None else before, name if now is None else now)
                yield _Account(account_id, seen, is_other=before is None and now is None)

    def _names(self) -> list[str]:
        """Return a name for each set of rules that an account's name can be for, then and now."""
        rules = (*self.old.rules, *self.new.rules)
        patterns = ((at, name) for at, rule in enumerate(rules) for name in rule.names)
        found = [name for _, name in itertools.islice(Globs(patterns).together(MOST_STEPS), _MOST_NAMES)]
        if len(found) == _MOST_NAMES:
            raise TooMany
        return found


def _placements(old: Book, new: Book) -> Iterator[_Placed]:
    """Yield units and tags of accounts, all that can make a difference.

    People suffice now and did not before, because some rules demanded more of groups: one rule for each group at most.
    If there is such a place, there is one with no more units and tags than these rules take.
    """
    yield _UNKNOWN
    if not (old.realm.has_organizations or new.realm.has_organizations):
        return
    yield frozenset(), {}
    least = [_least(book) for book in (old, new)]
    groups = [{group for rule, _ in some for group in rule.demand.approvals} for some in least]
    seen: set[tuple[object, ...] | None] = set()
    for number in range(1, max(1, *map(len, groups)) + 1):
        for some, of in zip(least, groups, strict=True):
            for chosen in itertools.combinations(some if number <= max(1, len(of)) else (), number):
                placed = _joined([each for _, each in chosen])
                key = None if placed is None else (placed[0], frozenset((placed[1] or {}).items()))
                if placed is not None and key not in seen:
                    seen.add(key)
                    yield placed


def _least(book: Book) -> list[tuple[Rule, _Placed]]:
    """Return the fewest units and tags that each rule takes."""
    return [
        (rule, (frozenset({unit} if unit else ()), tags))
        for rule in book.rules
        if rule.units or rule.tags
        for unit in sorted(rule.units) or [""]
        for tags in tagged(rule)
    ]


def _joined(placed: Sequence[_Placed]) -> _Placed | None:
    """Return all of these units and tags, None where one tag would need two values.

    AWS tells keys apart by case, and rules do not: so an account may have two spellings of one key.
    """
    units = frozenset(unit for some, _ in placed for unit in some or ())
    tags: dict[str, str] = {}
    for key, value in sorted({(key, value) for _, some in placed for key, value in (some or {}).items()}):
        spellings = (key, key.lower(), key.upper(), key.capitalize(), key.swapcase())
        free = (each for each in spellings if tags.get(each, value) == value and folded(each) == folded(key))
        spelling = next(free, None)
        if spelling is None:
            return None
        tags[spelling] = value
    return units, tags
