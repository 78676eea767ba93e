"""The policy in force, and its checks of an operation, an account, a ticket and a sign-in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.account import RootCredentials
from service.domain.actor import Actor
from service.domain.canonical import Document, Json, seconds, timestamp
from service.domain.demands import Demand, SignedApprovals, strictest
from service.domain.errors import Code, Conflict, Invalid, SignInAgain
from service.domain.hours import Hours, are_open, next_opening
from service.domain.operation import Operation

SMALLEST_QUORUM = 2
# How far two clocks may differ: a provider's and ours, or those of two of our hosts.
CLOCK_SKEW = timedelta(seconds=30)


class FreshExecutions(StrEnum):
    """Which executions require as fresh and as strong a sign-in as a decision."""

    CREATES = "creates"
    ALL = "all"


class ApprovalComment(StrEnum):
    """Whether an approval requires a comment that says why. A rejection always does."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class SealedDelivery(StrEnum):
    """Whether a new key has to name a key of its recipient's, to which its secret is sealed. It always may."""

    OFF = "off"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy. Every window is at least a second; the quorum is two people or more. Raise ValueError.

    The fields after `escalate_to` come from rules alone; `under` sets them.

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
    # None: nobody is reminded of drills.
    drill_every: timedelta | None = None
    decision_max_auth_age: timedelta = timedelta(minutes=15)
    # If off, a decision requires no proof of when the caller signed in. API tokens have none.
    decision_requires_auth_time: bool = True
    decision_acr: frozenset[str] = frozenset()
    decision_amr: frozenset[str] = frozenset()
    approval_comment: ApprovalComment = ApprovalComment.OPTIONAL
    signed_approvals: SignedApprovals = SignedApprovals.OFF
    execution_sign_in: FreshExecutions = FreshExecutions.CREATES
    sealed_delivery: SealedDelivery = SealedDelivery.OFF
    # A ticket's key must match `ticket_pattern` in full. `ticket_states` None means any state.
    ticket_required: bool = False
    ticket_pattern: str | None = None
    ticket_check: bool = False
    ticket_check_at_execution: bool = False
    ticket_states: frozenset[str] | None = None
    ticket_unchecked: bool = False
    # Destinations for the last reminder of a request that waits for approvers, and for one with too few approvers left.
    escalate_to: frozenset[str] = frozenset()
    # The names of the rules, how many of each group have to approve, the methods of which a sign-in must have one (for
    # each rule), and the hours for what lets somebody in.
    rules: tuple[str, ...] = ()
    approvals: Mapping[str, int] = field(default_factory=dict)
    methods: tuple[frozenset[str], ...] = ()
    hours: tuple[Hours, ...] = ()

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
            self.drill_every or self.drift_interval,
            self.decision_max_auth_age,
        )
        if min(windows) < timedelta(seconds=1):
            raise ValueError("every window is at least a second")

    def under(self, demands: Iterable[Demand]) -> "Policy":
        """Return the policy with these demands: of each value the strictest. The order of demands means nothing."""
        demands = sorted(demands, key=lambda demand: demand.rule)
        if not demands:
            return self
        approvals = strictest([self.approvals, *(demand.approvals for demand in demands)])
        lifetimes = [self.max_lifetime, *(demand.max_lifetime for demand in demands)]
        methods = {demand.decision_amr for demand in demands if demand.decision_amr}.union(self.methods)
        hours = {demand.hours: None for demand in demands if demand.hours is not None}
        is_commented = any(demand.approval_comment for demand in demands)
        return replace(
            self,
            quorum=max(self.quorum, sum(approvals.values()), *(demand.quorum or 0 for demand in demands)),
            max_lifetime=min((lifetime for lifetime in lifetimes if lifetime is not None), default=None),
            require_root_mfa=self.require_root_mfa or any(demand.require_root_mfa for demand in demands),
            ticket_required=self.ticket_required or any(demand.ticket_required for demand in demands),
            approval_comment=ApprovalComment.REQUIRED if is_commented else self.approval_comment,
            signed_approvals=SignedApprovals.strictest(
                [self.signed_approvals, *(demand.signed_approvals for demand in demands)]
            ),
            sealed_delivery=SealedDelivery.REQUIRED
            if any(demand.sealed_delivery for demand in demands)
            else self.sealed_delivery,
            rules=tuple(sorted({*self.rules, *(demand.rule for demand in demands)})),
            approvals=approvals,
            methods=tuple(sorted(methods, key=sorted)),
            hours=tuple(dict.fromkeys([*self.hours, *hours])),
        )

    def lacks_comment(self, comment: str | None) -> bool:
        """Return whether an approval with this comment, or with none, lacks one."""
        return self.approval_comment is ApprovalComment.REQUIRED and not comment

    @property
    def needs_lifetime(self) -> bool:
        """Return whether a new key needs a lifetime. One that may be at most so long needs one."""
        return self.lifetime_required or self.max_lifetime is not None

    def for_any_sign_in(self) -> "Policy":
        """Return the policy without what it requires of a sign-in. Nobody may do anything by it."""
        none: frozenset[str] = frozenset()
        return replace(
            self,
            decision_requires_auth_time=False,
            decision_max_auth_age=timedelta.max,
            decision_acr=none,
            decision_amr=none,
            methods=(),
        )

    def document(self) -> Document:
        """Return all values by name, durations in seconds, sets sorted.

        It omits what no rule demands, `signed_approvals` and `sealed_delivery` if off, and `drill_every` if there is
        none: so the same policy has the same document in the version before.
        """
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.signed_approvals is SignedApprovals.OFF:
            del named["signed_approvals"]
        if self.sealed_delivery is SealedDelivery.OFF:
            del named["sealed_delivery"]
        return {name: _plain(value) for name, value in named.items() if value or name not in _LEFT_OUT}


