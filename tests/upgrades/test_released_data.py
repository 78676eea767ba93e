"""The data of each release are migrated to the present schema: the log verifies, all is read, and life goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.house import House
from support.products.postgres import ROLE, Postgres, as_service
from upgrades.history import HISTORY_ACCOUNTS, as_settings_say
from upgrades.released import REVISIONS, missing_in, restore_postgres, restore_sqlite

from service.db import schema
from service.db.engine import connect
from service.db.schema import grant, migrate
from service.domain.request import Status
from service.worker import run_pass
from service.workflow.verify import verify

# Without `--founders` the log itself says whose signatures count.
_NOTE = (
    "whose keys count is as the log says that the settings said: --signers or --founders FILE says it from elsewhere"
)
_REQUESTS = "SELECT id, status, digest FROM requests ORDER BY id"


@dataclass
class Upgraded:
    """A house on migrated data, and the rows of its requests before."""

    house: House
    before: list[dict[str, Any]]

    def of(self, status: Status) -> str:
        return next(str(row["id"]) for row in self.before if row["status"] == status)


@pytest.fixture(params=[(revision, kind) for revision in REVISIONS for kind in ("sqlite", "postgresql")], ids="-".join)
def upgraded(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Iterator[Upgraded]:
    revision, kind = request.param
    if kind == "sqlite":
        url = service_url = restore_sqlite(revision, tmp_path / "released.db")
    else:
        url = postgres.new_empty_database()
        restore_postgres(revision, url)
        service_url = as_service(url)
    engine = connect(url, connections=1)
    with engine.connect() as tx:
        before = [dict(row) for row in tx.execute(text(_REQUESTS)).mappings()]
        last = tx.execute(text("SELECT max(at) FROM audit_events")).scalar_one()
    migrate(engine)
    if kind == "postgresql":
        grant(engine, ROLE)
    engine.dispose()
    with House.on(service_url, accounts=HISTORY_ACCOUNTS) as house:
        # Days later the requests would have expired.
        house.clock.at = datetime.fromisoformat(str(last)).replace(tzinfo=UTC) + timedelta(minutes=1)
        as_settings_say(house)
        yield Upgraded(house, before)
    if kind == "postgresql":
        postgres.drop(url)


def test_the_log_verifies(upgraded: Upgraded) -> None:
    assert [str(found) for found in verify(upgraded.house.ctx, ())] == [_NOTE]


def test_every_request_is_read_as_it_was(upgraded: Upgraded) -> None:
    client = upgraded.house.client("audrey")
    for row in upgraded.before:
        found = client.get(f"/v1/requests/{row['id']}").json()
        # The digest is made of all that was filed.
        assert (found["status"], found["digest"]) == (row["status"], row["digest"])
        assert client.get(f"/v1/requests/{row['id']}/evidence").is_success
    for path in ("/v1/requests?limit=100", "/v1/audit/events", "/v1/audit/export", "/v1/drift", "/v1/signing-keys"):
        assert client.get(path).is_success, path


def test_what_was_open_goes_on(upgraded: Upgraded) -> None:
    house = upgraded.house
    pending, approved, delivered = (upgraded.of(each) for each in (Status.PENDING, Status.APPROVED, Status.DELIVERED))
    digest = house.client("bob").get(f"/v1/requests/{pending}").json()["digest"]
    calls = [
        *(
            house.client(person).post(
                f"/v1/requests/{pending}/decisions", json={"decision": "approve", "digest": digest}
            )
            for person in ("bob", "carol")
        ),
        house.client("alice").post(f"/v1/requests/{approved}/withdrawal"),
        house.client("alice").post(f"/v1/requests/{delivered}/receipt"),
    ]
    assert [call.json()["status"] for call in calls] == ["pending", "approved", "withdrawn", "succeeded"]
    # Whoever was killed in the middle of it does not come back.
    house.clock.advance(house.ctx.roots.call_budget + timedelta(seconds=1))
    run_pass(house.ctx)
    executing = upgraded.of(Status.EXECUTING)
    assert house.client("alice").get(f"/v1/requests/{executing}").json()["status"] != "executing"


@pytest.mark.skipif(REVISIONS[-1] != schema.needed(), reason="no data of this schema yet; `make release-data`")
def test_the_newest_data_have_every_status_every_operation_and_every_table(tmp_path: Path) -> None:
    engine = connect(restore_sqlite(REVISIONS[-1], tmp_path / "released.db"), connections=1)
    assert missing_in(engine) == set()
    engine.dispose()
