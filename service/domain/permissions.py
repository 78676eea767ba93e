"""Who may do what to a request, and when: quorum, people, clocks.

Every `check_may_…` raises the refusal of the rule that applies. `actions` runs the same checks, so it tells callers
exactly what they may do.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from service.domain.actor import WORKER, Actor, ActorKind, Member, Role
from service.domain.canonical import timestamp
from service.domain.demands import Tally, listed
from service.domain.directory import Directory
from service.domain.errors import (
    Code,
    Conflict,
    Forbidden,
    Invalid,
    NoRole,
    NotFound,
    ServiceError,
    SignInAgain,
    bad_token,
)
from service.domain.operation import Operation
from service.domain.policy import FreshExecutions, Policy, check_fresh, check_hours
from service.domain.request import CALLED_OFF, Decision, OperationRequest, Status, Verdict
from service.domain.sign_in_checks import RoleCheck
from service.domain.standing import Standing, with_growth
from service.domain.times import contradiction

# Roles that see all requests of an account, without taking part in them.
SEE_ALL = (Role.APPROVER, Role.AUDITOR, Role.OPERATOR)


class Need(NamedTuple):
    """A task that requires one of these roles."""

    task: str
    any_of: tuple[Role, ...]


TO_FILE = Need("file requests", (Role.REQUESTER,))
TO_HAVE_EVIDENCE = Need("read the evidence of others' requests", (Role.AUDITOR,))
TO_REPORT_ON_DRILLS = Need("see how people answered a drill", (Role.OPERATOR, Role.AUDITOR))
TO_SEE_APPROVERS = Need("see when approvers last gave a sign of life", (Role.OPERATOR, Role.AUDITOR))
TO_READ_THE_LOG = Need("read the audit log", (Role.AUDITOR,))
TO_SEE_DELIVERIES = Need("read deliveries", (Role.OPERATOR, Role.AUDITOR))
TO_READ_STATE = Need("read metrics", (Role.OPERATOR, Role.AUDITOR))
TO_REDELIVER = Need("send a delivery again", (Role.OPERATOR,))
TO_SEE_DRIFT = Need("read drift", SEE_ALL)
TO_CHECK_DRIFT = Need("check for drift", (Role.OPERATOR,))
TO_ACCEPT_DRIFT = Need("accept drift", (Role.OPERATOR,))
TO_DECIDE = Need("decide", (Role.APPROVER,))
TO_HOLD_A_KEY = Need("have or endorse a signing key", (Role.APPROVER,))
TO_SEE_KEYS = Need("see everybody's signing keys", SEE_ALL)
TO_REVOKE_A_KEY = Need("revoke others' signing keys", (Role.OPERATOR,))


def role_required(need: Need, *, everywhere: bool = False, anywhere: bool = False) -> Forbidden:
    """Name the required roles, for the account in question, for all, or for any."""
    *others, last = need.any_of
    roles = f"{', '.join(others)} or {last}" if others else last
    accounts = "any account" if anywhere else "all accounts" if everywhere else "this account"
    return Forbidden(Code.ROLE_REQUIRED, roles=roles, accounts=accounts, task=need.task)


def _check_role(actor: Actor | Member, need: Need, *, on: str | None) -> None:
    if not actor.has(*need.any_of, on=on):
        raise role_required(need, everywhere=on is None)


def check_may_file(actor: Actor | Member, account_id: str) -> None:
    _check_role(actor, TO_FILE, on=account_id)


def check_may_still_file(request: OperationRequest, actor: Actor, standing: Standing) -> None:
    """Raise what would be answered now: while AWS was asked, a token may be revoked, or a role lost."""
    check_still_signed_in(actor, standing)
    member = standing.directory.get(actor.subject)
    if member is not None:
        check_may_file(member, request.filing.account_id)


def check_may_see(request: OperationRequest, actor: Actor) -> None:
    """Raise NotFound if the request does not concern this actor."""
    participants = {request.filing.requester, request.filing.recipient, WORKER.subject}
    if actor.subject in participants or actor.has(*SEE_ALL, on=request.filing.account_id):
        return
    raise NotFound(Code.NOT_FOUND)


def is_participant(request: OperationRequest, actor: Actor) -> bool:
    """Return whether the actor requested it, receives it, decided on it or executed it."""
    filing = request.filing
    taking_part = {filing.requester, filing.recipient, request.claimed_by}
    return actor.subject in taking_part or request.decision_of(actor.subject) is not None


def check_may_have_evidence(request: OperationRequest, actor: Actor) -> None:
    """Check the right to evidence, which shows how each participant authenticated. Raise Forbidden."""
    if not is_participant(request, actor):
        _check_role(actor, TO_HAVE_EVIDENCE, on=request.filing.account_id)


def check_may_report(request: OperationRequest, actor: Actor) -> None:
    """Check the right to the report on a drill, which shows how each approver signed in. Raise Forbidden."""
    _check_role(actor, TO_REPORT_ON_DRILLS, on=request.filing.account_id)


def check_may_see_approvers(actor: Actor) -> None:
    _check_role(actor, TO_SEE_APPROVERS, on=None)


def check_may_audit(actor: Actor) -> None:
    _check_role(actor, TO_READ_THE_LOG, on=None)


def check_may_see_deliveries(actor: Actor) -> None:
    _check_role(actor, TO_SEE_DELIVERIES, on=None)


def check_may_read_state(actor: Actor) -> None:
    _check_role(actor, TO_READ_STATE, on=None)


def check_may_redeliver(actor: Actor) -> None:
    _check_role(actor, TO_REDELIVER, on=None)


def check_may_see_drift(actor: Actor, account_id: str | None) -> None:
    _check_role(actor, TO_SEE_DRIFT, on=account_id)


def may_see_email(actor: Actor, account_id: str) -> bool:
    """Return whether the actor may see the root user's e-mail address: whoever has a role for people there."""
    return actor.has(Role.REQUESTER, *SEE_ALL, on=account_id)


