"""Whether a signed approval counts today, and whose approval has to be signed.

The workflow proves signatures (`service/signing/proofs.py`) and reads the log. Here the result is held against the
decision and against the roster, at the decision and at each later judgement alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from service.domain.canonical import Document, Json
from service.domain.demands import SignedApprovals
from service.domain.errors import Code, Conflict, Forbidden, Invalid, ServiceError
from service.domain.policy import CLOCK_SKEW
from service.domain.request import Decision, OperationRequest, Verdict
from service.domain.roster import EndorsementFault, Holder, Key, KeyFault, Roster
from service.domain.statement import DecisionStatement, Expected, StatementFault, faults

OF_STATEMENT: Mapping[StatementFault, str] = {
    StatementFault.ANOTHER_SERVICE: "The statement is for another installation.",
    StatementFault.ANOTHER_REQUEST: "The statement is about another request.",
    StatementFault.ANOTHER_DIGEST: "The statement is about another digest than that of the request.",
    StatementFault.ANOTHER_DECISION: "The statement says another decision.",
    StatementFault.ANOTHER_PERSON: "The statement is another person's.",
    StatementFault.ANOTHER_PURPOSE: "The statement says otherwise of whether the request is a drill.",
    StatementFault.ANOTHER_LOG: "The statement names a head that this log never had.",
    StatementFault.TOO_OLD: "The statement was made too long before the decision.",
    StatementFault.WRONG_TIME: "The time in the statement contradicts the log.",
}
OF_KEY: Mapping[KeyFault, str] = {
    KeyFault.UNREGISTERED: "The key that signed it is not registered as this person's.",
    KeyFault.REVOKED: "The key that signed it was revoked.",
    KeyFault.CLAIMED_TWICE: "Two people claim the key that signed it.",
    KeyFault.NOT_ENDORSED: "Too few others have endorsed the key that signed it.",
}
_SUSPENDED = "This person was suspended after it was signed."
_UNSIGNED = "It is not signed with its person's own key."
_UNVERIFIED = "Its signature has not been verified."


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What a good signature of a decision proves: the statement, and the key that signed it.

    The log says of the statement's head: `head_root`, its root in lower-case hex; `head_at`, the time of the last event
    in it; and `next_at`, that of the first event after it. The first two are None if the log is shorter, the last one
    if nothing has happened since.
    """

    statement: DecisionStatement
    key: Key
    head_root: str | None
    head_at: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unproved:
    """A signature that proves nothing. `why` is safe to show."""

    why: str


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an approval does not count, as far as its signature is concerned."""

    code: Code
    why: str

    def refusal(self) -> ServiceError:
        match self.code:
            case Code.STATEMENT_TOO_OLD:
                return Conflict(self.code)
            case Code.WRONG_SIGNATURE:
                return Invalid(self.code, why=self.why)
            case Code.KEY_NOT_ENDORSED:
                return Forbidden(self.code, f"{self.code.sentence} {self.why}")
            case _:
                return Forbidden(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What signatures have to prove, and the founders: keys that count because the rules name them.

    `revoked` are fingerprints of keys that the settings let count for nothing. The fields but the last two are those of
    `service/signing/demands.py`, which loads a library.
    """

    rp_id: str | None = None
    origins: frozenset[str] = frozenset()
    user_verified: bool = True
    only_hardware: bool = False
    only_device_bound: bool = False
    founders: frozenset[Holder] = frozenset()
    revoked: frozenset[str] = frozenset()

    def document(self) -> Document:
        """Return what the rulebook says of it. Nothing if the settings do not, as in the version before."""
        if self == Signing():
            return {}
        keys: dict[str, list[Json]] = {}
        for person, key in sorted(self.founders):
            keys.setdefault(person, []).append(key)
        return {
            "rp_id": self.rp_id,
            "origins": list[Json](sorted(self.origins)),
            "user_verified": self.user_verified,
            "only_hardware": self.only_hardware,
            "only_device_bound": self.only_device_bound,
            "founders": keys,
            **({"revoked_keys": list[Json](sorted(self.revoked))} if self.revoked else {}),
        }


_NOBODY = Roster(at=0, owners={}, faults={}, endorsers={}, void=frozenset())


