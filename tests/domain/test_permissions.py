"""Who may do what: each rule refuses whom it should, and what a caller is told is what they may do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import (
    ACCOUNT,
    CREATE,
    DELETE,
    MEMBERS,
    NOON,
    actor,
    approved,
    decision,
    filing,
    login,
    policy_of,
    request,
    standing,
)

from service.domain.actor import WORKER, Actor, ActorKind, Member, Role
from service.domain.directory import Directory
from service.domain.errors import Code, ServiceError
from service.domain.operation import Operation
from service.domain.permissions import (
    actions,
    can_decide,
    check_may_approve,
    check_may_audit,
    check_may_execute,
    check_may_file,
    check_may_receive,
    check_may_reject,
    check_may_see,
    check_may_withdraw,
    check_quorum_possible,
)
from service.domain.policy import Policy
from service.domain.request import OperationRequest, Status, Verdict

_KEY = "AKIAEXAMPLE000000001"
# When what is approved was.
DECIDED = NOON + timedelta(minutes=1)


def refusal(check: Callable[[], None]) -> Code | None:
    try:
        check()
    except ServiceError as error:
        return error.code
    return None


def approving(on: OperationRequest, who: Actor) -> Code | None:
    today = replace(standing(), good=frozenset({who.credential}))
    return refusal(lambda: check_may_approve(on, who, today, DECIDED))


def executing(on: OperationRequest, who: Actor, **today: object) -> Code | None:
    return refusal(lambda: check_may_execute(on, who, standing(**today), DECIDED))  # type: ignore[arg-type]


def delivered() -> OperationRequest:
    return replace(approved(), status=Status.DELIVERED)


def test_an_approver_may_approve() -> None:
    assert approving(request(), actor("bob")) is None


def test_the_requester_cannot_approve() -> None:
    assert approving(request(requester="bob"), actor("bob")) is Code.SELF_APPROVAL


def test_the_recipient_cannot_approve() -> None:
    assert approving(request(recipient="bob"), actor("bob")) is Code.RECIPIENT_APPROVAL


def test_one_person_has_one_vote_whatever_the_token() -> None:
    once = request().decide(decision(request(), "bob"), standing().has_quorum)
    assert approving(once, actor("bob", credential="another")) is Code.ALREADY_DECIDED


def test_a_machine_never_decides_even_with_the_role() -> None:
    machine = replace(actor("robo"), roles=frozenset({Role.APPROVER}))
    assert approving(request(), machine) is Code.MACHINE_MAY_NOT_DECIDE


def test_deciding_takes_the_role() -> None:
    assert approving(request(), actor("mallory")) is Code.ROLE_REQUIRED


@pytest.mark.parametrize(
    ("subject", "signed_in", "good"),
    [
        ("bob", timedelta(minutes=14), True),
        ("bob", timedelta(minutes=16), False),
        ("alice", timedelta(minutes=14), False),
        ("robo", timedelta(minutes=14), False),
    ],
)
def test_a_token_is_good_for_decisions_by_its_role_and_its_age(
    subject: str, signed_in: timedelta, *, good: bool
) -> None:
    proof = login(subject, at=NOON - signed_in).proof
    assert can_decide(replace(actor(subject), proof=proof), Policy(), NOON) is good


def test_an_api_token_is_good_for_decisions_where_the_policy_says_so() -> None:
    assert not can_decide(actor("bob"), Policy(), NOON)
    assert can_decide(actor("bob"), Policy(decision_requires_auth_time=False), NOON)


def test_nobody_decides_on_an_altered_request() -> None:
    assert approving(replace(request(), filing=filing(ticket="other")), actor("bob")) is Code.ALTERED


def test_an_approved_request_takes_no_more_approvals() -> None:
    assert approving(approved(), actor("dave")) is Code.ALREADY_APPROVED


def test_an_approved_request_that_lost_a_vote_takes_another() -> None:
    lost = standing(revoked=frozenset({"token-of-bob"}))
    check_may_approve(approved(), actor("dave"), lost, DECIDED)


def test_an_expired_request_takes_no_decision() -> None:
    late = NOON + timedelta(days=3)
    assert refusal(lambda: check_may_approve(request(), actor("bob"), standing(), late)) is Code.EXPIRED


def test_anybody_who_may_decide_may_reject_also_after_approving() -> None:
    check_may_reject(approved(), actor("bob"), standing(), DECIDED)


def test_only_the_requester_withdraws() -> None:
    check_may_withdraw(request(), actor("alice"), NOON)
    assert refusal(lambda: check_may_withdraw(request(), actor("bob"), NOON)) is Code.NOT_THE_REQUESTER


def test_only_the_recipient_executes_a_create() -> None:
    assert executing(approved(), actor("rita")) is None
    assert executing(approved(), actor("alice")) is Code.NOT_THE_RECIPIENT


@pytest.mark.parametrize("who", ["alice", "rita"])
def test_requester_and_recipient_execute_everything_else(who: str) -> None:
    assert executing(approved(request(operation=Operation(DELETE, _KEY))), actor(who)) is None


def test_nobody_else_executes() -> None:
    assert executing(approved(request(operation=Operation(DELETE, _KEY))), actor("bob")) is Code.NOT_THE_EXECUTOR


def test_the_worker_executes_only_what_runs_on_approval() -> None:
    by_itself = approved(request(operation=Operation(DELETE, _KEY), run_on_approval=True))
    assert executing(by_itself, WORKER) is None
    assert executing(approved(request(operation=Operation(DELETE, _KEY))), WORKER) is Code.NOT_THE_EXECUTOR
    assert executing(approved(), WORKER) is Code.NOT_THE_RECIPIENT


def test_nobody_poses_as_the_worker() -> None:
    by_itself = approved(request(operation=Operation(DELETE, _KEY), run_on_approval=True))
    assert executing(by_itself, replace(actor("mallory"), subject=WORKER.subject)) is Code.NOT_THE_EXECUTOR


def test_a_forged_status_is_not_believed() -> None:
    forged = replace(request(), status=Status.APPROVED, approved_at=NOON, execute_by=NOON + timedelta(hours=1))
    assert executing(forged, actor("rita")) is Code.QUORUM_LOST


def test_a_vote_of_somebody_who_lost_the_role_is_void() -> None:
    assert executing(approved(), actor("rita"), revoked=frozenset()) is None
    without_bob = standing("carol", "dave")
    assert refusal(lambda: check_may_execute(approved(), actor("rita"), without_bob, DECIDED)) is Code.QUORUM_LOST


def test_a_vote_whose_token_was_revoked_is_void() -> None:
    assert executing(approved(), actor("rita"), revoked=frozenset({"token-of-carol"})) is Code.QUORUM_LOST


def test_a_stricter_policy_of_today_counts() -> None:
    assert executing(approved(), actor("rita"), quorum=3) is Code.QUORUM_LOST


def test_a_laxer_policy_of_today_does_not() -> None:
    filed_with_three = approved(request(quorum=3), "bob", "carol", "dave")
    lost_one = standing("bob", "carol", quorum=2)
    assert refusal(lambda: check_may_execute(filed_with_three, actor("rita"), lost_one, DECIDED)) is Code.QUORUM_LOST


@pytest.mark.parametrize("own", ["alice", "rita"])
def test_a_forged_vote_of_requester_or_recipient_does_not_count(own: str) -> None:
    forged = replace(approved(), decisions=(decision(request(), "bob"), decision(request(), own)))
    today = standing("bob", "carol", own)
    assert refusal(lambda: check_may_execute(forged, actor("rita"), today, DECIDED)) is Code.QUORUM_LOST


def test_a_vote_on_another_digest_does_not_count() -> None:
    forged = replace(approved(), decisions=(decision(request(), "bob"), decision(request(ticket="x"), "carol")))
    assert executing(forged, actor("rita")) is Code.QUORUM_LOST


def test_two_rows_of_one_person_are_one_vote() -> None:
    doubled = replace(approved(), decisions=(decision(request(), "bob"), decision(request(), "bob")))
    assert executing(doubled, actor("rita")) is Code.QUORUM_LOST


def test_rejections_are_no_approvals() -> None:
    rejecting = tuple(decision(request(), who, Verdict.REJECT) for who in ("bob", "carol"))
    assert executing(replace(approved(), decisions=rejecting), actor("rita")) is Code.QUORUM_LOST


def test_only_the_recipient_confirms_the_receipt() -> None:
    check_may_receive(delivered(), actor("rita"))
    assert refusal(lambda: check_may_receive(delivered(), actor("alice"))) is Code.NOT_THE_RECIPIENT
    assert refusal(lambda: check_may_receive(approved(), actor("rita"))) is Code.WRONG_STATUS


@pytest.mark.parametrize("who", ["alice", "rita", "bob", "audrey", "oscar"])
def test_those_whom_it_concerns_see_a_request(who: str) -> None:
    check_may_see(request(), actor(who))


def test_to_everybody_else_it_does_not_exist() -> None:
    assert refusal(lambda: check_may_see(request(), actor("mallory"))) is Code.NOT_FOUND


def test_filing_and_auditing_take_their_roles() -> None:
    check_may_file(actor("robo"), ACCOUNT)
    check_may_audit(actor("audrey"))
    assert refusal(lambda: check_may_file(actor("carol"), ACCOUNT)) is Code.ROLE_REQUIRED
    assert refusal(lambda: check_may_audit(actor("oscar"))) is Code.ROLE_REQUIRED


def test_requester_and_recipient_do_not_count_as_possible_approvers() -> None:
    known = standing("bob", "carol").directory
    check_quorum_possible({"alice", "rita"}, ACCOUNT, known, policy_of())
    assert refusal(lambda: check_quorum_possible({"bob"}, ACCOUNT, known, policy_of())) is Code.NO_QUORUM


def test_machines_are_never_approvers() -> None:
    machine = Member(kind=ActorKind.MACHINE, subject="robo", name="R", roles=frozenset({Role.APPROVER}))
    assert Directory(MEMBERS | {"robo": machine}).all_approvers == {"bob", "carol", "dave"}


@pytest.mark.parametrize("quorum", [1, 0, -1])
def test_a_quorum_below_two_is_refused(quorum: int) -> None:
    with pytest.raises(ValueError, match="quorum"):
        Policy(quorum=quorum)


def test_a_clock_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="window"):
        Policy(execution_window=timedelta(0))


def test_actions_tell_what_one_may_do_and_why_not() -> None:
    told = {action.name: action for action in actions(request(), actor("alice"), standing(), NOON)}
    assert told["withdraw"].allowed
    assert told["approve"].code is Code.ROLE_REQUIRED
    assert told["execute"].reason == Code.NOT_THE_RECIPIENT.sentence


def test_creates_are_the_only_operation_whose_answer_is_a_secret() -> None:
    assert request().filing.operation.name is CREATE
    assert request().filing.operation.is_create
