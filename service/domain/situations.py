"""Which rules apply to an account and who approves there, for many accounts quickly."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from service.domain.actor import Role
from service.domain.electors import Electors, Memberships, electors_of
from service.domain.globs import Globs
from service.domain.operation import KINDS, OperationName
from service.domain.policy import Policy
from service.domain.realm import Realm, Site
from service.domain.rules import Placement, Rule, Rules
from service.domain.sufficing import Case

_ALL = -1


class Book:
    """Answers for one realm. Rules are bits of an int, in the order of their names.

    `apart` are pairs of groups of which nobody is said to be in both.
    """

    def __init__(self, realm: Realm, apart: Collection[frozenset[str]] = ()) -> None:
        self.realm = realm
        self.rules = realm.rulebook.rules.rules
        directory = realm.rulebook.directory
        self.memberships = Memberships(directory.groups, directory.grants.keys(), apart)
        self._for = {
            name: self._bits(lambda rule, name=name: not rule.operations or name in rule.operations)
            for name in OperationName
        }
        self._of_all, self._of = self._bits(lambda rule: not rule.accounts), dict[str, int]()
        for at, rule in enumerate(self.rules):
            for account_id in rule.accounts:
                self._of[account_id] = self._of.get(account_id, 0) | 1 << at
        self._globs = Globs((at, name) for at, rule in enumerate(self.rules) for name in rule.names)
        self._without_names = self._bits(lambda rule: not rule.names)
        self._by_unit, self._by_tag = self._by("units"), self._by("tags")
        self._placed: dict[tuple[object, ...], int] = {}
        self._policies: dict[int, Policy] = {}
        self._electors: dict[tuple[object, ...], Electors] = {}
        self._electors_of: dict[tuple[str, bool, bool], Electors] = {}
        self._limited: dict[str, list[tuple[str, Role]]] = {}
        for member in directory.members.values():
            for role, limit in member.limits.items():
                for account_id in limit:
                    self._limited.setdefault(account_id, []).append((member.subject, role))
        self.has_providers = bool(self.memberships.given_by) or any(directory.grants.values())
        grants = (grant for granted in directory.grants.values() for grant in granted)
        self._limited_grants = [grant.accounts for grant in grants if grant.accounts is not None]

    def _bits(self, is_one: Callable[..., bool]) -> int:
        return sum(1 << at for at, rule in enumerate(self.rules) if is_one(rule))

    def _by(self, selector: str) -> tuple[int, Rules, dict[int, int]]:
        """Return the rules without this selector, and those with it, which have nothing but it, with their bits."""
        alone = {
            at: Rule(demand=rule.demand, **{selector: getattr(rule, selector)})
            for at, rule in enumerate(self.rules)
            if getattr(rule, selector)
        }
        bits = {id(rule): 1 << at for at, rule in alone.items()}
        return self._bits(lambda rule: not getattr(rule, selector)), Rules(alone.values()), bits

    def named(self, account_id: str, name: str | None) -> int:
        """Return the rules that an account's id and name do not exclude."""
        by_name = _ALL if name is None else self._without_names | self._globs.matching(name)
        return (self._of_all | self._of.get(account_id, 0)) & by_name

    def placed(self, units: frozenset[str] | None, tags: Mapping[str, str] | None) -> int:
        """Return the rules that an account's units and tags do not exclude."""
        placed = (units, None if tags is None else frozenset(tags.items()))
        if placed not in self._placed:
            placement, found = Placement(units=units, tags=tags), _ALL
            for without, rules, bits in (self._by_unit, self._by_tag):
                some = rules.matching("", placement, OperationName.CREATE_ACCESS_KEY)
                found &= without | sum(bits[id(rule)] for rule in some)
            self._placed[placed] = found
        return self._placed[placed]

    def applying(self, site: Site) -> int:
        """Return the rules that apply, each for some operation. `Rules.matching` says the same."""
        placement = site.placement
        return self.named(site.account_id, placement.name) & self.placed(placement.units, placement.tags)

    def some(self, rules: int) -> tuple[Rule, ...]:
        """Return the rules of these bits."""
        return tuple(self.rules[at] for at in _set_bits(rules))

    def policy(self, rules: int, name: OperationName) -> Policy:
        """Return the policy for an operation, with the demands of those of these rules that are for it."""
        some = rules & self._for[name]
        if some not in self._policies:
            demands = (rule.demand for rule in self.some(some))
            self._policies[some] = self.realm.rulebook.policy.under(demands)
        return self._policies[some]

    def rules_for(self, rules: int, name: OperationName) -> tuple[Rule, ...]:
        """Return those of these rules that are for an operation."""
        return self.some(rules & self._for[name])

    def electors(self, account_id: str, name: OperationName, *, named_only: bool = False) -> Electors:
        """Return who can approve there. Accounts where these are the same share them.

        With `named_only`, nobody counts of whom only a provider tells, and nobody is in a group by its word.
        """
        is_create = KINDS[name].makes_key
        asked = (account_id, is_create, named_only)
        if asked not in self._electors_of:
            self._electors_of[asked] = self._shared_electors(account_id, is_create=is_create, named_only=named_only)
        return self._electors_of[asked]

    def _shared_electors(self, account_id: str, *, is_create: bool, named_only: bool) -> Electors:
        granted = tuple(account_id in accounts for accounts in self._limited_grants)
        key = (frozenset(self._limited.get(account_id, ())), granted, is_create, named_only)
        if key not in self._electors:
            directory, memberships = self.realm.rulebook.directory, self.memberships
            if named_only:
                directory, memberships = replace(directory, grants={}), Memberships(directory.groups, ())
            self._electors[key] = electors_of(directory, account_id, memberships, is_create=is_create)
        return self._electors[key]

    def case(self, site: Site, rules: int, name: OperationName, *, named_only: bool = False) -> Case:
        """Return what this operation demands there by these rules, and who can approve it."""
        return Case.of(self.policy(rules, name), self.electors(site.account_id, name, named_only=named_only))


def _set_bits(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def reason(rule: Rule, placement: Placement) -> str:
    """Describe why a rule that applies does."""
    found = []
    if rule.accounts:
        found.append("it names the account")
    if rule.names and placement.name is None:
        found.append("the account's name is not known")
    elif rule.names:
        patterns = Globs(enumerate(rule.names)).matching(placement.name or "")
        found.append(f"the name matches {' and '.join(rule.names[at] for at in _set_bits(patterns))}")
    if rule.units and placement.units is None:
        found.append("the account's units are not known")
    elif rule.units:
        found.append(f"the account is in {' and '.join(sorted(rule.units & (placement.units or frozenset())))}")
    if rule.tags and placement.tags is None:
        found.append("the account's tags are not known")
    elif rule.tags:
        found.append(f"the account has its tags: {', '.join(sorted(rule.tags))}")
    return ", and ".join(found) or "it is for all accounts"
