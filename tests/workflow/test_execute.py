"""An approved request runs, once, by the right one, and only on what was approved."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.builders import ACCOUNT, ACTIVATE, DEACTIVATE, DELETE
from support.house import House

from service.aws.root import AwsRoots
from service.aws.sources import FixedSource
from service.db import audit
from service.db.engine import begin, read
from service.domain.actor import Role
from service.domain.errors import Code, ServiceError
from service.domain.operation import OperationName
from service.domain.request import OperationRequest
from service.worker import run_pass


def refused(house: House, on: OperationRequest, by: str = "alice") -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        house.execute(on, by=by)
    return refusal.value


def test_the_recipient_gets_the_new_key_once(house: House) -> None:
    approved = house.approved(recipient="rita")
    request, key = house.execute(approved, by="rita")

    assert request.status == "delivered"
    assert key is not None
    assert house.aws.keys(ACCOUNT)[key.access_key_id] == "Active"
    assert refused(house, approved, by="rita").code is Code.ALREADY_EXECUTED
    assert house.aws.count("CreateAccessKey") == 1


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [(DEACTIVATE, "Active", "Inactive"), (ACTIVATE, "Inactive", "Active"), (DELETE, "Active", None)],
)
def test_the_other_operations_do_what_they_say(
    house: House, operation: OperationName, before: str, after: str | None
) -> None:
    spare = house.spare_key()
    if before == "Inactive":
        house.aws.set_root_key_status(ACCOUNT, spare, "Inactive")
    request, key = house.execute(house.approved(operation, spare))
    assert (request.status, key) == ("succeeded", None)
    assert house.aws.keys(ACCOUNT).get(spare) == after


@pytest.mark.parametrize("by", ["alice", "bob", "audrey", "oscar"])
def test_nobody_but_the_recipient_executes_a_create(house: House, by: str) -> None:
    approved = house.approved(recipient="rita")
    assert refused(house, approved, by).code is Code.NOT_THE_RECIPIENT
    assert house.aws.count("CreateAccessKey") == 0


def test_a_denied_execution_is_audited(house: House) -> None:
    approved = house.approved(recipient="rita")
    refused(house, approved, "bob")
    with read(house.ctx.engine) as tx:
        last = audit.page(tx, after=0, limit=100, request_id=approved.filing.request_id)[-1][1]
    assert '"event":"execution.denied"' in last
    assert '"subject":"bob"' in last


def test_a_pending_request_does_not_run(house: House) -> None:
    assert refused(house, house.file()).code is Code.WRONG_STATUS


def test_a_role_that_was_lost_since_voids_the_approval(house: House) -> None:
    approved = house.approved()
    house.without_role("bob", Role.APPROVER)
    assert refused(house, approved).code is Code.QUORUM_LOST
    assert house.aws.count("CreateAccessKey") == 0


def test_an_approval_that_is_too_old_does_not_run(house: House) -> None:
    approved = house.approved()
    house.clock.advance(timedelta(hours=8))
    assert refused(house, approved).code is Code.EXPIRED
    assert house.now(approved).status == "expired"


def test_an_account_that_changed_is_not_what_was_approved(house: House) -> None:
    approved = house.approved()
    stranger = house.spare_key()
    error = refused(house, approved)
    assert error.code is Code.EXECUTION_FAILED
    assert f"{stranger} appeared" in error.detail
    assert house.now(approved).status == "failed"
    assert house.aws.count("CreateAccessKey") == 0


def test_the_last_active_key_is_judged_again_by_who_signs_now(house: House) -> None:
    """The same keys as approved, but meanwhile the service signs with the target."""
    spare = house.aws.create_root_key(ACCOUNT)
    approved = house.approved(DEACTIVATE, spare.access_key_id)

    source = FixedSource(spare.access_key_id, spare.secret_access_key, house.aws.endpoint_url)
    house.change(roots=AwsRoots({ACCOUNT: source}))
    assert "signs with" in refused(house, approved).detail
    assert house.aws.keys(ACCOUNT)[spare.access_key_id] == "Active"


def test_an_account_out_of_reach_does_not_cost_the_request_its_execution(house: House) -> None:
    approved = house.approved()
    house.aws.stop()
    assert refused(house, approved).code is Code.ACCOUNT_UNREACHABLE
    assert house.now(approved).status == "approved"


def test_one_execution_at_a_time_on_an_account(house: House) -> None:
    """Else two could each see the other's key as the one that stays active."""
    spare = house.spare_key()
    create_after = house.approved(DEACTIVATE, spare)
    other = house.approved(DELETE, spare)
    codes: list[Code] = []
    house.aws.on("UpdateAccessKey", lambda: codes.append(refused(house, other).code))
    house.execute(create_after)
    assert codes == [Code.ACCOUNT_BUSY]
    assert house.now(other).status == "approved"


