"""What stops a rotation, and which keys are left then: a rejection, a withdrawal, a deadline, a change by others."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from support.builders import ACCOUNT
from support.commits import commits_failing
from support.house import House, source_of
from support.rotations import PLAN, Rotation, delivered, received

from service.aws import observed
from service.aws.root import AwsRoots
from service.db.engine import begin
from service.domain.errors import Code, ServiceError
from service.domain.request import Verdict
from service.worker import run_pass
from service.workflow.decide import decide, withdraw
from service.workflow.drift import check_drift

Keys = tuple[str | None, ...]
MOMENT, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
BOTH_ACTIVE: Keys = ("Active", "Active")
CUT_OVER: Keys = ("Inactive", "Active")

pytestmark = pytest.mark.usefixtures("no_back_off")


def reject(rotation: Rotation, by: str = "bob") -> None:
    house, digest = rotation.house, rotation.request.digest
    decide(house.ctx, house.actor(by), rotation.id, Verdict.REJECT, digest=digest, comment="Not now.")


def take_back(rotation: Rotation) -> None:
    withdraw(rotation.house.ctx, rotation.house.actor("alice"), rotation.id)


def set_status(whose: str, status: str) -> Callable[[Rotation], None]:
    return lambda rotation: rotation.house.aws.set_root_key_status(ACCOUNT, getattr(rotation, whose), status)  # type: ignore[arg-type]  # one of two


def delete(whose: str) -> Callable[[Rotation], None]:
    return lambda rotation: rotation.house.aws.delete_root_key(ACCOUNT, getattr(rotation, whose))


def miss_the_deadline(rotation: Rotation) -> None:
    rotation.used(-PLAN.cut_over_within)
    rotation.house.clock.advance(PLAN.cut_over_within)


def use_after_the_end(rotation: Rotation) -> None:
    rotation.used(-HOUR)
    rotation.house.clock.advance(PLAN.deletion_wait)


def in_time(house: House) -> Rotation:
    return received(house).move()


def cut_over(house: House) -> Rotation:
    rotation = in_time(house)
    rotation.release()
    rotation.after(MOMENT)
    assert rotation.keys == CUT_OVER
    return rotation


STOPS: dict[str, tuple[Callable[[House], Rotation], Callable[[Rotation], None], str, Keys]] = {
    "rejected": (in_time, reject, "rotation_rejected", BOTH_ACTIVE),
    "rejected by who had not approved": (in_time, lambda it: reject(it, "dave"), "rotation_rejected", BOTH_ACTIVE),
    "rejected after the cut-over": (cut_over, reject, "rotation_rejected", CUT_OVER),
    "withdrawn": (in_time, take_back, "rotation_withdrawn", BOTH_ACTIVE),
    "withdrawn after the cut-over": (cut_over, take_back, "rotation_withdrawn", CUT_OVER),
    "old key deactivated by others": (in_time, set_status("old", "Inactive"), "account_changed", CUT_OVER),
    "old key deleted by others": (in_time, delete("old"), "account_changed", (None, "Active")),
    "old key activated by others": (cut_over, set_status("old", "Active"), "account_changed", BOTH_ACTIVE),
    "old key deleted by others in the wait": (cut_over, delete("old"), "account_changed", (None, "Active")),
    "new key deactivated by others": (
        in_time,
        set_status("new", "Inactive"),
        "account_changed",
        ("Active", "Inactive"),
    ),
    "deadline": (in_time, miss_the_deadline, "not_cut_over", BOTH_ACTIVE),
    "used after the deactivation": (cut_over, use_after_the_end, "old_key_used", CUT_OVER),
}


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("name", STOPS)
def test_a_stop_leaves_both_keys_as_they_are_for_good(house: House, name: str) -> None:
    begin, happens, code, keys = STOPS[name]
    rotation = begin(house)
    happens(rotation)
    if name.startswith("new key"):  # which the service signs with
        house.change(roots=AwsRoots({ACCOUNT: source_of(house.aws, ACCOUNT)}, now=house.clock))
    ended = rotation.after(HOUR)
    assert ended.result is not None
    assert (ended.status, ended.result.code, rotation.keys) == ("stopped", code, keys)
    assert rotation.new in ended.result.detail
    rotation.after(PLAN.cut_over_within)
    rotation.after(PLAN.deletion_wait)
    assert rotation.keys == keys


def test_a_use_after_the_deactivation_is_an_incident(house: House) -> None:
    rotation = cut_over(house)
    use_after_the_end(rotation)
    rotation.after(MOMENT)
    assert [json.loads(each)["event"] for each in house.events(rotation.request)][-2:] == [
        "rotation.stopped",
        "old_key.used",
    ]


def test_a_use_before_a_lost_deactivation_was_found_out_is_one_after_it(sqlite_house: House) -> None:
    """The worker stops between AWS's answer and the record, and comes back days later."""
    rotation = in_time(sqlite_house)
    rotation.release()
    with commits_failing(sqlite_house, after="UpdateAccessKey", done=False, times=99):
        run_pass(sqlite_house.ctx)
    assert rotation.keys == CUT_OVER
    sqlite_house.clock.advance(2 * DAY)
    rotation.used(DAY)
    rotation.after(MOMENT)
    ended = rotation.after(PLAN.deletion_wait)
    assert ended.result is not None
    assert (ended.status, ended.result.code, rotation.keys) == ("stopped", "old_key_used", CUT_OVER)


