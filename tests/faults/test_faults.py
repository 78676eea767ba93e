"""A fleet under load is killed, frozen, cut off, its database crashed: nothing is lost, doubled or left over.

`make test` has a short run of it, `make test-faults` long ones.
"""

import os
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest
from faults.fleet import running_fleet
from faults.injector import Injector
from faults.load import Load
from faults.verdict import judge, settle
from kill.processes import ForkServer
from support.house import House

from service.cli.waiting import wait_until
from service.db import expectations
from service.db.engine import read

_LONG = os.environ.get("FAULTS") == "long"
SEEDS = range(1, 6) if _LONG else range(1, 2)
LIVES = 150 if _LONG else 16
EVERY_STEPS = 4
TITLES = ("faults", "lives", "repeated", "in the end")


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_befalls_the_fleet(seed: int, forks: ForkServer, tmp_path: Path) -> None:
    accounts = [f"{number:012}" for number in range(1, LIVES + 1)]
    with running_fleet(tmp_path, forks, accounts) as fleet:
        load = Load(fleet)
        injector = Injector(fleet, load, seed)
        injector.start(EVERY_STEPS)
        try:
            load.run(accounts)
        finally:
            injector.join()
        assert set(fleet.end()) <= {0}
        settle(fleet.house.ctx)
        counts = judge(fleet, load)
        for title, counter in zip(TITLES, (injector.done, load.ended, load.repeated, counts), strict=True):
            sys.stdout.write(f"{title}: {', '.join(f'{name} {times}' for name, times in sorted(counter.items()))}\n")
        assert (+injector.done).keys() == injector.kinds
        assert load.ended["whole life"] * 2 > LIVES


def is_adopted(house: House, account: str) -> bool:
    """After that nothing but an execution calls AWS."""
    with read(house.ctx.engine) as tx:
        return expectations.get(tx, account) is not None


def test_without_a_database_nothing_is_executed_and_every_answer_says_so(forks: ForkServer, tmp_path: Path) -> None:
    account = "000000000001"
    with running_fleet(tmp_path, forks, [account]) as fleet:
        request = fleet.house.approved(account_id=account)
        headers = {"Authorization": f"Bearer {fleet.house.token('alice')}"}
        execution = f"/v1/requests/{request.filing.request_id}/execution"
        wait_until(partial(is_adopted, fleet.house, account), what="the workers' look at the account")
        so_far = len(fleet.house.aws.calls)
        fleet.proxy.go_away()
        for url in fleet.urls:
            answers = [httpx.get(f"{url}/readyz"), httpx.post(f"{url}{execution}", headers=headers, timeout=60)]
            assert [answer.status_code for answer in answers] == [503, 503]
            assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
            assert httpx.get(f"{url}/livez").is_success
        fleet.proxy.come_back()
        assert len(fleet.house.aws.calls) == so_far
        assert httpx.post(f"{fleet.urls[0]}{execution}", headers=headers, timeout=60).is_success
