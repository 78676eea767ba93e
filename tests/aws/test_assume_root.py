"""`sts:AssumeRoot`: the narrowest session for each thing, proved before it is used."""

import pytest
from support.builders import (
    ALLOW_PASSWORD,
    BOTH,
    DEACTIVATE,
    DEACTIVATE_MFA,
    DELETE,
    DELETE_CERTIFICATE,
    DELETE_PASSWORD,
    LOCKING,
    MEMBER,
)
from support.house import House

from service.aws.sources import FixedSource, client_of
from service.domain.account import SourceKind
from service.domain.errors import Code, Unavailable
from service.domain.operation import OperationName

AUDITING, DELETING, ALLOWING = (
    "IAMAuditRootUserCredentials",
    "IAMDeleteRootUserCredentials",
    "IAMCreateRootUserPassword",
)


def target_in(house: House, name: OperationName, account_id: str = MEMBER) -> str | None:
    """Something that the operation can be done to."""
    match name:
        case OperationName.DEACTIVATE_MFA_DEVICE:
            return house.aws.mfa_devices(account_id)[0]
        case OperationName.DELETE_SIGNING_CERTIFICATE:
            return house.aws.add_signing_certificate(account_id)
        case OperationName.ALLOW_PASSWORD_RECOVERY:
            house.aws.set_summary(account_id, password=False)
            return None
        case OperationName.DELETE_LOGIN_PROFILE:
            return None
        case OperationName.UNLOCK_S3_BUCKET_POLICY | OperationName.UNLOCK_SQS_QUEUE_POLICY:
            house.aws.add_bucket(account_id, "locked", LOCKING, region="eu-central-1")
            queue_arn = house.aws.add_queue(account_id, "locked", LOCKING, region="eu-central-1")
            return "locked" if name is OperationName.UNLOCK_S3_BUCKET_POLICY else queue_arn
        case _:
            return house.aws.create_root_key(account_id).access_key_id


def tasks(house: House) -> list[str]:
    return [
        call.parameters["TaskPolicyArn.arn"].rpartition("/")[2]
        for call in house.aws.calls
        if call.action == "AssumeRoot"
    ]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        (DELETE, DELETING),
        (DELETE_PASSWORD, DELETING),
        (DEACTIVATE_MFA, DELETING),
        (DELETE_CERTIFICATE, DELETING),
        (ALLOW_PASSWORD, ALLOWING),
    ],
)
def test_the_session_that_acts_has_the_narrowest_policy_and_lasts_for_one_execution(
    sqlite_house: House, name: OperationName, task: str
) -> None:
    house = sqlite_house
    approved = house.approved(name, target_in(house, name), account_id=MEMBER)
    assert tasks(house) == [AUDITING]
    house.execute(approved)
    assert tasks(house) == [AUDITING, AUDITING, task]
    assert all(
        int(call.parameters["DurationSeconds"]) <= 900 for call in house.aws.calls if call.action == "AssumeRoot"
    )


def test_every_session_is_proved_to_be_the_accounts_root_before_it_is_used(sqlite_house: House) -> None:
    house = sqlite_house
    house.execute(house.approved(DELETE, target_in(house, DELETE), account_id=MEMBER))
    first: dict[str | None, str] = {}
    for call in house.aws.calls:
        first.setdefault(call.access_key_id, call.action)
    del first[house.aws.management_credential().access_key_id]
    assert set(first.values()) == {"GetCallerIdentity"}


def test_the_least_powerful_source_that_can_is_used_and_recorded(sqlite_house: House) -> None:
    house = sqlite_house
    key = house.aws.create_root_key(BOTH).access_key_id
    deactivated, _ = house.execute(house.approved(DEACTIVATE, key, account_id=BOTH))
    deleted, _ = house.execute(house.approved(DELETE, key, account_id=BOTH))
    assert (deactivated.source, deleted.source) == (SourceKind.PROFILE, SourceKind.ASSUME_ROOT)
    assert '"source":"assume_root"' in next(e for e in house.events(deleted) if '"execution.started"' in e)
    assert deleted.result is not None
    assert str(deleted.result.signer_key_id).startswith("ASIA")


def test_the_key_that_the_profile_holds_is_guarded_even_from_a_session_that_needs_none(sqlite_house: House) -> None:
    house = sqlite_house
    held = house.aws.root_credential(BOTH).access_key_id
    house.aws.create_root_key(BOTH)
    assert (
        house.client("alice").get(f"/v1/accounts/{BOTH}/root-credentials").json()["root_credentials"]["signer_key_id"]
        == held
    )
    body = {"operation": "delete_access_key", "account_id": BOTH, "access_key_id": held, "justification": "x" * 10}
    assert house.client("alice").post("/v1/requests", json=body).json()["code"] == "signing_key"


def test_the_root_key_of_an_account_with_both_sources_reads_nothing(sqlite_house: House) -> None:
    house = sqlite_house
    house.client("alice").get(f"/v1/accounts/{BOTH}/root-credentials")
    assert house.aws.root_credential(BOTH).access_key_id not in {call.access_key_id for call in house.aws.calls}


@pytest.mark.parametrize("features", [[], ["RootSessions"]])
def test_an_organization_without_the_feature_is_an_account_out_of_reach(
    sqlite_house: House, features: list[str]
) -> None:
    sqlite_house.aws.set_organization_features(features)
    with pytest.raises(Unavailable) as refused:
        sqlite_house.file(DELETE_PASSWORD, account_id=MEMBER)
    assert refused.value.code is Code.ACCOUNT_UNREACHABLE


def test_a_session_that_has_ended_refuses_and_the_request_says_so(sqlite_house: House) -> None:
    house = sqlite_house
    approved = house.approved(DELETE_PASSWORD, account_id=MEMBER)
    house.aws.on("DeleteLoginProfile", house.aws.expire_root_sessions)
    answer = house.client("alice").post(f"/v1/requests/{approved.filing.request_id}/execution")
    assert (answer.status_code, answer.json()["code"]) == (409, "execution_failed")
    assert house.now(approved).result.code == "aws_ExpiredToken"  # type: ignore[union-attr]  # it is settled
    assert house.aws.password(MEMBER)


def test_assume_root_goes_to_the_regional_endpoint_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    source = FixedSource("AKIAEXAMPLE000000001", "x" * 40, "http://unused")
    sts = client_of(source.session(), "sts", region_name="us-east-1")
    assert sts.meta.endpoint_url == "https://sts.us-east-1.amazonaws.com"
