"""A create in doubt ends by what AWS says is true; a key that may be somebody's is never touched."""

import re
from datetime import timedelta

import pytest
from support.answers import on_body
from support.builders import ACCOUNT, DELETE, MEMBER
from support.house import House

from service.aws.organization import KnownAccounts
from service.aws.root import AwsRoots
from service.aws.sources import FixedSource
from service.domain.request import OperationRequest
from service.simulated_aws import ConnectionLostAfter, ConnectionLostBefore, Refuse, Rewritten
from service.worker import run_pass

pytestmark = pytest.mark.usefixtures("no_back_off")


def in_doubt(house: House, *, made: bool) -> OperationRequest:
    """A create whose answer was lost, before or after its effect."""
    house.aws.fault("CreateAccessKey", ConnectionLostAfter() if made else ConnectionLostBefore())
    return house.execute(house.approved())[0]


def ended(house: House, on: OperationRequest, after: timedelta = timedelta(minutes=6)) -> tuple[str, str | None]:
    house.clock.advance(after)
    run_pass(house.ctx)
    found = house.now(on)
    return found.status, found.result.code if found.result else None


def test_what_is_in_doubt_waits_for_the_consistency_delay(house: House) -> None:
    request = in_doubt(house, made=True)
    assert ended(house, request, after=timedelta(minutes=4)) == ("in_doubt", "in_doubt")
    assert len(house.aws.keys(ACCOUNT)) == 2


def test_the_one_key_that_nobody_can_have_is_deleted(house: House) -> None:
    assert ended(house, in_doubt(house, made=True)) == ("failed", "secret_lost")
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


def test_a_key_made_at_another_time_is_quarantined(house: House) -> None:
    # Two hours ahead of AWS: a key made now was not made while our call was on its way.
    house.clock.advance(timedelta(hours=2))
    request = in_doubt(house, made=False)
    stranger = house.spare_key()
    assert ended(house, request) == ("failed", "quarantined")
    assert stranger in house.aws.keys(ACCOUNT)
    assert f'"access_key_ids":["{stranger}"]' in house.events(request)[-1]


def test_a_key_that_was_used_has_somebody_who_holds_its_secret(house: House) -> None:
    request = in_doubt(house, made=False)
    stranger = house.aws.create_root_key(ACCOUNT)
    house.look_at(stranger)
    assert ended(house, request) == ("failed", "quarantined")
    assert stranger.access_key_id in house.aws.keys(ACCOUNT)


def test_the_key_that_the_service_signs_with_by_now_is_never_deleted(house: House) -> None:
    request = in_doubt(house, made=False)
    replacement = house.aws.create_root_key(ACCOUNT)
    source = FixedSource(replacement.access_key_id, replacement.secret_access_key, house.aws.endpoint_url)
    house.change(roots=AwsRoots({ACCOUNT: source}))
    assert ended(house, request) == ("failed", "quarantined")
    assert replacement.access_key_id in house.aws.keys(ACCOUNT)


def test_a_key_that_another_worker_has_just_deleted_is_no_incident(house: House) -> None:
    request = in_doubt(house, made=True)
    (key,) = set(house.aws.keys(ACCOUNT)) - {house.signer}
    house.aws.on("DeleteAccessKey", lambda: house.aws.delete_root_key(ACCOUNT, key))
    assert ended(house, request) == ("in_doubt", "in_doubt")
    assert ended(house, request) == ("failed", "not_created")
    assert not [event for event in house.events(request) if "quarantined" in event]


def test_a_key_that_aws_refuses_to_delete_is_quarantined(house: House) -> None:
    request = in_doubt(house, made=True)
    house.aws.fault("DeleteAccessKey", Refuse("AccessDenied"))
    assert ended(house, request) == ("failed", "quarantined")
    assert "key.quarantined" in house.events(request)[-1]
    assert "execution.failed" in house.events(request)[-2]


def test_a_deletion_without_an_answer_is_tried_again(house: House) -> None:
    request = in_doubt(house, made=True)
    house.aws.fault("DeleteAccessKey", ConnectionLostBefore(), times=3)
    assert ended(house, request) == ("in_doubt", "in_doubt")
    assert ended(house, request) == ("failed", "secret_lost")


def test_a_doubt_that_aws_cannot_be_asked_about_for_a_day_ends_with_an_incident(house: House) -> None:
    request = house.approved(DELETE, house.signer, accept_lockout=True)
    house.aws.fault("DeleteAccessKey", ConnectionLostAfter(), times=3)
    assert house.execute(request)[0].status == "in_doubt"  # the service has just locked itself out
    assert ended(house, request, after=timedelta(hours=23)) == ("in_doubt", "in_doubt")
    assert ended(house, request, after=timedelta(hours=1)) == ("failed", "unresolved")
    assert "execution.unresolved" in house.events(request)[-1]


def test_a_doubt_on_an_account_that_left_the_settings_ends_as_well(house: House) -> None:
    request = in_doubt(house, made=False)
    house.change(accounts=KnownAccounts({}))
    assert ended(house, request, after=timedelta(days=1)) == ("failed", "unresolved")


def test_a_doubt_is_settled_once(house: House) -> None:
    request = in_doubt(house, made=True)
    assert ended(house, request) == ("failed", "secret_lost")
    assert ended(house, request) == ("failed", "secret_lost")
    assert sum("execution.failed" in event for event in house.events(request)) == 1


def without_keys(*ids: str) -> Rewritten:
    """A well-formed list without those, or without any."""

    def cut(body: str) -> str:
        found = re.findall(r"<member>.*?</member>", body, flags=re.DOTALL)
        for each in found:
            if not ids or any(key_id in each for key_id in ids):
                body = body.replace(each, "")
        return body

    return Rewritten(on_body(cut))


def test_a_key_that_an_empty_list_hides_was_made(house: House) -> None:
    request = in_doubt(house, made=True)
    house.aws.fault("ListAccessKeys", without_keys(), times=9)
    assert ended(house, request) == ("in_doubt", "in_doubt")
    house.aws.reset_faults()
    assert ended(house, request) == ("failed", "secret_lost")
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


def test_a_new_key_that_one_list_hides_was_made(house: House) -> None:
    request = in_doubt(house, made=True)
    house.aws.fault("ListAccessKeys", without_keys(*(set(house.aws.keys(ACCOUNT)) - {house.signer})))
    assert ended(house, request) == ("in_doubt", "in_doubt")
    assert ended(house, request) == ("failed", "secret_lost")


@pytest.mark.parametrize("account", [ACCOUNT, MEMBER])
def test_a_key_that_an_empty_list_hides_was_not_deleted(house: House, account: str) -> None:
    spare = house.aws.create_root_key(account).access_key_id
    house.aws.fault("DeleteAccessKey", ConnectionLostBefore(), times=3)
    request = house.execute(house.approved(DELETE, spare, account_id=account))[0]
    house.aws.fault("ListAccessKeys", without_keys(), times=9)
    assert ended(house, request) == ("in_doubt", "in_doubt")
    house.aws.reset_faults()
    assert ended(house, request) == ("failed", "not_done")
    assert spare in house.aws.keys(account)
