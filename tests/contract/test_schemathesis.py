"""Whatever fits the OpenAPI document, and whatever does not, is answered as the document says."""

import os
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import lru_cache
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from support.builders import ACCOUNT, DEACTIVATE, OTHER_ACCOUNT
from support.house import House
from support.witness import DOCUMENT

# Named one by one, so that a new release of schemathesis cannot turn the gate red by itself. Left out on purpose:
# - positive_data_acceptance: an account, a key, a digest of the right form are rarely those that exist;
# - ignored_auth, object_level_authorization: they send again by themselves; `nobody` below is stricter;
# - use_after_free, ensure_resource_availability: nothing is ever deleted here.
# Repeated query parameters, of which FastAPI takes the last, are not generated unless asked for.
CHECKS: list[CheckFunction] = [
    allow_header_conformance,
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
]

schema = schemathesis.openapi.from_dict(deepcopy(DOCUMENT), config=schemathesis.Config(seed=4711))


AnyCase = schemathesis.Case[Any]
AnyOperation = APIOperation[Any, Any, Any, Any]


class Real:
    """What exists, in turns: put where generated values have the right form, so that calls reach the rules."""

    def __init__(self, house: House) -> None:
        delivered, _ = house.execute(house.approved())
        target = next(key for key in house.aws.keys(ACCOUNT) if key != house.signer)
        pending = house.file(DEACTIVATE, target, recipient="rita")
        approved = house.approved(account_id=OTHER_ACCOUNT)
        self._requests = cycle([pending, approved, delivered])
        self._accounts = cycle([ACCOUNT, OTHER_ACCOUNT])
        self._keys = cycle([house.signer, target])
        self.answered: set[int] = set()

    def put_into(self, case: AnyCase) -> None:
        request = next(self._requests)
        real = {
            "request_id": (r"[0-9a-f-]{36}", request.filing.request_id),
            "account_id": (r"[0-9]{12}", next(self._accounts)),
            "access_key_id": (r"[0-9A-Za-z_]{16,128}", next(self._keys)),
            "digest": (r"[0-9a-f]{64}", request.digest),
        }
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                for name, (form, value) in real.items():
                    if re.fullmatch(form, str(part.get(name))):
                        part[name] = value


@pytest.fixture
def real(house: House) -> Iterator[Real]:
    real = Real(house)
    yield real
    assert real.answered - {404, 405, 422}, "no call came as far as a rule"


@settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def _pass_on(case: AnyCase) -> None:
    _TRIED[-1](case)


_TRIED: list[Callable[[AnyCase], None]] = []


@lru_cache(maxsize=1)
def _cases(operation: AnyOperation) -> Callable[[], None]:
    """Return what passes on all cases of an operation. To think them up takes longer than to collect all other tests,
    so schemathesis's own parametrization, which does it in every worker before the first test, is not used.
    """
    return build_operation_test(
        config=schema.config, operation=operation, test_func=_pass_on, given_kwargs={}, feedback=FeedbackSources()
    )


def _operations() -> Iterator[AnyOperation]:
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), "an operation of the contract cannot be read"
        yield found.ok()


PEOPLE = {"approver": "bob", "requester": "alice", "nobody": None}


def _callers() -> Iterator[tuple[AnyOperation, str]]:
    """`make fuzz` tries each operation as everybody, the gate as approver and as requester by turns.

    That each refuses who has no token is seen in the gate too, with a call to each (`test_openapi.py`).
    """
    turns = cycle(["approver", "requester"])
    for operation in _operations():
        for name in PEOPLE if os.environ.get("FUZZ") == "long" else [next(turns)]:
            yield operation, name


@pytest.mark.parametrize(
    ("operation", "who"),
    [
        # One worker tries an operation as everybody, and thinks up its cases once.
        pytest.param(
            operation, PEOPLE[name], id=f"{operation.label}-{name}", marks=pytest.mark.xdist_group(operation.label)
        )
        for operation, name in _callers()
    ],
)
def test_answers_are_as_documented(operation: AnyOperation, house: House, real: Real, who: str | None) -> None:
    def try_out(case: AnyCase) -> None:
        # One house for all inputs of an operation, on purpose: what one call did, the next one meets.
        real.put_into(case)
        headers = {"Authorization": f"Bearer {house.token(who)}"} if who else {}

        answer = case.call_and_validate(app=house.app, headers=headers, checks=CHECKS)

        real.answered.add(answer.status_code)
        if who is None and case.path.startswith("/v1/"):
            assert answer.status_code >= 400

    _TRIED.append(try_out)
    _cases(operation)()
