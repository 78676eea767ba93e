"""One Roundup for all that tests tell it: it takes seconds to make one, and each test has an issue of its own."""

from collections.abc import Iterator

import pytest
from support.products.roundup import RoundupServer, running_roundup


@pytest.fixture(scope="session")
def roundup() -> Iterator[RoundupServer]:
    with running_roundup() as running:
        yield running
