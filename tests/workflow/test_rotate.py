"""Rotation: a new key is handed over, then the old one is deactivated and deleted, as was approved with the new one."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from support.builders import ACCOUNT, ROTATE
from support.commits import commits_failing
from support.house import House
from support.rotations import CHECKED, PLAN, Rotation, delivered, received

from service.domain.errors import Code, ServiceError
from service.simulated_aws import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Fault,
    Refuse,
    ServerError,
    ServerErrorAfter,
    Throttle,
)
from service.worker import run_pass

# The statuses of the old and of the new key; None for one that is gone.
Keys = tuple[str | None, ...]
MOMENT, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
BOTH_ACTIVE: Keys = ("Active", "Active")
CUT_OVER: Keys = ("Inactive", "Active")
DONE: Keys = (None, "Active")

pytestmark = pytest.mark.usefixtures("no_back_off")


def events(rotation: Rotation) -> list[str]:
    return [str(json.loads(content)["event"]) for content in rotation.house.events(rotation.request)]


def test_an_old_key_that_nobody_uses_is_deactivated_and_after_the_wait_deleted(house: House) -> None:
    rotation = received(house).move()
    assert rotation.after(MOMENT).status == "rotating"
    rotation.after(PLAN.unused_for - 2 * MOMENT)
    assert rotation.keys == BOTH_ACTIVE
    rotation.after(MOMENT)
    assert rotation.keys == CUT_OVER
    rotation.after(PLAN.deletion_wait - MOMENT)
    assert rotation.keys == CUT_OVER
    ended = rotation.after(MOMENT)
    assert rotation.keys == DONE
    assert (ended.status, ended.ended_at) == ("succeeded", house.clock())
    assert ended.result is not None
    assert (ended.result.code, ended.result.access_key_id) == ("rotated", rotation.new)
    assert events(rotation)[-3:] == ["receipt.confirmed", "old_key.deactivated", "old_key.deleted"]


def test_nothing_happens_to_the_old_key_before_the_receipt_of_the_new_one(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = delivered(house)
    rotation.used(300 * DAY)
    with pytest.raises(ServiceError) as refused:
        rotation.release()
    assert refused.value.code is Code.WRONG_STATUS
    rotation.after(house.ctx.policy.receipt_window - MOMENT)
    assert rotation.keys == BOTH_ACTIVE


def test_a_new_key_that_nobody_confirms_is_rolled_back_and_the_old_one_stays(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = delivered(house)
    rotation.after(house.ctx.policy.receipt_window)
    rotation.after(house.ctx.policy.rollback_grace)
    assert rotation.keys == ("Active", None)
    assert rotation.now().status == "rolled_back"


def test_a_use_of_the_old_key_starts_the_wait_anew(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = received(house).move()
    rotation.after(PLAN.unused_for - HOUR)
    rotation.used(HOUR)
    rotation.after(HOUR)
    assert rotation.keys == BOTH_ACTIVE
    rotation.after(PLAN.unused_for)
    assert rotation.keys == CUT_OVER


def test_time_before_the_receipt_does_not_count_as_unused(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = received(house).move()
    rotation.used(300 * DAY)
    rotation.after(PLAN.unused_for - MOMENT)
    assert rotation.keys == BOTH_ACTIVE
    rotation.after(MOMENT)
    assert rotation.keys == CUT_OVER


def test_when_a_person_says_go_the_old_key_is_deactivated_although_it_is_in_use(house: House) -> None:
    rotation = received(house).move()
    rotation.release()
    rotation.after(MOMENT)
    assert rotation.keys == CUT_OVER
    said = json.loads(next(each for each in house.events(rotation.request) if "cut_over.released" in each))
    assert (said["actor"]["subject"], said["data"]) == ("alice", {"access_key_id": rotation.old, "comment": CHECKED})


def test_go_is_said_once(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = received(house).move()
    for _ in range(3):
        rotation.release()
    assert events(rotation).count("cut_over.released") == 1


@pytest.mark.parametrize("by", ["bob", "robo"])
def test_only_the_people_who_asked_or_receive_may_say_go(sqlite_house: House, by: str) -> None:
    rotation = received(sqlite_house).move()
    with pytest.raises(ServiceError) as refused:
        rotation.release(by)
    assert refused.value.code in {Code.NOT_THE_EXECUTOR, Code.NOT_FOUND}
    rotation.after(MOMENT)
    assert rotation.keys == BOTH_ACTIVE


def test_the_key_that_the_service_signs_with_is_never_deactivated(house: House) -> None:
    rotation = received(house)
    with pytest.raises(ServiceError) as refused:
        rotation.release()
    assert refused.value.code is Code.SIGNING_KEY
    rotation.used(300 * DAY)
    for _ in range(3):
        rotation.after(PLAN.unused_for)
    assert rotation.keys == BOTH_ACTIVE
    rotation.move().release()
    rotation.after(MOMENT)
    assert rotation.keys == CUT_OVER


def test_a_rotation_needs_a_place_for_the_new_key(sqlite_house: House) -> None:
    sqlite_house.spare_key()
    with pytest.raises(ServiceError) as refused:
        sqlite_house.file(ROTATE, sqlite_house.signer)
    assert refused.value.code is Code.KEY_LIMIT_REACHED


def test_an_inactive_or_unknown_key_is_not_rotated(sqlite_house: House) -> None:
    with pytest.raises(ServiceError) as refused:
        sqlite_house.file(ROTATE, "AKIAEXAMPLE000000009")
    assert refused.value.code is Code.NO_SUCH_KEY
    spare = sqlite_house.spare_key()
    sqlite_house.aws.set_root_key_status(ACCOUNT, spare, "Inactive")
    with pytest.raises(ServiceError) as refused:
        sqlite_house.file(ROTATE, spare)
    assert refused.value.code is Code.ALREADY_IN_STATUS


def test_passes_that_repeat_or_overlap_do_each_step_once(house: House) -> None:
    rotation = received(house).move()
    for time in (PLAN.unused_for, MOMENT, PLAN.deletion_wait, MOMENT):
        house.clock.advance(time)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run_pass, [house.ctx, house.ctx]))
    rotation.after(HOUR)
    assert [events(rotation).count(name) for name in ("old_key.deactivated", "old_key.deleted")] == [1, 1]
    assert (house.aws.count("CreateAccessKey"), rotation.keys) == (1, DONE)


def test_the_deadline_is_announced_once_before_it(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = received(house)
    rotation.after(PLAN.cut_over_within - house.ctx.policy.expiry_notice - MOMENT)
    assert "rotation.waiting" not in events(rotation)
    for _ in range(3):
        rotation.after(HOUR)
    assert events(rotation).count("rotation.waiting") == 1


ACTS = ("UpdateAccessKey", "DeleteAccessKey")


FAULTS = (
    Refuse("AccessDenied"),
    Throttle(),
    ServerError(),
    ServerErrorAfter(),
    ConnectionLostBefore(),
    ConnectionLostAfter(),
)
READS = (
    ("GetCallerIdentity", Throttle()),
    ("ListAccessKeys", ServerError()),
    ("GetAccessKeyLastUsed", ConnectionLostBefore()),
)


@pytest.mark.engines_by_turns
@pytest.mark.parametrize(("action", "fault"), [*((action, fault) for action in ACTS for fault in FAULTS), *READS])
def test_what_aws_refuses_or_loses_is_tried_again(house: House, action: str, fault: Fault) -> None:
    rotation = received(house).move()
    if action == "DeleteAccessKey":
        rotation.waited()
    else:
        house.clock.advance(PLAN.unused_for)
    house.aws.fault(action, fault, times=99)
    run_pass(house.ctx)
    house.aws.reset_faults()
    assert rotation.now().status == "rotating"
    rotation.after(HOUR)
    rotation.after(PLAN.deletion_wait)
    assert (rotation.now().status, rotation.keys) == ("succeeded", DONE)
    assert [events(rotation).count(name) for name in ("old_key.deactivated", "old_key.deleted")] == [1, 1]


@pytest.mark.parametrize("done", [False, True], ids=["failed", "failed-but-done"])
@pytest.mark.parametrize("call", ACTS)
def test_a_commit_that_fails_after_the_call_is_made_good(house: House, call: str, done: bool) -> None:  # noqa: FBT001
    rotation = received(house).move()
    with commits_failing(house, after=call, done=done):
        rotation.after(PLAN.unused_for)
        rotation.after(HOUR)
        rotation.after(PLAN.deletion_wait)
    rotation.after(HOUR)
    rotation.after(HOUR)
    assert (rotation.now().status, rotation.keys) == ("succeeded", DONE)
    assert [events(rotation).count(name) for name in ("old_key.deactivated", "old_key.deleted")] == [1, 1]


@pytest.mark.parametrize("call", ACTS)
def test_what_aws_refuses_for_a_day_ends_the_rotation_and_somebody_has_to_look(house: House, call: str) -> None:
    rotation = received(house).move()
    if call == "DeleteAccessKey":
        rotation.waited()
    else:
        rotation.release()
    house.aws.fault(call, Refuse("AccessDenied"), times=999)
    due = timedelta(0) if call == "DeleteAccessKey" else PLAN.cut_over_within
    rotation.after(due)
    rotation.after(DAY)
    ended = rotation.after(HOUR)
    assert ended.result is not None
    assert (ended.status, ended.result.code) == (
        "stopped",
        "unresolved" if call == "DeleteAccessKey" else "not_cut_over",
    )
    assert rotation.keys == (CUT_OVER if call == "DeleteAccessKey" else BOTH_ACTIVE)