@dataclass(frozen=True, kw_only=True)  # without slots, which a cached property cannot have
class Signatures:
    """What the log holds today of keys and of signed decisions.

    `service` is the log's name. `enrolled` are the people who have a key that counts, or had one before it was revoked.
    `suspended` maps a person to the position of their last suspension; to one that no log reaches, if nobody has
    reinstated them since. `made` has each pair of statement and signature.
    """

    service: str = ""
    roster: Roster = _NOBODY
    enrolled: frozenset[str] = frozenset()
    suspended: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[tuple[str | None, str | None], Proved | Unproved] = field(default_factory=dict)

    @cached_property
    def holders(self) -> frozenset[str]:
        """Return the people who have a key that counts."""
        return frozenset(self.roster.owners.values())

    def has_to_sign(self, person: str, level: SignedApprovals) -> bool:
        return level is SignedApprovals.REQUIRED or (level is SignedApprovals.ENROLLED and person in self.enrolled)

    def can_approve(self, person: str, level: SignedApprovals) -> bool:
        """Return whether this person need not sign, or has a key to sign with."""
        return not self.has_to_sign(person, level) or person in self.holders

    def check_can_approve(self, person: str, level: SignedApprovals) -> None:
        """Raise Forbidden if this person has to sign and has no key that counts."""
        if self.can_approve(person, level):
            return
        has_one = any(holder == person for holder, _ in self.roster.faults)
        raise Forbidden(Code.KEY_NOT_ENDORSED if has_one else Code.SIGNATURE_REQUIRED)

    def objection(
        self, request: OperationRequest, decision: Decision, level: SignedApprovals, longest: timedelta
    ) -> Objection | None:
        """Return why an approval does not count, None if it does. A rejection need not be signed.

        `longest` is how long before the decision the statement may have been made, by the log.
        """
        if decision.statement is None and decision.signature is None:
            is_unsigned = decision.verdict is Verdict.APPROVE and self.has_to_sign(decision.person, level)
            return Objection(Code.SIGNATURE_REQUIRED, _UNSIGNED) if is_unsigned else None
        proved = self.made.get((decision.statement, decision.signature), Unproved(_UNVERIFIED))
        if isinstance(proved, Unproved):
            return Objection(Code.WRONG_SIGNATURE, proved.why)
        for fault in faults(proved.statement, self._expected(request, decision, proved, longest)):
            is_old = fault is StatementFault.TOO_OLD
            return Objection(Code.STATEMENT_TOO_OLD if is_old else Code.WRONG_SIGNATURE, OF_STATEMENT[fault])
        of_key = self.roster.fault(decision.person, proved.key)
        if of_key is not None:
            return Objection(Code.KEY_NOT_ENDORSED, OF_KEY[of_key])
        # Whoever signs has seen the log as it was at the head. What is not in there came later, whatever the row says.
        if self.suspended.get(decision.person, -1) >= proved.statement.head.size:
            return Objection(Code.WRONG_SIGNATURE, _SUSPENDED)
        return None

    def _expected(self, request: OperationRequest, decision: Decision, proved: Proved, longest: timedelta) -> Expected:
        # An event from the future does not keep a statement fresh.
        is_old = proved.next_at is not None and (
            decision.decided_at - proved.next_at > longest or proved.next_at > decision.decided_at + CLOCK_SKEW
        )
        return Expected(
            service=self.service,
            request_id=request.filing.request_id,
            digest=request.digest,
            verdict=decision.verdict,
            person=decision.person,
            drill=request.filing.drill,
            oldest_size=proved.statement.head.size + 1 if is_old else 0,
            head_root=proved.head_root,
            head_at=proved.head_at,
            recorded_at=decision.decided_at,
        )


NOTHING_SIGNED = Signatures()


def enrolled(roster: Roster, founders: Iterable[Holder], quorum: int) -> frozenset[str]:
    """Return the people who have a key that counts, or had one once.

    A revocation takes a key, of its person or of who endorsed it, and leaves the duty to sign. So nobody is passed over
    by a forged one. An endorsement by a key that never counted adds nothing.
    """
    vouched = {holder: set(people) for holder, people in roster.endorsers.items()}
    void: dict[Holder, set[tuple[str, Key]]] = {}
    for endorsement, fault in roster.void:
        if fault is EndorsementFault.BY_NO_KEY_THAT_COUNTS:
            void.setdefault((endorsement.person, endorsement.key), set()).add(
                (endorsement.endorser, endorsement.by_key)
            )
    once: set[Holder] = {*founders, *((person, key) for key, person in roster.owners.items())}
    more = once
    while more:
        more = {
            holder
            for holder in roster.faults.keys() - once
            if len(vouched.get(holder, set()) | {who for who, _ in void.get(holder, set()) & once}) >= quorum
        }
        once |= more
    known = roster.faults.keys() | {(person, key) for key, person in roster.owners.items()}
    return frozenset(person for person, _ in once & known)