def check_may_look_for_drift(actor: Actor, account_id: str) -> None:
    _check_role(actor, TO_CHECK_DRIFT, on=account_id)


def check_may_accept_drift(actor: Actor, account_id: str | None) -> None:
    _check_role(actor, TO_ACCEPT_DRIFT, on=account_id)
    if actor.kind is not ActorKind.PERSON:
        raise only_people_accept_drift()


def check_signs(actor: Actor) -> None:
    """Raise Forbidden unless it is a person, who may have signing keys."""
    if actor.kind is not ActorKind.PERSON:
        raise only_people_sign()


def only_people_sign() -> Forbidden:
    return Forbidden(Code.MACHINE_MAY_NOT_DECIDE, "Only people have signing keys.")


def check_may_hold_key(actor: Actor) -> None:
    check_signs(actor)
    _check_role_somewhere(actor, TO_HOLD_A_KEY)


def check_may_see_keys(actor: Actor) -> None:
    _check_role_somewhere(actor, TO_SEE_KEYS)


def check_may_revoke_keys(actor: Actor) -> None:
    _check_role(actor, TO_REVOKE_A_KEY, on=None)


def _check_role_somewhere(actor: Actor, need: Need) -> None:
    """Check a role where it does not matter for which accounts somebody has it."""
    if actor.roles.isdisjoint(need.any_of):
        raise role_required(need, anywhere=True)


def only_people_accept_drift() -> Forbidden:
    return Forbidden(Code.MACHINE_MAY_NOT_DECIDE, "Only people may accept drift. A machine may check for it.")


def recipient_of(directory: Directory, actor: Actor, operation: Operation, named: str | None) -> str:
    """Return who receives the result. A secret goes to a person only. Raise Invalid."""
    if named is not None:
        if not directory.may_receive(named):
            raise Invalid(Code.UNKNOWN_RECIPIENT)
        return named
    if operation.is_create and actor.kind is not ActorKind.PERSON:
        raise Invalid(Code.RECIPIENT_REQUIRED)
    return actor.subject


def check_quorum_possible(people: set[str], account_id: str, directory: Directory, policy: Policy) -> None:
    """Raise Conflict if the approvers besides the requester and the recipient cannot meet the policy.

    Where a sign-in can make somebody an approver, or put them into a group, assume that enough people will.
    """
    groups = {person: directory.groups_of(person) for person in directory.approvers_of(account_id) - people}
    missing = Tally(policy.approvals, policy.quorum, with_growth(groups, directory, policy.quorum)).missing
    if missing:
        raise Conflict(Code.NO_QUORUM, missing=listed(missing))


