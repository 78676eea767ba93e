from collections.abc import Iterator

import pytest
from proof.in_node import Proofs, running


@pytest.fixture(scope="module")
def proofs() -> Iterator[Proofs]:
    with running() as proofs:
        yield proofs
