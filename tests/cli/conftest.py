"""A service for the commands that people run over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.approvers import Installation, installation


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture
def request_(installed: Installation) -> Iterator[Any]:
    """A request that nobody has decided on."""
    request = installed.file(ticket="OPS-4711")
    yield request
    if installed.call("alice", "GET", f"/v1/requests/{request['id']}")["status"] in {"pending", "approved"}:
        installed.withdraw(request)
