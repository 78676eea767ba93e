"""A provider that answers as a test dictates, and what it is asked with."""

from collections.abc import Iterator

import httpx
import pytest
from support.builders import Watch
from support.issuer import Issuer, issuing

from service.auth.provider import new_client


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with new_client() as client:
        yield client


@pytest.fixture
def watch() -> Watch:
    return Watch()
