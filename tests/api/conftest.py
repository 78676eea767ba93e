"""Most rules of HTTP do not depend on the database, so `house` is on SQLite here; `either_house` is on both."""

from collections.abc import Iterator

import pytest
from support.house import House
from support.witness import watched


@pytest.fixture
def house(sqlite_house: House) -> Iterator[House]:
    with watched(sqlite_house) as house:
        yield house


@pytest.fixture
def either_house(database_url: str) -> Iterator[House]:
    with House.on(database_url) as house, watched(house):
        yield house
