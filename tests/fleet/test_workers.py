"""Several workers on one PostgreSQL: any does what is due, and none does what another is at."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.builders import ACCOUNT, DEACTIVATE, OTHER_ACCOUNT
from support.house import House

from service.cli.waiting import wait_until
from service.db.engine import begin, read
from service.domain.errors import Conflict
from service.worker import Backoff, run_lane
from service.workflow import leases
from service.workflow.context import Context
from service.workflow.due import due, expire

_LONG = 30
_LEASE = timedelta(seconds=30)
LANE = f"{ACCOUNT} requests"


def held(house: House) -> dict[str, str]:
    """Name → holder of what is held now."""
    with read(house.ctx.engine) as tx:
        rows = tx.execute(text("SELECT name, holder FROM leases WHERE until > now()")).all()
    return {row.name: row.holder for row in rows}


def let_leases_end(house: House) -> None:
    with begin(house.ctx.engine) as tx:
        tx.execute(text("UPDATE leases SET until = now()"))


def as_holder(house: House, name: str = LANE) -> Context:
    [lease] = leases.take(house.ctx, [name], "one", _LEASE, 1).values()
    return replace(house.ctx, lease=lease)


def test_each_of_many_steps_is_done_by_one_of_three_workers(house: House) -> None:
    looks = house.aws.count("GetAccountSummary")
    house.change(policy=replace(house.ctx.policy, drift_checks=True))
    with house.working(), house.working(), house.working():
        wait_until(lambda: house.aws.count("GetAccountSummary") - looks >= 4, what="a look at each account")
    with read(house.ctx.engine) as tx:
        events = tx.execute(text("SELECT content::json -> 'data' ->> 'account_id' FROM audit_events")).scalars().all()
    assert len(events) == len(set(events)) == 4
    assert house.aws.count("GetAccountSummary") - looks == 4


def test_what_one_worker_is_at_no_other_begins(house: House) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        assert go_on.wait(_LONG)

    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.aws.on("GetCallerIdentity", hang)
    asked = house.aws.count("GetCallerIdentity")
    with house.working():
        assert arrived.wait(_LONG)
        passes = threading.Semaphore(0)
        house.change(accounts=Counting(house.ctx.accounts, passes))
        with house.working():
            assert all(passes.acquire(timeout=_LONG) for _ in range(5))
            assert house.aws.count("GetCallerIdentity") - asked == 1
            go_on.set()
            wait_until(lambda: house.now(request).status == "succeeded", what="the execution")


class Counting:
    """The accounts, and a count of the passes in which somebody looked at them."""

    def __init__(self, accounts: object, passes: threading.Semaphore) -> None:
        self._accounts, self._passes = accounts, passes

    def __getattr__(self, name: str) -> object:
        if name == "is_due":
            self._passes.release()
        return getattr(self._accounts, name)


def test_what_is_at_hand_is_finished_when_the_worker_stops_and_its_lease_held_until_then(house: House) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        assert go_on.wait(_LONG)

    first = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.aws.on("UpdateAccessKey", hang)
    with house.working(lease=timedelta(seconds=1)) as worker:
        assert arrived.wait(_LONG)
        worker.finish()
        spare = house.aws.create_root_key(OTHER_ACCOUNT).access_key_id
        second = house.approved(DEACTIVATE, spare, account_id=OTHER_ACCOUNT, run_on_approval=True)
        with begin(house.ctx.engine) as tx:  # it will be renewed
            tx.execute(text("UPDATE leases SET until = now() WHERE until > now()"))
        wait_until(lambda: LANE in held(house), what="the lease of what is at hand")
        go_on.set()
    assert (house.now(first).status, house.now(second).status) == ("succeeded", "approved")
    assert held(house) == {}


def test_a_worker_that_was_frozen_beyond_its_lease_writes_nothing_any_more(house: House) -> None:
    request = house.file()
    house.clock.advance(timedelta(days=4))
    frozen = as_holder(house)
    let_leases_end(house)
    successor = as_holder(house)
    with pytest.raises(Conflict, match="taken this over"):
        expire(frozen, request.filing.request_id)
    assert house.now(request).status == "pending"
    expire(successor, request.filing.request_id)
    assert house.now(request).status == "expired"


def test_a_worker_that_was_frozen_beyond_its_lease_begins_no_further_step(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    frozen = as_holder(house)
    let_leases_end(house)
    as_holder(house)
    so_far = len(house.aws.calls)
    run_lane(frozen, due(frozen), Backoff(), threading.Event())
    assert len(house.aws.calls) == so_far
    assert house.now(request).status == "approved"


def test_a_lease_that_ended_is_good_while_nobody_takes_it(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    slow = as_holder(house)
    let_leases_end(house)
    run_lane(slow, due(slow), Backoff(), threading.Event())
    assert house.now(request).status == "succeeded"
