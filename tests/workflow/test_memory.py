"""No credential, and no created secret, is an object of this process for longer than its execution."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.credentials import Credentials, ReadOnlyCredentials
from support.builders import BOTH, CREATE, DELETE
from support.house import House

from service.aws import kept_clients
from service.aws.kept_clients import LentClient
from service.aws.signer import Signer
from service.domain.operation import OperationName
from service.domain.outcome import CreatedKey, Secret

HOLDERS = (BaseClient, LentClient, Credentials, ReadOnlyCredentials, Signer, CreatedKey, Secret)


def held() -> list[Any]:
    """Return what may hold a credential: no kept clients, for they never had one (tests/aws/test_kept_clients.py)."""
    kept = {id(client) for _, client in kept_clients._kept}
    return [found for found in gc.get_objects() if isinstance(found, HOLDERS) and id(found) not in kept]


@pytest.fixture
def _no_collection() -> Iterator[None]:
    """The collector comes when it likes: what outlives an execution must not wait for it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collection")
@pytest.mark.parametrize("name", [CREATE, DELETE])
def test_nothing_that_held_a_credential_outlives_an_execution(sqlite_house: House, name: OperationName) -> None:
    house = sqlite_house
    target = None if name is CREATE else house.aws.create_root_key(BOTH).access_key_id
    approved = house.approved(name, target, account_id=BOTH)
    alice = house.client("alice")
    before = {id(found) for found in held()}
    answer = alice.post(f"/v1/requests/{approved.filing.request_id}/execution")
    assert answer.status_code == 200
    assert [type(found) for found in held() if id(found) not in before] == []
