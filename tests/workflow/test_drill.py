"""A drill goes through everything except AWS, is marked everywhere, and keeps nothing real out."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pyrage import x25519
from sqlalchemy import update
from support.builders import ACCOUNT, ACTIVATE, BOTH, DEACTIVATE, DELETE, policy_of
from support.house import House
from support.past_triggers import as_its_owner

import service.workflow
from service.db import audit
from service.db.engine import read
from service.db.tables import requests
from service.domain.errors import Code, ServiceError
from service.domain.operation import OperationName
from service.domain.outcome import Drilled
from service.domain.request import OperationRequest
from service.worker import run_pass
from service.workflow.context import DrillSession
from service.workflow.decide import confirm_receipt
from service.workflow.drift import check_drift
from service.workflow.file import file, preview

WORKFLOW = Path(service.workflow.__path__[0])
RECEIPT_WINDOW = timedelta(minutes=15)
pytestmark = pytest.mark.usefixtures("no_back_off")

# What a session may call to read; anything else changes something.
READING = ("Get", "List", "Describe", "AssumeRoot")


def writes(house: House) -> list[str]:
    return [call.action for call in house.aws.calls if not call.action.startswith(READING)]


def refused(act: Any) -> Code:
    with pytest.raises(ServiceError) as refusal:
        act()
    return refusal.value.code


def target_of(house: House, operation: OperationName) -> str:
    spare = house.aws.create_root_key(BOTH).access_key_id
    if operation is ACTIVATE:
        house.aws.set_root_key_status(BOTH, spare, "Inactive")
    return spare


@pytest.mark.parametrize("account", [ACCOUNT, BOTH])
def test_a_drill_of_a_create_delivers_no_key_and_is_confirmed_like_one(house: House, account: str) -> None:
    drill = house.approved(recipient="rita", drill=True, lifetime=timedelta(days=1), account_id=account)
    before = house.aws.keys(account)
    executed, key = house.execute(drill, by="rita")

    assert (executed.status, key) == ("delivered", None)
    assert executed.result is not None
    assert (executed.result.code, executed.result.access_key_id, executed.expires_at) == ("drilled", None, None)
    confirmed = confirm_receipt(house.ctx, house.actor("rita"), drill.filing.request_id).request
    assert confirmed.status == "succeeded"
    house.clock.advance(timedelta(days=2))
    run_pass(house.ctx)
    assert house.now(drill) == confirmed
    assert (house.aws.keys(account), writes(house)) == (before, [])


def test_a_drill_of_a_sealed_create_seals_nothing_and_its_receipt_names_no_file(house: House) -> None:
    to = str(x25519.Identity.generate().to_public())
    executed, key = house.execute(house.approved(recipient="rita", drill=True, sealed_to=to), by="rita")
    assert executed.result is not None
    assert (executed.status, executed.result.sealed_sha256, key) == ("delivered", None, None)
    received = confirm_receipt(house.ctx, house.actor("rita"), executed.filing.request_id).request
    assert received.status == "succeeded"


@pytest.mark.parametrize("operation", [DEACTIVATE, ACTIVATE, DELETE])
@pytest.mark.parametrize("by_itself", ["by itself", ""])
def test_a_drill_of_another_operation_changes_nothing(house: House, operation: OperationName, by_itself: str) -> None:
    target = target_of(house, operation)
    before = house.aws.keys(BOTH)
    drill = house.approved(operation, target, drill=True, run_on_approval=bool(by_itself), account_id=BOTH)
    if by_itself:
        run_pass(house.ctx)
    else:
        house.execute(drill)
    assert house.now(drill).status == "succeeded"
    assert (house.aws.keys(BOTH), writes(house)) == (before, [])


def test_the_session_of_a_drill_is_one_that_aws_lets_only_read(house: House) -> None:
    house.execute(house.approved(DELETE, target_of(house, DELETE), drill=True, account_id=BOTH))
    assumed = [call.parameters["TaskPolicyArn.arn"] for call in house.aws.calls if call.action == "AssumeRoot"]
    assert assumed
    assert {policy.rpartition("/")[2] for policy in assumed} == {"IAMAuditRootUserCredentials"}


def test_no_other_session_of_the_workflow_can_act() -> None:
    """What calls `perform` gets its session from `Context.sign_in`, which gives a drill one that sends nothing."""
    acting = [path for path in WORKFLOW.glob("*.py") if ".perform(" in path.read_text()]
    assert {path.stem for path in acting} >= {"execute", "reconcile", "take_away"}
    assert [path.name for path in acting if "roots.sign_in(" in path.read_text()] == []


def test_a_drill_keeps_no_real_request_out_and_no_real_request_a_drill(house: House) -> None:
    spare = house.spare_key()
    drill = house.file(DEACTIVATE, spare, drill=True)
    real = house.file(DEACTIVATE, spare)
    assert refused(lambda: house.file(DEACTIVATE, spare, drill=True)) is Code.DUPLICATE_REQUEST
    assert refused(lambda: house.file(DEACTIVATE, spare)) is Code.DUPLICATE_REQUEST
    house.execute(house.approve(drill))
    house.execute(house.approve(real))
    assert house.aws.keys(ACCOUNT)[spare] == "Inactive"


def test_a_real_request_runs_while_a_drill_of_the_same_is_being_executed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = house.spare_key()
    drill, real = house.approved(DEACTIVATE, spare, drill=True), house.approved(DEACTIVATE, spare)

    def meanwhile(*_: object) -> Drilled:
        assert house.now(drill).status == "executing"
        house.execute(real)
        return Drilled()

    monkeypatch.setattr(DrillSession, "perform", meanwhile)
    house.execute(drill)
    assert (house.now(drill).status, house.now(real).status) == ("succeeded", "succeeded")
    assert house.aws.count("UpdateAccessKey") == 1


def stopped(house: House, monkeypatch: pytest.MonkeyPatch, on: OperationRequest, by: str = "alice") -> None:
    """Execute a drill whose process is killed at its call."""

    def killed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(DrillSession, "perform", killed)
    with pytest.raises(KeyboardInterrupt):
        house.execute(on, by=by)
    assert house.now(on).status == "executing"


def test_a_drill_whose_process_stopped_ends_without_a_call_to_aws(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill = house.approved(recipient="rita", drill=True)
    stopped(house, monkeypatch, drill, by="rita")
    house.aws.stop()
    for _ in range(2):
        house.clock.advance(timedelta(hours=1))
        run_pass(house.ctx)
    ended = house.now(drill)
    assert ended.result is not None
    assert (ended.status, ended.result.code) == ("failed", "not_done")


def test_an_interrupted_drill_keeps_nothing_real_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(house, monkeypatch, house.approved(drill=True))
    check_drift(house.ctx, house.ctx.account(ACCOUNT))
    request, key = house.execute(house.approved())
    assert (request.status, key is None) == ("delivered", False)


def test_a_drill_that_nobody_confirms_is_rolled_back_without_a_call_to_aws(house: House) -> None:
    drill, _ = house.execute(house.approved(recipient="rita", drill=True), by="rita")
    house.clock.advance(RECEIPT_WINDOW)
    check_drift(house.ctx, house.ctx.account(ACCOUNT))  # which waits for a key that is due to be taken back
    house.aws.stop()
    run_pass(house.ctx)
    ended = house.now(drill)
    assert ended.result is not None
    assert (ended.status, ended.result.code, ended.deactivated_at) == ("rolled_back", "unconfirmed", None)


def test_what_is_expected_of_an_account_ignores_drills(house: House) -> None:
    account, spare = house.ctx.account(ACCOUNT), house.spare_key()
    check_drift(house.ctx, account)
    house.execute(house.approved(DELETE, spare, drill=True))
    house.clock.advance(timedelta(seconds=1))
    found = check_drift(house.ctx, account)
    assert (spare in found.expectation.keys, found.open) == (True, ())


def test_a_drill_is_held_to_what_is_asked_of_a_real_request(house: House) -> None:
    spare = house.spare_key()
    assert refused(lambda: house.file(drill=True)) is Code.KEY_LIMIT_REACHED
    drill = house.file(DEACTIVATE, spare, drill=True)
    assert refused(lambda: house.execute(drill)) is Code.WRONG_STATUS
    assert refused(lambda: house.approve(drill, "alice")) is Code.ROLE_REQUIRED
    approved = house.approve(drill)
    assert refused(lambda: house.execute(approved, by="carol")) is Code.NOT_THE_EXECUTOR
    house.aws.set_root_key_status(ACCOUNT, spare, "Inactive")
    assert refused(lambda: house.execute(approved)) is Code.EXECUTION_FAILED
    assert house.now(drill).status == "failed"


def test_an_idempotency_key_of_a_drill_files_nothing_real(house: House) -> None:
    alice = house.actor("alice")
    filed = file(house.ctx, alice, house.draft(drill=True), idempotency_key="once").request
    assert file(house.ctx, alice, house.draft(drill=True), idempotency_key="once").request == filed
    for draft in (house.draft(), house.draft(drill=False)):
        with pytest.raises(ServiceError) as refusal:
            file(house.ctx, alice, draft, idempotency_key="once")
        assert refusal.value.code is Code.IDEMPOTENCY_KEY_REUSED


@pytest.mark.parametrize(("filed", "terms"), [({"drill": True}, None), ({}, '{"drill":true}')])
def test_a_row_that_says_otherwise_than_its_digest_is_not_executed(
    house: House, filed: dict[str, bool], terms: str | None
) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), **filed)
    with as_its_owner(house) as tx:
        tx.execute(update(requests).values(terms=terms))
    assert refused(lambda: house.execute(request)) is Code.ALTERED
    assert writes(house) == []


def test_every_event_of_a_drill_says_so_and_no_other_does(house: House) -> None:
    drill, _ = house.execute(house.approved(recipient="rita", drill=True), by="rita")
    confirm_receipt(house.ctx, house.actor("rita"), drill.filing.request_id)
    refused(lambda: house.execute(drill, by="rita"))
    real, _ = house.execute(house.approved(DEACTIVATE, house.spare_key()))
    for request, said in ((drill, True), (real, None)):
        assert {json.loads(event)["data"].get("drill") for event in house.events(request)} == {said}


def test_a_repeated_refusal_of_a_drill_is_recorded_once(house: House) -> None:
    drill = house.approved(recipient="rita", drill=True)
    for _ in range(3):
        assert refused(lambda: house.execute(drill, by="bob")) is Code.NOT_THE_RECIPIENT
    assert sum("execution.denied" in event for event in house.events(drill)) == 1


def test_a_preview_of_a_drill_is_one(house: House) -> None:
    assert preview(house.ctx, house.actor("alice"), house.draft(drill=True)).request.filing.drill


QUARTER = timedelta(days=90)


def told(house: House) -> int:
    """Run the worker, and return how often it has said that a drill is due."""
    run_pass(house.ctx)
    with read(house.ctx.engine) as tx:
        return sum('"event":"drill.due"' in content for _, content in audit.page(tx, after=0, limit=1000))


def drilled(house: House) -> None:
    house.execute(house.approved(DEACTIVATE, house.signer, accept_lockout=True, drill=True))


def test_the_worker_says_once_that_a_drill_is_due_and_again_after_the_next(house: House) -> None:
    house.change(policy=policy_of(drill_every=QUARTER))
    assert [told(house), told(house)] == [1, 1]
    house.clock.advance(timedelta(days=1))
    drilled(house)
    house.clock.advance(QUARTER - timedelta(seconds=1))
    assert told(house) == 1
    house.clock.advance(timedelta(seconds=1))
    assert [told(house), told(house)] == [2, 2]


def test_only_a_drill_that_succeeded_counts(house: House) -> None:
    house.change(policy=policy_of(drill_every=QUARTER))
    house.file(drill=True)
    house.execute(house.approved(DEACTIVATE, house.signer, accept_lockout=True))
    assert told(house) == 1


def test_nobody_is_reminded_without_a_schedule(house: House) -> None:
    assert told(house) == 0
    drilled(house)
    house.clock.advance(QUARTER * 9)
    assert told(house) == 0


def test_a_policy_without_a_schedule_has_the_document_that_it_always_had() -> None:
    assert "drill_every" not in policy_of().document()
    assert policy_of(drill_every=QUARTER).document()["drill_every"] == 90 * 86400
