"""The versions of the signed rules that the log holds, and the chain that they make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.domain.canonical import Json
from service.domain.event_table import RULES_SIGNED
from service.domain.events import Event
from service.domain.roster import Facts, Key, RulesEvent
from service.domain.rule_chain import RuleChain, RulesFault
from service.domain.rule_file import MOST_SIGNATURES, RuleFile, SignedRules, parse_rules
from service.signing import proofs
from service.signing.demands import demands_of
from service.signing.faults import BadSignature

# Before the first event. The first version holds from there, as founders in the settings do.
BEFORE_ALL = -1
# Why an event proves nothing.
NOT_OURS, SAYS_ANOTHER = "The event is not in the form that the service writes.", "The event says another thing."
NO_CHAIN = RuleChain(in_force=())


@dataclass(frozen=True, slots=True)
class Recorded:
    """A version of the rules in the log, at a position."""

    signed: SignedRules
    position: int


def rules_signed(signed: SignedRules, signatures: Iterable[str]) -> Event:
    """Return the event that a version came into force, with the signatures that are good."""
    rules = signed.file.rules
    return Event(
        RULES_SIGNED,
        {
            "version": rules.version,
            "digest": rules.digest,
            "previous": rules.previous,
            "text": signed.file.text,
            "signatures": list[Json](signatures),
        },
    )


def rules_of(data: Mapping[str, Any]) -> SignedRules | str:
    """Return the version that an event holds, or the reason why it holds none. Its signatures are not verified."""
    try:
        file, signatures = parse_rules(str(data["text"]).encode()), data["signatures"]
    except (ValueError, LookupError):
        return NOT_OURS
    rules = file.rules
    said = {"version": rules.version, "digest": rules.digest, "previous": rules.previous}
    if any(data.get(name) != value for name, value in said.items()) or not isinstance(signatures, list):
        return SAYS_ANOTHER
    return SignedRules(file, tuple(map(str, signatures[:MOST_SIGNATURES])), "the audit log")


def grown(chain: RuleChain, recorded: Sequence[Recorded], facts: Facts) -> RuleChain:
    """Return the chain with the last of the versions that are recorded so far; `facts` are those so far.

    The first is trusted because it was seen first.
    """
    signed, position = recorded[-1].signed, recorded[-1].position
    files = [each.signed.file for each in recorded]
    if not chain.in_force:
        return RuleChain(in_force=(replace(event_of(signed, position, files), position=BEFORE_ALL),))
    unsigned = RulesEvent(rules=signed.file.rules, signers=frozenset(), position=position)
    refusal = chain.judge(unsigned, facts)
    # Signatures cost more than numbers, and anybody can write versions that do not follow.
    if refusal is not None and refusal.fault is not RulesFault.UNSIGNED:
        return chain.extended(unsigned, facts)
    return chain.extended(event_of(signed, position, files), facts)


def event_of(signed: SignedRules, position: int, known: Iterable[RuleFile]) -> RulesEvent:
    """Return a version with the keys that signed it, as if it stood at this position."""
    signers = frozenset(good_signatures(signed, known).values())
    return RulesEvent(rules=signed.file.rules, signers=signers, position=position)


def good_signatures(signed: SignedRules, known: Iterable[RuleFile]) -> Mapping[str, Key]:
    """Return the key of each good signature. What it has to prove is what the version before says, if it is known."""
    before = next((each for each in known if each.rules.digest == signed.file.rules.previous), signed.file)
    wanted, found = demands_of(before.signing), dict[str, Key]()
    for signature in signed.signatures:
        try:
            [found[signature]] = proofs.signers_of_rules(signed.file.bytes, [signature], wanted)
        except BadSignature:  # it adds nobody, and takes nothing from the others
            continue
    return found
