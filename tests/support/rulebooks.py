"""Small random rulebooks, and a brute force over everybody whom they may let approve.

It knows nothing of how the service searches. It makes people with each possible word of their provider, and counts.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hypothesis import strategies as st
from support.builders import ACCOUNT, CREATE, DELETE, NOON, OTHER_ACCOUNT

from service.domain.account import ListedAccounts
from service.domain.actor import ActorKind, Grant, Group, Member, Person, Role, Word
from service.domain.demands import Demand, Tally
from service.domain.directory import Directory
from service.domain.policy import Policy
from service.domain.realm import Realm
from service.domain.rulebook import Rulebook
from service.domain.rules import Placement, Rule, Rules

STATED = (("corp", "x"), ("corp", "y"))
GROUPS = ("blue", "green", "red")
_PEOPLE = ("alice", "bob", "carol")
# As many as the largest quorum of `policies`: two of each of two groups.
_MOST_UNKNOWN = 4

_accounts = st.sampled_from([None, frozenset({ACCOUNT}), frozenset({OTHER_ACCOUNT})])


def _some(values: Iterable[str] | Iterable[tuple[str, str]]) -> st.SearchStrategy[frozenset[object]]:
    return st.frozensets(st.sampled_from(list(values)))


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    groups = {
        name: Group(draw(_some(_PEOPLE)), draw(_some(STATED)))  # type: ignore[arg-type]
        for name in GROUPS
    }
    members = {}
    for subject in _PEOPLE:
        roles = draw(st.frozensets(st.sampled_from([Role.APPROVER, Role.REQUESTER])))
        accounts = draw(_accounts)
        members[subject] = Member(
            kind=ActorKind.PERSON,
            subject=subject,
            name=subject,
            roles=roles,
            limits={} if accounts is None else dict.fromkeys(roles, accounts),
            groups=frozenset(name for name, group in groups.items() if subject in group.people),
        )
    if draw(st.booleans()):
        asking = frozenset({Role.REQUESTER})
        members["robo"] = Member(kind=ActorKind.MACHINE, subject="robo", name="robo", roles=asking)
    grants = tuple(
        Grant(group, draw(st.frozensets(st.sampled_from([Role.APPROVER, Role.REQUESTER]), min_size=1)), draw(_accounts))
        for _, group in STATED
        if draw(st.booleans())
    )
    return Directory(members, {"corp": grants}, groups)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    approvals = draw(st.dictionaries(st.sampled_from(GROUPS), st.integers(1, 2), max_size=2))
    demand = Demand(rule="random", approvals=approvals, quorum=draw(st.sampled_from([None, 3])))
    return Policy().under([demand])


@dataclass(frozen=True)
class Everybody:
    """All people who could approve in `ACCOUNT`: those of the settings and some others, with each word."""

    directory: Directory

    @cached_property
    def _known(self) -> dict[tuple[str, frozenset[tuple[str, str]]], frozenset[str] | None]:
        words = [frozenset(some) for number in range(3) for some in itertools.combinations(STATED, number)]
        people = [*_PEOPLE, "somebody"]
        return {(who, stated): self._groups(who, stated) for who in people for stated in words}

    def _groups(self, who: str, stated: frozenset[tuple[str, str]]) -> frozenset[str] | None:
        """Return the groups of an approver with this word; None for whoever is none."""
        word = Word(frozenset(group for _, group in stated), NOON)
        directory = self.directory.joined([Person(subject=who, name=who, words={"corp": word})])
        return directory.groups_of(who) if directory.is_approver(who, ACCOUNT) else None

    def sets(self) -> Iterator[dict[str, frozenset[str]]]:
        """Yield every set of approvers: the groups of each by name."""
        choices = []
        for who in _PEOPLE:
            mine = {groups for (name, _), groups in self._known.items() if name == who and groups is not None}
            choices.append([None, *sorted(mine, key=sorted)])
        unknown = {groups for (name, _), groups in self._known.items() if name == "somebody" and groups is not None}
        for chosen in itertools.product(*choices):
            named = {who: groups for who, groups in zip(_PEOPLE, chosen, strict=True) if groups is not None}
            for number in range(_MOST_UNKNOWN + 1):
                for others in itertools.combinations_with_replacement(sorted(unknown, key=sorted), number):
                    yield named | {f"somebody {at}": groups for at, groups in enumerate(others)}

    def sufficing(self, policy: Policy) -> list[dict[str, frozenset[str]]]:
        """Return every set that meets the policy."""
        return [some for some in self.sets() if Tally(policy.approvals, policy.quorum, some).is_met]


# What selectors, accounts and tags are made of. Some differ only to AWS, not to rules.
_IDS = st.sampled_from([ACCOUNT, OTHER_ACCOUNT, "555566667777"])
_NAMES = st.sampled_from(["prod", "prod-a", "PROD-\uff41", "dev", "p", "x"])
_GLOBS = st.sampled_from(["prod", "prod-*", "p*", "?*", "*a", "dev"])
_UNITS = st.sampled_from(["ou-root-aaaaaaaa", "ou-root-bbbbbbbb"])
_KEYS = st.sampled_from(["env", "Env", "team"])
_VALUES = st.sampled_from(["prod", "PROD", "dev"])


@st.composite
def rules(draw: st.DrawFn, name: str, *, demands: bool = True) -> Rule:
    """A rule with any selectors; without `demands` it only selects."""
    kind = draw(st.sampled_from(["all", "accounts", "names", "units", "tags", "several"]))

    def some(which: str, values: st.SearchStrategy[Any]) -> Any:
        return draw(values) if kind in {which, "several"} else None

    approvals: dict[str, int] = {}
    if demands:
        approvals = draw(st.dictionaries(st.sampled_from(GROUPS), st.just(1), max_size=2))
    tags = some("tags", st.dictionaries(_KEYS, st.frozensets(_VALUES, min_size=1, max_size=2), max_size=2))
    return Rule(
        demand=Demand(rule=name, approvals=approvals, quorum=draw(st.sampled_from([None, 3])) if demands else None),
        accounts=some("accounts", st.frozensets(_IDS, max_size=2)) or frozenset(),
        names=tuple(some("names", st.lists(_GLOBS, max_size=2, unique=True)) or ()),
        units=some("units", st.frozensets(_UNITS, max_size=2)) or frozenset(),
        tags=tags or {},
        operations=draw(st.sampled_from([frozenset(), frozenset({CREATE}), frozenset({DELETE})])),
    )


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    return Placement(
        name=draw(_NAMES),
        units=draw(st.none() | st.frozensets(_UNITS)),
        tags=draw(st.none() | st.dictionaries(_KEYS, _VALUES)),
    )


@st.composite
def realms(draw: st.DrawFn) -> Realm:
    """A rulebook with accounts in the settings, and perhaps an organization that lists others."""
    book = [draw(rules(f"rule {number}")) for number in range(draw(st.integers(0, 3)))]
    has_organizations = draw(st.booleans())
    listing = ListedAccounts(allow=draw(st.frozensets(_IDS, max_size=1)), deny=draw(st.frozensets(_IDS, max_size=1)))
    return Realm(
        Rulebook(Policy(), Rules(book), draw(directories())),
        accounts={ACCOUNT: draw(_NAMES)} if draw(st.booleans()) else {},
        listings=(listing,) if has_organizations and draw(st.booleans()) else (),
        has_organizations=has_organizations,
    )


@st.composite
def changes(draw: st.DrawFn) -> tuple[Realm, Realm]:
    """The same accounts under two rulebooks, which have some rules or all people in common."""
    old, other = draw(realms()), draw(realms())
    kept = [rule for rule in old.rulebook.rules.rules if draw(st.booleans())]
    added = [rule for rule in other.rulebook.rules.rules if rule.name not in {each.name for each in kept}]
    directory = draw(st.sampled_from([old.rulebook.directory, other.rulebook.directory]))
    return old, replace(old, rulebook=Rulebook(Policy(), Rules([*kept, *added]), directory))
