"""Who may do what to a request, and when: quorum, people, clocks.

Every `check_may_…` raises the rule that refuses; `actions` asks the same checks, so that what a caller is told
they may do is what they may do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from service.domain.actor import WORKER, Actor, ActorKind, Directory, Member, Role
from service.domain.canonical import timestamp
from service.domain.errors import Code, Conflict, Forbidden, Invalid, NoRole, NotFound, ServiceError, bad_token
from service.domain.operation import Operation
from service.domain.policy import FreshExecutions, Policy, check_fresh
from service.domain.request import STOPPED, Decision, OperationRequest, Status, Verdict
from service.domain.sign_in_checks import RoleCheck
from service.domain.times import contradiction


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true today: who is known with which role, whose each unrevoked credential is, and the rules in force.

    `good` are the credentials that would let whoever acts sign in now.
    """

    directory: Directory
    owners: Mapping[str, str]
    policy: Policy
    good: frozenset[str] = frozenset()

    def void_because(self, request: OperationRequest, decision: Decision) -> str | None:
        """Why a decision does not count today, in words; None when it counts."""
        if decision.person in {request.filing.requester, request.filing.recipient}:
            return "It is the requester's or the recipient's own."
        approver = self.directory.get(decision.person)
        if approver is None or decision.person not in self.approvers_of(request):
            return "This person is no longer an approver of this account."
        if approver.votes_since is not None and decision.decided_at < approver.votes_since:
            return "This person lost the role, or was suspended, after it was made."
        if self.owners.get(decision.credential) != decision.person:
            return "The credential that it was made with was revoked, or is not this person's."
        if decision.digest != request.digest:
            return "It was made on something else."
        return None

    def approvers_of(self, request: OperationRequest) -> frozenset[str]:
        """Who could decide on it: approvers of its account that are neither its requester nor its recipient."""
        return self.directory.approvers_of(request.filing.account_id) - {
            request.filing.requester,
            request.filing.recipient,
        }

    def waited_for(self, request: OperationRequest) -> frozenset[str]:
        """Who could still add an approval that counts: nobody, to what may not be approved any more."""
        if self.lost_participant(request) is not None:
            return frozenset()
        return self.approvers_of(request) - self._approvers_so_far(request)

    def lost_participant(self, request: OperationRequest) -> Conflict | None:
        """Why nothing may be done any more for those who asked and receive; None while they still could."""
        filing = request.filing
        if any(self.directory.is_suspended(who) for who in (filing.requester, filing.recipient)):
            return Conflict(Code.PARTICIPANT_SUSPENDED)
        if not self.directory.may_ask(filing.requester, filing.requester_kind, filing.account_id):
            return Conflict(Code.REQUESTER_LOST_ROLE)
        # A machine receives what it asked for itself, but never a secret.
        is_requester = filing.recipient == filing.requester and not filing.operation.is_create
        if not is_requester and not self.directory.may_receive(filing.recipient):
            return Conflict(Code.RECIPIENT_GONE)
        return None

    def approvals(self, request: OperationRequest) -> int:
        """How many distinct people's approvals count today."""
        return len(self._approvers_so_far(request))

    def _approvers_so_far(self, request: OperationRequest) -> frozenset[str]:
        return frozenset(
            decision.person
            for decision in request.decisions
            if decision.verdict is Verdict.APPROVE and self.void_because(request, decision) is None
        )

    def needed(self, request: OperationRequest) -> int:
        """The quorum that was filed, or today's where that is stricter."""
        return max(self.policy.quorum, request.filing.quorum)

    def has_quorum(self, request: OperationRequest) -> bool:
        return self.approvals(request) >= self.needed(request)


# Who sees the requests of an account without taking part in them.
SEE_ALL = (Role.APPROVER, Role.AUDITOR, Role.OPERATOR)


class Need(NamedTuple):
    """What takes one of these roles."""

    task: str
    any_of: tuple[Role, ...]


