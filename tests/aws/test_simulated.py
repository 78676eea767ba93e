"""The simulated AWS, asked by real boto3 clients: one rule of AWS, or one promise of the simulation, each.

Here are root keys, authentication and the object itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from aws.asking import (
    ACCOUNT,
    AUDIT,
    OTHER,
    caller_arn,
    client,
    refusal,
    root_session,
)

from service.simulated_aws import Credential, SimulatedAws

# --- a root principal ---


def test_root_key_signs_as_root_of_its_own_account(aws: SimulatedAws) -> None:
    for account_id in (ACCOUNT, OTHER):
        assert caller_arn(aws, aws.root_credential(account_id)) == f"arn:aws:iam::{account_id}:root"


def test_created_root_key_works_and_is_listed_without_user_name(aws: SimulatedAws, iam: Any) -> None:
    key = iam.create_access_key()["AccessKey"]
    assert caller_arn(aws, Credential(key["AccessKeyId"], key["SecretAccessKey"])).endswith(":root")
    listed = iam.list_access_keys()["AccessKeyMetadata"]
    assert [k["AccessKeyId"] for k in listed] == list(aws.keys(ACCOUNT))
    assert all("UserName" not in k for k in (key, *listed))
    assert abs(key["CreateDate"] - datetime.now(UTC)) < timedelta(minutes=1)


def test_third_root_key_exceeds_the_limit_even_when_one_is_inactive(iam: Any) -> None:
    key_id = iam.create_access_key()["AccessKey"]["AccessKeyId"]
    iam.update_access_key(AccessKeyId=key_id, Status="Inactive")
    assert refusal(iam.create_access_key) == ("LimitExceeded", 409)


def test_root_key_can_be_deactivated_and_deleted(aws: SimulatedAws, iam: Any) -> None:
    key_id = aws.create_root_key(ACCOUNT).access_key_id
    iam.update_access_key(AccessKeyId=key_id, Status="Inactive")
    assert aws.keys(ACCOUNT)[key_id] == "Inactive"
    iam.delete_access_key(AccessKeyId=key_id)
    assert key_id not in aws.keys(ACCOUNT)
    assert refusal(lambda: iam.delete_access_key(AccessKeyId=key_id)) == ("NoSuchEntity", 404)


def test_last_use_is_known_once_a_root_key_has_signed(aws: SimulatedAws, iam: Any) -> None:
    fresh = aws.create_root_key(ACCOUNT)

    def last_used() -> Any:
        return iam.get_access_key_last_used(AccessKeyId=fresh.access_key_id)["AccessKeyLastUsed"]

    assert last_used()["ServiceName"] == "N/A"
    caller_arn(aws, fresh)
    assert last_used()["ServiceName"] == "sts"
    assert abs(last_used()["LastUsedDate"] - datetime.now(UTC)) < timedelta(minutes=1)


def test_root_is_no_iam_user(iam: Any) -> None:
    assert iam.list_users()["Users"] == []
    assert refusal(lambda: iam.list_access_keys(UserName="root")) == ("NoSuchEntity", 404)
    assert refusal(lambda: iam.list_access_keys(UserName=":root:")) == ("ValidationError", 400)


def test_nonsense_status_is_refused(aws: SimulatedAws, iam: Any) -> None:
    key_id = aws.root_credential(ACCOUNT).access_key_id
    assert refusal(lambda: iam.update_access_key(AccessKeyId=key_id, Status="Bogus")) == (
        "ValidationError",
        400,
    )
    assert aws.keys(ACCOUNT) == {key_id: "Active"}


def test_without_user_name_only_the_signers_own_keys_are_found(aws: SimulatedAws, iam: Any) -> None:
    iam.create_user(UserName="alice")
    of_a_user = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    for key_id in (of_a_user, aws.root_credential(OTHER).access_key_id):
        deactivate = partial(iam.update_access_key, AccessKeyId=key_id, Status="Inactive")
        assert refusal(deactivate) == ("NoSuchEntity", 404)
        assert refusal(partial(iam.delete_access_key, AccessKeyId=key_id)) == ("NoSuchEntity", 404)
    assert list(aws.keys(OTHER).values()) == ["Active"]


def test_account_summary_tells_whether_root_has_keys(aws: SimulatedAws, manager: Any) -> None:
    audit = root_session(aws, manager, AUDIT)("iam")
    (key_id,) = aws.keys(ACCOUNT)
    aws.set_root_key_status(ACCOUNT, key_id, "Inactive")
    assert audit.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    aws.delete_root_key(ACCOUNT, key_id)
    assert audit.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0


def test_account_summary_tells_what_was_set(aws: SimulatedAws, iam: Any) -> None:
    def facts() -> list[int]:
        summary = iam.get_account_summary()["SummaryMap"]
        names = ("AccountMFAEnabled", "AccountPasswordPresent", "AccountSigningCertificatesPresent")
        return [summary[name] for name in names]

    assert facts() == [1, 1, 0]
    aws.set_summary(ACCOUNT, mfa=False, signing_certificates=True)
    assert facts() == [0, 1, 1]


# --- authentication ---


def test_inactive_key_is_refused_until_it_is_active_again(aws: SimulatedAws) -> None:
    root = aws.root_credential(ACCOUNT)
    aws.set_root_key_status(ACCOUNT, root.access_key_id, "Inactive")
    assert refusal(lambda: caller_arn(aws, root)) == ("InvalidClientTokenId", 403)
    aws.set_root_key_status(ACCOUNT, root.access_key_id, "Active")
    assert caller_arn(aws, root)


def test_deleted_key_is_refused(aws: SimulatedAws) -> None:
    root = aws.root_credential(ACCOUNT)
    aws.delete_root_key(ACCOUNT, root.access_key_id)
    assert refusal(lambda: caller_arn(aws, root)) == ("InvalidClientTokenId", 403)


def test_unknown_key_is_refused(aws: SimulatedAws) -> None:
    stranger = Credential("AKIAAAAAAAAAAAAAAAAA", "x" * 40)
    assert refusal(lambda: caller_arn(aws, stranger)) == ("InvalidClientTokenId", 403)
    assert aws.calls[-1].account_id is None


def test_wrong_secret_is_refused_and_has_no_effect(aws: SimulatedAws) -> None:
    forged = Credential(aws.root_credential(ACCOUNT).access_key_id, "x" * 40)
    assert refusal(client(aws, "iam", forged).create_access_key) == ("SignatureDoesNotMatch", 403)
    assert len(aws.keys(ACCOUNT)) == 1


@pytest.mark.parametrize("service_and_call", ["sns.list_topics", "ec2.describe_regions", "sts.get_session_token"])
def test_what_is_not_simulated_is_refused(aws: SimulatedAws, service_and_call: str) -> None:
    service, call = service_and_call.split(".")
    code, _ = refusal(getattr(client(aws, service, aws.root_credential(ACCOUNT)), call))
    assert code in ("AccessDenied", "InvalidAction")


def test_signature_for_another_partition_is_refused(aws: SimulatedAws) -> None:
    china = client(aws, "iam", aws.root_credential(ACCOUNT), region_name="cn-north-1")
    assert refusal(china.list_access_keys) == ("SignatureDoesNotMatch", 403)


def test_key_changes_reach_authentication_late(aws: SimulatedAws) -> None:
    aws.propagation_delay = 3600
    old, new = aws.root_credential(ACCOUNT), aws.create_root_key(ACCOUNT)
    aws.delete_root_key(ACCOUNT, old.access_key_id)
    assert caller_arn(aws, old)
    assert refusal(lambda: caller_arn(aws, new)) == ("InvalidClientTokenId", 403)
    aws.propagation_delay = 0
    assert refusal(lambda: caller_arn(aws, old)) == ("InvalidClientTokenId", 403)
    assert caller_arn(aws, new)


def test_iam_user_may_do_only_what_its_policies_allow(aws: SimulatedAws) -> None:
    manager = client(aws, "iam", aws.management_credential())
    assert refusal(manager.create_access_key) == ("AccessDenied", 403)


# --- the object ---


def test_two_simulations_share_nothing(aws: SimulatedAws) -> None:
    with SimulatedAws([ACCOUNT]) as another:
        another.create_root_key(ACCOUNT)
        assert len(aws.keys(ACCOUNT)) == 1
        foreign = Credential(*vars(aws.root_credential(ACCOUNT)).values())
        assert refusal(lambda: caller_arn(another, foreign)) == ("InvalidClientTokenId", 403)


def test_stop_and_start_keep_the_state(aws: SimulatedAws) -> None:
    before = aws.keys(ACCOUNT)
    aws.stop()
    aws.stop()
    aws.start()
    aws.start()
    assert aws.keys(ACCOUNT) == before
    assert caller_arn(aws, aws.root_credential(ACCOUNT))


def test_secret_is_not_in_a_credentials_repr(aws: SimulatedAws) -> None:
    credential = aws.root_credential(ACCOUNT)
    assert credential.secret_access_key not in repr(credential)


def test_banner_says_that_nothing_is_real(aws: SimulatedAws) -> None:
    assert "SIMULATED AWS" in aws.banner()
    assert "No real account is touched" in aws.banner()


def test_account_ids_are_checked() -> None:
    with pytest.raises(ValueError, match="not an AWS account id"):
        SimulatedAws(["12345"])
