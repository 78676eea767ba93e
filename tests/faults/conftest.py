from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("faults.verdict", "faults.load", "kill.aftermath")

from kill.processes import ForkServer  # noqa: E402


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.stop()
