"""Receipt or roll-back: a key that nobody confirms is deactivated, and deleted after the grace."""

import json
import re
from datetime import timedelta

import pytest
from support.answers import on_body, without
from support.builders import ACCOUNT
from support.commits import commits_failing
from support.house import House

from service.domain.errors import Code, ServiceError
from service.domain.outcome import CreatedKey
from service.domain.request import OperationRequest
from service.simulated_aws import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Credential,
    Fault,
    Refuse,
    Rewritten,
    ServerError,
    Throttle,
)
from service.worker import run_pass
from service.workflow.decide import confirm_receipt

RECEIPT_WINDOW, GRACE, MOMENT = timedelta(minutes=15), timedelta(hours=24), timedelta(seconds=1)


pytestmark = pytest.mark.usefixtures("no_back_off")


def deliver(house: House) -> tuple[OperationRequest, CreatedKey]:
    request, key = house.execute(house.approved(recipient="rita"), by="rita")
    assert key is not None
    return request, key


def after(house: House, on: OperationRequest, time: timedelta) -> OperationRequest:
    house.clock.advance(time)
    run_pass(house.ctx)
    return house.now(on)


def status_of(house: House, key: CreatedKey) -> str | None:
    return house.aws.keys(ACCOUNT).get(key.access_key_id)


def events(house: House, on: OperationRequest) -> list[str]:
    return [str(json.loads(content)["event"]) for content in house.events(on)]


def confirm(house: House, on: OperationRequest) -> Code | None:
    try:
        confirm_receipt(house.ctx, house.actor("rita"), on.filing.request_id)
    except ServiceError as error:
        return error.code
    return None


def use(house: House, key: CreatedKey) -> None:
    house.look_at(Credential(key.access_key_id, key.secret.reveal()))


def test_within_the_receipt_window_nothing_happens(house: House) -> None:
    request, key = deliver(house)
    assert after(house, request, RECEIPT_WINDOW - MOMENT).status == "delivered"
    assert status_of(house, key) == "Active"


def test_an_unconfirmed_key_is_deactivated_and_after_the_grace_deleted(house: House) -> None:
    request, key = deliver(house)
    after(house, request, RECEIPT_WINDOW)
    assert status_of(house, key) == "Inactive"
    after(house, request, GRACE - MOMENT)
    assert status_of(house, key) == "Inactive"

    rolled_back = after(house, request, MOMENT)
    assert rolled_back.status == "rolled_back"
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}
    assert events(house, request)[-3:] == ["receipt.given_up", "key.deactivated", "key.rolled_back"]


def test_passes_that_repeat_change_nothing_more(house: House) -> None:
    request, _ = deliver(house)
    for time in (RECEIPT_WINDOW, MOMENT, GRACE, MOMENT):
        after(house, request, time)
    assert (house.aws.count("UpdateAccessKey"), house.aws.count("DeleteAccessKey")) == (1, 1)
    assert events(house, request).count("key.deactivated") == 1


def test_a_confirmed_key_stays(house: House) -> None:
    request, key = deliver(house)
    assert confirm(house, request) is None
    assert after(house, request, RECEIPT_WINDOW + GRACE).status == "succeeded"
    assert status_of(house, key) == "Active"


def test_a_late_receipt_counts_as_long_as_the_key_was_not_given_up(house: House) -> None:
    request, key = deliver(house)
    house.clock.advance(RECEIPT_WINDOW)
    assert confirm(house, request) is None
    assert after(house, request, GRACE).status == "succeeded"
    assert status_of(house, key) == "Active"


def test_a_receipt_after_the_deactivation_comes_too_late(house: House) -> None:
    request, _ = deliver(house)
    after(house, request, RECEIPT_WINDOW)
    assert confirm(house, request) is Code.RECEIPT_TOO_LATE


def test_a_receipt_is_refused_from_before_the_key_stops_working(house: House) -> None:
    """Else somebody could confirm a key in the moment in which it is being deactivated."""
    request, _ = deliver(house)
    refused: list[Code | None] = []
    house.actor("rita")
    house.aws.on("UpdateAccessKey", lambda: refused.append(confirm(house, request)))
    after(house, request, RECEIPT_WINDOW)
    assert refused == [Code.RECEIPT_TOO_LATE]


def test_a_receipt_just_before_the_key_is_given_up_keeps_it(house: House) -> None:
    request, key = deliver(house)
    confirmed: list[Code | None] = []
    house.actor("rita")
    house.aws.on("GetAccessKeyLastUsed", lambda: confirmed.append(confirm(house, request)), after=True)
    assert after(house, request, RECEIPT_WINDOW).status == "succeeded"
    assert status_of(house, key) == "Active"


