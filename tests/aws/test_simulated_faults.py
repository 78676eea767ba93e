"""What goes wrong on demand at the simulated AWS, whom it meets, and what is on record of it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from aws.asking import (
    ACCOUNT,
    AUDIT,
    MANAGEMENT,
    ONCE,
    OTHER,
    caller_arn,
    client,
    refusal,
    root_session,
)
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from service.simulated_aws import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Delay,
    Fault,
    Refuse,
    ServerError,
    ServerErrorAfter,
    SimulatedAws,
    Throttle,
)


@pytest.mark.parametrize(
    ("fault", "error", "effect"),
    [
        (Throttle(), ("Throttling", 400), False),
        (ServerError(), ("ServiceFailure", 500), False),
        (ServerError(503), ("ServiceUnavailable", 503), False),
        (ServerErrorAfter(), ("ServiceFailure", 500), True),
        (Refuse("AccessDenied"), ("AccessDenied", 403), False),
    ],
)
def test_error_faults_have_the_effect_they_say(
    aws: SimulatedAws, iam: Any, fault: Fault, error: tuple[str, int], *, effect: bool
) -> None:
    aws.fault("CreateAccessKey", fault)
    assert refusal(iam.create_access_key) == error
    assert len(aws.keys(ACCOUNT)) == 1 + effect


@pytest.mark.parametrize(("fault", "effect"), [(ConnectionLostBefore(), False), (ConnectionLostAfter(), True)])
def test_lost_connections_have_the_effect_they_say(aws: SimulatedAws, iam: Any, fault: Fault, *, effect: bool) -> None:
    aws.fault("CreateAccessKey", fault)
    with pytest.raises(ConnectionClosedError):
        iam.create_access_key()
    assert len(aws.keys(ACCOUNT)) == 1 + effect


def test_botocores_default_sends_a_create_again_when_its_answer_is_lost(aws: SimulatedAws) -> None:
    aws.fault("CreateAccessKey", ConnectionLostAfter())
    eager = client(aws, "iam", aws.root_credential(ACCOUNT), config=Config(retries={"mode": "standard"}))
    assert refusal(eager.create_access_key) == ("LimitExceeded", 409)
    assert aws.count("CreateAccessKey") == 2


def test_delay_holds_up_its_own_call_only(aws: SimulatedAws, iam: Any) -> None:
    arrived = threading.Event()
    aws.on("CreateAccessKey", arrived.set)
    aws.fault("CreateAccessKey", Delay(3600))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(iam.create_access_key)
        assert arrived.wait(60)
        assert len(client(aws, "iam", aws.root_credential(ACCOUNT)).list_access_keys()["AccessKeyMetadata"]) == 1
        assert not held.done()
        aws.stop()  # ends the delay


def test_delay_outlasts_a_clients_timeout_and_the_effect_still_happens(aws: SimulatedAws) -> None:
    done = threading.Event()
    aws.fault("CreateAccessKey", Delay(0.3))
    aws.on("CreateAccessKey", done.set, after=True)
    config = ONCE.merge(Config(read_timeout=0.1))
    impatient = client(aws, "iam", aws.root_credential(ACCOUNT), config=config)
    with pytest.raises(Exception, match="Read timeout"):
        impatient.create_access_key()
    assert done.wait(5)
    assert len(aws.keys(ACCOUNT)) == 2


def test_fault_is_met_as_often_as_asked_and_by_that_account(aws: SimulatedAws, iam: Any) -> None:
    aws.fault("ListAccessKeys", Throttle(), times=2, account_id=ACCOUNT)
    client(aws, "iam", aws.root_credential(OTHER)).list_access_keys()
    assert [refusal(iam.list_access_keys)[0] for _ in range(2)] == ["Throttling"] * 2
    iam.list_access_keys()


def test_reset_forgets_faults_hooks_and_delay(aws: SimulatedAws, iam: Any) -> None:
    aws.fault("ListAccessKeys", Throttle(), times=9)
    ran: list[str] = []
    aws.on("ListAccessKeys", lambda: ran.append("hook"))
    aws.propagation_delay = 3600
    aws.reset_faults()
    assert iam.list_access_keys()
    assert ran == []
    assert aws.propagation_delay == 0


def test_hooks_run_before_and_after_the_effect(aws: SimulatedAws, iam: Any) -> None:
    seen: list[int] = []
    aws.on("CreateAccessKey", lambda: seen.append(len(aws.keys(ACCOUNT))))
    aws.on("CreateAccessKey", lambda: seen.append(len(aws.keys(ACCOUNT))), after=True)
    iam.create_access_key()
    assert seen == [1, 2]


def test_every_call_is_recorded_with_its_signer(aws: SimulatedAws, iam: Any) -> None:
    aws.fault("UpdateAccessKey", ConnectionLostBefore())
    with pytest.raises(ConnectionClosedError):
        iam.update_access_key(AccessKeyId="AKIAAAAAAAAAAAAAAAAA", Status="Inactive")
    (call,) = aws.calls
    assert (call.action, call.account_id) == ("UpdateAccessKey", ACCOUNT)
    assert call.access_key_id == aws.root_credential(ACCOUNT).access_key_id
    assert call.parameters == {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "Status": "Inactive"}


def test_simultaneous_creates_keep_the_limit_and_are_all_counted(aws: SimulatedAws) -> None:
    clients = [client(aws, "iam", aws.root_credential(ACCOUNT)) for _ in range(20)]
    ready = threading.Barrier(len(clients))

    def create(iam: Any) -> str:
        ready.wait()
        try:
            return str(iam.create_access_key()["AccessKey"]["Status"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(len(clients)) as pool:
        results = list(pool.map(create, clients))
    assert sorted(results) == ["Active"] + ["LimitExceeded"] * 19
    assert aws.count("CreateAccessKey") == 20
    assert len(aws.keys(ACCOUNT)) == 2


@pytest.mark.parametrize("account_id", [ACCOUNT, MANAGEMENT])
def test_assume_root_is_the_targets_call_and_the_managing_accounts(
    aws: SimulatedAws, manager: Any, account_id: str
) -> None:
    aws.fault("AssumeRoot", Throttle(), account_id=account_id)
    assert refusal(partial(root_session, aws, manager, AUDIT, ACCOUNT)) == ("Throttling", 400)
    root_session(aws, manager, AUDIT, ACCOUNT)


@pytest.mark.parametrize("target", [OTHER, f"arn:aws:iam::{OTHER}:root"])
def test_assume_root_of_another_target_does_not_meet_the_fault(aws: SimulatedAws, manager: Any, target: str) -> None:
    aws.fault("AssumeRoot", Throttle(), account_id=OTHER)
    root_session(aws, manager, AUDIT, ACCOUNT)
    assert refusal(partial(root_session, aws, manager, AUDIT, target)) == ("Throttling", 400)


def test_hook_runs_for_the_account_it_waits_for(aws: SimulatedAws, iam: Any) -> None:
    ran: list[str] = []
    aws.on("ListAccessKeys", lambda: ran.append(OTHER), account_id=OTHER)
    iam.list_access_keys()
    assert ran == []
    client(aws, "iam", aws.root_credential(OTHER)).list_access_keys()
    assert ran == [OTHER]


def test_call_of_a_session_is_the_member_accounts(aws: SimulatedAws, manager: Any) -> None:
    root_session(aws, manager, AUDIT)("iam").list_access_keys()
    assumed, listed = aws.calls
    assert (assumed.action, assumed.account_id) == ("AssumeRoot", MANAGEMENT)
    assert assumed.parameters["TargetPrincipal"] == ACCOUNT
    assert (listed.account_id, (listed.access_key_id or "")[:4]) == (ACCOUNT, "ASIA")
    aws.fault("ListAccessKeys", Throttle(), account_id=ACCOUNT)
    assert refusal(root_session(aws, manager, AUDIT)("iam").list_access_keys) == ("Throttling", 400)


# --- many accounts ---


def test_delay_of_one_account_holds_up_no_other(aws: SimulatedAws, iam: Any) -> None:
    arrived = threading.Event()
    aws.on("ListAccessKeys", arrived.set, account_id=ACCOUNT)
    aws.fault("ListAccessKeys", Delay(3600), account_id=ACCOUNT)
    others = [client(aws, "iam", aws.root_credential(OTHER)) for _ in range(4)]
    with ThreadPoolExecutor(5) as pool:
        held = pool.submit(iam.list_access_keys)
        assert arrived.wait(60)
        answers = list(pool.map(lambda other: other.list_access_keys(), others))
        assert len(answers) == 4
        assert not held.done()
        aws.stop()  # ends the delay


def test_calls_of_two_accounts_are_held_at_the_same_time(aws: SimulatedAws, iam: Any) -> None:
    both_held = threading.Barrier(2, timeout=60)

    def hold() -> None:
        both_held.wait()

    aws.on("ListAccessKeys", hold, times=2)
    other = client(aws, "iam", aws.root_credential(OTHER))
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda one: one.list_access_keys(), (iam, other)))) == 2


def test_five_hundred_accounts_start_at_once() -> None:
    began = time.process_time()
    with SimulatedAws([f"{number:012}" for number in range(1, 501)], management_account=MANAGEMENT) as aws:
        assert time.process_time() - began < 2  # took 0.03 s; of this process alone, so that no busy machine matters
        assert caller_arn(aws, aws.root_credential(f"{500:012}")) == f"arn:aws:iam::{500:012}:root"
