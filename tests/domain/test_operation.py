"""What can run on an account, and what an approver is warned of."""

import copy
import json
import pickle
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import ACTIVATE, CREATE, DEACTIVATE, DELETE, NOON, key, observed

from service.domain.account import RootCredentials, difference
from service.domain.briefing import warnings
from service.domain.errors import Code, ServiceError
from service.domain.operation import Operation, OperationName, check_can_run
from service.domain.outcome import Secret

_SIGNER = "AKIASIGNER0000000000"
_OTHER = "AKIAOTHER00000000000"
_BOTH = {_SIGNER: "Active", _OTHER: "Active"}


def state(keys: dict[str, str]) -> RootCredentials:
    return observed(*(key(key_id, status) for key_id, status in keys.items()), signer=_SIGNER)


@pytest.mark.parametrize(
    ("name", "target", "keys", "code"),
    [
        (CREATE, None, {_SIGNER: "Active"}, None),
        (CREATE, None, _BOTH, Code.KEY_LIMIT_REACHED),
        (CREATE, None, {_SIGNER: "Active", _OTHER: "Inactive"}, Code.KEY_LIMIT_REACHED),
        (DEACTIVATE, _OTHER, _BOTH, None),
        (DEACTIVATE, _OTHER, {_SIGNER: "Active"}, Code.NO_SUCH_KEY),
        (DEACTIVATE, _OTHER, {_SIGNER: "Active", _OTHER: "Inactive"}, Code.ALREADY_IN_STATUS),
        (DEACTIVATE, _SIGNER, _BOTH, Code.SIGNING_KEY),
        (DEACTIVATE, _OTHER, {_OTHER: "Active"}, Code.LAST_ACTIVE_KEY),
        (ACTIVATE, _OTHER, {_SIGNER: "Active", _OTHER: "Inactive"}, None),
        (ACTIVATE, _OTHER, _BOTH, Code.ALREADY_IN_STATUS),
        (DELETE, _OTHER, _BOTH, None),
        (DELETE, _SIGNER, _BOTH, Code.SIGNING_KEY),
        (DELETE, _OTHER, {_OTHER: "Active", "AKIATHIRD": "Inactive"}, Code.LAST_ACTIVE_KEY),
        (DELETE, _OTHER, {_SIGNER: "Active", _OTHER: "Inactive"}, None),
    ],
)
def test_what_cannot_run_is_refused(
    name: OperationName, target: str | None, keys: dict[str, str], code: Code | None
) -> None:
    refused = None
    try:
        check_can_run(Operation(name, target), state(keys), accept_lockout=False)
    except ServiceError as error:
        refused = error.code
    assert refused is code


@pytest.mark.parametrize("name", [DEACTIVATE, DELETE])
@pytest.mark.parametrize("target", [_SIGNER, _OTHER])
def test_a_lockout_that_was_accepted_can_run(name: OperationName, target: str) -> None:
    check_can_run(Operation(name, target), state({target: "Active"}), accept_lockout=True)


@pytest.mark.parametrize("name", [DEACTIVATE, DELETE])
def test_the_last_key_may_go_where_the_service_holds_none(name: OperationName) -> None:
    held_by_nobody = replace(state({_OTHER: "Active"}), signer_key_id=None)
    check_can_run(Operation(name, _OTHER), held_by_nobody, accept_lockout=False)


def cautions(operation: Operation, credentials: RootCredentials) -> list[str]:
    return [caution.code for caution in warnings(operation, credentials, accept_lockout=False)]


def test_approvers_are_warned_of_recent_use() -> None:
    used = observed(key(_SIGNER), key(_OTHER, used=NOON - timedelta(hours=3, minutes=5)))
    (found,) = (w for w in warnings(Operation(DEACTIVATE, _OTHER), used, accept_lockout=False))
    assert found.detail == "This key was used 3 hours before the request was filed."


@pytest.mark.parametrize(
    ("ago", "said"),
    [(timedelta(minutes=59), "less than an hour"), (timedelta(hours=47), "47 hours"), (timedelta(days=3), "3 days")],
)
def test_use_is_told_in_words(ago: timedelta, said: str) -> None:
    used = observed(key(_SIGNER), key(_OTHER, used=NOON - ago))
    assert said in warnings(Operation(DEACTIVATE, _OTHER), used, accept_lockout=False)[0].detail


def test_approvers_are_warned_of_the_only_active_key_that_the_service_signs_with() -> None:
    assert cautions(Operation(DELETE, _SIGNER), observed(key(_SIGNER))) == [
        "signing_key",
        "last_active_key",
        "still_active",
    ]


def test_approvers_are_warned_of_a_second_key() -> None:
    assert cautions(Operation(CREATE), observed(key(_SIGNER))) == ["keys_exist"]


def test_a_difference_is_told_in_words() -> None:
    found = difference({"A": "Active", "B": "Active", "C": "Active"}, {"B": "Inactive", "C": "Active", "D": "Active"})
    assert found == "D appeared (Active); A is gone; B went from Active to Inactive"
    assert difference(_BOTH, dict(reversed(_BOTH.items()))) is None


def test_what_was_observed_reads_back() -> None:
    seen = observed(key(_SIGNER, used=NOON), key(_OTHER, "Inactive"))
    assert RootCredentials.from_document(json.loads(json.dumps(seen.document()))) == seen


def test_a_secret_shows_itself_only_on_purpose() -> None:
    secret = Secret("hush")
    assert secret.reveal() == "hush"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert "hush" not in shown


@pytest.mark.parametrize("serialize", [pickle.dumps, copy.deepcopy, json.dumps])
def test_a_secret_cannot_be_serialized(serialize: object) -> None:
    assert callable(serialize)
    with pytest.raises(TypeError):
        serialize(Secret("hush"))
