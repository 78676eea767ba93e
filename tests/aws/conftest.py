"""A simulated AWS with two accounts, and clients that sign as a root user and as the manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws.asking import ACCOUNT, MANAGEMENT, OTHER, client

from service.simulated_aws import SimulatedAws


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, OTHER], management_account=MANAGEMENT) as simulated:
        yield simulated


@pytest.fixture
def iam(aws: SimulatedAws) -> Any:
    return client(aws, "iam", aws.root_credential(ACCOUNT))


@pytest.fixture
def manager(aws: SimulatedAws) -> Any:
    return client(aws, "sts", aws.management_credential())