# What the document does not have if it says nothing.
_LEFT_OUT = {"rules", "approvals", "methods", "hours", "drill_every"}


def _plain(value: object) -> Json:
    match value:
        case timedelta():
            return seconds(value)
        case frozenset():
            return sorted(value)
        case tuple():
            return [_plain(each) for each in value]
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case Hours():
            return value.document()
        case bool() | int() | str() | None:
            return value
        case _:
            raise TypeError(f"no rule is of {type(value).__name__}")


def check_lifetime(policy: Policy, operation: Operation, lifetime: timedelta | None) -> None:
    """Raise Invalid if a new key's lifetime is missing or too long."""
    if not operation.is_create:
        return
    if lifetime is None and policy.needs_lifetime:
        raise Invalid(Code.LIFETIME_REQUIRED)
    if lifetime is not None and policy.max_lifetime is not None and lifetime > policy.max_lifetime:
        raise Invalid(Code.LIFETIME_TOO_LONG, seconds=f"{policy.max_lifetime.total_seconds():,.0f}")


def check_sealed_delivery(policy: Policy, operation: Operation, sealed_to: str | None) -> None:
    """Raise Invalid if the secret of a new key has to be sealed, and nothing says to which key."""
    if operation.is_create and sealed_to is None and policy.sealed_delivery is SealedDelivery.REQUIRED:
        raise Invalid(Code.SEALED_DELIVERY_REQUIRED)


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


def check_hours(policy: Policy, operation: Operation, now: datetime) -> None:
    """Raise Conflict if the operation lets somebody in as root, and the rules let none in now."""
    if not operation.kind.lets_somebody_in or are_open(policy.hours, now):
        return
    opens = next_opening(policy.hours, now)
    raise Conflict(Code.OUTSIDE_HOURS, again="is not known" if opens is None else f"is {timestamp(opens)}")


def check_fresh(actor: Actor, policy: Policy, now: datetime, *, what: str) -> None:
    """Raise SignInAgain if `what` requires a fresher or a stronger sign-in.

    This check comes last, so that nobody signs in again for something that they may not do anyway.
    """
    proof = actor.proof
    age = int(policy.decision_max_auth_age.total_seconds())
    acr_values = " ".join(sorted(policy.decision_acr))
    of_rules = [proof is not None and not methods.isdisjoint(proof.amr) for methods in policy.methods]

    def refusal(detail: str) -> SignInAgain:
        return SignInAgain(detail, max_age=age, acr_values=acr_values)

    strong = proof is not None and (proof.acr in policy.decision_acr or not policy.decision_amr.isdisjoint(proof.amr))
    if (policy.decision_acr | policy.decision_amr and not strong) or not all(of_rules):
        raise refusal(f"{what} requires a stronger sign-in than yours.")
    if policy.decision_requires_auth_time and (proof is None or proof.auth_time is None):
        raise refusal(f"{what} requires a token that says when you signed in (auth_time).")
    if proof is None:
        return
    signed_in_at = proof.auth_time or proof.issued_at
    if not -CLOCK_SKEW <= now - signed_in_at <= policy.decision_max_auth_age:
        raise refusal(Code.SIGN_IN_AGAIN.sentence.format(what=what, seconds=f"{age:,}"))
