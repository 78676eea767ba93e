"""Two people, neither the requester nor the recipient, on exactly what they read."""

import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import delete
from support.builders import DEACTIVATE, MEMBERS, member
from support.house import House
from support.past_triggers import as_its_owner

from service.db import people, requests, tree
from service.db.engine import Tx
from service.db.tables import audit_events, audit_nodes
from service.domain.actor import WORKER, Person, Role
from service.domain.directory import Directory
from service.domain.errors import Code, Forbidden, ServiceError, Unavailable
from service.domain.request import OperationRequest, Verdict
from service.workflow.decide import confirm_receipt, decide, withdraw
from service.workflow.tokens import revoke_token


def refusal_of(house: House, on: OperationRequest, by: str, verdict: Verdict = Verdict.APPROVE, **changes: Any) -> Code:
    sent = {"digest": on.digest, "comment": "because"} | changes
    with pytest.raises(ServiceError) as refusal:
        decide(house.ctx, house.actor(by), on.filing.request_id, verdict, **sent)
    return refusal.value.code


def reject(house: House, on: OperationRequest, by: str) -> OperationRequest:
    return decide(
        house.ctx, house.actor(by), on.filing.request_id, Verdict.REJECT, digest=on.digest, comment="No ticket."
    ).request


def events(house: House, on: OperationRequest) -> list[str]:
    return [str(json.loads(content)["event"]) for content in house.events(on)]


def test_two_people_approve(house: House) -> None:
    approved = house.approved()
    assert house.now(approved).status == "approved"
    assert events(house, approved) == ["request.filed", "decision.recorded", "decision.recorded", "request.approved"]


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ("bob", Code.SELF_APPROVAL),
        ("carol", Code.RECIPIENT_APPROVAL),
        ("robo", Code.NOT_FOUND),
        ("audrey", Code.ROLE_REQUIRED),
        ("mallory", Code.NOT_FOUND),
    ],
)
def test_who_may_not_decide_is_refused_and_audited(house: House, by: str, code: Code) -> None:
    filed = house.file(by="alice")
    house.approve(filed, "bob")
    withdraw(house.ctx, house.actor("alice"), filed.filing.request_id)
    # An approver more, so that bob may ask and carol may receive.
    house.change(directory=Directory(MEMBERS | {"oscar": member("oscar", Role.OPERATOR, Role.APPROVER)}))
    request = house.file(by="bob", recipient="carol")

    assert refusal_of(house, request, by) is code
    assert events(house, request)[-1] == "decision.denied"
    assert house.now(request).decisions == ()


def test_one_person_votes_once_with_whatever_token(house: House) -> None:
    filed = house.file()
    house.approve(filed, "bob")
    house._tokens.pop("bob")  # another login of the same person
    assert refusal_of(house, filed, "bob", comment="Other words.") is Code.ALREADY_DECIDED
    assert house.approve(filed, "bob").status == "pending"
    assert len(house.now(filed).decisions) == 1


# --- the same again, by whoever lost the first answer ---


def test_the_same_decision_again_changes_nothing(house: House) -> None:
    filed = house.file()
    once = house.approve(filed, "bob")
    house.clock.advance(timedelta(hours=1))

    assert house.approve(filed, "bob") == once == house.now(filed)
    assert events(house, filed) == ["request.filed", "decision.recorded"]


def test_the_same_rejection_again_changes_nothing(house: House) -> None:
    filed = house.file()
    once = reject(house, filed, "bob")

    assert reject(house, filed, "bob") == once == house.now(filed)
    assert events(house, filed) == ["request.filed", "decision.recorded", "request.rejected"]


@pytest.mark.parametrize("changed", [{"comment": "because"}, {"digest": "0" * 64}])
def test_another_comment_or_digest_is_another_decision(house: House, changed: dict[str, Any]) -> None:
    filed = house.approve(house.file(), "bob")
    assert refusal_of(house, filed, "bob", **changed) is Code.ALREADY_DECIDED
    assert house.now(filed) == filed


def test_the_same_decision_is_taken_for_as_long_as_the_request_goes_its_way(house: House) -> None:
    approved = house.approved(recipient="rita")
    assert house.approve(approved, "bob") == approved
    delivered, _ = house.execute(approved, by="rita")
    assert house.approve(approved, "bob") == delivered
    received = confirmed(house, approved)
    assert house.approve(approved, "carol") == received


def confirmed(house: House, on: OperationRequest) -> OperationRequest:
    return confirm_receipt(house.ctx, house.actor("rita"), on.filing.request_id).request


