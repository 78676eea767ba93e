"""Who may do what to a request, and when: quorum, people, clocks.

Every `check_may_…` raises the rule that refuses; `actions` asks the same checks, so that what a caller is told
they may do is what they may do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.account import RootCredentials
from service.domain.actor import WORKER, Actor, ActorKind, Role
from service.domain.errors import Code, Conflict, Forbidden, Invalid, ServiceError, expired, no_such_request
from service.domain.operation import Operation, OperationName
from service.domain.request import Decision, OperationRequest, Status, Verdict

SMALLEST_QUORUM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules in force. All windows are positive; the quorum is two people or more. Raises ValueError.

    `max_lifetime` None means that a new key may be asked for without an end, unless `lifetime_required`.
    """

    quorum: int = SMALLEST_QUORUM
    approval_window: timedelta = timedelta(days=3)
    execution_window: timedelta = timedelta(hours=8)
    receipt_window: timedelta = timedelta(minutes=15)
    rollback_grace: timedelta = timedelta(hours=24)
    # New and deleted keys take AWS seconds, sometimes longer, to show everywhere; minutes are safe.
    consistency_delay: timedelta = timedelta(minutes=5)
    require_root_mfa: bool = False
    lifetime_required: bool = False
    max_lifetime: timedelta | None = None
    expiry_notice: timedelta = timedelta(hours=24)
    # Each look at an account signs as its root, which detectors of root usage report.
    drift_checks: bool = True
    drift_interval: timedelta = timedelta(hours=6)

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
        )
        if min(windows) < timedelta(seconds=1):
            raise ValueError("every window is at least a second")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true today of those who decided: who holds the role, and whose each unrevoked credential is."""

    approvers: frozenset[str]
    owners: Mapping[str, str]
    quorum: int

    def void_because(self, request: OperationRequest, decision: Decision) -> str | None:
        """Why a decision does not count today, in words; None when it counts."""
        if decision.person in {request.filing.requester, request.filing.recipient}:
            return "It is the requester's or the recipient's own."
        if decision.person not in self.approvers:
            return "This person is no longer an approver."
        if self.owners.get(decision.credential) != decision.person:
            return "The credential that it was made with was revoked, or is not this person's."
        if decision.digest != request.digest:
            return "It was made on something else."
        return None

    def approvals(self, request: OperationRequest) -> int:
        """How many distinct people's approvals count today."""
        return len(
            {
                decision.person
                for decision in request.decisions
                if decision.verdict is Verdict.APPROVE and self.void_because(request, decision) is None
            }
        )

    def needed(self, request: OperationRequest) -> int:
        """The quorum that was filed, or today's where that is stricter."""
        return max(self.quorum, request.filing.quorum)

    def has_quorum(self, request: OperationRequest) -> bool:
        return self.approvals(request) >= self.needed(request)


def check_may_file(actor: Actor) -> None:
    _check_role(actor, "file requests", Role.REQUESTER)


def check_lifetime(policy: Policy, operation: Operation, lifetime: timedelta | None) -> None:
    """Raise Invalid when the rules want another lifetime for a new key."""
    if not operation.is_create:
        return
    if lifetime is None and (policy.lifetime_required or policy.max_lifetime is not None):
        raise Invalid(Code.LIFETIME_REQUIRED, "A new key needs a lifetime here.")
    if lifetime is not None and policy.max_lifetime is not None and lifetime > policy.max_lifetime:
        longest = f"{policy.max_lifetime.total_seconds():,.0f} seconds"
        raise Invalid(Code.LIFETIME_TOO_LONG, f"The longest lifetime of a new key is {longest} here.")


def check_root_mfa(
    policy: Policy, operation: Operation, state: RootCredentials, *, approved_on: RootCredentials | None = None
) -> None:
    """Raise Conflict where a new key wants a root user with MFA, and AWS does not say that there is one; and where
    what lets somebody in as root was approved while there was MFA, and that is gone.
    """
    lets_in = operation.name in {OperationName.CREATE_ACCESS_KEY, OperationName.ALLOW_PASSWORD_RECOVERY}
    if lets_in and approved_on is not None and approved_on.mfa_enabled and state.mfa_enabled is False:
        raise Conflict(Code.ROOT_MFA_REQUIRED, "The root user had MFA when this was approved, and has none now.")
    if policy.require_root_mfa and operation.is_create and not state.mfa_enabled:
        raise Conflict(Code.ROOT_MFA_REQUIRED, "The root user has no MFA, which is demanded here before a new key.")


def check_may_see(request: OperationRequest, actor: Actor) -> None:
    """Raise NotFound for everybody whom this request does not concern."""
    participants = {request.filing.requester, request.filing.recipient, WORKER.subject}
    if actor.subject in participants or actor.has(Role.APPROVER, Role.AUDITOR, Role.OPERATOR):
        return
    raise no_such_request()


def check_may_audit(actor: Actor) -> None:
    _check_role(actor, "read the audit log", Role.AUDITOR)


def check_may_see_drift(actor: Actor) -> None:
    _check_role(actor, "see drift", Role.OPERATOR, Role.AUDITOR, Role.APPROVER)


def check_may_look_for_drift(actor: Actor) -> None:
    _check_role(actor, "look for drift", Role.OPERATOR)


def check_may_accept_drift(actor: Actor) -> None:
    _check_role(actor, "accept drift", Role.OPERATOR)
    if actor.kind is not ActorKind.PERSON:
        raise Forbidden(Code.MACHINE_MAY_NOT_DECIDE, "Only people accept drift; a machine may look for it.")


