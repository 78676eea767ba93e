"""A fleet is on PostgreSQL."""

from collections.abc import Iterator

import pytest
from support.products.postgres import Postgres

pytest.register_assert_rewrite("faults.verdict", "faults.load", "kill.aftermath", "fleet.rolling")

from kill.processes import ForkServer  # noqa: E402


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.stop()
