"""`livez`: the process runs. `readyz`: it can serve."""

from importlib.metadata import version
from pathlib import Path

import pytest
from support.house import House
from support.products.postgres import ROLE, Postgres

from service.db import schema
from service.db.engine import connect
from service.domain.errors import Unavailable

AWAY = ["sqlite:////nowhere/rootquorum.db", "postgresql://nobody@127.0.0.1:1/nothing"]


def test_healthy_service_is_alive_and_ready(either_house: House) -> None:
    for path, also in (("/livez", {"version": version("rootquorum")}), ("/readyz", {})):
        answer = either_house.client().get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", **also})


@pytest.mark.parametrize("url", AWAY)
def test_not_ready_while_the_database_is_away(house: House, url: str) -> None:
    house.change(engine=connect(url, connections=1))

    answer = house.client().get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert house.client().get("/livez").status_code == 200


def test_ready_again_when_the_database_is_back(house: House) -> None:
    there = house.ctx.engine
    house.change(engine=connect(AWAY[0], connections=1))
    assert house.client().get("/readyz").status_code == 503

    house.change(engine=there)

    assert house.client().get("/readyz").status_code == 200


def test_not_ready_on_a_database_without_schema(house: House, tmp_path: Path, postgres: Postgres) -> None:
    for url in (f"sqlite:///{tmp_path}/empty.db", postgres.new_empty_database()):
        engine = connect(url, connections=1)
        house.change(engine=engine)
        assert house.client().get("/readyz").status_code == 503
        engine.dispose()


def test_ready_on_a_later_schema_that_supports_this_version(either_house: House) -> None:
    with either_house.owner.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    assert either_house.client().get("/readyz").status_code == 200


def test_not_ready_on_a_schema_that_does_not_support_this_version(either_house: House) -> None:
    with either_house.owner.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'another'")
        tx.exec_driver_sql("DELETE FROM supported_revisions")

    answer = either_house.client().get("/readyz")

    assert answer.status_code == 503
    assert "migrate" in answer.json()["detail"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_not_ready_without_the_grants_on_what_a_migration_has_added(either_house: House) -> None:
    """Or the worker alone would fail, and nobody would notice that nothing happens by itself any more."""
    with either_house.owner.begin() as tx:
        tx.exec_driver_sql(f"REVOKE INSERT ON leases, drifts FROM {ROLE}")

    answer = either_house.client().get("/readyz")

    assert answer.status_code == 503
    assert "drifts, leases: rootquorum migrate --grant-to" in answer.json()["detail"]


def test_migrating_leaves_a_later_schema_alone_if_that_supports_this_version(either_house: House) -> None:
    engine = either_house.owner
    with engine.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    schema.migrate(engine)
    with engine.begin() as tx:
        tx.exec_driver_sql("DELETE FROM supported_revisions")
    with pytest.raises(Unavailable, match="later"):
        schema.migrate(engine)


def test_aws_being_away_is_no_matter_of_health(house: House) -> None:
    house.aws.stop()
    assert [house.client().get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