TO_FILE = Need("file requests", (Role.REQUESTER,))
TO_HAVE_EVIDENCE = Need("read the evidence of others' requests", (Role.AUDITOR,))
TO_READ_THE_LOG = Need("read the audit log", (Role.AUDITOR,))
TO_SEE_DELIVERIES = Need("read deliveries", (Role.OPERATOR, Role.AUDITOR))
TO_REDELIVER = Need("send a delivery again", (Role.OPERATOR,))
TO_SEE_DRIFT = Need("read drift", SEE_ALL)
TO_CHECK_DRIFT = Need("check for drift", (Role.OPERATOR,))
TO_ACCEPT_DRIFT = Need("accept drift", (Role.OPERATOR,))
TO_DECIDE = Need("decide", (Role.APPROVER,))


def role_required(need: Need, *, everywhere: bool = False) -> Forbidden:
    """Name the roles that are needed, for the account in question or for all."""
    *others, last = need.any_of
    roles = f"{', '.join(others)} or {last}" if others else last
    accounts = "all accounts" if everywhere else "this account"
    return Forbidden(Code.ROLE_REQUIRED, roles=roles, accounts=accounts, task=need.task)


def _check_role(actor: Actor | Member, need: Need, *, on: str | None) -> None:
    if not actor.has(*need.any_of, on=on):
        raise role_required(need, everywhere=on is None)


def check_may_file(actor: Actor, account_id: str) -> None:
    _check_role(actor, TO_FILE, on=account_id)


def check_may_see(request: OperationRequest, actor: Actor) -> None:
    """Raise NotFound for everybody whom this request does not concern."""
    participants = {request.filing.requester, request.filing.recipient, WORKER.subject}
    if actor.subject in participants or actor.has(*SEE_ALL, on=request.filing.account_id):
        return
    raise NotFound(Code.NOT_FOUND)


def is_participant(request: OperationRequest, actor: Actor) -> bool:
    """Whether somebody asked for it, receives it, decided on it or executed it."""
    filing = request.filing
    taking_part = {filing.requester, filing.recipient, request.claimed_by}
    return actor.subject in taking_part or request.decision_of(actor.subject) is not None


def check_may_have_evidence(request: OperationRequest, actor: Actor) -> None:
    """It says how each of those who took part proved who they are."""
    if not is_participant(request, actor):
        _check_role(actor, TO_HAVE_EVIDENCE, on=request.filing.account_id)


def check_may_audit(actor: Actor) -> None:
    _check_role(actor, TO_READ_THE_LOG, on=None)


def check_may_see_deliveries(actor: Actor) -> None:
    _check_role(actor, TO_SEE_DELIVERIES, on=None)


def check_may_redeliver(actor: Actor) -> None:
    _check_role(actor, TO_REDELIVER, on=None)


def check_may_see_drift(actor: Actor, account_id: str | None) -> None:
    _check_role(actor, TO_SEE_DRIFT, on=account_id)


def check_may_look_for_drift(actor: Actor, account_id: str) -> None:
    _check_role(actor, TO_CHECK_DRIFT, on=account_id)


def check_may_accept_drift(actor: Actor, account_id: str | None) -> None:
    _check_role(actor, TO_ACCEPT_DRIFT, on=account_id)
    if actor.kind is not ActorKind.PERSON:
        raise only_people_accept_drift()


def only_people_accept_drift() -> Forbidden:
    return Forbidden(Code.MACHINE_MAY_NOT_DECIDE, "Only people may accept drift. A machine may check for it.")


def recipient_of(directory: Directory, actor: Actor, operation: Operation, named: str | None) -> str:
    """Return who gets the answer, which is a person wherever it is a secret. Raises Invalid."""
    if named is not None:
        if not directory.may_receive(named):
            raise Invalid(Code.UNKNOWN_RECIPIENT)
        return named
    if operation.is_create and actor.kind is not ActorKind.PERSON:
        raise Invalid(Code.RECIPIENT_REQUIRED)
    return actor.subject


