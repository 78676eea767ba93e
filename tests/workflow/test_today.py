"""Who asked, who receives and who executes are judged as they are today, up to the commit that hands a secret out."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import ACCOUNT, DEACTIVATE, ISSUER, MEMBERS, login, policy_of
from support.house import House
from support.refusals import code_of

from service.cli.waiting import wait_until
from service.db.engine import begin
from service.domain.actor import WORKER, Actor, Role
from service.domain.errors import Code
from service.domain.policy import FreshExecutions
from service.domain.request import OperationRequest, Verdict
from service.worker import run_pass
from service.workflow.decide import decide, withdraw
from service.workflow.execute import execute
from service.workflow.file import file
from service.workflow.people import reinstate, suspend
from service.workflow.read import show
from service.workflow.sign_in import sign_in
from service.workflow.standing import standing_of
from service.workflow.tokens import revoke_token

MINUTE = timedelta(minutes=1)
INES = f"{ISSUER}#ines"


def executing(house: House, on: OperationRequest, by: Actor) -> Code | None:
    return code_of(lambda: execute(house.ctx, by, on.filing.request_id))


def told(house: House, on: OperationRequest, by: Actor, action: str) -> Code | None:
    """What `actions` says of it: the code, None where it is allowed."""
    return next(each.code for each in show(house.ctx, by, on.filing.request_id).actions if each.name == action)


def last(house: House, on: OperationRequest) -> tuple[str, str | None]:
    event = json.loads(house.events(on)[-1])
    return event["event"], event["data"].get("code")


# --- a secret takes as fresh a sign-in as a decision ---


def for_ines(house: House) -> OperationRequest:
    """An approved create for somebody of the provider's; from then on sign-ins have to be fresh."""
    house.by_provider("ines", "requesters")
    approved = house.approved(recipient=INES)
    house.change(policy=policy_of(decision_requires_auth_time=True))
    return approved


def test_recipient_with_a_fresh_sign_in_gets_the_key(house: House) -> None:
    approved = for_ines(house)
    request, key = execute(house.ctx, house.by_provider("ines", "requesters"), approved.filing.request_id)
    assert (request.status, key is not None) == ("delivered", True)


def test_api_token_gets_no_secret_unless_it_decides(house: House) -> None:
    approved = house.approved(recipient="rita")
    house.change(policy=policy_of(decision_requires_auth_time=True))
    rita = house.actor("rita")

    assert executing(house, approved, rita) is told(house, approved, rita, "execute") is Code.SIGN_IN_AGAIN
    assert last(house, approved) == ("execution.denied", "sign_in_again")
    assert house.aws.count("CreateAccessKey") == 0

    house.change(policy=policy_of(decision_requires_auth_time=False))
    assert executing(house, approved, rita) is None


@pytest.mark.parametrize("claims", [{"auth_time": None}, {"acr": "silver"}, {"amr": ("pwd",)}])
def test_sign_in_that_is_too_weak_for_a_decision_is_too_weak_for_a_secret(
    house: House, claims: dict[str, object]
) -> None:
    approved = for_ines(house)
    strong = (
        {"decision_acr": frozenset({"gold"}), "decision_amr": frozenset({"hwk"})} if "auth_time" not in claims else {}
    )
    house.change(policy=policy_of(decision_requires_auth_time=True, **strong))
    weak = house.by_provider("ines", "requesters", **claims)

    assert executing(house, approved, weak) is told(house, approved, weak, "execute") is Code.SIGN_IN_AGAIN


def test_sign_in_that_grows_too_old_before_the_claim_gets_no_secret(house: House) -> None:
    approved = for_ines(house)
    ines = house.by_provider("ines", "requesters", auth_time=house.clock() - 14 * MINUTE)
    house.aws.on("ListAccessKeys", lambda: house.clock.advance(2 * MINUTE))

    assert executing(house, approved, ines) is Code.SIGN_IN_AGAIN
    assert house.now(approved).status == "approved"


def test_nobody_signs_in_again_for_what_they_may_not_do_anyway(house: House) -> None:
    pending = house.file(recipient="rita")
    house.change(policy=policy_of(decision_requires_auth_time=True))
    assert executing(house, pending, house.actor("rita")) is Code.WRONG_STATUS


