"""Drift: one event for each difference, once; nothing for what requests did."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.builders import ACCOUNT, ACCOUNTS, DEACTIVATE, DEACTIVATE_MFA, DELETE, MEMBER, OTHER_ACCOUNT
from support.commits import commits_failing
from support.house import House

from service.aws.organization import KnownAccounts
from service.db import audit
from service.db.engine import read
from service.domain.actor import Role
from service.domain.errors import Code, ServiceError
from service.simulated_aws import ConnectionLostAfter, ConnectionLostBefore
from service.worker import run_pass
from service.workflow.decide import confirm_receipt
from service.workflow.drift import DriftCheck, accept_drift, check_drift, open_drift
from service.workflow.due import due

HOUR = timedelta(hours=1)


pytestmark = pytest.mark.usefixtures("no_back_off")


def look(house: House, account_id: str = ACCOUNT) -> DriftCheck:
    house.clock.advance(HOUR)
    return check_drift(house.ctx, ACCOUNTS[account_id])


def kinds(found: DriftCheck) -> list[str]:
    return [finding.drift.kind.value for finding in found.open]


def drift_events(house: House) -> list[str]:
    """Of all accounts, oldest first."""
    with read(house.ctx.engine) as tx:
        events = [json.loads(content)["event"] for _, content in audit.page(tx, after=0, limit=1000)]
    return [event for event in events if event.startswith(("drift.", "account."))]


def refusal(house: House) -> Code | None:
    try:
        check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    except ServiceError as error:
        return error.code
    return None


def test_what_is_there_at_the_first_look_is_adopted_and_no_drift(house: House) -> None:
    spare = house.spare_key()
    first = look(house)
    assert (first.adopted, first.open) == (True, ())
    assert {key: known.origin.value for key, known in first.expectation.keys.items()} == {
        house.signer: "adopted",
        spare: "adopted",
    }
    assert not look(house).adopted
    assert drift_events(house) == ["account.adopted"]


def test_a_key_made_out_of_band_is_one_event_however_often_it_is_seen(house: House) -> None:
    look(house)
    stranger = house.spare_key()
    for _ in range(3):
        found = look(house)
    assert [finding.drift.access_key_id for finding in found.open] == [stranger]
    assert drift_events(house) == ["account.adopted", "drift.found"]


def test_a_key_that_vanished_a_changed_status_and_lost_mfa_are_found(house: House) -> None:
    spare = house.spare_key()
    look(house)
    house.aws.set_root_key_status(ACCOUNT, spare, "Inactive")
    house.aws.set_summary(ACCOUNT, mfa=False)
    assert set(kinds(look(house))) == {"status_changed", "mfa_lost"}
    house.aws.delete_root_key(ACCOUNT, spare)
    assert set(kinds(look(house))) == {"key_vanished", "mfa_lost"}


def test_what_went_away_by_itself_is_closed_with_one_event(house: House) -> None:
    look(house)
    stranger = house.spare_key()
    look(house)
    house.aws.delete_root_key(ACCOUNT, stranger)
    for _ in range(2):
        assert look(house).open == ()
    assert drift_events(house) == ["account.adopted", "drift.found", "drift.resolved"]


def test_what_comes_back_is_found_again(house: House) -> None:
    look(house)
    for _ in range(2):
        stranger = house.spare_key()
        look(house)
        house.aws.delete_root_key(ACCOUNT, stranger)
        look(house)
    assert drift_events(house).count("drift.found") == 2


def test_what_requests_did_is_no_drift(house: House) -> None:
    look(house)
    request, key = house.execute(house.approved(lifetime=timedelta(days=1)))
    assert key is not None
    confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id)
    assert look(house).expectation.keys[key.access_key_id].origin == "created"
    house.execute(house.approved(DEACTIVATE, key.access_key_id))
    assert look(house).open == ()
    house.execute(house.approved(DELETE, key.access_key_id))
    assert look(house).open == ()
    house.clock.advance(timedelta(days=2))
    run_pass(house.ctx)
    assert look(house).open == ()
    assert drift_events(house) == ["account.adopted"]


def test_a_key_that_is_taken_back_or_expires_is_no_drift(house: House) -> None:
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.execute(house.approved())
    house.clock.advance(timedelta(minutes=20))
    for _ in range(3):
        run_pass(house.ctx)
        assert look(house).open == ()
        house.clock.advance(timedelta(hours=24))
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


def test_a_removed_mfa_device_is_no_drift_when_two_people_approved_it(house: House) -> None:
    look(house, MEMBER)
    serial = house.aws.mfa_devices(MEMBER)[0]
    house.execute(house.approved(DEACTIVATE_MFA, serial, account_id=MEMBER))
    assert look(house, MEMBER).open == ()


def test_a_key_that_works_again_though_it_was_deactivated_by_a_request_is_drift(house: House) -> None:
    spare = house.spare_key()
    look(house)
    house.execute(house.approved(DEACTIVATE, spare))
    house.aws.set_root_key_status(ACCOUNT, spare, "Active")
    assert kinds(look(house)) == ["status_changed"]


@pytest.mark.parametrize("lost", [False, True])
def test_while_a_request_is_executing_or_in_doubt_nothing_is_judged(house: House, lost: bool) -> None:  # noqa: FBT001
    look(house)
    approved = house.approved()
    codes: list[Code | None] = []
    house.aws.on("CreateAccessKey", lambda: codes.append(refusal(house)), after=True)
    if lost:
        house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    house.execute(approved)
    assert codes == [Code.ACCOUNT_BUSY]
    assert refusal(house) is Code.ACCOUNT_BUSY  # done just now, and AWS may not show it everywhere
    assert drift_events(house) == ["account.adopted"]


def test_an_execution_during_the_look_voids_it(house: House) -> None:
    look(house)
    house.clock.advance(HOUR)
    approved = house.approved(DEACTIVATE, house.spare_key())
    house.aws.on("ListAccessKeys", lambda: ignore(house.execute(approved)))
    assert refusal(house) is Code.ACCOUNT_BUSY


def ignore(_: object) -> None:
    """For a hook, whose answer nobody reads."""


def test_a_key_that_could_not_be_recorded_and_was_deleted_is_no_drift(house: House) -> None:
    look(house)
    approved = house.approved()
    looks: list[Code | None] = []
    house.aws.on("DeleteAccessKey", lambda: looks.append(refusal(house)))
    with commits_failing(house, after="CreateAccessKey", done=False), pytest.raises(ServiceError):
        house.execute(approved)
    assert looks == [Code.ACCOUNT_BUSY]
    assert look(house).open == ()


def test_looks_that_overlap_write_one_event(house: House) -> None:
    look(house)
    house.spare_key()
    house.clock.advance(HOUR)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: refusal(house), range(8)))
    assert drift_events(house) == ["account.adopted", "drift.found"]


def test_first_looks_that_overlap_adopt_once(house: House) -> None:
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: refusal(house), range(8)))
    assert None in codes
    assert drift_events(house) == ["account.adopted"]


def test_what_an_operator_accepts_is_expected_from_then_on(house: House) -> None:
    look(house)
    stranger = house.spare_key()
    (finding,) = look(house).open
    accepted = accept_drift(house.ctx, house.actor("oscar"), finding.id, "The auditors' key.")
    assert accepted.accepted_by == "oscar"
    after = look(house)
    assert (after.open, after.expectation.keys[stranger].origin) == ((), "accepted")
    assert drift_events(house)[-1] == "drift.accepted"
    with pytest.raises(ServiceError) as refused:
        accept_drift(house.ctx, house.actor("oscar"), finding.id, "Again.")
    assert refused.value.code is Code.WRONG_STATUS


def test_a_request_about_a_key_that_nobody_explains_does_not_explain_it(house: House) -> None:
    look(house)
    stranger = house.spare_key()
    look(house)
    house.execute(house.approved(DEACTIVATE, stranger))
    assert [(f.drift.kind.value, f.drift.found) for f in look(house).open] == [("unexplained_key", "Inactive")]
    assert drift_events(house)[-2:] == ["drift.resolved", "drift.found"]  # another status is another finding


def test_a_clock_that_was_wrong_for_a_moment_does_not_keep_anybody_from_looking(house: House) -> None:
    look(house)
    house.clock.advance(timedelta(days=365))
    look(house)
    house.clock.advance(timedelta(days=-365))
    house.spare_key()
    assert kinds(look(house)) == ["unexplained_key"]
    house.change(policy=replace(house.ctx.policy, drift_checks=True))
    assert "check_drift" in {step.what for step in due(house.ctx)}


def test_a_key_that_is_just_being_taken_back_is_not_judged(house: House) -> None:
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.execute(house.approved())
    house.clock.advance(timedelta(minutes=20))
    codes: list[Code | None] = []
    house.aws.on("UpdateAccessKey", lambda: codes.append(refusal(house)), after=True)
    run_pass(house.ctx)
    assert codes == [Code.ACCOUNT_BUSY]


def test_a_machine_may_look_but_never_accept(house: House) -> None:
    robo = replace(house.actor("robo"), roles=frozenset({Role.OPERATOR}))
    with pytest.raises(ServiceError) as refused:
        accept_drift(house.ctx, robo, "none", "Fine.")
    assert refused.value.code is Code.MACHINE_MAY_NOT_DECIDE


@pytest.mark.parametrize("subject", ["alice", "bob", "audrey", "robo", "mallory"])
def test_only_operators_look_and_accept(sqlite_house: House, subject: str) -> None:
    client = sqlite_house.client(subject)
    for path, body in (
        (f"/v1/accounts/{ACCOUNT}/drift-check", None),
        (f"/v1/drift/{'0' * 8}-0000-0000-0000-{'0' * 12}/acceptance", {"comment": "Fine."}),
    ):
        assert client.post(path, json=body).json()["code"] == "role_required"


def test_open_drift_is_listed_for_those_who_watch(sqlite_house: House) -> None:
    house = sqlite_house
    look(house)
    house.spare_key()
    look(house)
    for subject in ("oscar", "audrey", "carol"):
        (item,) = house.client(subject).get("/v1/drift").json()["items"]
        assert (item["kind"], item["account"]["name"]) == ("unexplained_key", "production")
    assert house.client("oscar").get("/v1/drift", params={"account_id": MEMBER}).json()["items"] == []
    assert house.client("alice").get("/v1/drift").status_code == 403
    assert len(open_drift(house.ctx, house.actor("oscar"), None).findings) == 1


def test_open_drift_says_since_when_it_is_known(sqlite_house: House) -> None:
    """Nothing found means little for an account that was never looked at, or long ago."""
    house, oscar = sqlite_house, sqlite_house.client("oscar")
    all_of_them = len(house.ctx.accounts.every())
    said = oscar.get("/v1/drift").json()
    assert said == {"items": [], "oldest_check_at": None, "never_checked": all_of_them}
    first, second = (look(house, each).expectation.checked_at for each in (ACCOUNT, OTHER_ACCOUNT))
    said = oscar.get("/v1/drift").json()
    assert (datetime.fromisoformat(said["oldest_check_at"]), said["never_checked"]) == (first, all_of_them - 2)
    there = oscar.get("/v1/drift", params={"account_id": OTHER_ACCOUNT}).json()
    assert (datetime.fromisoformat(there["oldest_check_at"]), there["never_checked"]) == (second, 0)
    # An account that left the settings is looked at no more, and does not make everything look old.
    house.change(accounts=KnownAccounts({OTHER_ACCOUNT: ACCOUNTS[OTHER_ACCOUNT]}))
    assert oscar.get("/v1/drift").json()["oldest_check_at"] == there["oldest_check_at"]


def test_the_schedule_looks_at_every_account_once_per_interval(house: House) -> None:
    house.change(policy=replace(house.ctx.policy, drift_checks=True, drift_interval=timedelta(hours=6)))
    for _ in range(3):
        run_pass(house.ctx)
    assert drift_events(house) == ["account.adopted"] * len(ACCOUNTS)
    house.spare_key()
    house.clock.advance(timedelta(hours=6))
    run_pass(house.ctx)
    assert drift_events(house)[-1] == "drift.found"


def test_a_look_at_an_account_costs_few_calls(sqlite_house: House) -> None:
    house = sqlite_house
    for account_id, calls in ((ACCOUNT, 3), (MEMBER, 5)):
        before = len(house.aws.calls)
        look(house, account_id)
        assert len(house.aws.calls) - before == calls


@pytest.mark.parametrize("done", [False, True], ids=["failed", "failed-but-done"])
def test_a_look_whose_commit_fails_is_made_again(house: House, done: bool) -> None:  # noqa: FBT001
    look(house)
    house.spare_key()
    house.clock.advance(HOUR)
    with commits_failing(house, after="GetAccountSummary", done=done):
        assert refusal(house) is Code.UNAVAILABLE
    assert kinds(look(house)) == ["unexplained_key"]
    assert drift_events(house).count("drift.found") == 1


def test_a_quarantined_key_is_drift_until_somebody_accounts_for_it(house: House) -> None:
    look(house)
    approved = house.approved()
    house.aws.fault("CreateAccessKey", ConnectionLostBefore())
    house.execute(approved)
    stranger = house.aws.create_root_key(ACCOUNT)
    house.look_at(stranger)
    house.clock.advance(HOUR)
    run_pass(house.ctx)
    assert house.now(approved).result.code == "quarantined"  # type: ignore[union-attr]  # it is settled
    (finding,) = look(house).open
    assert finding.drift.access_key_id == stranger.access_key_id
