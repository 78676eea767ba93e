"""The accounts that there can be, as far as settings tell without asking AWS.

An account's name is in the settings, or an organization will tell it. Its units and tags only an organization tells.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from service.domain.account import ListedAccounts
from service.domain.globs import Globs, TooMany
from service.domain.rulebook import Rulebook
from service.domain.rules import Placement, Rule, folded

# Steps through patterns of names, and accounts in one question. Either takes seconds.
MOST_STEPS = 300_000
MOST_SITES = 100_000


@dataclass(frozen=True, slots=True)
class Site:
    """An account as it may be. With `is_other`, it is not in the settings, and its name is an example."""

    account_id: str
    placement: Placement
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class Realm:
    """The rulebook, the names of the accounts that the settings name, and the organizations that list others.

    Without any organization, nobody ever tells an account's units and tags.
    """

    rulebook: Rulebook
    accounts: Mapping[str, str] = field(default_factory=dict)
    listings: tuple[ListedAccounts, ...] = ()
    has_organizations: bool = False

    def may_serve(self, account_id: str) -> bool:
        """Return whether this account is in the settings, or an organization may list it."""
        return account_id in self.accounts or any(listing.takes(account_id) for listing in self.listings)

    @property
    def said(self) -> frozenset[str]:
        """Return the ids that anything in the settings names."""
        directory, found = self.rulebook.directory, set(self.accounts)
        for listing in self.listings:
            found |= listing.allow | listing.deny
        found.update(*(rule.accounts for rule in self.rulebook.rules.rules))
        found.update(*(limit for member in directory.members.values() for limit in member.limits.values()))
        found.update(*(grant.accounts or () for grants in directory.grants.values() for grant in grants))
        return frozenset(found)

    def others(self) -> Iterator[str]:
        """Yield the ids of accounts that are not in the settings, and which rules, roles or `allow` name.

        The last is one of which nothing is said, if an organization may list such.
        """
        said = self.said
        yield from sorted(each for each in said if each not in self.accounts and self.may_serve(each))
        if any(not listing.allow for listing in self.listings):
            yield unsaid(said)


def unsaid(said: Iterable[str]) -> str:
    """Return an account id that is none of these."""
    taken = set(said)
    return next(each for each in map("{:012}".format, itertools.count()) if each not in taken)


def sites(realm: Realm, selector: Rule, *, strictest: bool) -> Iterator[Site]:
    """Yield the accounts that a selector may take, as they may be. Raise TooMany.

    Of all that an account may be, it yields where the fewest rules apply or, for `strictest`, where the most do.
    """
    placed = list(_placed(realm, selector, strictest=strictest))
    patterns = Globs((0, name) for name in selector.names)
    ids = [each for each in sorted(realm.accounts) if not selector.accounts or each in selector.accounts]
    found = ((each, realm.accounts[each], False) for each in ids)
    known = (each for each in found if not selector.names or patterns.matching(each[1]))
    count = 0
    for account_id, name, is_other in itertools.chain(known, _others(realm, selector, strictest=strictest)):
        for units, tags in placed:
            count += 1
            if count > MOST_SITES:
                raise TooMany
            yield Site(account_id, Placement(name=name, units=units, tags=tags), is_other)


def _others(realm: Realm, selector: Rule, *, strictest: bool) -> Iterator[tuple[str, str, bool]]:
    ids = [each for each in selector.accounts if each not in realm.accounts and realm.may_serve(each)]
    others = sorted(ids) if selector.accounts else list(realm.others())
    names = _names(realm, selector, strictest=strictest) if others else []
    return ((account_id, name, True) for account_id in others for name in names)


def _names(realm: Realm, selector: Rule, *, strictest: bool) -> list[str]:
    """Return names that the selector takes, such that no other has fewer rules (more, for `strictest`)."""
    rules = realm.rulebook.rules.rules
    named = [(at, name) for at, rule in enumerate(rules) for name in rule.names]
    within = len(rules) if selector.names else None
    together = Globs(named + [(len(rules), name) for name in selector.names]).together(MOST_STEPS, within)
    ordered = sorted(together, key=lambda found: found[0].bit_count(), reverse=strictest)
    kept: list[tuple[int, str]] = []
    for bits, name in ordered:
        if not any((bits | other) == (other if strictest else bits) for other, _ in kept):
            kept.append((bits, name))
    return [name for _, name in kept]


def _placed(
    realm: Realm, selector: Rule, *, strictest: bool
) -> Iterator[tuple[frozenset[str] | None, Mapping[str, str] | None]]:
    """Yield units and tags that the selector takes. What is not known is strictest, and all rules apply by it."""
    if strictest or not realm.has_organizations:
        yield None, None
        return
    for units in [frozenset({unit}) for unit in sorted(selector.units)] or [frozenset[str]()]:
        for tags in tagged(selector):
            yield units, tags


def tagged(selector: Rule) -> Iterator[Mapping[str, str]]:
    """Yield the fewest tags that a selector takes: for each key one of its values."""
    keys: dict[str, tuple[str, list[str]]] = {}
    for key, values in sorted(selector.tags.items()):
        keys.setdefault(folded(key), (key, []))[1].extend(sorted(values))
    for chosen in itertools.product(*(values for _, values in keys.values())):
        yield {key: value for (key, _), value in zip(keys.values(), chosen, strict=True)}