@pytest.mark.parametrize("by", ["alice", "robo"])
def test_what_shows_no_secret_takes_any_good_token_unless_the_settings_say_more(house: House, by: str) -> None:
    approved = house.approved(DEACTIVATE, house.spare_key(), by=by)
    strict = policy_of(decision_requires_auth_time=True)
    house.change(policy=replace(strict, execution_sign_in=FreshExecutions.ALL))
    assert executing(house, approved, house.actor(by)) is Code.SIGN_IN_AGAIN

    house.change(policy=strict)
    assert executing(house, approved, house.actor(by)) is None


def test_what_runs_on_approval_takes_no_sign_in(house: House) -> None:
    approved = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.change(policy=policy_of(decision_requires_auth_time=True, execution_sign_in=FreshExecutions.ALL))
    run_pass(house.ctx)
    assert house.now(approved).status == "succeeded"


# --- who asked, and who receives ---


def without(house: House, subject: str) -> None:
    members = {name: who for name, who in house.ctx.directory.members.items() if name != subject}
    house.change(directory=replace(house.ctx.directory, members=members))


def as_another_kind(house: House, subject: str) -> None:
    """The settings give the name to a machine, or to a person."""
    known = house.ctx.directory.members
    other = replace(known[subject], kind=MEMBERS["robo" if subject != "robo" else "alice"].kind)
    house.change(directory=replace(house.ctx.directory, members={**known, subject: other}))


def limited_to_another_account(house: House, subject: str) -> None:
    known = house.ctx.directory.members
    limited = replace(known[subject], limits={Role.REQUESTER: frozenset({"999999999999"})})
    house.change(directory=replace(house.ctx.directory, members={**known, subject: limited}))


Loss = Callable[[House, str], None]
REQUESTERS: dict[str, tuple[str, Loss, Code]] = {
    "role": ("alice", lambda house, who: house.without_role(who, Role.REQUESTER), Code.REQUESTER_LOST_ROLE),
    "role here": ("alice", limited_to_another_account, Code.REQUESTER_LOST_ROLE),
    "name": ("alice", without, Code.REQUESTER_LOST_ROLE),
    "machine's role": ("robo", lambda house, who: house.without_role(who, Role.REQUESTER), Code.REQUESTER_LOST_ROLE),
    "machine": ("robo", without, Code.REQUESTER_LOST_ROLE),
    "kind": ("robo", as_another_kind, Code.REQUESTER_LOST_ROLE),
    "suspended": ("alice", lambda house, who: suspend(house.ctx, WORKER, who, "x"), Code.PARTICIPANT_SUSPENDED),
}
RECIPIENTS: dict[str, tuple[Loss, Code]] = {
    "name": (without, Code.RECIPIENT_GONE),
    "kind": (as_another_kind, Code.RECIPIENT_GONE),
    "suspended": (lambda house, who: suspend(house.ctx, WORKER, who, "x"), Code.PARTICIPANT_SUSPENDED),
}


@pytest.mark.parametrize("lost", REQUESTERS)
def test_what_somebody_filed_who_may_not_ask_any_more_is_not_approved_but_can_be_ended(house: House, lost: str) -> None:
    by, lose, code = REQUESTERS[lost]
    request = house.file(DEACTIVATE, house.spare_key(), by=by, recipient="rita")
    lose(house, by)

    assert code_of(lambda: house.approve(request, "bob")) is told(house, request, house.actor("bob"), "approve") is code
    assert last(house, request) == ("decision.denied", code)
    reject = decide(
        house.ctx, house.actor("bob"), request.filing.request_id, Verdict.REJECT, digest=request.digest, comment="No."
    )
    assert reject.request.status == "rejected"


@pytest.mark.parametrize("lost", REQUESTERS)
def test_what_somebody_filed_who_may_not_ask_any_more_is_not_executed(house: House, lost: str) -> None:
    """By the recipient, who is who they were."""
    by, lose, code = REQUESTERS[lost]
    request = house.approved(DEACTIVATE, house.spare_key(), by=by, recipient="rita")
    lose(house, by)

    rita = house.actor("rita")
    assert executing(house, request, rita) is told(house, request, rita, "execute") is code
    assert (house.now(request).status, house.aws.count("UpdateAccessKey")) == ("approved", 0)


