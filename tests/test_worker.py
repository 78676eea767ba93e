"""The worker does what is due, whatever one of its steps meets."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from factories import ACCOUNT, DEACTIVATE, OTHER_ACCOUNT, House

from service import worker
from service.worker import Patience, Worker, run_pass
from service.workflow.context import Context
from service.workflow.sweep import due


def test_an_account_out_of_reach_does_not_hold_up_the_others(house: House) -> None:
    here = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    spare = house.aws.create_root_key(OTHER_ACCOUNT).access_key_id
    there = house.approved(DEACTIVATE, spare, account_id=OTHER_ACCOUNT, run_on_approval=True)
    house.aws.delete_root_key(ACCOUNT, house.signer)

    run_pass(house.ctx)
    assert (house.now(here).status, house.now(there).status) == ("approved", "succeeded")


def test_a_step_that_crashes_does_not_hold_up_the_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.file()
    house.clock.advance(timedelta(days=3))

    def with_a_crash(ctx: Context) -> Iterator[tuple[str, str, Callable[[], object]]]:
        yield "crash", "none", lambda: 1 / 0
        yield from due(ctx)

    monkeypatch.setattr(worker, "due", with_a_crash)
    run_pass(house.ctx)
    monkeypatch.undo()
    assert [what for what, *_ in due(house.ctx)] == []


def test_the_worker_goes_on_after_a_pass_that_failed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = threading.Semaphore(0)

    def failing(*_: object) -> None:
        passes.release()
        raise RuntimeError

    monkeypatch.setattr(worker, "run_pass", failing)
    running = Worker(house.ctx, timedelta(milliseconds=1))
    running.start()
    try:
        assert all(passes.acquire(timeout=30) for _ in range(3))
    finally:
        running.stop()


def test_what_fails_is_tried_ever_less_often_and_again_at_once_when_it_went_well(house: House) -> None:
    patience, step = Patience(house.clock), ("run", "some request")
    waits = []
    for _ in range(10):
        patience.learn(step, succeeded=False)
        start = house.clock()
        while not patience.allows(step):
            house.clock.advance(timedelta(seconds=1))
        waits.append((house.clock() - start).total_seconds())
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    patience.learn(step, succeeded=True)
    assert patience.allows(step)


def test_an_account_out_of_reach_is_not_asked_in_every_pass(house: House) -> None:
    house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.aws.delete_root_key(ACCOUNT, house.signer)
    before, patience = house.aws.count("GetCallerIdentity"), Patience(house.clock)
    for _ in range(30):
        run_pass(house.ctx, patience=patience)
        house.clock.advance(timedelta(seconds=2))
    assert house.aws.count("GetCallerIdentity") - before == 5
