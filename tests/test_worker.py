"""The worker does what is due, whatever one of its steps meets."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from support.builders import ACCOUNT, ACCOUNTS, DEACTIVATE, DELETE, OTHER_ACCOUNT, Watch
from support.house import House
from support.logs import capture_logs

from service import call_id, worker
from service.aws.organization import KnownAccounts
from service.cli.waiting import wait_until
from service.db import expectations
from service.db.engine import begin
from service.domain.account import Account
from service.domain.actor import Role
from service.domain.drift import Expectation
from service.simulated_aws import Refuse, Throttle
from service.worker import Backoff, run_pass
from service.workflow import change, leases
from service.workflow.context import Context
from service.workflow.drift import check_drift
from service.workflow.due import DriftChecks, Step, due

_LONG = 30


def wait_for(condition: threading.Event) -> None:
    assert condition.wait(timeout=_LONG)


@contextmanager
def set_in_the_end(condition: threading.Event) -> Iterator[None]:
    try:
        yield
    finally:
        condition.set()


def test_an_account_out_of_reach_does_not_hold_up_the_others(house: House) -> None:
    here = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    spare = house.aws.create_root_key(OTHER_ACCOUNT).access_key_id
    there = house.approved(DEACTIVATE, spare, account_id=OTHER_ACCOUNT, run_on_approval=True)
    house.aws.delete_root_key(ACCOUNT, house.signer)

    run_pass(house.ctx)
    assert (house.now(here).status, house.now(there).status) == ("approved", "succeeded")


def test_a_slow_account_does_not_delay_the_next_steps_of_another(sqlite_house: House) -> None:
    house = sqlite_house
    there_done, held = threading.Event(), threading.Event()
    house.aws.on("UpdateAccessKey", lambda: wait_for(held))  # the first account's call hangs …
    house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    with house.working(), set_in_the_end(held):
        wait_until(lambda: house.aws.count("UpdateAccessKey") > 0, what="the call that hangs")
        # … and what becomes due only then, elsewhere, is done all the same.
        house.aws.on("UpdateAccessKey", there_done.set, after=True)
        spare = house.aws.create_root_key(OTHER_ACCOUNT).access_key_id
        house.approved(DEACTIVATE, spare, account_id=OTHER_ACCOUNT, run_on_approval=True)
        wait_for(there_done)


def test_more_accounts_than_threads_are_all_served(sqlite_house: House) -> None:
    house = sqlite_house
    house.change(policy=replace(house.ctx.policy, drift_checks=True))
    all_seen = threading.Semaphore(0)
    house.aws.on("GetAccountSummary", all_seen.release, after=True, times=4)
    with house.working(every=timedelta(hours=1)):
        assert all(all_seen.acquire(timeout=_LONG) for _ in range(4))


def test_a_look_for_drift_that_hangs_or_fails_keeps_nobody_waiting(sqlite_house: House) -> None:
    house = sqlite_house
    house.change(policy=replace(house.ctx.policy, drift_checks=True))
    both_done, held = threading.Semaphore(0), threading.Event()
    waiting = [
        house.approve(house.file(DEACTIVATE, spare, account_id=account, run_on_approval=True), "bob")
        for account in (ACCOUNT, OTHER_ACCOUNT)
        for spare in [house.aws.create_root_key(account).access_key_id]
    ]
    house.aws.on("GetAccountSummary", lambda: wait_for(held), times=9)
    looks = house.aws.count("GetAccountSummary")
    house.aws.on("UpdateAccessKey", both_done.release, after=True, times=2)
    with house.working(), set_in_the_end(held):
        wait_until(lambda: house.aws.count("GetAccountSummary") > looks, what="a look")
        # One of them on the very account that is looked at.
        for request in waiting:
            house.approve(request, "carol")
        assert all(both_done.acquire(timeout=_LONG) for _ in waiting)


def test_a_look_that_always_fails_does_not_make_its_account_wait(house: House) -> None:
    request = house.approve(house.file(DEACTIVATE, house.spare_key(), run_on_approval=True), "bob")
    house.change(policy=replace(house.ctx.policy, drift_checks=True))
    house.aws.fault("GetAccountSummary", Refuse("AccessDenied"), times=99)
    backoff = Backoff(Watch())
    run_pass(house.ctx, backoff)
    house.approve(request, "carol")
    run_pass(house.ctx, backoff)
    assert house.now(request).status == "succeeded"


def test_a_step_that_crashes_does_not_hold_up_the_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.file()
    house.clock.advance(timedelta(days=3))

    def with_a_crash(ctx: Context, _: DriftChecks | None) -> Iterator[Step]:
        yield Step("expire", ACCOUNT, "none", lambda _: 1 / 0)
        yield from due(ctx)

    monkeypatch.setattr(worker, "due", with_a_crash)
    run_pass(house.ctx)
    monkeypatch.undo()
    assert list(due(house.ctx)) == []


def test_what_was_taken_is_done_even_if_the_pass_fails_afterwards(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    taking = iter([leases.take])

    def fail_the_second_time(*arguments: Any) -> Any:
        return next(taking, lambda *_: 1 / 0)(*arguments)

    monkeypatch.setattr(worker, "take", fail_the_second_time)
    with house.working(every=timedelta(hours=1)):
        wait_until(lambda: house.now(request).status == "succeeded", what="the execution")


def test_the_worker_goes_on_after_a_pass_that_failed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = threading.Semaphore(0)

    def failing(*_: object) -> None:
        passes.release()
        raise RuntimeError

    monkeypatch.setattr(worker, "due", failing)
    with house.working(every=timedelta(milliseconds=1)):
        assert all(passes.acquire(timeout=_LONG) for _ in range(3))


def test_what_fails_is_tried_ever_less_often_and_again_at_once_when_it_went_well() -> None:
    watch = Watch()
    backoff, step = Backoff(watch, chance=lambda: 0.0), ("run", "some request")
    waits = []
    for _ in range(10):
        backoff.learn(step, succeeded=False)
        start = watch.seconds
        while not backoff.allows(step):
            watch.seconds += 1
        waits.append(watch.seconds - start)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    backoff.learn(step, succeeded=True)
    assert backoff.allows(step)


def test_what_failed_together_is_not_tried_again_together() -> None:
    chances, watch = iter([0.0, 1.0]), Watch()
    backoff = Backoff(watch, chance=lambda: next(chances))
    backoff.learn(("a",), succeeded=False)
    backoff.learn(("b",), succeeded=False)
    watch.seconds = 1
    assert (backoff.allows(("a",)), backoff.allows(("b",))) == (False, True)


def test_an_account_out_of_reach_is_not_asked_in_every_pass_nor_for_every_step(house: House) -> None:
    spare = house.spare_key()
    for operation in (DEACTIVATE, DELETE):
        house.approved(operation, spare, run_on_approval=True)
    house.aws.delete_root_key(ACCOUNT, house.signer)
    watch = Watch()
    before, backoff = house.aws.count("GetCallerIdentity"), Backoff(watch, chance=lambda: 0.0)
    for _ in range(30):
        run_pass(house.ctx, backoff=backoff)
        watch.seconds += 2
    assert house.aws.count("GetCallerIdentity") - before == 5


def test_a_step_that_is_refused_by_a_rule_does_not_make_its_account_wait(house: House) -> None:
    first = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.aws.delete_root_key(ACCOUNT, str(first.filing.operation.target))
    second = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)

    run_pass(house.ctx)
    assert (house.now(first).status, house.now(second).status) == ("failed", "succeeded")


def test_what_a_rule_refuses_is_a_line_in_the_log_once(house: House) -> None:
    """Until it goes well, or another rule refuses."""
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    directory, backoff = house.ctx.directory, Backoff(watch := Watch())
    with capture_logs() as lines:
        for loses in (("bob", Role.APPROVER), ("alice", Role.REQUESTER)):
            house.change(directory=directory)
            house.without_role(*loses)
            for _ in range(3):
                run_pass(house.ctx, backoff)
                watch.seconds += 300
    assert [line["code"] for line in lines if line["log_level"] == "warning"] == ["quorum_lost", "requester_lost_role"]
    assert house.now(request).status == "approved"


@pytest.mark.usefixtures("no_back_off")
def test_a_throttled_account_waits_and_is_served_later(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.aws.fault("GetCallerIdentity", Throttle(), times=3)
    watch = Watch()
    backoff = Backoff(watch)
    run_pass(house.ctx, backoff)
    assert house.now(request).status == "approved"
    watch.seconds = 2
    run_pass(house.ctx, backoff)
    assert house.now(request).status == "succeeded"


def test_a_pass_with_nothing_due_costs_the_same_with_a_thousand_accounts(house: House) -> None:
    """Every process makes one every two seconds, for ever."""
    accounts = {str(10**11 + n): Account(account_id=str(10**11 + n), name="x", has_profile=True) for n in range(1000)}
    house.change(accounts=KnownAccounts(accounts), policy=replace(house.ctx.policy, drift_checks=True))
    with begin(house.ctx.engine) as tx:
        for account_id in accounts:
            expectations.add(
                tx, Expectation(account_id=account_id, checked_at=house.clock(), keys={}, mfa_enabled=True)
            )
    checks = DriftChecks()
    assert list(due(house.ctx, checks)) == []

    asked: list[str] = []
    event.listen(house.ctx.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    assert list(due(house.ctx, checks)) == []

    assert len([statement for statement in asked if statement.startswith("SELECT requests")]) == 9
    assert not [statement for statement in asked if "expectations" in statement or "FROM people" in statement]
    assert len(asked) <= 13


def test_a_pass_notices_that_another_process_has_checked_an_account(house: House) -> None:
    accounts = {ACCOUNT: ACCOUNTS[ACCOUNT]}
    house.change(accounts=KnownAccounts(accounts), policy=replace(house.ctx.policy, drift_checks=True))
    checks = DriftChecks()
    assert [step.what for step in due(house.ctx, checks)] == ["check_drift"]

    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    assert list(due(house.ctx, checks)) == []

    house.clock.advance(house.ctx.policy.drift_interval)
    assert [step.what for step in due(house.ctx, checks)] == ["check_drift"]


def test_a_check_in_the_future_is_repeated(house: House) -> None:
    accounts = {ACCOUNT: ACCOUNTS[ACCOUNT]}
    house.change(accounts=KnownAccounts(accounts), policy=replace(house.ctx.policy, drift_checks=True))
    checks = DriftChecks()
    house.clock.advance(timedelta(hours=1))
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    assert list(due(house.ctx, checks)) == []

    house.clock.advance(-timedelta(hours=1))
    assert [step.what for step in due(house.ctx, checks)] == ["check_drift"]


def test_each_step_has_one_line_with_an_id_of_its_own(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house, ids = sqlite_house, set[str | None]()
    touched = change.touch

    def touch(ctx: Context, request_id: str) -> None:
        ids.add(call_id.current())
        touched(ctx, request_id)

    monkeypatch.setattr("service.workflow.due.touch", touch)
    key = house.spare_key()
    filed = [house.file(DEACTIVATE, key), house.file(DELETE, key)]
    requests = [request.filing.request_id for request in filed]
    house.clock.advance(house.ctx.policy.approval_window + timedelta(seconds=1))
    with capture_logs() as lines:
        run_pass(house.ctx)
        run_pass(house.ctx)  # finds nothing to do, and says nothing
    assert sorted((line["event"], line["step"], line["account_id"], line["request_id"]) for line in lines) == [
        ("worker did", "expire", ACCOUNT, request_id) for request_id in sorted(requests)
    ]
    assert all(isinstance(line["milliseconds"], int) for line in lines)
    assert len(ids - {None}) == len(requests)
    expired = [json.loads(house.events(request)[-1]) for request in filed]
    assert {event["call_id"] for event in expired} == ids