@pytest.mark.parametrize("lost", RECIPIENTS)
def test_what_is_for_somebody_who_could_not_fetch_it_is_neither_approved_nor_executed(house: House, lost: str) -> None:
    lose, code = RECIPIENTS[lost]
    pending = house.file(recipient="rita")
    approved = house.approved(DEACTIVATE, house.spare_key(), recipient="rita")
    lose(house, "rita")

    assert code_of(lambda: house.approve(pending, "bob")) is code
    assert executing(house, approved, house.actor("alice")) is code


def test_machine_that_files_for_itself_is_approved_and_executes(house: House) -> None:
    approved = house.approved(DEACTIVATE, house.spare_key(), by="robo")
    assert house.execute(approved, by="robo")[0].status == "succeeded"


def test_requester_of_a_provider_is_judged_by_their_newest_groups(house: House) -> None:
    ines = house.by_provider("ines", "requesters", "auditors")
    request = house.approve(file(house.ctx, ines, house.draft()).request, "bob")
    house.clock.advance(MINUTE)
    house.by_provider("ines", "auditors")

    assert code_of(lambda: house.approve(request, "carol")) is Code.REQUESTER_LOST_ROLE


def test_recipient_without_a_role_left_could_not_sign_in(house: House) -> None:
    house.by_provider("ines", "auditors")
    request = house.file(recipient=INES)
    house.clock.advance(MINUTE)
    code_of(lambda: house.by_provider("ines"))

    assert code_of(lambda: house.approve(request, "bob")) is Code.RECIPIENT_GONE
    assert code_of(lambda: house.file(recipient=INES, account_id="444455556666")) is Code.UNKNOWN_RECIPIENT


def test_nobody_becomes_known_by_having_been_suspended_once(house: House) -> None:
    suspend(house.ctx, WORKER, "rita", "x")
    reinstate(house.ctx, WORKER, "rita", "y")
    without(house, "rita")
    assert code_of(lambda: house.file(recipient="rita")) is Code.UNKNOWN_RECIPIENT


def test_request_goes_on_when_the_role_comes_back(house: House) -> None:
    directory = house.ctx.directory
    request = house.approve(house.file(), "bob")
    house.without_role("alice", Role.REQUESTER)
    assert code_of(lambda: house.approve(request, "carol")) is Code.REQUESTER_LOST_ROLE

    house.change(directory=directory)
    assert house.approve(request, "carol").status == "approved"


@pytest.mark.parametrize("lost", REQUESTERS)
def test_worker_runs_nothing_for_a_requester_who_may_not_ask_any_more_and_says_so_once(house: House, lost: str) -> None:
    by, lose, code = REQUESTERS[lost]
    request = house.approved(DEACTIVATE, house.spare_key(), by=by, run_on_approval=True)
    lose(house, by)
    for _ in range(3):
        run_pass(house.ctx)

    assert (house.now(request).status, house.aws.count("UpdateAccessKey")) == ("approved", 0)
    assert last(house, request) == ("execution.denied", code)
    assert len([event for event in house.events(request) if "execution.denied" in event]) == 1
    house.clock.advance(timedelta(hours=8))
    run_pass(house.ctx)
    assert house.now(request).status == "expired"


def test_request_of_a_lost_requester_waits_for_nobody(house: House) -> None:
    """Whom the policy escalates to hears that it is stuck, and no approver is reminded of it."""
    request = house.file()
    house.without_role("alice", Role.REQUESTER)
    house.clock.advance(timedelta(days=2))
    run_pass(house.ctx)
    reminded = [json.loads(event) for event in house.events(request)][-2:]
    assert [(event["event"], event["data"]["people"]) for event in reminded] == [
        ("request.waiting", []),
        ("request.stuck", []),
    ]


# --- who executes, while it waits ---

