"""The operations on root's password, MFA devices and certificates in a member account, from filing to the end."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from aws.test_assume_root import target_in
from support.builders import (
    ACCOUNT,
    ALLOW_PASSWORD,
    BOTH,
    CREATE,
    DEACTIVATE,
    DEACTIVATE_MFA,
    DELETE,
    DELETE_CERTIFICATE,
    DELETE_PASSWORD,
    MEMBER,
    UNLOCK_BUCKET,
    UNLOCK_QUEUE,
)
from support.house import House

from service.aws.organization import KnownAccounts
from service.aws.sources import ProfileSource
from service.domain.account import Account, Partition
from service.domain.errors import Code, ServiceError
from service.domain.operation import ON_POLICIES, OperationName
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

ACTION = {
    DELETE: "DeleteAccessKey",
    DELETE_PASSWORD: "DeleteLoginProfile",
    ALLOW_PASSWORD: "CreateLoginProfile",
    DEACTIVATE_MFA: "DeactivateMFADevice",
    DELETE_CERTIFICATE: "DeleteSigningCertificate",
    UNLOCK_BUCKET: "DeleteBucketPolicy",
    UNLOCK_QUEUE: "SetQueueAttributes",
}
ALL_TRIES = 3


pytestmark = pytest.mark.usefixtures("no_back_off")


def has_happened(house: House, name: OperationName, target: str | None) -> bool:
    """Whether AWS has the effect."""
    match name:
        case OperationName.DELETE_LOGIN_PROFILE:
            return not house.aws.password(MEMBER)
        case OperationName.ALLOW_PASSWORD_RECOVERY:
            return house.aws.password(MEMBER)
        case OperationName.DEACTIVATE_MFA_DEVICE:
            return target not in house.aws.mfa_devices(MEMBER)
        case OperationName.DELETE_SIGNING_CERTIFICATE:
            return target not in house.aws.signing_certificates(MEMBER)
        case OperationName.UNLOCK_S3_BUCKET_POLICY | OperationName.UNLOCK_SQS_QUEUE_POLICY:
            is_bucket = name is OperationName.UNLOCK_S3_BUCKET_POLICY
            return (house.aws.bucket_policy if is_bucket else house.aws.queue_policy)(str(target)) is None
        case _:
            return target not in house.aws.keys(MEMBER)


@pytest.mark.parametrize("name", ACTION)
def test_what_two_people_approved_is_done_once(house: House, name: OperationName) -> None:
    target = target_in(house, name)
    done, key = house.execute(house.approved(name, target, account_id=MEMBER))
    assert (done.status, key) == ("succeeded", None)
    assert has_happened(house, name, target)
    assert house.aws.count(ACTION[name]) == 1


@pytest.mark.parametrize("name", ACTION)
@pytest.mark.parametrize(
    ("fault", "times", "in_the_end"),
    [
        (Refuse("AccessDenied"), 1, "failed"),
        (Throttle(), 1, "succeeded"),
        (Throttle(), ALL_TRIES, "failed"),
        (ServerError(), ALL_TRIES, "failed"),
        (ServerErrorAfter(), 1, "succeeded"),
        (ConnectionLostBefore(), ALL_TRIES, "failed"),
        (ConnectionLostAfter(), 1, "succeeded"),
        (ConnectionLostAfter(), ALL_TRIES, "succeeded"),
    ],
)
def test_it_ends_as_aws_has_it(
    sqlite_house: House, name: OperationName, fault: Fault, times: int, in_the_end: str
) -> None:
    house = sqlite_house
    target = target_in(house, name)
    approved = house.approved(name, target, account_id=MEMBER, run_on_approval=True)
    house.aws.fault(ACTION[name], fault, times=times)
    run_pass(house.ctx)
    if name in ON_POLICIES and isinstance(fault, Throttle):
        in_the_end = "failed"  # it is sent once: a second call could delete a policy that nobody approved
    assert house.now(approved).status in {in_the_end, "in_doubt"}
    house.clock.advance(timedelta(minutes=6))
    run_pass(house.ctx)
    assert house.now(approved).status == in_the_end
    assert has_happened(house, name, target) == (in_the_end == "succeeded")


def refusal(call: Callable[[], object]) -> tuple[Code, str]:
    with pytest.raises(ServiceError) as refused:
        call()
    return refused.value.code, refused.value.detail


@pytest.mark.parametrize(
    ("name", "target", "prepare", "code"),
    [
        (DELETE_PASSWORD, None, {"password": False}, Code.NO_PASSWORD),
        (ALLOW_PASSWORD, None, {"password": True}, Code.PASSWORD_EXISTS),
        (DEACTIVATE_MFA, "arn:aws:iam::1:mfa/none", {}, Code.NO_SUCH_MFA_DEVICE),
        (DEACTIVATE_MFA, "arn:aws:iam::1:mfa/none", {"mfa": False}, Code.NO_SUCH_MFA_DEVICE),
        (DEACTIVATE_MFA, "the root key's id", {}, Code.NO_SUCH_MFA_DEVICE),
        (DELETE_CERTIFICATE, "TA7SMP42TDN5Z26OBPJE7EXAMPLE", {}, Code.NO_SUCH_CERTIFICATE),
    ],
)
def test_what_could_not_run_is_refused_at_filing(
    sqlite_house: House, name: OperationName, target: str | None, prepare: dict[str, bool], code: Code
) -> None:
    sqlite_house.aws.set_summary(MEMBER, **prepare)
    if target == "the root key's id":
        target = sqlite_house.aws.root_credential(MEMBER).access_key_id
    assert refusal(lambda: sqlite_house.file(name, target, account_id=MEMBER))[0] is code


@pytest.mark.parametrize("name", [CREATE, DEACTIVATE])
def test_what_no_session_may_do_is_refused_before_aws_is_asked(sqlite_house: House, name: OperationName) -> None:
    target = None if name is CREATE else "AKIAEXAMPLE000000001"
    code, detail = refusal(lambda: sqlite_house.file(name, target, account_id=MEMBER))
    assert (code, sqlite_house.aws.calls) == (Code.NOT_CAPABLE, [])
    assert "a profile with a root access key can" in detail


def test_a_stand_alone_accounts_password_is_the_consoles_business_and_the_refusal_says_so(
    sqlite_house: House,
) -> None:
    code, detail = refusal(lambda: sqlite_house.file(ALLOW_PASSWORD, account_id=ACCOUNT))
    assert code is Code.NOT_CAPABLE
    assert "no API at all changes it" in detail
    assert "use the console" in detail


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"partition": Partition.CHINA}, "no root user"),
        ({"partition": Partition.GOV_CLOUD, "organization": "main", "has_profile": False}, "GovCloud"),
        ({"is_management": True, "organization": "main", "has_profile": False}, "management account"),
        ({"state": "SUSPENDED"}, "SUSPENDED"),
    ],
)
def test_an_account_where_nothing_can_be_done_is_refused_at_filing(
    sqlite_house: House, changes: dict[str, object], why: str
) -> None:
    account = replace(Account(account_id=ACCOUNT, name="x"), **changes)  # type: ignore[arg-type]  # its fields
    sqlite_house.change(accounts=KnownAccounts({ACCOUNT: account}))
    code, detail = refusal(lambda: sqlite_house.file(DELETE, "AKIAEXAMPLE000000001"))
    assert (code, sqlite_house.aws.calls) == (Code.NOT_CAPABLE, [])
    assert why in detail


@pytest.mark.parametrize("name", ACTION)
def test_a_key_that_appeared_since_the_filing_voids_any_operation(sqlite_house: House, name: OperationName) -> None:
    house = sqlite_house
    house.aws.delete_root_key(MEMBER, house.aws.root_credential(MEMBER).access_key_id)
    target = target_in(house, name)
    approved = house.approved(name, target, account_id=MEMBER, accept_lockout=True)
    house.aws.create_root_key(MEMBER)
    assert refusal(lambda: house.execute(approved))[0] is Code.EXECUTION_FAILED
    result = house.now(approved).result
    assert result is not None
    assert result.code == "account_changed"
    assert house.aws.count(ACTION[name]) == 0


def test_a_device_that_was_added_since_voids_the_removal_of_another(sqlite_house: House) -> None:
    house = sqlite_house
    approved = house.approved(DEACTIVATE_MFA, target_in(house, DEACTIVATE_MFA), account_id=MEMBER)
    added = house.aws.add_mfa_device(MEMBER)
    assert f"{added} appeared (enabled)" in refusal(lambda: house.execute(approved))[1]


def test_a_source_that_was_taken_out_of_the_settings_leaves_an_approved_request_alone(sqlite_house: House) -> None:
    house = sqlite_house
    approved = house.approved(DELETE_PASSWORD, account_id=BOTH)
    house.change(accounts=KnownAccounts({BOTH: Account(account_id=BOTH, name="both")}))
    assert refusal(lambda: house.execute(approved))[0] is Code.NOT_CAPABLE
    assert house.now(approved).status == "approved"


@pytest.mark.parametrize("name", OperationName)
def test_an_approver_reads_what_will_happen(sqlite_house: House, name: OperationName) -> None:
    house = sqlite_house
    target = None if name is CREATE else target_in(house, name, BOTH)
    if name is OperationName.ACTIVATE_ACCESS_KEY:
        house.aws.set_root_key_status(BOTH, str(target), "Inactive")
    if name is OperationName.ROTATE_ACCESS_KEY:  # it takes a free place
        house.aws.delete_root_key(BOTH, str(target))
        target = house.aws.root_credential(BOTH).access_key_id
    if name is CREATE:
        assert len(house.aws.keys(BOTH)) == 1
    filed = house.file(name, target, account_id=BOTH)
    shown = house.client("bob").get(f"/v1/requests/{filed.filing.request_id}").json()
    assert len(shown["effect"]) > 50
    assert shown["target"] == target


def test_the_last_mfa_device_is_warned_of(sqlite_house: House) -> None:
    house = sqlite_house
    filed = house.file(DEACTIVATE_MFA, target_in(house, DEACTIVATE_MFA), account_id=MEMBER)
    shown = house.client("bob").get(f"/v1/requests/{filed.filing.request_id}").json()
    assert [warning["code"] for warning in shown["warnings"]] == ["last_mfa_device"]


def test_the_digest_covers_the_target_and_what_was_seen(sqlite_house: House) -> None:
    house = sqlite_house
    serial = target_in(house, DEACTIVATE_MFA)
    filed = house.file(DEACTIVATE_MFA, serial, account_id=MEMBER)
    filing = json.loads(house.events(filed)[0])["data"]["filing"]
    assert filing["serial_number"] == serial
    assert filing["observed"]["mfa_devices"] == [serial]


# --- MFA demanded before a new key ---


def demanding_mfa(house: House) -> House:
    house.change(policy=replace(house.ctx.policy, require_root_mfa=True))
    return house


def test_a_new_key_without_mfa_is_refused_at_filing_where_the_policy_demands_it(sqlite_house: House) -> None:
    house = demanding_mfa(sqlite_house)
    house.aws.set_summary(ACCOUNT, mfa=False)
    assert refusal(house.file)[0] is Code.ROOT_MFA_REQUIRED
    house.aws.set_summary(ACCOUNT, mfa=True)
    house.file()


def test_and_again_at_the_execution(sqlite_house: House) -> None:
    house = demanding_mfa(sqlite_house)
    approved = house.approved()
    house.aws.set_summary(ACCOUNT, mfa=False)
    assert refusal(lambda: house.execute(approved))[0] is Code.EXECUTION_FAILED
    assert house.now(approved).result.code == "root_mfa_required"  # type: ignore[union-attr]  # it is settled
    assert house.aws.count("CreateAccessKey") == 0


def test_a_recovery_that_was_approved_with_mfa_does_not_run_without(sqlite_house: House) -> None:
    house = sqlite_house
    approved = house.approved(ALLOW_PASSWORD, target_in(house, ALLOW_PASSWORD), account_id=MEMBER)
    house.aws.set_summary(MEMBER, mfa=False)
    assert refusal(lambda: house.execute(approved))[0] is Code.EXECUTION_FAILED
    assert not house.aws.password(MEMBER)


def test_a_program_that_fails_before_the_claim_costs_nothing(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = sqlite_house
    approved = house.approved(DELETE, house.aws.create_root_key(BOTH).access_key_id, account_id=BOTH)
    monkeypatch.setattr(house.ctx.roots, "_profiles", {BOTH: ProfileSource("no-such-profile")})
    assert refusal(lambda: house.execute(approved))[0] is Code.ACCOUNT_UNREACHABLE
    assert house.now(approved).status == "approved"


def test_and_for_what_was_approved_before_it_was_demanded(sqlite_house: House) -> None:
    house = sqlite_house
    house.aws.set_summary(ACCOUNT, mfa=False)
    approved = house.approved()
    demanding_mfa(house)
    assert refusal(lambda: house.execute(approved))[0] is Code.EXECUTION_FAILED


def test_other_operations_need_no_mfa(sqlite_house: House) -> None:
    house = demanding_mfa(sqlite_house)
    house.aws.set_summary(ACCOUNT, mfa=False)
    house.file(DEACTIVATE, house.spare_key())
