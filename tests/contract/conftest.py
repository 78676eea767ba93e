"""The contract does not depend on the database: SQLite."""

import pytest
from factories import House


@pytest.fixture
def house(sqlite_house: House) -> House:
    return sqlite_house
