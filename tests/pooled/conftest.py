"""Here `database_url` leads through a PgBouncer in transaction mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url
from support.products import pgbouncer
from support.products.postgres import Postgres, as_service

pytest.register_assert_rewrite("workflow.test_decide", "workflow.test_execute", "workflow.test_races")
pytest.register_assert_rewrite(
    "fleet.test_workers", "workflow.test_reconcile", "workflow.test_rollback", "workflow.test_lifetime"
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first case of each test. Cases differ in what people ask and AWS answers, not in how SQL is sent."""
    first: dict[str, pytest.Item] = {}
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in here:
        first.setdefault(item.originalname, item)  # type: ignore[attr-defined]  # of what can have cases
    left_out = set(here) - set(first.values())
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


@pytest.fixture(scope="session")
def pooler(postgres: Postgres) -> Iterator[URL]:
    if pgbouncer.find() is None:
        pytest.skip("there is no PgBouncer on this machine: make pgbouncer, as root")
    with pgbouncer.running_pgbouncer(postgres.url) as url:
        yield url


@pytest.fixture(params=["pgbouncer"])
def database_url(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    if request.param != "pgbouncer":
        pytest.skip("not about PostgreSQL")
    pooler: URL = request.getfixturevalue("pooler")
    direct = postgres.new_database()
    pooled = pooler.set(database=make_url(direct).database)
    yield as_service(pooled.render_as_string(hide_password=False))
    postgres.drop(direct)
