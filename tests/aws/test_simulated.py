"""The simulated AWS, asked by real boto3 clients: one rule of AWS, or one promise of the simulation, each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from service.aws.simulated import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Credential,
    Delay,
    Fault,
    Refuse,
    ServerError,
    ServerErrorAfter,
    SimulatedAws,
    Throttle,
)

ACCOUNT, OTHER, MANAGEMENT = "111122223333", "444455556666", "999988887777"
AUDIT, DELETE, PASSWORD, S3, SQS = (
    f"arn:aws:iam::aws:policy/root-task/{name}"
    for name in (
        "IAMAuditRootUserCredentials",
        "IAMDeleteRootUserCredentials",
        "IAMCreateRootUserPassword",
        "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    )
)
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=5)
_session = boto3.Session()


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, OTHER], management_account=MANAGEMENT) as simulated:
        yield simulated


@pytest.fixture
def iam(aws: SimulatedAws) -> Any:
    return client(aws, "iam", aws.root_credential(ACCOUNT))


@pytest.fixture
def manager(aws: SimulatedAws) -> Any:
    return client(aws, "sts", aws.management_credential())


def client(aws: SimulatedAws, service: str, credential: Credential, token: str | None = None, **options: Any) -> Any:
    return _session.client(  # type: ignore[call-overload]  # the service is a variable here
        service,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=credential.access_key_id,
        aws_secret_access_key=credential.secret_access_key,
        aws_session_token=token,
        **{"region_name": "us-east-1", "config": ONCE} | options,
    )


def root_session(aws: SimulatedAws, manager: Any, task_policy: str, account_id: str = ACCOUNT) -> Callable[[str], Any]:
    answer = manager.assume_root(TargetPrincipal=account_id, TaskPolicyArn={"arn": task_policy})
    given = answer["Credentials"]
    credential = Credential(given["AccessKeyId"], given["SecretAccessKey"])
    return lambda service: client(aws, service, credential, given["SessionToken"])


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def caller_arn(aws: SimulatedAws, credential: Credential) -> str:
    return str(client(aws, "sts", credential).get_caller_identity()["Arn"])


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


@pytest.mark.parametrize("service_and_call", ["s3.list_buckets", "ec2.describe_regions", "sts.get_session_token"])
def test_what_is_not_simulated_is_refused(aws: SimulatedAws, service_and_call: str) -> None:
    service, call = service_and_call.split(".")
    code, _ = refusal(getattr(client(aws, service, aws.root_credential(ACCOUNT)), call))
    assert code in ("AccessDenied", "InvalidAction")


def test_only_the_partition_aws_is_simulated(aws: SimulatedAws) -> None:
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


# --- centralized root access ---


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


# --- faults, hooks, records ---


@pytest.mark.parametrize(
    ("fault", "error", "effect"),
    [
        (Throttle(), ("Throttling", 400), False),
        (ServerError(), ("ServiceFailure", 500), False),
        (ServerError(503), ("ServiceUnavailable", 503), False),
        (ServerErrorAfter(), ("ServiceFailure", 500), True),
        (Refuse("AccessDenied"), ("AccessDenied", 403), False),
    ],
)
def test_error_faults_have_the_effect_they_say(
    aws: SimulatedAws, iam: Any, fault: Fault, error: tuple[str, int], *, effect: bool
) -> None:
    aws.fault("CreateAccessKey", fault)
    assert refusal(iam.create_access_key) == error
    assert len(aws.keys(ACCOUNT)) == 1 + effect


@pytest.mark.parametrize(("fault", "effect"), [(ConnectionLostBefore(), False), (ConnectionLostAfter(), True)])
def test_lost_connections_have_the_effect_they_say(aws: SimulatedAws, iam: Any, fault: Fault, *, effect: bool) -> None:
    aws.fault("CreateAccessKey", fault)
    with pytest.raises(ConnectionClosedError):
        iam.create_access_key()
    assert len(aws.keys(ACCOUNT)) == 1 + effect


def test_botocores_default_sends_a_create_again_when_its_answer_is_lost(aws: SimulatedAws) -> None:
    aws.fault("CreateAccessKey", ConnectionLostAfter())
    eager = client(aws, "iam", aws.root_credential(ACCOUNT), config=Config(retries={"mode": "standard"}))
    assert refusal(eager.create_access_key) == ("LimitExceeded", 409)
    assert aws.count("CreateAccessKey") == 2


def test_delay_holds_up_its_own_call_only(aws: SimulatedAws, iam: Any) -> None:
    arrived = threading.Event()
    aws.on("CreateAccessKey", arrived.set)
    aws.fault("CreateAccessKey", Delay(3600))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(iam.create_access_key)
        assert arrived.wait(5)
        assert len(client(aws, "iam", aws.root_credential(ACCOUNT)).list_access_keys()["AccessKeyMetadata"]) == 1
        assert not held.done()
        aws.stop()  # ends the delay


def test_delay_outlasts_a_clients_timeout_and_the_effect_still_happens(aws: SimulatedAws) -> None:
    done = threading.Event()
    aws.fault("CreateAccessKey", Delay(0.3))
    aws.on("CreateAccessKey", done.set, after=True)
    config = ONCE.merge(Config(read_timeout=0.1))
    impatient = client(aws, "iam", aws.root_credential(ACCOUNT), config=config)
    with pytest.raises(Exception, match="Read timeout"):
        impatient.create_access_key()
    assert done.wait(5)
    assert len(aws.keys(ACCOUNT)) == 2


def test_fault_is_met_as_often_as_asked_and_by_that_account(aws: SimulatedAws, iam: Any) -> None:
    aws.fault("ListAccessKeys", Throttle(), times=2, account_id=ACCOUNT)
    client(aws, "iam", aws.root_credential(OTHER)).list_access_keys()
    assert [refusal(iam.list_access_keys)[0] for _ in range(2)] == ["Throttling"] * 2
    iam.list_access_keys()


def test_reset_forgets_faults_hooks_and_delay(aws: SimulatedAws, iam: Any) -> None:
    aws.fault("ListAccessKeys", Throttle(), times=9)
    ran: list[str] = []
    aws.on("ListAccessKeys", lambda: ran.append("hook"))
    aws.propagation_delay = 3600
    aws.reset_faults()
    assert iam.list_access_keys()
    assert ran == []
    assert aws.propagation_delay == 0


def test_hooks_run_before_and_after_the_effect(aws: SimulatedAws, iam: Any) -> None:
    seen: list[int] = []
    aws.on("CreateAccessKey", lambda: seen.append(len(aws.keys(ACCOUNT))))
    aws.on("CreateAccessKey", lambda: seen.append(len(aws.keys(ACCOUNT))), after=True)
    iam.create_access_key()
    assert seen == [1, 2]


def test_every_call_is_recorded_with_its_signer(aws: SimulatedAws, iam: Any) -> None:
    aws.fault("UpdateAccessKey", ConnectionLostBefore())
    with pytest.raises(ConnectionClosedError):
        iam.update_access_key(AccessKeyId="AKIAAAAAAAAAAAAAAAAA", Status="Inactive")
    (call,) = aws.calls
    assert (call.action, call.account_id) == ("UpdateAccessKey", ACCOUNT)
    assert call.access_key_id == aws.root_credential(ACCOUNT).access_key_id
    assert call.parameters == {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "Status": "Inactive"}


def test_simultaneous_creates_keep_the_limit_and_are_all_counted(aws: SimulatedAws) -> None:
    clients = [client(aws, "iam", aws.root_credential(ACCOUNT)) for _ in range(20)]
    ready = threading.Barrier(len(clients))

    def create(iam: Any) -> str:
        ready.wait()
        try:
            return str(iam.create_access_key()["AccessKey"]["Status"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(len(clients)) as pool:
        results = list(pool.map(create, clients))
    assert sorted(results) == ["Active"] + ["LimitExceeded"] * 19
    assert aws.count("CreateAccessKey") == 20
    assert len(aws.keys(ACCOUNT)) == 2


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
