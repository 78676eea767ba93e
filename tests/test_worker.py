"""The worker does what is due, whatever one of its steps meets."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from factories import ACCOUNT, DEACTIVATE, OTHER_ACCOUNT, House

from service import worker
from service.domain.request import OperationRequest
from service.worker import Worker, run_pass
from service.workflow.context import Context
from service.workflow.read import show
from service.workflow.sweep import due


def status(house: House, on: OperationRequest) -> str:
    return show(house.ctx, house.actor("audrey"), on.filing.request_id).request.status


def test_an_account_out_of_reach_does_not_hold_up_the_others(house: House) -> None:
    here = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    spare = house.aws.create_root_key(OTHER_ACCOUNT).access_key_id
    there = house.approved(DEACTIVATE, spare, account_id=OTHER_ACCOUNT, run_on_approval=True)
    house.aws.delete_root_key(ACCOUNT, house.signer)

    run_pass(house.ctx)
    assert (status(house, here), status(house, there)) == ("approved", "succeeded")


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
