"""The failure table: each call to AWS refused, throttled, lost before and lost after its effect; each write to the
database failed, and failed but done. Every row says where the request ends and which keys the account then has.
"""

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from support.builders import ACCOUNT, ACTIVATE, CREATE, DEACTIVATE, DELETE
from support.commits import FOR_GOOD, commits_failing
from support.house import House

from service.domain.errors import Code, ServiceError
from service.domain.operation import OperationName
from service.domain.request import OperationRequest
from service.simulated_aws import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Fault,
    Refuse,
    ServerError,
    ServerErrorAfter,
    Throttle,
)
from service.worker import run_pass
from service.workflow.file import file

ALL_TRIES = 3
ACTION = {
    CREATE: "CreateAccessKey",
    DEACTIVATE: "UpdateAccessKey",
    ACTIVATE: "UpdateAccessKey",
    DELETE: "DeleteAccessKey",
}


pytestmark = pytest.mark.usefixtures("no_back_off")


def after_a_while(house: House, on: OperationRequest) -> OperationRequest:
    """When the worker has had its time: beyond every time budget and the consistency delay."""
    for _ in range(2):
        house.clock.advance(timedelta(minutes=6))
        run_pass(house.ctx)
    return house.now(on)


def execute_at_risk(house: House, on: OperationRequest) -> Code | None:
    try:
        house.execute(on)
    except ServiceError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("fault", "at_first", "in_the_end"),
    [
        (Refuse("AccessDenied"), ("failed", "aws_AccessDenied"), ("failed", "aws_AccessDenied")),
        (Refuse("LimitExceeded", 409), ("failed", "aws_LimitExceeded"), ("failed", "aws_LimitExceeded")),
        (Throttle(), ("failed", "aws_Throttling"), ("failed", "aws_Throttling")),
        (ServerError(), ("in_doubt", "in_doubt"), ("failed", "not_created")),
        (ServerErrorAfter(), ("in_doubt", "in_doubt"), ("failed", "secret_lost")),
        (ConnectionLostBefore(), ("in_doubt", "in_doubt"), ("failed", "not_created")),
        (ConnectionLostAfter(), ("in_doubt", "in_doubt"), ("failed", "secret_lost")),
    ],
)
def test_a_create_is_sent_once_and_leaves_no_key_without_an_owner(
    house: House, fault: Fault, at_first: tuple[str, str], in_the_end: tuple[str, str]
) -> None:
    approved = house.approved()
    house.aws.fault("CreateAccessKey", fault, times=ALL_TRIES)

    execute_at_risk(house, approved)
    assert ended(house.now(approved)) == at_first
    assert ended(after_a_while(house, approved)) == in_the_end
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}
    assert house.aws.count("CreateAccessKey") == 1


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("operation", [DEACTIVATE, ACTIVATE, DELETE])
@pytest.mark.parametrize(
    ("fault", "times", "in_the_end"),
    [
        (Refuse("AccessDenied"), 1, "failed"),
        (Throttle(), 1, "succeeded"),
        (Throttle(), ALL_TRIES, "failed"),
        (ServerError(), 1, "succeeded"),
        (ServerError(), ALL_TRIES, "failed"),
        (ServerErrorAfter(), ALL_TRIES, "succeeded"),
        (ConnectionLostBefore(), 1, "succeeded"),
        (ConnectionLostBefore(), ALL_TRIES, "failed"),
        (ConnectionLostAfter(), 1, "succeeded"),
        (ConnectionLostAfter(), ALL_TRIES, "succeeded"),
    ],
)
def test_an_operation_on_a_key_ends_as_aws_has_it(
    house: House, operation: OperationName, fault: Fault, times: int, in_the_end: str
) -> None:
    spare = house.spare_key()
    before, after = {
        DEACTIVATE: ("Active", "Inactive"),
        ACTIVATE: ("Inactive", "Active"),
        DELETE: ("Active", None),
    }[operation]
    if before == "Inactive":
        house.aws.set_root_key_status(ACCOUNT, spare, "Inactive")
    approved = house.approved(operation, spare)
    house.aws.fault(ACTION[operation], fault, times=times)

    execute_at_risk(house, approved)
    assert house.now(approved).status in {in_the_end, "in_doubt"}
    assert after_a_while(house, approved).status == in_the_end
    assert house.aws.keys(ACCOUNT).get(spare) == (after if in_the_end == "succeeded" else before)


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("action", ["GetCallerIdentity", "ListAccessKeys"])
@pytest.mark.parametrize("fault", [Refuse("AccessDenied"), Throttle(), ServerError(), ConnectionLostBefore()])
def test_a_read_that_fails_before_the_claim_costs_nothing(house: House, action: str, fault: Fault) -> None:
    approved = house.approved()
    house.aws.fault(action, fault, times=ALL_TRIES)
    assert execute_at_risk(house, approved) is Code.ACCOUNT_UNREACHABLE
    assert house.now(approved).status == "approved"

    house.aws.reset_faults()
    assert execute_at_risk(house, approved) is None


