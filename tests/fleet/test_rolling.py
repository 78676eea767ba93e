"""The processes of a fleet are replaced one by one under load, and no call fails.

`make test` restarts a fleet of one version; `make test-upgrades` also upgrades one from the version before the newest
migration. Clients keep their connections, and ask nothing twice.
"""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from alembic import command
from faults.load import Load
from faults.verdict import judge, settle
from fleet.earlier import IS_FULL, TRIED, code_before
from fleet.rolling import DRAIN, RollingFleet, forked, rolling_fleet, run
from kill.processes import ForkServer
from support.installation import rootquorum
from support.products import proxies
from support.products.postgres import Postgres

from service.db import schema
from service.db.engine import connect
from service.workflow.verify import verify

ACCOUNTS = [f"{number:012}" for number in range(1, 3)]
MORE_ACCOUNTS = [f"{number:012}" for number in range(1, 5)]

# While a replica ends, HAProxy takes two checks to notice, a tenth of a second apart.
_PAUSE_SECONDS = 0.01

pytestmark = pytest.mark.skipif(proxies.find("haproxy") is None, reason="no HAProxy; `make haproxy`")


@contextmanager
def loaded(fleet: RollingFleet, accounts: list[str]) -> Iterator[None]:
    """Whole lives of keys follow each other on each account, and somebody reads all the time.

    In the end no call failed, and everything adds up.
    """
    with fleet.client() as http, reading(fleet) as answered:
        load = Load(fleet, http, worker_seconds=60)
        with load.steady(accounts):
            yield
    assert set(answered) == {httpx.codes.OK}
    assert (load.repeated, set(load.ended)) == (Counter(), {"whole life"})
    for member in fleet.members:
        member.end()
    settle(fleet.house.ctx)
    assert judge(fleet, load)["request succeeded"] == load.ended["whole life"] * 3


@contextmanager
def reading(fleet: RollingFleet) -> Iterator[Counter[int]]:
    """Ask something cheap, on a new connection each time, until the end of the block. Yield the statuses; 0 is none."""
    answered: Counter[int] = Counter()
    is_over = threading.Event()

    def read() -> None:
        with fleet.client() as http:
            while not is_over.wait(_PAUSE_SECONDS):
                try:
                    answered[http.get(f"{fleet.urls[0]}/livez", headers={"Connection": "close"}).status_code] += 1
                except httpx.TransportError:
                    answered[0] += 1

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(read)
        try:
            yield answered
        finally:
            is_over.set()
        done.result()


def test_a_fleet_is_restarted_under_load_without_a_failed_call(
    database_url: str, forks: ForkServer, tmp_path: Path
) -> None:
    with rolling_fleet(tmp_path, database_url, ACCOUNTS) as fleet:
        start = forked(fleet, forks)
        fleet.start(start)
        with loaded(fleet, ACCOUNTS):
            for member in fleet.members:
                fleet.replace(member, start)


@pytest.mark.skipif(not IS_FULL, reason="takes a minute; `make test-upgrades`")
def test_a_fleet_is_upgraded_under_load_without_a_failed_call(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = TRIED[-1]
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    code, url = code_before(newest, tmp_path / "before"), postgres.new_empty_database()
    engine = connect(url, connections=1)
    command.upgrade(schema.config_for(engine), str(newest.down_revision))
    with rolling_fleet(tmp_path, url, MORE_ACCOUNTS) as fleet:
        fleet.tokens = {person: token_of(person, tmp_path, code) for person in ("alice", "bob", "carol")}
        fleet.start(run(fleet, code, {}))
        with loaded(fleet, MORE_ACCOUNTS):
            migrated = rootquorum(tmp_path, "migrate", ROOTQUORUM_DATABASE__URL=url)
            assert migrated.returncode == 0, migrated.stderr
            for member in fleet.members:
                # The old version does not drain by itself.
                fleet.replace(member, run(fleet, None, DRAIN), is_told=True)
        # `settle` lets the time pass.
        fleet.house.clock.advance(timedelta(days=3))
        # The older version does not write the quorum in force. The verifier notes that and finds no fault.
        told = [*fleet.house.findings(), *map(str, verify(fleet.house.ctx, ()))]
        assert [each for each in told if not each.endswith("judged by the quorum that was filed")] == []
        fleet.house.is_forged = True
    engine.dispose()
    postgres.drop(url)


def token_of(person: str, folder: Path, code: Path) -> str:
    """Return a token that the earlier code made."""
    made = subprocess.run(
        [sys.executable, "-m", "service", "token", "create", person],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()
