"""Rules: which requests demand more than the policy, and of whom.

Every rule that matches applies, and the strictest of each value wins. So a rule can only make it harder.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any

from service.domain.account import Account
from service.domain.canonical import Document, Json
from service.domain.demands import Demand
from service.domain.operation import OperationName
from service.domain.text import is_unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An account's name, the organizational units above it, and its tags. None means that it is not known."""

    name: str | None = None
    units: frozenset[str] | None = None
    tags: Mapping[str, str] | None = None

    @classmethod
    def of(cls, account: Account | None) -> "Placement":
        """Return the placement of an account. Of an unknown one nothing is known."""
        if account is None:
            return UNKNOWN
        # An account without a name is called by its id.
        name = None if account.name == account.account_id else account.name
        return cls(name=name, units=account.units, tags=account.tags)

    def document(self) -> Document:
        """Return the JSON form. Tags are a list, because their keys can have any letters."""
        tags = None if self.tags is None else [{"key": key, "value": tag} for key, tag in sorted(self.tags.items())]
        return {
            "name": self.name,
            "units": None if self.units is None else list[Json](sorted(self.units)),
            "tags": None if tags is None else list[Json](tags),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Placement":
        """Invert `document`. Raise KeyError or TypeError for anything else."""
        units, tags = document["units"], document["tags"]
        return cls(
            name=document["name"],
            units=None if units is None else frozenset(units),
            tags=None if tags is None else {each["key"]: each["value"] for each in tags},
        )


UNKNOWN = Placement()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule. It has at most one of `accounts`, `names`, `units` and `tags`; without any it matches every account.

    `names` are patterns with * and ?. `units` are ids of organizational units; those below them match, too. Of `tags`,
    all have to match, each with one of its values. Names and tags match in any spelling that `folded` takes for the
    same. `operations` empty means all of them.
    """

    demand: Demand
    accounts: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    units: frozenset[str] = frozenset()
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    operations: frozenset[OperationName] = frozenset()

    @property
    def name(self) -> str:
        return self.demand.rule

    def document(self) -> Document:
        """Return what it selects and demands. It omits what it does not."""
        tags: list[Json] = [{"key": key, "values": list[Json](sorted(tags))} for key, tags in sorted(self.tags.items())]
        said: dict[str, Json] = {
            "accounts": list[Json](sorted(self.accounts)),
            "names": list[Json](sorted(self.names)),
            "organizational_units": list[Json](sorted(self.units)),
            "tags": tags,
            "operations": list[Json](sorted(self.operations)),
        }
        return {**{name: value for name, value in said.items() if value}, **self.demand.document()}


class Rules:
    """All rules. Their order means nothing."""

    def __init__(self, rules: Collection[Rule] = ()) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.name))
        self._matchers = [(rule, _pattern(rule.names), _folded_tags(rule.tags)) for rule in self.rules]

    def __bool__(self) -> bool:
        return bool(self.rules)

    def matching(self, account_id: str, placement: Placement, operation: OperationName) -> tuple[Rule, ...]:
        """Return the rules that apply, by name. Where something is not known of the account, the rule applies."""
        name = None if placement.name is None else folded(placement.name)
        tags = None if placement.tags is None else _folded_tags({key: {tag} for key, tag in placement.tags.items()})
        return tuple(
            rule
            for rule, pattern, wanted in self._matchers
            if (not rule.operations or operation in rule.operations)
            and (not rule.accounts or account_id in rule.accounts)
            and (pattern is None or name is None or pattern.match(name) is not None)
            and (not rule.units or placement.units is None or not rule.units.isdisjoint(placement.units))
            and (not wanted or tags is None or all(not tags.get(key, _NONE).isdisjoint(wanted[key]) for key in wanted))
        )

    def idle(self, accounts: Collection[Account]) -> Iterator[Rule]:
        """Yield the rules that apply to none of these accounts."""
        placed = [(account.account_id, Placement.of(account)) for account in accounts]
        for rule in self.rules:
            alone, operation = Rules([rule]), next(iter(rule.operations), OperationName.CREATE_ACCESS_KEY)
            if not any(alone.matching(account_id, placement, operation) for account_id, placement in placed):
                yield rule

    def has_moved(self, account_id: str, before: Placement, now: Placement, operation: OperationName) -> bool:
        """Return whether other rules match because the account was renamed, moved or tagged.

        What was not known before, or is not known now, is no change: then the rule applies.
        """
        if not self.rules or before == now:
            return False
        known = Placement(
            name=now.name if before.name is None or now.name is None else before.name,
            units=now.units if before.units is None or now.units is None else before.units,
            tags=now.tags if before.tags is None or now.tags is None else before.tags,
        )
        return self.matching(account_id, known, operation) != self.matching(account_id, now, operation)

    def document(self) -> list[Json]:
        return [rule.document() for rule in self.rules]


def folded(name: str) -> str:
    """Return a name as rules compare it: without case, width, invisible characters and blanks at its ends."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if not is_unseen(letter))
    return unicodedata.normalize("NFKC", seen.lower()).strip()


def _pattern(names: Collection[str]) -> re.Pattern[str] | None:
    """Return what matches any of the patterns, None without patterns. Only * and ? are special."""
    if not names:
        return None
    return re.compile("|".join(translate(folded(name).replace("[", "[[]")) for name in names))


_NONE: frozenset[str] = frozenset()


def _folded_tags(tags: Mapping[str, Collection[str]]) -> Mapping[str, frozenset[str]]:
    """Return all values of each key, in the spelling that is compared."""
    found: dict[str, set[str]] = {}
    for key, values in tags.items():
        found.setdefault(folded(key), set()).update(map(folded, values))
    return {key: frozenset(values) for key, values in found.items()}