@pytest.mark.parametrize("status", ["rejected", "withdrawn", "expired"])
def test_an_approval_is_not_repeated_on_what_ended_against_it(house: House, status: str) -> None:
    filed = house.approve(house.file(), "bob")
    if status == "rejected":
        reject(house, filed, "carol")
    elif status == "withdrawn":
        withdraw(house.ctx, house.actor("alice"), filed.filing.request_id)
    else:
        house.clock.advance(timedelta(days=4))

    for _ in range(2):  # the first expires it
        with pytest.raises(ServiceError) as refusal:
            house.approve(filed, "bob")
        assert refusal.value.code is (Code.EXPIRED if status == "expired" else Code.WRONG_STATUS)
    assert house.now(filed).status == status


def test_an_approval_after_ones_own_rejection_is_no_repetition(house: House) -> None:
    filed = house.approve(house.file(), "bob")
    reject(house, filed, "bob")
    assert refusal_of(house, filed, "bob") is Code.WRONG_STATUS


def test_whoever_lost_the_role_repeats_nothing(house: House) -> None:
    filed = house.approve(house.file(), "bob")
    house.without_role("bob", Role.APPROVER)
    assert refusal_of(house, filed, "bob") in {Code.ROLE_REQUIRED, Code.NOT_FOUND}


def test_a_repetition_takes_as_fresh_a_sign_in_as_the_decision(house: House) -> None:
    filed = house.file()
    erin = house.by_provider("erin", "root-approvers")
    decide(house.ctx, erin, filed.filing.request_id, Verdict.APPROVE, digest=filed.digest, comment=None)
    house.clock.advance(timedelta(minutes=16))
    with pytest.raises(ServiceError) as refusal:
        decide(house.ctx, erin, filed.filing.request_id, Verdict.APPROVE, digest=filed.digest, comment=None)
    assert refusal.value.code is Code.SIGN_IN_AGAIN


def test_what_was_altered_is_not_repeated(house: House) -> None:
    filed = house.approve(house.file(), "bob")
    with as_its_owner(house) as tx:
        tx.exec_driver_sql("UPDATE requests SET justification = 'Something else entirely.'")
    with pytest.raises(ServiceError) as refusal:
        house.approve(filed, "bob")
    assert refusal.value.code is Code.ALTERED


def test_a_withdrawal_and_a_receipt_again_change_nothing(house: House) -> None:
    filed = house.file()
    gone = withdraw(house.ctx, house.actor("alice"), filed.filing.request_id).request
    assert withdraw(house.ctx, house.actor("alice"), filed.filing.request_id).request == gone
    assert events(house, filed) == ["request.filed", "request.withdrawn"]

    approved = house.approved(recipient="rita")
    house.execute(approved, by="rita")
    received = confirmed(house, approved)
    told = events(house, approved)
    assert confirmed(house, approved) == received
    assert events(house, approved) == told


def test_nobody_else_repeats_a_withdrawal_or_a_receipt(house: House) -> None:
    filed = house.file()
    withdraw(house.ctx, house.actor("alice"), filed.filing.request_id)
    with pytest.raises(ServiceError) as refusal:
        withdraw(house.ctx, house.actor("bob"), filed.filing.request_id)
    assert refusal.value.code is Code.NOT_THE_REQUESTER

    approved = house.approved(recipient="rita")
    house.execute(approved, by="rita")
    confirmed(house, approved)
    with pytest.raises(ServiceError) as refusal:
        confirm_receipt(house.ctx, house.actor("alice"), approved.filing.request_id)
    assert refusal.value.code is Code.NOT_THE_RECIPIENT


def test_a_decision_is_on_the_digest_that_was_read(house: House) -> None:
    filed = house.file()
    assert refusal_of(house, filed, "bob", digest="0" * 64) is Code.WRONG_DIGEST


def test_a_rejection_says_why(house: House) -> None:
    filed = house.file()
    assert refusal_of(house, filed, "bob", Verdict.REJECT, comment="") is Code.COMMENT_REQUIRED


def test_a_rejection_ends_an_approved_request(house: House) -> None:
    approved = house.approved()
    assert reject(house, approved, "dave").status == "rejected"
    with pytest.raises(ServiceError) as refusal:
        house.execute(approved)
    assert refusal.value.code is Code.WRONG_STATUS
    assert house.aws.count("CreateAccessKey") == 0


def test_a_rejection_replaces_ones_own_approval(house: House) -> None:
    approved = house.approved()
    assert reject(house, approved, "bob").status == "rejected"
    assert {made.person: made.verdict.value for made in house.now(approved).decisions} == {
        "bob": "reject",
        "carol": "approve",
    }


def test_a_third_approval_is_not_needed(house: House) -> None:
    assert refusal_of(house, house.approved(), "dave") is Code.ALREADY_APPROVED


def test_a_revoked_token_voids_its_vote_and_another_approver_replaces_it(house: House) -> None:
    approved = house.approved(recipient="rita")
    revoke_token(house.ctx, WORKER, house.actor("bob").credential)
    with pytest.raises(ServiceError) as refusal:
        house.execute(approved, by="rita")
    assert refusal.value.code is Code.QUORUM_LOST

    house.approve(approved, "dave")
    assert house.execute(approved, by="rita")[0].status == "delivered"


