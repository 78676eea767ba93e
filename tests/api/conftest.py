"""Most rules of HTTP do not depend on the database, so `house` is on SQLite here; `either_house` is on both."""

from collections.abc import Iterator

import pytest
from factories import House


@pytest.fixture
def house(sqlite_house: House) -> House:
    return sqlite_house


@pytest.fixture
def either_house(database_url: str) -> Iterator[House]:
    with House.on(database_url) as house:
        yield house