@pytest.mark.parametrize("fault", [Refuse("AccessDenied"), Throttle(), ServerError(), ConnectionLostBefore()])
def test_a_read_that_fails_after_the_claim_ends_the_request_without_an_effect(house: House, fault: Fault) -> None:
    approved = house.approved()
    reads = iter([False, True])
    house.aws.on(
        "ListAccessKeys",
        lambda: house.aws.fault("ListAccessKeys", fault, times=ALL_TRIES) if not next(reads, True) else None,
        after=True,
    )
    assert execute_at_risk(house, approved) is Code.EXECUTION_FAILED
    assert ended(house.now(approved)) == ("failed", "account_unreachable")
    assert house.aws.count("CreateAccessKey") == 0


def test_a_key_that_cannot_be_recorded_is_deleted_and_never_shown(house: House) -> None:
    approved = house.approved()
    with commits_failing(house, after="CreateAccessKey", done=False):
        assert execute_at_risk(house, approved) is Code.NOT_RECORDED
    assert ended(house.now(approved)) == ("failed", "not_recorded")
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


def test_a_key_whose_record_was_kept_but_not_confirmed_is_rolled_back(house: House) -> None:
    approved = house.approved()
    with commits_failing(house, after="CreateAccessKey", done=True):
        assert execute_at_risk(house, approved) is Code.NOT_RECORDED
    assert ended(house.now(approved)) == ("rolled_back", "not_recorded")
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


def test_a_database_that_stays_away_after_a_create_leaves_no_key(house: House) -> None:
    approved = house.approved()
    with commits_failing(house, after="CreateAccessKey", done=False, times=FOR_GOOD):
        assert execute_at_risk(house, approved) is Code.NOT_RECORDED
    assert house.now(approved).status == "executing"
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}
    assert ended(after_a_while(house, approved)) == ("failed", "not_created")


def test_with_database_and_aws_both_away_after_a_create_the_worker_deletes_the_key(house: House) -> None:
    approved = house.approved()
    house.aws.fault("DeleteAccessKey", ConnectionLostBefore(), times=ALL_TRIES)
    with commits_failing(house, after="CreateAccessKey", done=False, times=FOR_GOOD):
        assert execute_at_risk(house, approved) is Code.NOT_RECORDED
    assert len(house.aws.keys(ACCOUNT)) == 2
    assert ended(after_a_while(house, approved)) == ("failed", "secret_lost")
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


def test_a_key_that_was_recorded_after_all_but_cannot_be_deleted_is_reported(house: House) -> None:
    approved = house.approved()
    house.aws.fault("DeleteAccessKey", ConnectionLostBefore(), times=ALL_TRIES)
    with commits_failing(house, after="CreateAccessKey", done=True):
        assert execute_at_risk(house, approved) is Code.NOT_RECORDED
    (key,) = house.aws.keys(ACCOUNT).keys() - {house.signer}
    assert house.now(approved).status == "delivered"
    assert json.loads(house.events(approved)[-1])["event"] == "key.quarantined"
    assert key in house.events(approved)[-1]


def test_an_operation_that_was_done_but_not_recorded_is_found_out(house: House) -> None:
    spare = house.spare_key()
    approved = house.approved(DEACTIVATE, spare)
    with commits_failing(house, after="UpdateAccessKey", done=False):
        assert execute_at_risk(house, approved) is Code.NOT_RECORDED
    assert house.now(approved).status == "executing"
    assert after_a_while(house, approved).status == "succeeded"


def test_a_claim_that_was_not_recorded_did_nothing(house: House) -> None:
    approved = house.approved()
    with commits_failing(house, after="ListAccessKeys", done=False):
        assert execute_at_risk(house, approved) is Code.UNAVAILABLE
    assert house.now(approved).status == "approved"
    assert house.aws.count("CreateAccessKey") == 0


def test_a_claim_that_was_recorded_but_not_confirmed_does_nothing_and_ends(house: House) -> None:
    approved = house.approved()
    with commits_failing(house, after="ListAccessKeys", done=True):
        assert execute_at_risk(house, approved) is Code.UNAVAILABLE
    assert house.now(approved).status == "executing"
    assert ended(after_a_while(house, approved)) == ("failed", "not_created")
    assert house.aws.count("CreateAccessKey") == 0


@pytest.mark.parametrize("done", [False, True])
def test_a_filing_without_an_answer_can_be_sent_again_with_its_key(house: House, done: bool) -> None:  # noqa: FBT001
    alice = house.actor("alice")
    with commits_failing(house, after="GetAccountSummary", done=done), pytest.raises(ServiceError) as refusal:
        file(house.ctx, alice, house.draft(), idempotency_key="k-1")
    assert refusal.value.code is Code.UNAVAILABLE
    filed = file(house.ctx, alice, house.draft(), idempotency_key="k-1").request
    assert house.aws.count("GetAccountSummary") == (1 if done else 2)
    assert house.now(filed).status == "pending"


@pytest.mark.parametrize("done", [False, True])
def test_a_decision_without_an_answer_counts_once(house: House, done: bool) -> None:  # noqa: FBT001
    filed = house.file()
    house.actor("bob")
    with commits_failing(house, after=None, done=done), pytest.raises(ServiceError) as refusal:
        house.approve(filed, "bob")
    assert refusal.value.code is Code.UNAVAILABLE
    with suppress(ServiceError):
        house.approve(filed, "bob")
    assert [made.person for made in house.now(filed).decisions] == ["bob"]


def ended(on: OperationRequest) -> tuple[str, str | None]:
    return on.status, on.result.code if on.result else None
