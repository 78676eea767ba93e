"""Lifetime: a new key is announced before its end, then deactivated and deleted, as was approved with it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import ACCOUNT, ACTIVATE, DELETE
from support.commits import commits_failing
from support.house import House

from service.aws.root import AwsRoots
from service.aws.sources import FixedSource
from service.domain.errors import Code, ServiceError
from service.domain.outcome import CreatedKey
from service.domain.request import OperationRequest
from service.simulated_aws import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Credential,
    Fault,
    Refuse,
    ServerError,
    Throttle,
)
from service.worker import run_pass
from service.workflow.decide import confirm_receipt

LIFETIME, NOTICE, GRACE = timedelta(days=30), timedelta(hours=24), timedelta(hours=24)
MOMENT = timedelta(seconds=1)


pytestmark = pytest.mark.usefixtures("no_back_off")


def received(house: House, lifetime: timedelta = LIFETIME) -> tuple[OperationRequest, CreatedKey]:
    request, key = house.execute(house.approved(lifetime=lifetime))
    assert key is not None
    return confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id).request, key


def after(house: House, on: OperationRequest, time: timedelta) -> OperationRequest:
    house.clock.advance(time)
    run_pass(house.ctx)
    return house.now(on)


def status_of(house: House, key: CreatedKey) -> str | None:
    return house.aws.keys(ACCOUNT).get(key.access_key_id)


def events(house: House, on: OperationRequest) -> list[str]:
    return [str(json.loads(content)["event"]) for content in house.events(on)]


def test_the_end_is_announced_once_a_day_before_it(house: House) -> None:
    request, key = received(house)
    after(house, request, LIFETIME - NOTICE - MOMENT)
    assert "key.expiring" not in events(house, request)
    for _ in range(3):
        after(house, request, MOMENT)
    assert events(house, request).count("key.expiring") == 1
    assert status_of(house, key) == "Active"


def test_at_its_end_a_key_is_deactivated_and_after_the_grace_deleted(house: House) -> None:
    request, key = received(house)
    after(house, request, LIFETIME - MOMENT)
    assert status_of(house, key) == "Active"
    after(house, request, MOMENT)
    assert status_of(house, key) == "Inactive"
    after(house, request, GRACE - MOMENT)
    assert status_of(house, key) == "Inactive"
    retired = after(house, request, MOMENT)
    assert status_of(house, key) is None
    assert (retired.status, retired.retired_at) == ("succeeded", house.clock())
    assert events(house, request)[-3:] == ["key.expiring", "key.deactivated", "key.retired"]


def test_passes_that_repeat_or_overlap_do_it_once(house: House) -> None:
    request, _ = received(house)
    for time in (LIFETIME, MOMENT, GRACE, MOMENT):
        house.clock.advance(time)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run_pass, [house.ctx, house.ctx]))
    after(house, request, timedelta(minutes=10))
    found = events(house, request)
    assert [found.count(name) for name in ("key.expiring", "key.deactivated", "key.retired")] == [1, 1, 1]
    assert "key.expiry_failed" not in found


def test_a_key_in_use_ends_as_well(house: House) -> None:
    request, key = received(house)
    house.look_at(Credential(key.access_key_id, key.secret.reveal()))
    after(house, request, LIFETIME)
    after(house, request, GRACE)
    assert status_of(house, key) is None


def test_a_key_that_nobody_confirmed_though_it_is_in_use_ends_with_its_lifetime(house: House) -> None:
    request, key = house.execute(house.approved(lifetime=LIFETIME))
    assert key is not None
    house.look_at(Credential(key.access_key_id, key.secret.reveal()))
    assert after(house, request, timedelta(minutes=15)).overdue_at is not None
    after(house, request, LIFETIME)
    assert after(house, request, GRACE).status == "rolled_back"
    assert status_of(house, key) is None


@pytest.mark.parametrize("lifetime", [timedelta(minutes=5), timedelta(hours=1)])
def test_an_unconfirmed_key_is_taken_away_once_whichever_clock_is_first(house: House, lifetime: timedelta) -> None:
    request, key = house.execute(house.approved(lifetime=lifetime))
    assert key is not None
    after(house, request, timedelta(minutes=15))
    assert status_of(house, key) == "Inactive"
    assert after(house, request, GRACE).status == "rolled_back"
    assert status_of(house, key) is None
    after(house, request, GRACE)
    assert events(house, request).count("key.deactivated") == 1


def test_a_key_that_is_found_in_use_while_it_is_taken_back_still_ends_with_its_lifetime(house: House) -> None:
    request, key = house.execute(house.approved(lifetime=LIFETIME))
    assert key is not None
    after(house, request, timedelta(minutes=15))
    house.aws.set_root_key_status(ACCOUNT, key.access_key_id, "Active")
    house.look_at(Credential(key.access_key_id, key.secret.reveal()))
    after(house, request, GRACE)
    assert status_of(house, key) == "Active"
    after(house, request, LIFETIME - GRACE - timedelta(minutes=16))
    assert status_of(house, key) == "Active"
    assert after(house, request, timedelta(minutes=2)).status == "rolled_back"
    assert status_of(house, key) is None


def test_what_took_a_key_away_is_in_the_events(house: House) -> None:
    request, _ = received(house)
    after(house, request, LIFETIME)
    after(house, request, GRACE)
    for content in house.events(request)[-2:]:
        data = json.loads(content)["data"]
        assert data["signer_key_id"] == house.signer
        assert data["aws_request_id"]


def test_a_policy_that_was_tightened_since_the_filing_is_asked_again_at_the_execution(house: House) -> None:
    approved = house.approved()
    house.change(policy=replace(house.ctx.policy, lifetime_required=True))
    with pytest.raises(ServiceError) as refused:
        house.execute(approved)
    assert refused.value.code is Code.LIFETIME_REQUIRED
    assert house.now(approved).status == "approved"


def test_a_key_that_was_deleted_before_is_only_noted(house: House) -> None:
    request, key = received(house)
    house.execute(house.approved(DELETE, key.access_key_id))
    retired = after(house, request, LIFETIME)
    assert retired.retired_at is not None
    assert house.aws.count("DeleteAccessKey") == 1


def test_a_key_that_was_activated_again_within_the_grace_is_deleted_all_the_same(house: House) -> None:
    request, key = received(house)
    after(house, request, LIFETIME)
    house.execute(house.approved(ACTIVATE, key.access_key_id))
    after(house, request, GRACE)
    assert status_of(house, key) is None


def test_the_key_that_the_service_signs_with_waits_and_is_reported(house: House) -> None:
    request, key = received(house)
    roots = house.ctx.roots
    own = FixedSource(key.access_key_id, key.secret.reveal(), house.aws.endpoint_url)
    house.change(roots=AwsRoots({ACCOUNT: own}))
    for _ in range(3):
        after(house, request, LIFETIME)
    assert status_of(house, key) == "Active"
    assert events(house, request).count("key.expiry_failed") == 1
    house.change(roots=roots)
    after(house, request, MOMENT)
    assert status_of(house, key) == "Inactive"


@pytest.mark.parametrize("action", ["GetCallerIdentity", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"])
@pytest.mark.parametrize(
    "fault", [Refuse("AccessDenied"), Throttle(), ServerError(), ConnectionLostBefore(), ConnectionLostAfter()]
)
def test_what_aws_refuses_or_loses_is_reported_once_and_tried_again(
    sqlite_house: House, action: str, fault: Fault
) -> None:
    house = sqlite_house
    request, key = received(house)
    if action == "DeleteAccessKey":
        after(house, request, LIFETIME)
        house.clock.advance(GRACE)
    else:
        house.clock.advance(LIFETIME)
    house.aws.fault(action, fault, times=6)
    for _ in range(2):
        after(house, request, MOMENT)
    refused = isinstance(fault, Refuse) and action in {"UpdateAccessKey", "DeleteAccessKey"}
    assert events(house, request).count("key.expiry_failed") == (1 if refused else 0)
    house.aws.fault(action, fault, times=99)
    for _ in range(2):
        after(house, request, timedelta(hours=1))
    lost_but_done = isinstance(fault, ConnectionLostAfter) and action in {"UpdateAccessKey", "DeleteAccessKey"}
    assert events(house, request).count("key.expiry_failed") == (0 if lost_but_done else 1)
    house.aws.reset_faults()
    after(house, request, MOMENT)
    after(house, request, GRACE)
    assert status_of(house, key) is None
    assert house.now(request).retired_at is not None


@pytest.mark.parametrize("done", [False, True], ids=["failed", "failed-but-done"])
@pytest.mark.parametrize("call", ["UpdateAccessKey", "DeleteAccessKey"])
def test_a_commit_that_fails_after_the_call_is_made_good(house: House, call: str, done: bool) -> None:  # noqa: FBT001
    request, key = received(house)
    with commits_failing(house, after=call, done=done):
        after(house, request, LIFETIME)
        after(house, request, GRACE)
    after(house, request, MOMENT)
    after(house, request, GRACE)
    assert status_of(house, key) is None
    found = events(house, request)
    assert [found.count(name) for name in ("key.deactivated", "key.retired")] == [1, 1]


def test_without_a_lifetime_a_key_stays(house: House) -> None:
    request, key = house.execute(house.approved())
    confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id)
    assert key is not None
    after(house, request, timedelta(days=10_000))
    assert status_of(house, key) == "Active"


def refusal(house: House, lifetime: timedelta | None) -> Code | None:
    try:
        house.file(lifetime=lifetime)
    except ServiceError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("rules", "lifetime", "code"),
    [
        ({}, None, None),
        ({"lifetime_required": True}, None, Code.LIFETIME_REQUIRED),
        ({"lifetime_required": True}, LIFETIME, None),
        ({"max_lifetime": LIFETIME}, None, Code.LIFETIME_REQUIRED),
        ({"max_lifetime": LIFETIME}, LIFETIME, None),
        ({"max_lifetime": LIFETIME}, LIFETIME + MOMENT, Code.LIFETIME_TOO_LONG),
    ],
)
def test_the_policy_may_demand_a_lifetime_and_limit_it(
    sqlite_house: House, rules: dict[str, object], lifetime: timedelta | None, code: Code | None
) -> None:
    house = sqlite_house
    house.change(policy=replace(house.ctx.policy, **rules))  # type: ignore[arg-type]  # fields of Policy
    assert refusal(house, lifetime) is code


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("P30D", 201),
        ("PT5M", 201),
        ("P2W", 201),
        ("P1DT12H", 201),
        ("PT4M59S", 422),
        ("P3661D", 422),
        ("P", 422),
        ("PT", 422),
        ("P1Y", 422),
        ("P1M", 422),
        ("-P1D", 422),
        ("30 days", 422),
        ("", 422),
        (86400, 422),
    ],
)
def test_a_lifetime_is_an_iso_8601_duration(sqlite_house: House, sent: object, status: int) -> None:
    body = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": "x" * 10, "lifetime": sent}
    assert sqlite_house.client("alice").post("/v1/requests", json=body).status_code == status


def test_the_lifetime_is_shown_to_approvers_and_its_end_to_the_recipient(sqlite_house: House) -> None:
    house = sqlite_house
    request, _ = received(house)
    clocks = house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()["clocks"]
    assert clocks["lifetime"] == "P30D"
    assert clocks["expires_at"] is not None