def test_a_void_vote_may_be_cast_anew(house: House) -> None:
    """Rotating one's token must not cost one's voice."""
    filed = house.approve(house.file(recipient="rita"), "bob")
    revoke_token(house.ctx, WORKER, house.actor("bob").credential)
    house._tokens.pop("bob")
    house.approve(filed, "bob", "carol")
    assert len(house.now(filed).decisions) == 2
    assert house.execute(filed, by="rita")[0].status == "delivered"


def test_a_role_that_came_back_lets_its_holder_say_so(house: House) -> None:
    directory = house.ctx.directory
    filed = house.approve(house.file(), "bob")
    house.without_role("bob", Role.APPROVER)
    house.approve(filed, "carol")
    house.change(directory=directory)
    assert house.now(filed).status == "pending"
    house.clock.advance(timedelta(seconds=1))
    house.approve(filed, "bob")
    assert house.now(filed).status == "approved"


def test_a_token_revoked_since_the_sign_in_casts_no_vote(house: House) -> None:
    filed = house.approve(house.file(), "carol")
    bob = house.actor("bob")
    revoke_token(house.ctx, WORKER, bob.credential)
    with pytest.raises(ServiceError) as refusal:
        decide(house.ctx, bob, filed.filing.request_id, Verdict.APPROVE, digest=filed.digest, comment=None)
    assert refusal.value.code is Code.INVALID_TOKEN
    assert house.now(filed).status == "pending"


def test_a_vote_that_became_void_does_not_help_to_the_quorum(house: House) -> None:
    filed = house.file()
    house.approve(filed, "bob")
    house.without_role("bob", Role.APPROVER)
    house.approve(filed, "carol")
    assert house.now(filed).status == "pending"
    house.approve(filed, "dave")
    assert house.now(filed).status == "approved"


def test_an_overdue_request_expires_on_the_first_touch_with_one_event(house: House) -> None:
    filed = house.file()
    house.clock.advance(timedelta(days=3))
    assert refusal_of(house, filed, "bob") is Code.EXPIRED
    assert refusal_of(house, filed, "carol") is Code.EXPIRED
    assert house.now(filed).status == "expired"
    assert events(house, filed).count("request.expired") == 1


def test_only_the_requester_withdraws_and_then_nobody_decides(house: House) -> None:
    filed = house.file(recipient="rita")
    with pytest.raises(ServiceError) as refusal:
        withdraw(house.ctx, house.actor("rita"), filed.filing.request_id)
    assert refusal.value.code is Code.NOT_THE_REQUESTER
    assert withdraw(house.ctx, house.actor("alice"), filed.filing.request_id).request.status == "withdrawn"
    assert refusal_of(house, filed, "bob") is Code.WRONG_STATUS


def test_only_the_recipient_confirms_the_receipt(house: House) -> None:
    delivered, _ = house.execute(house.approved(recipient="rita"), by="rita")
    with pytest.raises(ServiceError) as refusal:
        confirm_receipt(house.ctx, house.actor("alice"), delivered.filing.request_id)
    assert refusal.value.code is Code.NOT_THE_RECIPIENT
    assert confirm_receipt(house.ctx, house.actor("rita"), delivered.filing.request_id).request.status == "succeeded"


def test_an_ended_request_makes_room_for_another(house: House) -> None:
    spare = house.spare_key()
    withdraw(house.ctx, house.actor("alice"), house.file(DEACTIVATE, spare).filing.request_id)
    assert house.file(DEACTIVATE, spare).status == "pending"


def test_recipient_who_is_suspended_meanwhile_confirms_nothing(house: House) -> None:
    """Between the sign-in and the lock of the request, which may take seconds."""
    delivered, _ = house.execute(house.approved())
    alice, wait = house.actor("alice"), requests.lock

    def waiting(tx: Tx, request_id: str) -> OperationRequest | None:
        now = house.clock()
        people.add(tx, Person(subject="alice", name="Alice", suspended_at=now, votes_since=now))
        return wait(tx, request_id)

    with patch.object(requests, "lock", waiting), pytest.raises(Forbidden):
        confirm_receipt(house.ctx, alice, delivered.filing.request_id)
    assert house.now(delivered).status == "delivered"


def test_what_cannot_be_recorded_is_not_done(house: House) -> None:
    """The tree lacks a row that the next event needs."""
    request, alice = house.file(), house.actor("alice")
    for _ in range(3):
        house.new_token("bob")
    with as_its_owner(house) as tx:
        tx.execute(delete(audit_nodes))
        tx.execute(delete(audit_events).where(audit_events.c.seq == 2))
    tree._EDGES.clear()
    with pytest.raises(Unavailable):
        withdraw(house.ctx, alice, request.filing.request_id)
    assert house.now(request).status == "pending"