def test_the_worker_runs_what_runs_on_approval(house: House) -> None:
    spare = house.spare_key()
    request = house.approved(DEACTIVATE, spare, run_on_approval=True)
    run_pass(house.ctx)
    assert house.now(request).status == "succeeded"
    assert house.aws.keys(ACCOUNT)[spare] == "Inactive"
    run_pass(house.ctx)
    assert house.aws.count("UpdateAccessKey") == 1


def test_the_worker_runs_nothing_else(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key())
    run_pass(house.ctx)
    assert house.now(request).status == "approved"


def test_the_worker_counts_the_votes_again_and_says_once_that_they_do_not_suffice(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.without_role("bob", Role.APPROVER)
    run_pass(house.ctx)
    run_pass(house.ctx)
    assert house.now(request).status == "approved"
    assert house.aws.count("UpdateAccessKey") == 0
    denied = [json.loads(event)["data"] for event in house.events(request) if "execution.denied" in event]
    assert [data["code"] for data in denied] == ["quorum_lost"]


def test_the_worker_expires_what_is_overdue(house: House) -> None:
    pending, approved = house.file(DEACTIVATE, house.spare_key()), house.approved(account_id="444455556666")
    house.clock.advance(timedelta(days=3))
    run_pass(house.ctx)
    run_pass(house.ctx)
    assert (house.now(pending).status, house.now(approved).status) == ("expired", "expired")
    with read(house.ctx.engine) as tx:
        contents = [content for _, content in audit.page(tx, after=0, limit=100)]
    assert sum('"event":"request.expired"' in content for content in contents) == 2


def test_an_executor_that_was_frozen_sends_nothing(house: House) -> None:
    approved = house.approved()
    # The second read of the account comes after the claim: there the process stops for an hour.
    pauses = iter([timedelta(0), timedelta(hours=1)])
    house.aws.on("ListAccessKeys", lambda: house.clock.advance(next(pauses)), times=2)
    assert "delayed too long" in refused(house, approved).detail
    assert house.aws.count("CreateAccessKey") == 0


def test_a_key_made_by_a_frozen_executor_is_deleted_when_reconciliation_was_quicker(house: House) -> None:
    approved = house.approved()

    def freeze() -> None:
        house.clock.advance(timedelta(hours=1))
        run_pass(house.ctx)

    house.aws.on("CreateAccessKey", freeze, after=False)
    assert refused(house, approved).code is Code.NOT_RECORDED
    assert list(house.aws.keys(ACCOUNT)) == [house.signer]
    assert house.aws.count("CreateAccessKey") == 1


def test_aws_is_asked_who_signs_and_what_is_there_before_the_one_call(house: House) -> None:
    approved = house.approved()
    before = len(house.aws.calls)
    house.execute(approved)
    calls = house.aws.calls[before:]
    assert [call.action for call in calls] == [
        "GetCallerIdentity",
        *("ListAccessKeys", "GetAccountSummary"),  # before the claim, where a failure costs nothing
        *("ListAccessKeys", "GetAccountSummary"),  # and after it
        "CreateAccessKey",
    ]


def test_an_index_that_is_broken_by_something_else_is_not_called_busy(house: House) -> None:
    """A restored audit head that is behind, say: nobody should be told to try again later."""
    approved = house.approved()
    on = " ON audit_head" if house.ctx.engine.dialect.name == "postgresql" else ""
    with begin(house.owner) as tx:
        tx.execute(text(f"DROP TRIGGER audit_head_grows{on}"))
        tx.execute(text("UPDATE audit_head SET size = 1"))
    with pytest.raises(IntegrityError):
        house.execute(approved)
    assert house.aws.count("CreateAccessKey") == 0