def check_quorum_possible(operation_people: set[str], approvers: frozenset[str], quorum: int) -> None:
    """Raise Conflict when fewer than `quorum` approvers are left without the requester and the recipient."""
    if len(approvers - operation_people) < quorum:
        raise Conflict(
            Code.NO_QUORUM,
            f"Fewer than {quorum} approvers are neither the requester nor the recipient; nobody could approve this.",
        )


def check_may_approve(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    _check_decider(request, actor, now)
    earlier = request.decision_of(actor.subject)
    counts = earlier is not None and standing.void_because(request, earlier) is None
    # A void vote may be cast anew; so may any when the votes suffice again, and somebody has to say so.
    if counts and not (request.status is Status.PENDING and standing.has_quorum(request)):
        raise Conflict(Code.ALREADY_DECIDED, "You have decided on this request. One person has one vote.")
    if request.status is Status.APPROVED and standing.has_quorum(request):
        raise Conflict(Code.ALREADY_APPROVED, "The request has all the approvals it needs.")


def check_may_reject(request: OperationRequest, actor: Actor, now: datetime) -> None:
    """Also after one's own approval, and after everybody's: deny wins until the claim."""
    _check_decider(request, actor, now)


def check_may_withdraw(request: OperationRequest, actor: Actor, now: datetime) -> None:
    if actor.subject != request.filing.requester:
        raise Forbidden(Code.NOT_THE_REQUESTER, "Only the requester may withdraw a request.")
    _check_step(request, Status.WITHDRAWN, now)


def check_may_execute(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Evidence, not verdicts: the stored status only says that it is worth counting the decisions again."""
    _check_executor(request, actor)
    _check_step(request, Status.EXECUTING, now)
    _check_intact(request)
    if not standing.has_quorum(request):
        raise Conflict(
            Code.QUORUM_LOST,
            f"{standing.approvals(request)} of {standing.needed(request)} approvals count today. "
            "Another approver has to approve.",
        )


def check_may_receive(request: OperationRequest, actor: Actor) -> None:
    if actor.subject != request.filing.recipient or actor.kind is not ActorKind.PERSON:
        raise Forbidden(Code.NOT_THE_RECIPIENT, "Only the recipient may confirm that the secret arrived.")
    if request.status is not Status.DELIVERED:
        raise Conflict(Code.WRONG_STATUS, f"The request is {request.status}; no receipt is outstanding.")
    if request.unconfirmed_at is not None:
        raise Conflict(
            Code.RECEIPT_TOO_LATE, "The receipt came too late: the key is being taken back. File a new request."
        )


def _check_decider(request: OperationRequest, actor: Actor, now: datetime) -> None:
    if actor.kind is not ActorKind.PERSON:
        raise Forbidden(Code.MACHINE_MAY_NOT_DECIDE, "Only people decide; a machine may file and read.")
    _check_role(actor, "decide", Role.APPROVER)
    if actor.subject == request.filing.requester:
        raise Forbidden(Code.SELF_APPROVAL, "The requester may not decide on their own request.")
    if actor.subject == request.filing.recipient:
        raise Forbidden(Code.RECIPIENT_APPROVAL, "The recipient may not decide on what they will receive.")
    _check_step(request, Status.REJECTED, now)
    _check_intact(request)


def _check_executor(request: OperationRequest, actor: Actor) -> None:
    filing = request.filing
    if filing.operation.is_create:
        if actor.subject != filing.recipient or actor.kind is not ActorKind.PERSON:
            raise Forbidden(
                Code.NOT_THE_RECIPIENT, "Only the recipient may execute a create: the answer is the secret."
            )
    elif not (actor.subject in {filing.requester, filing.recipient} or (actor == WORKER and filing.run_on_approval)):
        raise Forbidden(Code.NOT_THE_EXECUTOR, "Only the requester or the recipient may execute this request.")


def _check_step(request: OperationRequest, status: Status, now: datetime) -> None:
    if request.is_overdue(now):
        raise expired()
    request.check_can_become(status)


def _check_intact(request: OperationRequest) -> None:
    if not request.is_intact:
        raise Conflict(Code.ALTERED, "What is stored is not what was filed. Nobody may act on it; tell the operators.")


def _check_role(actor: Actor, what: str, *any_of: Role) -> None:
    if not actor.has(*any_of):
        raise Forbidden(Code.ROLE_REQUIRED, f"To {what} one needs the role {' or '.join(any_of)}.")


@dataclass(frozen=True, slots=True)
class Action:
    """What a caller may do now; for what they may not, the rule and its reason."""

    name: str
    allowed: bool
    code: Code | None = None
    reason: str | None = None


def actions(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> tuple[Action, ...]:
    """All that can be done to a request, judged for `actor` by the very checks that will judge it."""
    checks: dict[str, Callable[[], None]] = {
        "approve": lambda: check_may_approve(request, actor, standing, now),
        "reject": lambda: check_may_reject(request, actor, now),
        "withdraw": lambda: check_may_withdraw(request, actor, now),
        "execute": lambda: check_may_execute(request, actor, standing, now),
        "confirm_receipt": lambda: check_may_receive(request, actor),
    }
    return tuple(_judged(name, check) for name, check in checks.items())


def _judged(name: str, check: Callable[[], None]) -> Action:
    try:
        check()
    except ServiceError as refusal:
        return Action(name, allowed=False, code=refusal.code, reason=refusal.detail)
    return Action(name, allowed=True)
