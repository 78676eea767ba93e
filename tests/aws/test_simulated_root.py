"""What a root user has beside its keys at the simulated AWS: a password, MFA devices, signing certificates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from aws.asking import (
    ACCOUNT,
    AUDIT,
    DELETE,
    OTHER,
    PASSWORD,
    S3,
    SQS,
    client,
    refusal,
    root_session,
)

from service.simulated_aws import SimulatedAws

DEVICE = f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"
DENIED = ("AccessDenied", 403)
GONE = ("NoSuchEntity", 404)
SEEING = {"see password", "see MFA", "see certificates"}


@pytest.fixture
def session(aws: SimulatedAws) -> Callable[[str], Any]:
    """Gives the IAM client of a root session for a task policy."""
    manager = client(aws, "sts", aws.management_credential())
    return lambda task_policy: root_session(aws, manager, task_policy)("iam")


def fact(iam: Any, name: str) -> int:
    return int(iam.get_account_summary()["SummaryMap"][name])


# --- password ---


def test_session_takes_the_password_away(aws: SimulatedAws, iam: Any, session: Callable[[str], Any]) -> None:
    session(DELETE).delete_login_profile()
    assert not aws.password(ACCOUNT)
    assert aws.password(OTHER)
    assert fact(iam, "AccountPasswordPresent") == 0


def test_password_that_is_not_there_is_not_found(aws: SimulatedAws, session: Callable[[str], Any]) -> None:
    aws.set_summary(ACCOUNT, password=False)
    assert refusal(session(DELETE).delete_login_profile) == GONE
    assert refusal(session(AUDIT).get_login_profile) == GONE


def test_session_allows_a_new_password_when_there_is_none(
    aws: SimulatedAws, iam: Any, session: Callable[[str], Any]
) -> None:
    allowing = session(PASSWORD)
    assert refusal(allowing.create_login_profile) == ("EntityAlreadyExists", 409)
    aws.set_summary(ACCOUNT, password=False)
    profile = allowing.create_login_profile()["LoginProfile"]
    assert abs(profile["CreateDate"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert aws.password(ACCOUNT)
    assert fact(iam, "AccountPasswordPresent") == 1


def test_session_sees_since_when_there_is_a_password(aws: SimulatedAws, session: Callable[[str], Any]) -> None:
    profile = session(AUDIT).get_login_profile()["LoginProfile"]
    assert abs(profile["CreateDate"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert "UserName" not in profile
    aws.set_summary(ACCOUNT, password=True)
    assert session(AUDIT).get_login_profile()["LoginProfile"] == profile


def test_session_may_not_choose_the_password(aws: SimulatedAws, session: Callable[[str], Any]) -> None:
    aws.set_summary(ACCOUNT, password=False)
    choose = partial(session(PASSWORD).create_login_profile, Password="correct horse")
    assert refusal(choose) == ("ValidationError", 400)
    assert not aws.password(ACCOUNT)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("get_login_profile", {}),
        ("delete_login_profile", {}),
        ("create_login_profile", {"Password": "correct horse"}),
        ("deactivate_mfa_device", {"SerialNumber": DEVICE}),
    ],
)
def test_root_key_may_leave_out_the_user_only_in_a_session(
    aws: SimulatedAws, iam: Any, call: str, arguments: dict[str, str]
) -> None:
    assert refusal(partial(getattr(iam, call), **arguments)) == DENIED
    assert aws.password(ACCOUNT)
    assert aws.mfa_devices(ACCOUNT) == [DEVICE]


def test_root_key_gives_passwords_to_iam_users(aws: SimulatedAws, iam: Any) -> None:
    iam.create_user(UserName="alice")
    assert refusal(partial(iam.create_login_profile, UserName="alice")) == ("ValidationError", 400)
    iam.create_login_profile(UserName="alice", Password="correct horse")
    assert iam.get_login_profile(UserName="alice")["LoginProfile"]["UserName"] == "alice"
    iam.delete_login_profile(UserName="alice")
    assert aws.password(ACCOUNT)


# --- MFA ---


def test_root_begins_with_one_mfa_device(aws: SimulatedAws, iam: Any, session: Callable[[str], Any]) -> None:
    for asked in (iam, session(AUDIT)):
        (device,) = asked.list_mfa_devices()["MFADevices"]
        assert device["SerialNumber"] == DEVICE
        assert device["EnableDate"]
        assert "UserName" not in device
    assert aws.mfa_devices(ACCOUNT) == [DEVICE]


def test_session_deactivates_mfa_devices_one_by_one(aws: SimulatedAws, iam: Any, session: Callable[[str], Any]) -> None:
    second = aws.add_mfa_device(ACCOUNT)
    session(DELETE).deactivate_mfa_device(SerialNumber=DEVICE)
    assert aws.mfa_devices(ACCOUNT) == [second]
    assert fact(iam, "AccountMFAEnabled") == 1
    session(DELETE).deactivate_mfa_device(SerialNumber=second)
    assert aws.mfa_devices(ACCOUNT) == []
    assert fact(iam, "AccountMFAEnabled") == 0


def test_unknown_mfa_device_is_not_found(session: Callable[[str], Any]) -> None:
    deleting = session(DELETE)
    for serial in (f"{DEVICE}-2", f"arn:aws:iam::{OTHER}:mfa/root-account-mfa-device"):
        assert refusal(partial(deleting.deactivate_mfa_device, SerialNumber=serial)) == GONE


def test_mfa_devices_have_distinct_serial_numbers(aws: SimulatedAws) -> None:
    assert [aws.add_mfa_device(ACCOUNT), aws.add_mfa_device(ACCOUNT, "hardware-0001")] == [
        f"{DEVICE}-2",
        "hardware-0001",
    ]
    assert aws.mfa_devices(ACCOUNT) == [DEVICE, f"{DEVICE}-2", "hardware-0001"]
    with pytest.raises(ValueError, match="already"):
        aws.add_mfa_device(ACCOUNT, DEVICE)


def test_summary_is_set_by_taking_all_mfa_devices_or_giving_one(aws: SimulatedAws) -> None:
    aws.add_mfa_device(ACCOUNT)
    aws.set_summary(ACCOUNT, mfa=True)
    assert len(aws.mfa_devices(ACCOUNT)) == 2
    aws.set_summary(ACCOUNT, mfa=False)
    assert aws.mfa_devices(ACCOUNT) == []
    aws.set_summary(ACCOUNT, mfa=True)
    assert aws.mfa_devices(ACCOUNT) == [DEVICE]


# --- signing certificates ---


def test_root_begins_without_signing_certificates(aws: SimulatedAws, iam: Any) -> None:
    assert aws.signing_certificates(ACCOUNT) == {}
    assert iam.list_signing_certificates()["Certificates"] == []
    assert fact(iam, "AccountSigningCertificatesPresent") == 0


@pytest.mark.parametrize("with_session", [False, True])
def test_signing_certificate_is_listed_and_deleted(
    aws: SimulatedAws, iam: Any, session: Callable[[str], Any], *, with_session: bool
) -> None:
    certificate_id = aws.add_signing_certificate(ACCOUNT)
    assert fact(iam, "AccountSigningCertificatesPresent") == 1
    signer = session(DELETE) if with_session else iam
    (certificate,) = signer.list_signing_certificates()["Certificates"]
    assert (certificate["CertificateId"], certificate["Status"]) == (certificate_id, "Active")
    assert "UserName" not in certificate
    signer.delete_signing_certificate(CertificateId=certificate_id)
    assert aws.signing_certificates(ACCOUNT) == {}
    assert refusal(partial(signer.delete_signing_certificate, CertificateId=certificate_id)) == GONE


def test_root_key_deactivates_a_signing_certificate(aws: SimulatedAws, iam: Any) -> None:
    certificate_id = aws.add_signing_certificate(ACCOUNT)
    nonsense = partial(iam.update_signing_certificate, CertificateId=certificate_id, Status="Bogus")
    assert refusal(nonsense) == ("ValidationError", 400)
    iam.update_signing_certificate(CertificateId=certificate_id, Status="Inactive")
    assert aws.signing_certificates(ACCOUNT) == {certificate_id: "Inactive"}


def test_summary_is_set_by_taking_all_certificates_or_giving_one(aws: SimulatedAws) -> None:
    aws.set_summary(ACCOUNT, signing_certificates=True)
    before = aws.signing_certificates(ACCOUNT)
    aws.set_summary(ACCOUNT, signing_certificates=True)
    assert aws.signing_certificates(ACCOUNT) == before
    aws.set_summary(ACCOUNT, signing_certificates=False)
    assert aws.signing_certificates(ACCOUNT) == {}


# --- what a session may do with all that ---


@pytest.mark.parametrize(
    ("task_policy", "permitted"),
    [
        (AUDIT, SEEING),
        (DELETE, SEEING | {"delete password", "delete MFA", "delete certificate"}),
        (PASSWORD, {"see password", "allow password"}),
        (S3, set()),
        (SQS, set()),
    ],
)
def test_task_policy_decides(
    aws: SimulatedAws, session: Callable[[str], Any], task_policy: str, permitted: set[str]
) -> None:
    iam, certificate_id = session(task_policy), aws.add_signing_certificate(ACCOUNT)
    attempts: dict[str, Callable[[], object]] = {
        "see password": iam.get_login_profile,
        "see MFA": iam.list_mfa_devices,
        "see certificates": iam.list_signing_certificates,
        "delete password": iam.delete_login_profile,
        "delete MFA": partial(iam.deactivate_mfa_device, SerialNumber=DEVICE),
        "delete certificate": partial(iam.delete_signing_certificate, CertificateId=certificate_id),
    }
    for name, attempt in attempts.items():
        if name in permitted:
            attempt()
        else:
            assert refusal(attempt) == DENIED, name
    aws.set_summary(ACCOUNT, password=False)
    if "allow password" in permitted:
        iam.create_login_profile()
    else:
        assert refusal(iam.create_login_profile) == DENIED


def test_looking_at_the_truth_is_no_call(aws: SimulatedAws) -> None:
    assert (aws.password(ACCOUNT), aws.mfa_devices(ACCOUNT), aws.signing_certificates(ACCOUNT)) == (True, [DEVICE], {})
    assert aws.calls == []