def check_comment(verdict: Verdict, comment: str | None, policy: Policy | None = None) -> None:
    """Raise Invalid if there is no comment, and a rejection requires one, or the policy does for an approval."""
    if comment:
        return
    if verdict is Verdict.REJECT:
        raise Invalid(Code.COMMENT_REQUIRED, what="A rejection")
    if policy is not None and policy.lacks_comment(comment):
        raise Invalid(Code.COMMENT_REQUIRED, what="An approval of this request")


def check_may_approve(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    _check_decider(request, actor, standing, now)
    _check_may_go_on(request, standing, now)
    earlier = request.decision_of(actor.subject)
    counts = earlier is not None and standing.void_because(request, earlier) is None
    # A void vote may be cast again. If the votes suffice again while it is pending, any voter may repeat theirs.
    if counts and not (request.status is Status.PENDING and standing.has_quorum(request)):
        raise Conflict(Code.ALREADY_DECIDED)
    if request.status is Status.APPROVED and standing.has_quorum(request):
        raise Conflict(Code.ALREADY_APPROVED)
    if not (standing.has_quorum(request) or standing.would_help(request, actor.subject)):
        raise Conflict(Code.NOT_NEEDED, missing=listed(standing.missing(request)))
    standing.signatures.check_can_approve(actor.subject, standing.signed_approvals(request))
    check_fresh(actor, standing.policy, now, what="A decision")


def can_decide(actor: Actor, policy: Policy, now: datetime) -> bool:
    """Return whether this sign-in is good for a decision now on some request, by its role and by how fresh it is."""
    try:
        check_fresh(actor, policy, now, what="A decision")
    except SignInAgain:
        return False
    return actor.kind is ActorKind.PERSON and Role.APPROVER in actor.roles


def check_may_reject(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Check the right to reject, even after one's own approval or after the quorum: deny wins until the claim.

    A rotation can be rejected until its old key is deleted.
    """
    _check_who_decides(request, actor, standing, now)
    _check_call_off(request, Status.REJECTED, now)
    _check_intact(request)
    check_fresh(actor, standing.policy, now, what="A decision")


def is_repeated(request: OperationRequest, decision: Decision, standing: Standing) -> bool:
    """Return whether it repeats the same person's earlier decision word for word, and that one still counts.

    A caller who lost the first answer repeats the call. A void vote is cast again instead, and so is one where the
    votes suffice again after some were void. A vote that contradicts the request's end is refused.
    """
    earlier = request.decision_of(decision.person)
    if earlier is None or standing.void_because(request, earlier) is not None:
        return False
    # Whoever signs the same thing again does so over another head of the log.
    said = replace(
        decision,
        credential=earlier.credential,
        decided_at=earlier.decided_at,
        statement=earlier.statement,
        signature=earlier.signature,
    )
    if said != earlier:
        return False
    if decision.verdict is Verdict.REJECT:
        return request.status is Status.REJECTED or request.stopped_at is not None
    return request.status not in CALLED_OFF and not (request.status is Status.PENDING and standing.has_quorum(request))


def check_may_repeat(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Check a repeated decision like a new one, except for the request's status, which it does not change."""
    _check_who_decides(request, actor, standing, now)
    _check_intact(request)
    check_fresh(actor, standing.policy, now, what="A decision")


def check_may_withdraw(request: OperationRequest, actor: Actor, now: datetime) -> None:
    if actor.subject != request.filing.requester:
        raise Forbidden(Code.NOT_THE_REQUESTER)
    _check_call_off(request, Status.WITHDRAWN, now)


def _check_call_off(request: OperationRequest, status: Status, now: datetime) -> None:
    if not request.is_under_way:
        _check_step(request, status, now)
    elif request.stopped_at is not None:
        raise Conflict(Code.WRONG_STATUS, "The rotation has been stopped already.")


def check_may_execute(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Count the decisions again: the stored status `approved` is not proof."""
    _check_executor(request, actor)
    check_still_signed_in(actor, standing)
    _check_step(request, Status.EXECUTING, now)
    _check_intact(request)
    _check_may_go_on(request, standing, now)
    missing = standing.missing(request)
    if missing:
        counted, needed = standing.approvals(request), standing.needed(request)
        raise Conflict(Code.QUORUM_LOST, counted=counted, needed=needed, missing=listed(missing))
    check_hours(standing.policy, request.filing.operation, now)
    is_fresh_for_all = standing.policy.execution_sign_in is FreshExecutions.ALL and actor != WORKER
    if request.filing.operation.is_create or is_fresh_for_all:
        check_fresh(actor, standing.policy, now, what="This execution")


def check_still_signed_in(actor: Actor, standing: Standing) -> None:
    """Raise the refusal that a new sign-in would get now: rights may have ended since the actor signed in."""
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


def check_sealed_digest(request: OperationRequest, sealed_sha256: str | None) -> None:
    """Raise Conflict unless the receipt names what was delivered: the sealed file's SHA-256, or none.

    age does not authenticate its sender. Whoever replaces the file on its way is noticed here.
    """
    if sealed_sha256 != (None if request.result is None else request.result.sealed_sha256):
        raise Conflict(Code.WRONG_SEALED_DIGEST)


def check_may_release(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> None:
    """Check the right to say that the old key of a rotation may be deactivated: whoever moved its users knows it."""
    if actor.kind is not ActorKind.PERSON or actor.subject not in {request.filing.requester, request.filing.recipient}:
        raise only_the_involved_cut_over()
    check_still_signed_in(actor, standing)
    if request.status is not Status.ROTATING:
        raise no_cut_over_due(request.status)
    if request.stopped_at is not None:
        raise Conflict(Code.WRONG_STATUS, "The rotation was stopped, so the old key stays as it is.")
    if request.cut_over_at is not None:
        raise Conflict(Code.WRONG_STATUS, "The old key is inactive already.")
    if request.cut_over_by is None or now >= request.cut_over_by:
        raise Conflict(Code.WRONG_STATUS, "The time for the cut-over is over, so the old key stays as it is.")
    _check_intact(request)
    check_fresh(actor, standing.policy, now, what="A cut-over")


def only_the_involved_cut_over() -> Forbidden:
    return Forbidden(Code.NOT_THE_EXECUTOR, "Only the requester or the recipient, in person, may start the cut-over.")


def no_cut_over_due(status: Status) -> Conflict:
    return Conflict(Code.WRONG_STATUS, f"The request is {status}, so no cut-over is due.")


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
    member = standing.directory.get(actor.subject)
    assert member is not None  # or nobody would be signed in
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


def _check_may_go_on(request: OperationRequest, standing: Standing, now: datetime) -> None:
    """Check what a step towards the effect requires. A step that ends the request does not require it."""
    wrong = contradiction(request, now)
    if wrong is not None:
        raise Conflict(Code.CONTRADICTORY_TIMES, contradiction=wrong)
    barred = standing.barred_because(request)
    if barred is not None:
        raise barred


def is_awaited(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> bool:
    """Return whether this actor could approve or execute it now, once they have signed in as fresh as required."""
    fresh = replace(standing, policy=standing.policy.for_any_sign_in())
    return (
        _judged("approve", lambda: check_may_approve(request, actor, fresh, now)).allowed
        or _judged("execute", lambda: check_may_execute(request, actor, fresh, now)).allowed
    )


ActionName = Literal["approve", "reject", "withdraw", "execute", "confirm_receipt", "cut_over"]


@dataclass(frozen=True, slots=True)
class Action:
    """An action and whether the caller may do it now; if not, the refusal's code and reason."""

    name: ActionName
    allowed: bool
    code: Code | None = None
    reason: str | None = None


def actions(request: OperationRequest, actor: Actor, standing: Standing, now: datetime) -> tuple[Action, ...]:
    """List all actions on a request, judged for `actor` by the very checks that will apply to them."""
    checks: dict[ActionName, Callable[[], None]] = {
        "approve": lambda: check_may_approve(request, actor, standing, now),
        "reject": lambda: check_may_reject(request, actor, standing, now),
        "withdraw": lambda: check_may_withdraw(request, actor, now),
        "execute": lambda: check_may_execute(request, actor, standing, now),
        "confirm_receipt": lambda: check_may_receive(request, actor),
        "cut_over": lambda: check_may_release(request, actor, standing, now),
    }
    return tuple(_judged(name, check) for name, check in checks.items())


def _judged(name: ActionName, check: Callable[[], None]) -> Action:
    try:
        check()
    except ServiceError as refusal:
        return Action(name, allowed=False, code=refusal.code, reason=refusal.detail)
    return Action(name, allowed=True)