BARRED: dict[str, tuple[Callable[[House, Actor], None], Code]] = {
    "token revoked": (lambda house, who: revoke_token(house.ctx, WORKER, who.credential), Code.INVALID_TOKEN),
    "token ran out": (lambda house, _: house.clock.advance(timedelta(hours=1)), Code.INVALID_TOKEN),
    "suspended": (lambda house, who: suspend(house.ctx, WORKER, who.subject, "x"), Code.SUSPENDED),
}


def rita_with_a_short_token(house: House) -> Actor:
    house._tokens["rita"] = house.new_token("rita", timedelta(minutes=59))
    return house.actor("rita")


@pytest.mark.parametrize("what", BARRED)
def test_whoever_is_barred_before_the_claim_is_refused_by_it(house: House, what: str) -> None:
    bar, code = BARRED[what]
    rita = rita_with_a_short_token(house)
    approved = house.approved(recipient="rita")
    house.aws.on("ListAccessKeys", lambda: bar(house, rita))

    assert executing(house, approved, rita) is code
    assert (house.now(approved).status, house.aws.count("CreateAccessKey")) == ("approved", 0)
    assert last(house, approved) == ("execution.denied", code)


def test_machine_whose_token_is_revoked_before_the_claim_is_refused_by_it(house: House) -> None:
    robo = house.actor("robo")
    approved = house.approved(DEACTIVATE, house.spare_key(), by="robo")
    house.aws.on("ListAccessKeys", lambda: revoke_token(house.ctx, WORKER, robo.credential))
    assert executing(house, approved, robo) is Code.INVALID_TOKEN
    assert house.now(approved).status == "approved"


def test_recipient_who_loses_their_last_group_before_the_claim_is_refused_by_it(house: House) -> None:
    ines = house.by_provider("ines", "auditors")
    approved = house.approved(recipient=INES)
    found: list[Code | None] = []
    later = login("ines", at=house.clock() + MINUTE)
    house.aws.on("ListAccessKeys", lambda: found.append(code_of(lambda: sign_in(house.ctx, later))))

    assert executing(house, approved, ines) is Code.NO_ROLE
    assert house.now(approved).status == "approved"


@pytest.mark.parametrize("what", ["token revoked", "suspended"])
def test_key_of_a_recipient_who_is_barred_while_aws_makes_it_is_deleted_unseen(house: House, what: str) -> None:
    bar, code = BARRED[what]
    rita = house.actor("rita")
    approved = house.approved(recipient="rita")
    house.aws.on("CreateAccessKey", lambda: bar(house, rita), after=True)

    assert executing(house, approved, rita) is code
    request = house.now(approved)
    assert (request.status, request.result and request.result.code) == ("failed", "secret_withheld")
    assert (list(house.aws.keys(ACCOUNT)), house.aws.count("CreateAccessKey")) == ([house.signer], 1)


def test_decider_is_looked_at_again_as_well(house: House) -> None:
    request, bob = house.file(), house.actor("bob")
    suspend(house.ctx, WORKER, "bob", "x")
    approve = lambda: decide(  # noqa: E731
        house.ctx, bob, request.filing.request_id, Verdict.APPROVE, digest=request.digest, comment=None
    )
    assert code_of(approve) is Code.SUSPENDED


def test_withdrawing_takes_no_more_than_being_the_requester(house: House) -> None:
    """What ends a request stays open to whoever asked for it."""
    request, alice = house.file(), house.actor("alice")
    house.without_role("alice", Role.REQUESTER)
    assert withdraw(house.ctx, alice, request.filing.request_id).request.status == "withdrawn"


def test_what_is_judged_stays_so_until_the_commit(postgres_house: House) -> None:
    """A token that is revoked meanwhile is revoked afterwards, in the log as well."""
    house = postgres_house
    request, rita = house.approved(recipient="rita"), house.actor("rita")
    revoking = threading.Thread(target=lambda: revoke_token(house.ctx, WORKER, rita.credential))

    with begin(house.ctx.engine) as tx:
        assert rita.credential in standing_of(house.ctx, tx, request, rita, held=True).good
        revoking.start()
        wait_until(lambda: house.is_blocked() or not revoking.is_alive(), what="the revocation, or its wait")
        assert rita.credential in standing_of(house.ctx, tx, request, rita).good
        assert revoking.is_alive()
    revoking.join()
