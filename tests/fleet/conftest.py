"""A fleet is on PostgreSQL."""

from collections.abc import Iterator

import pytest
from support.products.postgres import Postgres


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)
