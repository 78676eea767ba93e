"""The rules in force, and their checks of an operation, an account, a ticket and a sign-in."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.account import RootCredentials
from service.domain.actor import Actor
from service.domain.canonical import Document, Json, seconds
from service.domain.errors import Code, Conflict, Invalid, SignInAgain
from service.domain.operation import Operation

SMALLEST_QUORUM = 2
# How far two clocks may differ: a provider's and ours, or those of two of our hosts.
CLOCK_SKEW = timedelta(seconds=30)


class FreshExecutions(StrEnum):
    """Which executions require as fresh and as strong a sign-in as a decision."""

    CREATES = "creates"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules in force. Every window is at least a second; the quorum is two people or more. Raise ValueError.

    With `max_lifetime` None, a new key needs no lifetime, unless `lifetime_required`. A decision requires a sign-in no
    older than `decision_max_auth_age`. If `decision_acr` or `decision_amr` have values, the sign-in must have one of
    them. An execution that returns a secret requires the same, and with `execution_sign_in` `all` every execution.
    """

    quorum: int = SMALLEST_QUORUM
    approval_window: timedelta = timedelta(days=3)
    execution_window: timedelta = timedelta(hours=8)
    receipt_window: timedelta = timedelta(minutes=15)
    rollback_grace: timedelta = timedelta(hours=24)
    # AWS shows new and deleted keys everywhere after seconds, sometimes longer. Minutes are safe.
    consistency_delay: timedelta = timedelta(minutes=5)
    require_root_mfa: bool = False
    lifetime_required: bool = False
    max_lifetime: timedelta | None = None
    expiry_notice: timedelta = timedelta(hours=24)
    # Each drift check signs in as the account's root, which detectors of root usage report.
    drift_checks: bool = True
    drift_interval: timedelta = timedelta(hours=6)
    decision_max_auth_age: timedelta = timedelta(minutes=15)
    # If off, a decision requires no proof of when the caller signed in. API tokens have none.
    decision_requires_auth_time: bool = True
    decision_acr: frozenset[str] = frozenset()
    decision_amr: frozenset[str] = frozenset()
    execution_sign_in: FreshExecutions = FreshExecutions.CREATES
    # A ticket's key must match `ticket_pattern` in full. `ticket_states` None means any state.
    ticket_required: bool = False
    ticket_pattern: str | None = None
    ticket_check: bool = False
    ticket_check_at_execution: bool = False
    ticket_states: frozenset[str] | None = None
    ticket_unchecked: bool = False
    # Destinations for the last reminder of a request that waits for approvers, and for one with too few approvers left.
    escalate_to: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.quorum < SMALLEST_QUORUM:
            raise ValueError("the quorum is two people or more")
        windows = (
            self.approval_window,
            self.execution_window,
            self.receipt_window,
            self.rollback_grace,
            self.consistency_delay,
            self.max_lifetime or self.approval_window,
            self.expiry_notice,
            self.drift_interval,
            self.decision_max_auth_age,
        )
        if min(windows) < timedelta(seconds=1):
            raise ValueError("every window is at least a second")

    def document(self) -> Document:
        """Return all rules by name, durations in seconds, sets sorted."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: object) -> Json:
    match value:
        case timedelta():
            return seconds(value)
        case frozenset():
            return sorted(value)
        case bool() | int() | str() | None:
            return value
        case _:
            raise TypeError(f"no rule is of {type(value).__name__}")


def check_lifetime(policy: Policy, operation: Operation, lifetime: timedelta | None) -> None:
    """Raise Invalid if a new key's lifetime is missing or too long."""
    if not operation.is_create:
        return
    if lifetime is None and (policy.lifetime_required or policy.max_lifetime is not None):
        raise Invalid(Code.LIFETIME_REQUIRED)
    if lifetime is not None and policy.max_lifetime is not None and lifetime > policy.max_lifetime:
        raise Invalid(Code.LIFETIME_TOO_LONG, seconds=f"{policy.max_lifetime.total_seconds():,.0f}")


def check_ticket(policy: Policy, ticket: str | None, has_form: Callable[[str, str], bool]) -> None:
    """Raise Invalid if a required ticket is missing, or its key does not have the required form.

    `has_form` returns whether a pattern matches a whole text.
    """
    if ticket is None and policy.ticket_required:
        raise Invalid(Code.TICKET_REQUIRED)
    if ticket is not None and policy.ticket_pattern is not None and not has_form(policy.ticket_pattern, ticket):
        raise Invalid(Code.UNKNOWN_TICKET, "The ticket's key does not have the form that this service requires.")


def check_ticket_state(policy: Policy, state: str | None) -> None:
    """Raise Invalid if there is no such ticket (None), Conflict if the rules do not name its state."""
    if state is None:
        raise Invalid(Code.UNKNOWN_TICKET)
    if policy.ticket_states is not None and state not in policy.ticket_states:
        raise Conflict(Code.TICKET_STATE)


def check_root_mfa(
    policy: Policy, operation: Operation, state: RootCredentials, *, approved_on: RootCredentials | None = None
) -> None:
    """Raise Conflict if a new key requires root MFA, and AWS does not confirm that there is any.

    Also raise it if an operation that lets somebody in was approved with MFA enabled, and MFA is off now.
    """
    lets_in = operation.kind.lets_somebody_in
    if lets_in and approved_on is not None and approved_on.mfa_enabled and state.mfa_enabled is False:
        raise Conflict(Code.ROOT_MFA_REQUIRED, "The root user had MFA when this was filed, but has none now.")
    if policy.require_root_mfa and operation.is_create and not state.mfa_enabled:
        raise Conflict(Code.ROOT_MFA_REQUIRED)


def check_fresh(actor: Actor, policy: Policy, now: datetime, *, what: str) -> None:
    """Raise SignInAgain if `what` requires a fresher or a stronger sign-in.

    This check comes last, so that nobody signs in again for something that they may not do anyway.
    """
    proof = actor.proof
    age = int(policy.decision_max_auth_age.total_seconds())
    acr_values = " ".join(sorted(policy.decision_acr))

    def refusal(detail: str) -> SignInAgain:
        return SignInAgain(detail, max_age=age, acr_values=acr_values)

    strong = proof is not None and (proof.acr in policy.decision_acr or not policy.decision_amr.isdisjoint(proof.amr))
    if policy.decision_acr | policy.decision_amr and not strong:
        raise refusal(f"{what} requires a stronger sign-in than yours.")
    if policy.decision_requires_auth_time and (proof is None or proof.auth_time is None):
        raise refusal(f"{what} requires a token that says when you signed in (auth_time).")
    if proof is None:
        return
    signed_in_at = proof.auth_time or proof.issued_at
    if not -CLOCK_SKEW <= now - signed_in_at <= policy.decision_max_auth_age:
        raise refusal(Code.SIGN_IN_AGAIN.sentence.format(what=what, seconds=f"{age:,}"))
