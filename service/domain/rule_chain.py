"""Which versions of the rules came into force: each by signatures of people whose keys counted under the one before.

The first version is trusted when it is first seen. An auditor who knows any version can follow the chain from there:
back by digests, because each version contains that of its predecessor, and forward by signatures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.domain.roster import Facts, RulesEvent, roster_at


class RulesFault(StrEnum):
    """Why a version of the rules is not in force."""

    # Fewer people than the quorum of the version before have signed it.
    UNSIGNED = "unsigned"
    OLDER = "older"
    # It does not continue the version that is in force.
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a version is not in force. `missing` is how many more people had to sign it; zero for another fault."""

    event: RulesEvent
    fault: RulesFault
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChain:
    """The versions that came into force, oldest first, and the refused events. `in_force` may be empty."""

    in_force: tuple[RulesEvent, ...]
    refused: frozenset[Refusal] = frozenset()

    def judge(self, event: RulesEvent, facts: Facts) -> Refusal | None:
        """Return why a version cannot follow the one in force, at the event's position. None if it can."""
        if not self.in_force:
            return Refusal(event=event, fault=RulesFault.FOREIGN)
        newest, rules = self.in_force[-1], event.rules
        if event.position <= newest.position or rules.version < newest.rules.version:
            return Refusal(event=event, fault=RulesFault.OLDER)
        if rules.version != newest.rules.version + 1 or rules.previous != newest.rules.digest:
            return Refusal(event=event, fault=RulesFault.FOREIGN)
        signed_by = roster_at(event.position, self.in_force, facts).people(event.signers)
        missing = newest.rules.quorum - len(signed_by)
        return Refusal(event=event, fault=RulesFault.UNSIGNED, missing=missing) if missing > 0 else None

    def extended(self, event: RulesEvent, facts: Facts) -> "RuleChain":
        """Return the chain with this later event: in force, or refused. The version in force may be recorded again."""
        if event.rules == self.in_force[-1].rules:
            return self
        refusal = self.judge(event, facts)
        if refusal is None:
            return RuleChain(in_force=(*self.in_force, event), refused=self.refused)
        return RuleChain(in_force=self.in_force, refused=self.refused | {refusal})

    def contains(self, digest: str) -> bool:
        return any(event.rules.digest == digest for event in self.in_force)


def follow(trusted: str, events: Iterable[RulesEvent], facts: Facts) -> RuleChain:
    """Return the chain through the version whose digest is `trusted`. The order of the events does not matter.

    A version is judged by what the log held when it was recorded. So a later revocation takes no version back.
    Otherwise, whoever revokes a key could bring back older rules.
    """
    ordered = sorted(set(events), key=lambda event: (event.position, event.rules.digest, sorted(event.signers)))
    first = _first_of(trusted, ordered)
    if first is None:
        return RuleChain(
            in_force=(), refused=frozenset(Refusal(event=each, fault=RulesFault.FOREIGN) for each in ordered)
        )
    chain = _forward_from(_oldest_ancestor(first, ordered), ordered, facts)
    # If signatures do not lead from its predecessors to the trusted version, they count for nothing.
    return chain if chain.contains(trusted) else _forward_from(first, ordered, facts)


def _forward_from(start: RulesEvent, ordered: Sequence[RulesEvent], facts: Facts) -> RuleChain:
    chain = RuleChain(in_force=(start,))
    for event in ordered:
        chain = chain.extended(event, facts)
    return chain


def _oldest_ancestor(event: RulesEvent, ordered: Sequence[RulesEvent]) -> RulesEvent:
    """Follow the digests back as far as the events go. Nobody can make a file that has a given digest."""
    while (before := _first_of(event.rules.previous, ordered)) is not None and before.position < event.position:
        event = before
    return event


def _first_of(digest: str | None, ordered: Sequence[RulesEvent]) -> RulesEvent | None:
    return next((event for event in ordered if event.rules.digest == digest), None)
