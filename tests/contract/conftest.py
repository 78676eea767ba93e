"""The contract does not depend on the database: SQLite. Whatever is answered is held against it."""

from collections.abc import Iterator

import pytest
from support.house import House
from support.witness import watched


@pytest.fixture
def house(sqlite_house: House) -> Iterator[House]:
    with watched(sqlite_house) as house:
        yield house
