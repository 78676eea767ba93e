"""sts:AssumeRoot at the simulated AWS: who may, into what, and what the session then is."""

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
    MANAGEMENT,
    PASSWORD,
    S3,
    SQS,
    caller_arn,
    client,
    refusal,
    root_session,
)

from service.simulated_aws import Credential, SimulatedAws


def test_assumed_root_is_the_members_root(aws: SimulatedAws, manager: Any) -> None:
    identity = root_session(aws, manager, AUDIT)("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_assumed_root_session_has_the_form_and_life_that_aws_gives(manager: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:root"
    answer = manager.assume_root(TargetPrincipal=arn, TaskPolicyArn={"arn": AUDIT}, DurationSeconds=60)
    given = answer["Credentials"]
    assert given["AccessKeyId"].startswith("ASIA")
    assert timedelta(seconds=50) < given["Expiration"] - datetime.now(UTC) <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("task_policy", "permitted"),
    [
        (AUDIT, {"list", "last used", "summary"}),
        (DELETE, {"delete", "list", "last used"}),
        (PASSWORD, set()),
        (S3, set()),
        (SQS, set()),
    ],
)
def test_task_policy_limits_what_assumed_root_may_do(
    aws: SimulatedAws, manager: Any, task_policy: str, permitted: set[str]
) -> None:
    iam = root_session(aws, manager, task_policy)("iam")
    key_id = aws.root_credential(ACCOUNT).access_key_id
    attempts: dict[str, Callable[[], object]] = {
        "create": iam.create_access_key,
        "deactivate": lambda: iam.update_access_key(AccessKeyId=key_id, Status="Inactive"),
        "list": iam.list_access_keys,
        "last used": lambda: iam.get_access_key_last_used(AccessKeyId=key_id),
        "summary": iam.get_account_summary,
        "delete": lambda: iam.delete_access_key(AccessKeyId=key_id),
    }
    for name, attempt in attempts.items():
        if name in permitted:
            attempt()
        else:
            assert refusal(attempt) == ("AccessDenied", 403), name
    assert (key_id in aws.keys(ACCOUNT)) is ("delete" not in permitted)


def test_task_policy_reaches_the_root_user_only(aws: SimulatedAws, manager: Any, iam: Any) -> None:
    iam.create_user(UserName="alice")
    audit = root_session(aws, manager, AUDIT)("iam")
    assert refusal(lambda: audit.list_access_keys(UserName="alice")) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"TargetPrincipal": MANAGEMENT}, ("AccessDenied", 403)),
        ({"TargetPrincipal": "000000000000"}, ("AccessDenied", 403)),
        ({"TargetPrincipal": "nonsense-target"}, ("ValidationError", 400)),
        ({"DurationSeconds": 901}, ("ValidationError", 400)),
        ({"DurationSeconds": 0}, ("ValidationError", 400)),
        ({"TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/IAMFullAccess"}}, ("ValidationError", 400)),
    ],
)
def test_assume_root_refuses(manager: Any, arguments: dict[str, Any], expected: tuple[str, int]) -> None:
    good = {"TargetPrincipal": ACCOUNT, "TaskPolicyArn": {"arn": AUDIT}}
    assert refusal(lambda: manager.assume_root(**good | arguments)) == expected


def test_root_may_not_assume_root() -> None:
    with SimulatedAws([ACCOUNT, MANAGEMENT], management_account=MANAGEMENT) as aws:
        for account_id in (ACCOUNT, MANAGEMENT):
            sts = client(aws, "sts", aws.root_credential(account_id))
            assert refusal(partial(root_session, aws, sts, AUDIT)) == ("AccessDenied", 403)


def test_features_that_are_not_enabled_unlock_nothing(aws: SimulatedAws, manager: Any) -> None:
    aws.set_organization_features(["RootSessions"])
    assert refusal(lambda: root_session(aws, manager, AUDIT)) == ("AccessDenied", 403)
    root_session(aws, manager, S3)


def test_management_account_is_told_the_enabled_features(aws: SimulatedAws, iam: Any) -> None:
    manager = client(aws, "iam", aws.management_credential())
    both = ["RootCredentialsManagement", "RootSessions"]
    assert manager.list_organizations_features()["EnabledFeatures"] == both
    aws.set_organization_features([])
    assert manager.list_organizations_features()["EnabledFeatures"] == []
    code, _ = refusal(iam.list_organizations_features)
    assert code == "AccountNotManagementOrDelegatedAdministratorException"


def test_expired_session_is_refused(aws: SimulatedAws, manager: Any) -> None:
    iam = root_session(aws, manager, AUDIT)("iam")
    aws.expire_root_sessions()
    assert refusal(iam.list_access_keys) == ("ExpiredToken", 403)


def test_session_key_is_nothing_without_its_token(aws: SimulatedAws, manager: Any) -> None:
    answer = manager.assume_root(TargetPrincipal=ACCOUNT, TaskPolicyArn={"arn": AUDIT})
    given = answer["Credentials"]
    bare = Credential(given["AccessKeyId"], given["SecretAccessKey"])
    assert refusal(lambda: caller_arn(aws, bare)) == ("InvalidClientTokenId", 403)