def check_quorum_possible(people: set[str], account_id: str, directory: Directory, quorum: int) -> None:
    """Raise Conflict when fewer than `quorum` approvers of the account are left without the requester and the
    recipient; unless approvers come by signing in, when a warning has to do.
    """
    if not directory.may_grow and len(directory.approvers_of(account_id) - people) < quorum:
        raise Conflict(Code.NO_QUORUM, quorum=quorum)


def check_comment(verdict: Verdict, comment: str | None) -> None:
    if verdict is Verdict.REJECT and not comment:
        raise Invalid(Code.COMMENT_REQUIRED)


def check_may_approve(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    _check_decider(request, actor, standing, now)
    _check_may_go_on(request, standing, now)
    earlier = request.decision_of(actor.subject)
    counts = earlier is not None and standing.void_because(request, earlier) is None
    # A void vote may be cast anew; so may any when the votes suffice again, and somebody has to say so.
    if counts and not (request.status is Status.PENDING and standing.has_quorum(request)):
        raise Conflict(Code.ALREADY_DECIDED)
    if request.status is Status.APPROVED and standing.has_quorum(request):
        raise Conflict(Code.ALREADY_APPROVED)
    check_fresh(actor, standing.policy, now, what="A decision")


def check_may_reject(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Also after one's own approval, and after everybody's: deny wins until the claim."""
    _check_decider(request, actor, standing, now)
    check_fresh(actor, standing.policy, now, what="A decision")


def is_repeated(request: OperationRequest, decision: Decision, standing: Standing) -> bool:
    """Tell whether it says once more, in the same words, what its person has said, and what counts and holds.

    Whoever lost the answer to the first sends it. A vote that is void is cast anew instead. So is one where the votes
    suffice again after some were void. A vote for a request that ended against it is refused.
    """
    earlier = request.decision_of(decision.person)
    if earlier is None or standing.void_because(request, earlier) is not None:
        return False
    if replace(decision, credential=earlier.credential, decided_at=earlier.decided_at) != earlier:
        return False
    if decision.verdict is Verdict.REJECT:
        return request.status is Status.REJECTED
    return request.status not in STOPPED and not (request.status is Status.PENDING and standing.has_quorum(request))


def check_may_repeat(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Check what a decision takes, but for where the request is in its life: nothing becomes of it."""
    _check_who_decides(request, actor, standing, now)
    _check_intact(request)
    check_fresh(actor, standing.policy, now, what="A decision")


def check_may_withdraw(request: OperationRequest, actor: Actor, now: datetime) -> None:
    if actor.subject != request.filing.requester:
        raise Forbidden(Code.NOT_THE_REQUESTER)
    _check_step(request, Status.WITHDRAWN, now)


def check_may_execute(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Evidence, not verdicts: the stored status only says that it is worth counting the decisions again."""
    _check_executor(request, actor)
    check_still_signed_in(actor, standing)
    _check_step(request, Status.EXECUTING, now)
    _check_intact(request)
    _check_may_go_on(request, standing, now)
    if not standing.has_quorum(request):
        raise Conflict(Code.QUORUM_LOST, counted=standing.approvals(request), needed=standing.needed(request))
    is_fresh_for_all = standing.policy.execution_sign_in is FreshExecutions.ALL and actor != WORKER
    if request.filing.operation.is_create or is_fresh_for_all:
        check_fresh(actor, standing.policy, now, what="This execution")


def check_still_signed_in(actor: Actor, standing: Standing) -> None:
    """Raise what a new sign-in would be answered: what was true at this one may have ended since."""
    if actor == WORKER:
        return
    member = standing.directory.get(actor.subject)
    if member is not None and member.is_suspended:
        raise Forbidden(Code.SUSPENDED)
    if member is None or member.kind is not actor.kind or actor.credential not in standing.good:
        raise bad_token()
    if not member.is_let_in:
        raise NoRole(RoleCheck.NO_GROUP)


def check_may_receive(request: OperationRequest, actor: Actor) -> None:
    if actor.subject != request.filing.recipient or actor.kind is not ActorKind.PERSON:
        raise only_the_recipient_confirms()
    if request.status is not Status.DELIVERED:
        raise no_receipt_due(request.status)
    if request.unconfirmed_at is not None:
        raise Conflict(Code.RECEIPT_TOO_LATE)


def only_the_recipient_confirms() -> Forbidden:
    return Forbidden(Code.NOT_THE_RECIPIENT, "Only the recipient may confirm that the secret arrived.")


def no_receipt_due(status: Status) -> Conflict:
    return Conflict(Code.WRONG_STATUS, f"The request is {status}, so no receipt is due.")


def _check_decider(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    _check_who_decides(request, actor, standing, now)
    _check_step(request, Status.REJECTED, now)
    _check_intact(request)


def _check_who_decides(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    if actor.kind is not ActorKind.PERSON:
        raise Forbidden(Code.MACHINE_MAY_NOT_DECIDE)
    _check_role(actor, TO_DECIDE, on=request.filing.account_id)
    if actor.subject == request.filing.requester:
        raise Forbidden(Code.SELF_APPROVAL)
    if actor.subject == request.filing.recipient:
        raise Forbidden(Code.RECIPIENT_APPROVAL)
    check_still_signed_in(actor, standing)
    member = standing.directory.members[actor.subject]
    _check_role(member, TO_DECIDE, on=request.filing.account_id)
    if member.votes_since is not None and now < member.votes_since:
        raise Forbidden(Code.VOTE_NOT_COUNTED, since=timestamp(member.votes_since))


def _check_executor(request: OperationRequest, actor: Actor) -> None:
    filing = request.filing
    if filing.operation.is_create:
        if actor.subject != filing.recipient or actor.kind is not ActorKind.PERSON:
            raise Forbidden(Code.NOT_THE_RECIPIENT)
    elif not (actor.subject in {filing.requester, filing.recipient} or (actor == WORKER and filing.run_on_approval)):
        raise Forbidden(Code.NOT_THE_EXECUTOR)


def _check_step(request: OperationRequest, status: Status, now: datetime) -> None:
    if request.is_overdue(now):
        raise Conflict(Code.EXPIRED)
    request.check_can_become(status)


def _check_intact(request: OperationRequest) -> None:
    if not request.is_intact:
        raise Conflict(Code.ALTERED)


def contradictory(wrong: str) -> Conflict:
    return Conflict(Code.CONTRADICTORY_TIMES, contradiction=wrong)


def _check_may_go_on(request: OperationRequest, standing: Standing, now: datetime) -> None:
    """What ends a request may still be done to one that fails this; what brings it closer to its effect may not."""
    wrong = contradiction(request, now)
    if wrong is not None:
        raise contradictory(wrong)
    lost = standing.lost_participant(request)
    if lost is not None:
        raise lost


ActionName = Literal["approve", "reject", "withdraw", "execute", "confirm_receipt"]


@dataclass(frozen=True, slots=True)
class Action:
    """What a caller may do now; for what they may not, the rule and its reason."""

    name: ActionName
    allowed: bool
    code: Code | None = None
    reason: str | None = None


def actions(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> tuple[Action, ...]:
    """All that can be done to a request, judged for `actor` by the very checks that will judge it."""
    checks: dict[ActionName, Callable[[], None]] = {
        "approve": lambda: check_may_approve(request, actor, standing, now),
        "reject": lambda: check_may_reject(request, actor, standing, now),
        "withdraw": lambda: check_may_withdraw(request, actor, now),
        "execute": lambda: check_may_execute(request, actor, standing, now),
        "confirm_receipt": lambda: check_may_receive(request, actor),
    }
    return tuple(_judged(name, check) for name, check in checks.items())


def _judged(name: ActionName, check: Callable[[], None]) -> Action:
    try:
        check()
    except ServiceError as refusal:
        return Action(name, allowed=False, code=refusal.code, reason=refusal.detail)
    return Action(name, allowed=True)