def test_a_key_in_use_is_reported_once_and_left_alone(house: House) -> None:
    request, key = deliver(house)
    use(house, key)
    after(house, request, RECEIPT_WINDOW)
    after(house, request, GRACE)
    assert status_of(house, key) == "Active"
    assert events(house, request).count("receipt.overdue") == 1
    assert confirm(house, request) is None


def test_a_key_in_use_whose_date_of_use_was_lost_on_the_way_is_left_alone(house: House) -> None:
    request, key = deliver(house)
    use(house, key)
    house.aws.fault("GetAccessKeyLastUsed", Rewritten(without("LastUsedDate")), times=9)
    assert after(house, request, RECEIPT_WINDOW).unconfirmed_at is None
    house.aws.reset_faults()
    after(house, request, MOMENT)
    assert status_of(house, key) == "Active"
    assert events(house, request).count("receipt.overdue") == 1


def test_a_key_that_is_gone_already_is_rolled_back(house: House) -> None:
    request, key = deliver(house)
    house.aws.delete_root_key(ACCOUNT, key.access_key_id)
    assert after(house, request, RECEIPT_WINDOW).status == "rolled_back"


def test_a_key_that_one_list_hides_is_not_gone(house: House) -> None:
    request, key = deliver(house)
    hidden = re.compile(rf"<member>(?:(?!</member>).)*{key.access_key_id}.*?</member>", re.DOTALL)
    house.aws.fault("ListAccessKeys", Rewritten(on_body(lambda body: hidden.sub("", body))))
    assert after(house, request, RECEIPT_WINDOW).unconfirmed_at is None
    after(house, request, MOMENT)
    assert status_of(house, key) == "Inactive"


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("action", ["GetCallerIdentity", "ListAccessKeys", "UpdateAccessKey"])
@pytest.mark.parametrize(
    "fault", [Refuse("AccessDenied"), Throttle(), ServerError(), ConnectionLostBefore(), ConnectionLostAfter()]
)
def test_a_deactivation_that_fails_is_tried_again_until_it_is_done(house: House, action: str, fault: Fault) -> None:
    request, key = deliver(house)
    house.aws.fault(action, fault, times=3)
    after(house, request, RECEIPT_WINDOW)
    house.aws.reset_faults()
    assert after(house, request, MOMENT).deactivated_at is not None
    assert status_of(house, key) == "Inactive"


@pytest.mark.engines_by_turns
@pytest.mark.parametrize(
    "fault", [Refuse("AccessDenied"), Throttle(), ServerError(), ConnectionLostBefore(), ConnectionLostAfter()]
)
def test_a_deletion_that_fails_is_tried_again_until_it_is_done(house: House, fault: Fault) -> None:
    request, key = deliver(house)
    after(house, request, RECEIPT_WINDOW)
    house.aws.fault("DeleteAccessKey", fault, times=3)
    assert after(house, request, GRACE).status == "delivered"
    house.aws.reset_faults()
    assert after(house, request, MOMENT).status == "rolled_back"
    assert status_of(house, key) is None


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("call", ["GetAccountSummary", "UpdateAccessKey"])
def test_a_step_without_a_record_is_repeated(house: House, call: str, done: bool) -> None:  # noqa: FBT001
    request, key = deliver(house)
    with commits_failing(house, after=call, done=done):
        after(house, request, RECEIPT_WINDOW)
    assert after(house, request, MOMENT).deactivated_at is not None
    assert status_of(house, key) == "Inactive"
    assert events(house, request).count("key.deactivated") == 1


@pytest.mark.parametrize("done", [False, True])
def test_a_deletion_without_a_record_is_found_out(house: House, done: bool) -> None:  # noqa: FBT001
    request, _ = deliver(house)
    after(house, request, RECEIPT_WINDOW)
    with commits_failing(house, after="DeleteAccessKey", done=done):
        after(house, request, GRACE)
    assert after(house, request, MOMENT).status == "rolled_back"
    assert events(house, request).count("key.rolled_back") == 1


def test_what_is_taken_back_and_when_is_part_of_what_was_approved(house: House) -> None:
    request, _ = deliver(house)
    shown = house.client("rita").get(f"/v1/requests/{request.filing.request_id}").json()
    assert (shown["clocks"]["receipt_window_seconds"], shown["clocks"]["rollback_grace_seconds"]) == (900, 86400)
    assert request.filing.document()["rollback_grace_seconds"] == 86400