def test_a_lost_deactivation_is_found_out_by_two_passes_as_by_one(sqlite_house: House) -> None:
    """The worker stops once more, between the record of what it found and its judgement of that."""
    rotation = in_time(sqlite_house)
    rotation.release()
    with commits_failing(sqlite_house, after="UpdateAccessKey", done=False, times=99):
        run_pass(sqlite_house.ctx)
    sqlite_house.clock.advance(2 * DAY)
    rotation.used(DAY)
    with commits_failing(sqlite_house, after="GetAccessKeyLastUsed", done=True):
        run_pass(sqlite_house.ctx)
    assert rotation.now().cut_over_at is not None
    assert rotation.now().status == "rotating"
    ended = rotation.after(MOMENT)
    assert ended.result is not None
    assert (ended.status, ended.result.code) == ("stopped", "old_key_used")


def test_a_clock_that_jumps_ends_no_rotation(house: House) -> None:
    """AWS's answer tells that it is wrong. A wrong clock does not tell when a day is over either."""
    rotation = in_time(house)
    roots = house.ctx.roots
    assert isinstance(roots, AwsRoots)
    observed._answered.clear()
    # This house's clock stands still at another time than AWS's.
    house.change(roots=AwsRoots(roots._profiles, now=house.clock, clock_tolerance=HOUR))
    house.is_forged = True
    house.clock.advance(datetime.now(UTC) + 30 * DAY - house.clock())
    for _ in range(2):
        rotation.after(DAY)
    observed._answered.clear()
    assert (rotation.now().status, rotation.keys) == ("rotating", BOTH_ACTIVE)


@pytest.mark.parametrize("stop", [reject, take_back])
def test_a_stop_before_the_receipt_waits_for_it_and_touches_no_key(
    house: House, stop: Callable[[Rotation], None]
) -> None:
    rotation = delivered(house)
    stop(rotation)
    assert rotation.now().status == "delivered"
    rotation.receive()
    assert rotation.after(MOMENT).status == "stopped"
    assert rotation.keys == BOTH_ACTIVE


def test_a_new_key_of_a_stopped_rotation_that_nobody_confirms_is_rolled_back(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = delivered(house)
    reject(rotation)
    rotation.after(house.ctx.policy.receipt_window)
    rotation.after(house.ctx.policy.rollback_grace)
    assert (rotation.now().status, rotation.keys) == ("rolled_back", ("Active", None))


def test_nobody_says_go_once_it_is_stopped(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = in_time(house)
    reject(rotation)
    with pytest.raises(ServiceError) as refused:
        rotation.release()
    assert refused.value.code is Code.WRONG_STATUS


def test_a_stop_is_said_once_and_repeated_without_effect(sqlite_house: House) -> None:
    house = sqlite_house
    rotation = in_time(house)
    for _ in range(2):
        take_back(rotation)
    with pytest.raises(ServiceError):
        reject(rotation)
    assert [json.loads(each)["event"] for each in house.events(rotation.request)].count("rotation.stopping") == 1


@pytest.mark.parametrize("stop", [reject, take_back])
def test_a_stop_while_aws_is_called_comes_too_late_for_that_call_and_for_no_other(
    house: House, stop: Callable[[Rotation], None]
) -> None:
    rotation = in_time(house)
    rotation.release()
    house.aws.on("UpdateAccessKey", lambda: stop(rotation))
    run_pass(house.ctx)
    assert rotation.keys == CUT_OVER
    ended = rotation.after(MOMENT)
    assert ended.status == "stopped"
    assert ended.cut_over_at is not None
    rotation.after(PLAN.deletion_wait)
    assert rotation.keys == CUT_OVER


def test_a_stop_is_not_overtaken_by_a_process_that_was_frozen(house: House) -> None:
    rotation = in_time(house)
    rotation.release()
    budget = house.ctx.roots.call_budget
    # It freezes when its claim is written, and goes on just before its call.
    house.change(now=lambda: house.clock() + (budget if rotation.now().acting_at else timedelta(0)))
    run_pass(house.ctx)
    house.change(now=house.clock)
    assert rotation.now().acting_at is not None
    reject(rotation)
    assert rotation.after(budget).status == "stopped"
    assert rotation.keys == BOTH_ACTIVE


def test_a_row_that_the_log_does_not_tell_is_not_acted_on(house: House) -> None:
    """Whoever can write to the database says that somebody said go."""
    rotation = in_time(house)
    house.is_forged = True
    with begin(house.owner) as tx:
        tx.execute(text("UPDATE requests SET released_at = received_at, look_at = received_at"))
    rotation.after(HOUR)
    assert rotation.keys == BOTH_ACTIVE
    assert "execution.denied" in [json.loads(each)["event"] for each in house.events(rotation.request)]


def test_a_rotation_explains_what_became_of_both_keys(house: House) -> None:
    account = house.ctx.accounts.at_hand()[0]
    assert account.account_id == ACCOUNT
    check_drift(house.ctx, account)
    rotation = in_time(house)
    house.clock.advance(DAY)
    assert check_drift(house.ctx, account).open == ()
    rotation.release()
    rotation.after(MOMENT)
    rotation.after(DAY)
    assert check_drift(house.ctx, account).open == ()
    rotation.after(PLAN.deletion_wait)
    house.clock.advance(DAY)
    found = check_drift(house.ctx, account)
    assert (list(found.expectation.keys), found.open) == ([rotation.new], ())
