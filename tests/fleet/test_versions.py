"""While a fleet is upgraded, the previous code runs on the new schema: tried for each migration from 0004 on.

The gate tries the newest two; `make test-upgrades` tries all.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.script import Script
from fleet.earlier import IS_FULL, TRIED, code_before
from kill.processes import furnish
from sqlalchemy import select
from support.builders import ACCOUNT, JUSTIFICATION, Clock
from support.house import House
from support.installation import serving
from support.products.postgres import Postgres

from service.cli.waiting import free_port, wait_until
from service.db import schema
from service.db.engine import connect, read
from service.db.tables import supported_revisions
from service.workflow.verify import verify

MIGRATIONS = TRIED if IS_FULL else TRIED[-2:]


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_empty_database()
    yield url
    postgres.drop(url)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda script: script.revision)
def test_the_previous_code_runs_beside_the_new_one(
    migration: Script, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    engine = connect(database_url, connections=1)
    command.upgrade(schema.config_for(engine), str(migration.down_revision))
    with House.on(database_url) as house:
        old_url = furnish(tmp_path, database_url, house.aws, drift_checks=True)
        old_port, new_port = httpx.URL(old_url).port or 0, free_port()
        with serving(tmp_path, old_port, code=code_before(migration, tmp_path / "before")):
            schema.upgrade(engine, "head")
            with serving(tmp_path, new_port):
                new_url = f"http://127.0.0.1:{new_port}"
                rotate(house, [old_url, new_url])
                rotate(house, [new_url, old_url])
                with read(engine) as tx:
                    supported = tx.execute(select(supported_revisions.c.revision)).scalars().all()
                is_ready = httpx.get(f"{old_url}/readyz", verify=False).is_success
                assert is_ready is (migration.down_revision in supported)
        # The processes have the machine's time, and may have taken longer than clocks may differ.
        house.clock.at = Clock()()
        # The older version does not write the quorum in force. The verifier notes that and finds no fault.
        told = [*house.findings(), *map(str, verify(house.ctx, ()))]
        assert [each for each in told if not each.endswith("judged by the quorum that was filed")] == []
        house.is_forged = True
    engine.dispose()


def rotate(house: House, replicas: list[str]) -> None:
    """A key is made, confirmed, deactivated and deleted, each call by the other replica than the one before."""
    calls = iter(replicas * 50)

    def call(person: str, path: str, **body: object) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {house.token(person)}"}
        answer = httpx.post(f"{next(calls)}{path}", headers=headers, json=body or None, timeout=60, verify=False)
        assert answer.is_success, answer.text
        found: dict[str, object] = answer.json()
        return found

    def approved(operation: str, **about: object) -> str:
        filed = call(
            "alice", "/v1/requests", account_id=ACCOUNT, operation=operation, justification=JUSTIFICATION, **about
        )
        path = f"/v1/requests/{filed['id']}"
        for person in ("bob", "carol"):
            call(person, f"{path}/decisions", decision="approve", digest=filed["digest"])
        return path

    path = approved("create_access_key")
    key = call("alice", f"{path}/execution")["access_key_id"]
    call("alice", f"{path}/receipt")
    path = approved("deactivate_access_key", access_key_id=key, run_on_approval=True)
    # By a worker, of either version.
    wait_until(lambda: house.aws.keys(ACCOUNT)[str(key)] == "Inactive", what="the deactivation")
    wait_until(lambda: status_of(house, path, next(calls)) == "succeeded", what="its settlement")
    call("alice", f"{approved('delete_access_key', access_key_id=key)}/execution")
    assert key not in house.aws.keys(ACCOUNT)


def status_of(house: House, path: str, replica: str) -> object:
    answer = httpx.get(f"{replica}{path}", headers={"Authorization": f"Bearer {house.token('alice')}"})
    return answer.json()["status"]
