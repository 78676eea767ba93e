"""GovCloud and China at the simulated AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import pytest
from aws.asking import ACCOUNT, AUDIT, MANAGEMENT, OTHER, S3, client, refusal

from service.simulated_aws import PartitionName, SimulatedAws

_REGIONS: dict[PartitionName, str] = {"aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
both = pytest.mark.parametrize("partition", list(_REGIONS))


@pytest.fixture
def gov() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, OTHER], management_account=MANAGEMENT, partition="aws-us-gov") as simulated:
        yield simulated


@pytest.fixture
def china() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, OTHER], management_account=MANAGEMENT, partition="aws-cn") as simulated:
        yield simulated


def root(aws: SimulatedAws, service: str, region: str = "us-gov-west-1") -> Any:
    return client(aws, service, aws.root_credential(ACCOUNT), region_name=region)


# --- GovCloud ---


def test_root_arn_is_of_govcloud(gov: SimulatedAws) -> None:
    for region in ("us-gov-west-1", "us-gov-east-1"):
        assert root(gov, "sts", region).get_caller_identity()["Arn"] == f"arn:aws-us-gov:iam::{ACCOUNT}:root"


def test_govcloud_wants_a_signature_for_a_region_of_its_own(gov: SimulatedAws) -> None:
    for region in ("us-east-1", "cn-north-1"):
        assert refusal(root(gov, "iam", region).list_access_keys) == ("SignatureDoesNotMatch", 403)


def test_root_keys_are_managed_in_govcloud(gov: SimulatedAws) -> None:
    iam = root(gov, "iam")
    key_id = iam.create_access_key()["AccessKey"]["AccessKeyId"]
    iam.update_access_key(AccessKeyId=key_id, Status="Inactive")
    assert gov.keys(ACCOUNT)[key_id] == "Inactive"
    iam.delete_access_key(AccessKeyId=key_id)
    assert len(iam.list_access_keys()["AccessKeyMetadata"]) == 1


def test_root_of_govcloud_has_neither_password_nor_mfa(gov: SimulatedAws) -> None:
    summary = root(gov, "iam").get_account_summary()["SummaryMap"]
    assert (summary["AccountPasswordPresent"], summary["AccountMFAEnabled"]) == (0, 0)
    assert root(gov, "iam").list_mfa_devices()["MFADevices"] == []
    assert (gov.password(ACCOUNT), gov.mfa_devices(ACCOUNT)) == (False, [])


@pytest.mark.parametrize(
    "give",
    [
        lambda aws: aws.set_summary(ACCOUNT, password=True),
        lambda aws: aws.set_summary(ACCOUNT, mfa=True),
        lambda aws: aws.add_mfa_device(ACCOUNT),
    ],
)
def test_root_of_govcloud_gets_neither_password_nor_mfa(
    gov: SimulatedAws, give: Callable[[SimulatedAws], None]
) -> None:
    with pytest.raises(ValueError, match="neither password nor MFA"):
        give(gov)
    gov.set_summary(ACCOUNT, password=False, mfa=False, signing_certificates=True)


# --- China ---


def test_china_has_no_root_user(china: SimulatedAws) -> None:
    with pytest.raises(LookupError):
        china.root_credential(ACCOUNT)
    with pytest.raises(LookupError, match="no root user"):
        china.create_root_key(ACCOUNT)
    with pytest.raises(LookupError, match="no root user"):
        china.add_signing_certificate(ACCOUNT)
    assert (china.keys(ACCOUNT), china.password(ACCOUNT), china.mfa_devices(ACCOUNT)) == ({}, False, [])


# --- both ---


@both
def test_iam_user_and_accounts_have_arns_of_their_partition(partition: PartitionName) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT, partition=partition) as aws:
        manager = partial(client, aws, credential=aws.management_credential(), region_name=_REGIONS[partition])
        arn = manager("sts").get_caller_identity()["Arn"]
        assert arn == f"arn:{partition}:iam::{MANAGEMENT}:user/root-access-manager"
        account = manager("organizations").list_accounts()["Accounts"][0]
        assert account["Arn"] == f"arn:{partition}:organizations::{MANAGEMENT}:account/o-simulated00/{ACCOUNT}"


@both
@pytest.mark.parametrize("task_policy", [AUDIT, S3])
def test_root_cannot_be_assumed_outside_the_partition_aws(partition: PartitionName, task_policy: str) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT, partition=partition) as aws:
        aws.set_organization_features(["RootCredentialsManagement", "RootSessions"])
        sts = client(aws, "sts", aws.management_credential(), region_name=_REGIONS[partition])
        for target in (ACCOUNT, f"arn:{partition}:iam::{ACCOUNT}:root"):
            assume = partial(sts.assume_root, TargetPrincipal=target, TaskPolicyArn={"arn": task_policy})
            assert refusal(assume) == ("AccessDenied", 403)


@both
def test_no_feature_is_enabled_at_first_outside_the_partition_aws(partition: PartitionName) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT, partition=partition) as aws:
        iam = client(aws, "iam", aws.management_credential(), region_name=_REGIONS[partition])
        assert iam.list_organizations_features()["EnabledFeatures"] == []


@both
def test_banner_names_the_partition(partition: PartitionName) -> None:
    with SimulatedAws([ACCOUNT], partition=partition) as aws:
        assert f"the partition {partition}" in aws.banner()


def test_other_partitions_are_refused() -> None:
    with pytest.raises(ValueError, match="not a partition"):
        SimulatedAws([ACCOUNT], partition=cast("PartitionName", "aws-iso"))
