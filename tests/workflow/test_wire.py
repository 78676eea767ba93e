"""What AWS sees, recorded: never a user's name, a create once under every fault, and a proved signer for each act."""

from contextlib import suppress
from datetime import timedelta

import pytest
from aws.test_assume_root import target_in
from botocore.config import Config
from support.builders import ACTIVATE, BOTH, CREATE
from support.house import House

from service.aws.calls import ONCE
from service.domain.errors import ServiceError
from service.domain.operation import OperationName
from service.simulated_aws import (
    Call,
    ConnectionLostAfter,
    ConnectionLostBefore,
    Delay,
    Fault,
    Refuse,
    ServerError,
    ServerErrorAfter,
    Throttle,
    Trickle,
)
from service.worker import run_pass
from service.workflow.drift import check_drift

ACTS = {
    "CreateAccessKey",
    "UpdateAccessKey",
    "DeleteAccessKey",
    "DeleteLoginProfile",
    "CreateLoginProfile",
    "DeactivateMFADevice",
    "DeleteSigningCertificate",
    "DeleteBucketPolicy",
    "SetQueueAttributes",
}


pytestmark = pytest.mark.usefixtures("no_back_off")


def everything(house: House) -> list[Call]:
    """All operations, what the worker does after them, and looks for drift; on the account that has both sources."""
    for name in OperationName:
        target = None if name is CREATE else target_in(house, name, BOTH)
        if name is OperationName.ROTATE_ACCESS_KEY:  # it takes a free place
            house.aws.delete_root_key(BOTH, str(target))
            target = house.aws.root_credential(BOTH).access_key_id
        if name is ACTIVATE:
            house.aws.set_root_key_status(BOTH, str(target), "Inactive")
        lifetime = timedelta(days=1) if name is CREATE else None
        house.execute(house.approved(name, target, account_id=BOTH, lifetime=lifetime))
        for _ in range(3):  # roll-back of the new key, and room for the next one
            house.clock.advance(timedelta(days=1))
            run_pass(house.ctx)
        with suppress(ServiceError):
            account = house.ctx.accounts.get(BOTH)
            assert account is not None
            check_drift(house.ctx, account)
        for key in set(house.aws.keys(BOTH)) - {house.aws.root_credential(BOTH).access_key_id}:
            house.aws.delete_root_key(BOTH, key)
    return house.aws.calls


def test_no_call_ever_names_a_user_and_every_signer_is_proved_before_it_acts(sqlite_house: House) -> None:
    calls = everything(sqlite_house)
    assert {call.action for call in calls} >= ACTS
    assert [call for call in calls if "UserName" in call.parameters] == []
    for number, call in enumerate(calls):
        if call.action in ACTS:
            last = max(n for n, other in enumerate(calls[:number]) if other.action == "GetCallerIdentity")
            since = {other.action for other in calls[last:number]} & ACTS
            # Deactivated and deleted in one session at most: the proof is of the credential that the session keeps.
            assert since <= {"UpdateAccessKey"}
            proved = [c.access_key_id for c in calls[:number] if c.action == "GetCallerIdentity"]
            assert call.access_key_id in proved[-2:]


# Beyond the time-out, which the tests shorten: the first byte of the answer, or the last.
LATE = (Delay(1.0), Trickle(0.05))


@pytest.mark.parametrize("fault", LATE, ids=str)
def test_a_create_whose_answer_comes_too_late_is_in_doubt_and_never_failed(
    sqlite_house: House, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.aws.root.ONCE", ONCE.merge(Config(read_timeout=0.2)))
    approved = sqlite_house.approved()
    sqlite_house.aws.fault("CreateAccessKey", fault)
    executed, key = sqlite_house.execute(approved)
    assert (executed.status, key) == ("in_doubt", None)


@pytest.mark.parametrize(
    "fault",
    [
        *LATE,
        Throttle(),
        ServerError(500),
        ServerError(503),
        ServerErrorAfter(500),
        ServerErrorAfter(503),
        ConnectionLostBefore(),
        ConnectionLostAfter(),
        Refuse("AccessDenied"),
        Refuse("LimitExceeded", 409),
        Refuse("ConcurrentModification", 409),
        Refuse("RequestExpired", 400),
    ],
    ids=str,
)
def test_a_create_is_sent_once_under_every_fault(
    sqlite_house: House, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.aws.root.ONCE", ONCE.merge(Config(read_timeout=0.2)))
    approved = sqlite_house.approved()
    sqlite_house.aws.fault("CreateAccessKey", fault, times=100)
    with suppress(ServiceError):
        sqlite_house.execute(approved)
    for _ in range(3):
        sqlite_house.clock.advance(timedelta(minutes=6))
        run_pass(sqlite_house.ctx)
    assert sqlite_house.aws.count("CreateAccessKey") == 1
    assert sqlite_house.now(approved).status == "failed"
