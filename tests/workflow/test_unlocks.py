"""A bucket or queue whose policy locks its owners out: who sees the policy, what is deleted, and when nothing is."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from aws.test_assume_root import target_in, tasks
from support.builders import ACCOUNT, ACCOUNTS, LOCKING, MEMBER, OTHER_ACCOUNT, UNLOCK_BUCKET, UNLOCK_QUEUE
from support.commits import commits_failing
from support.destinations import Post
from support.house import House, manager_of

from service.aws.organization import KnownAccounts, Organization
from service.domain.errors import Code, ServiceError
from service.domain.operation import ON_POLICIES, OperationName
from service.domain.request import OperationRequest
from service.simulated_aws import ConnectionLostAfter, ConnectionLostBefore, Refuse, ServerErrorAfter
from service.worker import run_pass
from service.workflow.read import show

CALL = {UNLOCK_BUCKET: "DeleteBucketPolicy", UNLOCK_QUEUE: "SetQueueAttributes"}
TASK = {UNLOCK_BUCKET: "S3UnlockBucketPolicy", UNLOCK_QUEUE: "SQSUnlockQueuePolicy"}
OTHER = LOCKING.replace("Deny", "Allow")
# What somebody who can set a policy could write, if AWS let it through.
HOSTILE = {
    "20 KB": "x" * 20_480,
    "invisible": '{"Sid": "\u202e\u200b\u2066\u00ad\u3164"}',
    "controls": "{\x00\x1b[2J\r\n\t}",
    "not JSON": '{"Statement": [',
    "markup": "<script>alert(1)</script> <!channel> @here {0} {} %s {{",
    "deep": "[" * 20_000,
    "emoji": "\U0001f600" * 5_000,
}

pytestmark = pytest.mark.usefixtures("no_back_off")
operations = pytest.mark.parametrize("name", sorted(ON_POLICIES))


def policy_of(house: House, name: OperationName, target: str) -> str | None:
    return (house.aws.bucket_policy if name is UNLOCK_BUCKET else house.aws.queue_policy)(target)


def set_policy(house: House, name: OperationName, target: str, policy: str | None) -> None:
    (house.aws.set_bucket_policy if name is UNLOCK_BUCKET else house.aws.set_queue_policy)(target, policy)


def locked(house: House, name: OperationName, policy: str | None = LOCKING) -> str:
    target = str(target_in(house, name))
    set_policy(house, name, target, policy)
    return target


def approved(house: House, name: OperationName, **changes: object) -> tuple[str, OperationRequest]:
    target = locked(house, name)
    return target, house.approved(name, target, account_id=MEMBER, **changes)


def refused(house: House, name: OperationName, target: str, account_id: str = MEMBER) -> ServiceError:
    with pytest.raises(ServiceError) as found:
        house.file(name, target, account_id=account_id)
    return found.value


def result_of(house: House, on: OperationRequest) -> tuple[str, str]:
    result = house.now(on).result
    assert result is not None
    return result.code, result.detail


@operations
def test_the_policy_is_in_the_digest_and_stays_in_the_log_when_it_is_deleted(house: House, name: OperationName) -> None:
    target, request = approved(house, name)
    filed = json.loads(house.events(request)[0])["data"]
    policy_sha256 = hashlib.sha256(LOCKING.encode()).hexdigest()
    assert filed["filing"]["observed"]["resource"] == {
        "region": "eu-central-1",
        "policy": LOCKING,
        "policy_sha256": policy_sha256,
    }
    assert house.now(request).filing.digest == filed["digest"]
    done, key = house.execute(request)
    assert (done.status, key, policy_of(house, name, target)) == ("succeeded", None, None)


@operations
def test_the_policy_is_deleted_with_one_call_in_the_region_of_the_resource(
    sqlite_house: House, name: OperationName
) -> None:
    house = sqlite_house
    house.execute(approved(house, name)[1])
    [call] = [call for call in house.aws.calls if call.action == CALL[name]]
    assert (call.region, call.account_id) == ("eu-central-1", MEMBER)


@operations
def test_a_policy_is_read_and_deleted_by_its_own_task_policy_alone(sqlite_house: House, name: OperationName) -> None:
    house = sqlite_house
    request = approved(house, name)[1]
    assert tasks(house) == ["IAMAuditRootUserCredentials", TASK[name]]
    house.execute(request)
    assert tasks(house)[2:] == ["IAMAuditRootUserCredentials", TASK[name]]


@operations
@pytest.mark.parametrize("now", [OTHER, f"{LOCKING} ", None])
def test_another_policy_than_the_approved_one_is_left_alone(
    sqlite_house: House, name: OperationName, now: str | None
) -> None:
    house = sqlite_house
    target, request = approved(house, name)
    set_policy(house, name, target, now)
    with pytest.raises(ServiceError):
        house.execute(request)
    assert result_of(house, request)[0] == "account_changed"
    assert (policy_of(house, name, target), house.aws.count(CALL[name])) == (now, 0)


def test_a_bucket_of_the_same_name_in_another_region_is_left_alone(sqlite_house: House) -> None:
    """Approvers read the region. A bucket can be deleted, and made anew elsewhere with the same policy."""
    house = sqlite_house
    target, request = approved(house, UNLOCK_BUCKET)
    house.aws.add_bucket(MEMBER, target, LOCKING, region="eu-west-1")
    with pytest.raises(ServiceError) as refusal:
        house.execute(request)
    assert "from eu-central-1 to eu-west-1" in refusal.value.detail
    assert result_of(house, request)[0] == "account_changed"
    assert (policy_of(house, UNLOCK_BUCKET, target), house.aws.count("DeleteBucketPolicy")) == (LOCKING, 0)


@operations
def test_a_resource_without_a_policy_is_refused_at_filing(sqlite_house: House, name: OperationName) -> None:
    assert refused(sqlite_house, name, locked(sqlite_house, name, None)).code is Code.NO_POLICY


@pytest.mark.parametrize(
    ("name", "target", "code"),
    [
        (UNLOCK_BUCKET, "nowhere", Code.NO_SUCH_BUCKET),
        (UNLOCK_BUCKET, "lock", Code.NO_SUCH_BUCKET),  # the beginning of another's name
        (UNLOCK_QUEUE, f"arn:aws:sqs:eu-central-1:{MEMBER}:nowhere", Code.NO_SUCH_QUEUE),
        (UNLOCK_QUEUE, f"arn:aws:sqs:us-east-1:{MEMBER}:locked", Code.NO_SUCH_QUEUE),
        (UNLOCK_QUEUE, f"arn:aws:sqs:eu-central-1:{OTHER_ACCOUNT}:locked", Code.QUEUE_ELSEWHERE),
        (UNLOCK_QUEUE, f"arn:aws-cn:sqs:cn-north-1:{MEMBER}:locked", Code.QUEUE_ELSEWHERE),
        (UNLOCK_QUEUE, f"arn:aws:sqs:cn-north-1:{MEMBER}:locked", Code.ACCOUNT_UNREACHABLE),
        (UNLOCK_QUEUE, f"arn:aws:sqs:nowhere-at-all-1:{MEMBER}:locked", Code.ACCOUNT_UNREACHABLE),
        (UNLOCK_QUEUE, "locked", Code.QUEUE_ELSEWHERE),
    ],
)
def test_a_resource_that_the_account_does_not_have_is_refused_at_filing(
    sqlite_house: House, name: OperationName, target: str, code: Code
) -> None:
    locked(sqlite_house, name)
    assert refused(sqlite_house, name, target).code is code


def test_a_bucket_of_another_account_is_none_of_this_one(sqlite_house: House) -> None:
    sqlite_house.aws.add_bucket(OTHER_ACCOUNT, "theirs", LOCKING)
    assert refused(sqlite_house, UNLOCK_BUCKET, "theirs").code is Code.NO_SUCH_BUCKET


def test_a_bucket_is_found_however_many_there_are(sqlite_house: House) -> None:
    for number in range(5):
        sqlite_house.aws.add_bucket(MEMBER, f"locked{number}")
    locked(sqlite_house, UNLOCK_BUCKET)
    sqlite_house.aws.page_size = 1
    sqlite_house.file(UNLOCK_BUCKET, "locked", account_id=MEMBER)


@operations
def test_an_organization_that_has_not_opted_in_is_refused_before_aws_is_asked(
    sqlite_house: House, name: OperationName
) -> None:
    house = sqlite_house
    target = locked(house, name)
    closed = {MEMBER: replace(ACCOUNTS[MEMBER], unlocks=False)}
    house.change(accounts=KnownAccounts(closed, {"main": Organization("main", manager_of(house.aws))}))
    refusal = refused(house, name, target)
    assert (refusal.code, house.aws.calls) == (Code.NOT_CAPABLE, [])
    assert "unlock_resources" in refusal.detail


@operations
def test_opting_out_stops_what_is_approved(sqlite_house: House, name: OperationName) -> None:
    house = sqlite_house
    target, request = approved(house, name)
    house.change(accounts=KnownAccounts({MEMBER: replace(ACCOUNTS[MEMBER], unlocks=False)}))
    with pytest.raises(ServiceError) as found:
        house.execute(request)
    assert (found.value.code, policy_of(house, name, target)) == (Code.NOT_CAPABLE, LOCKING)


@operations
def test_an_account_without_assume_root_is_refused(sqlite_house: House, name: OperationName) -> None:
    target = locked(sqlite_house, name).replace(MEMBER, ACCOUNT)
    refusal = refused(sqlite_house, name, target, ACCOUNT)
    assert (refusal.code, sqlite_house.aws.calls) == (Code.NOT_CAPABLE, [])
    assert "through AssumeRoot only" in refusal.detail


@operations
def test_a_feature_that_is_off_is_told_at_filing(sqlite_house: House, name: OperationName) -> None:
    target = locked(sqlite_house, name)
    sqlite_house.aws.set_organization_features(["RootCredentialsManagement"])
    assert refused(sqlite_house, name, target).code is Code.ACCOUNT_UNREACHABLE


def in_doubt(house: House, name: OperationName, fault: object) -> tuple[str, OperationRequest]:
    target, request = approved(house, name)
    house.aws.fault(CALL[name], fault)  # type: ignore[arg-type]  # one of its faults
    assert house.execute(request)[0].status == "in_doubt"
    return target, request


def reconciled(house: House, request: OperationRequest) -> tuple[str, str]:
    house.clock.advance(timedelta(minutes=6))
    run_pass(house.ctx)
    return house.now(request).status, result_of(house, request)[0]


@operations
@pytest.mark.parametrize("fault", [ConnectionLostAfter(), ServerErrorAfter()])
def test_a_lost_answer_is_settled_by_reading_the_policy(
    sqlite_house: House, name: OperationName, fault: object
) -> None:
    _, request = in_doubt(sqlite_house, name, fault)
    assert reconciled(sqlite_house, request) == ("succeeded", "done")
    assert sqlite_house.aws.count(CALL[name]) == 1


@pytest.mark.engines_by_turns
@operations
@pytest.mark.parametrize("done", [False, True])
def test_a_deletion_whose_record_failed_is_found_out(house: House, name: OperationName, *, done: bool) -> None:
    target, request = approved(house, name)
    with commits_failing(house, after=CALL[name], done=done), pytest.raises(ServiceError) as refusal:
        house.execute(request)
    assert refusal.value.code is Code.NOT_RECORDED
    house.clock.advance(house.ctx.roots.call_budget)
    run_pass(house.ctx)
    assert reconciled(house, request) == ("succeeded", "done")
    assert policy_of(house, name, target) is None


@operations
def test_a_lost_call_is_not_made_again(sqlite_house: House, name: OperationName) -> None:
    target, request = in_doubt(sqlite_house, name, ConnectionLostBefore())
    assert reconciled(sqlite_house, request) == ("failed", "not_done")
    assert (policy_of(sqlite_house, name, target), sqlite_house.aws.count(CALL[name])) == (LOCKING, 1)


@operations
def test_another_policy_after_a_lost_answer_is_for_people_to_look_at(sqlite_house: House, name: OperationName) -> None:
    target, request = in_doubt(sqlite_house, name, ConnectionLostAfter())
    set_policy(sqlite_house, name, target, OTHER)
    assert reconciled(sqlite_house, request) == ("failed", "unresolved")
    assert "execution.unresolved" in {json.loads(event)["event"] for event in sqlite_house.events(request)}
    assert policy_of(sqlite_house, name, target) == OTHER


@operations
@pytest.mark.parametrize(("code", "status", "is_certain"), [("AccessDenied", 403, True), ("NobodyKnows", 400, False)])
def test_only_a_refusal_by_a_known_name_is_certain(
    sqlite_house: House, name: OperationName, code: str, status: int, *, is_certain: bool
) -> None:
    house = sqlite_house
    _, request = approved(house, name)
    house.aws.fault(CALL[name], Refuse(code, status))
    if is_certain:
        with pytest.raises(ServiceError):
            house.execute(request)
        assert result_of(house, request)[0] == f"aws_{code}"
    else:
        assert house.execute(request)[0].status == "in_doubt"


@operations
@pytest.mark.parametrize("policy", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_policy_is_kept_as_it_is_and_breaks_nothing(
    sqlite_house: House, name: OperationName, policy: str
) -> None:
    house = sqlite_house
    target = locked(house, name, policy)
    body = {"operation": name, "account_id": MEMBER, "justification": "The policy locks us all out."}
    filed = house.client("alice").post(
        "/v1/requests", json=body | {"bucket" if name is UNLOCK_BUCKET else "queue_arn": target}
    )
    assert filed.status_code == 201, filed.text
    read = house.client("bob").get(f"/v1/requests/{filed.json()['id']}").json()
    assert read["observed"]["resource"]["policy"] == policy
    request = show(house.ctx, house.actor("alice"), filed.json()["id"]).request
    assert request.is_intact
    done, _ = house.execute(house.approve(request))
    assert (done.status, policy_of(house, name, target)) == ("succeeded", None)


def test_a_policy_of_half_a_character_is_not_believed(sqlite_house: House) -> None:
    assert refused(sqlite_house, UNLOCK_QUEUE, locked(sqlite_house, UNLOCK_QUEUE, "\ud800")).code is (
        Code.ACCOUNT_UNREACHABLE
    )


@operations
def test_destinations_are_told_the_name_of_the_resource_and_nothing_of_its_policy(
    sqlite_house: House, name: OperationName
) -> None:
    house, post = sqlite_house, Post()
    house.change(destinations={"chat": post})
    target, request = approved(house, name)
    house.execute(request)
    for _ in range(3):
        run_pass(house.ctx)
    told = json.dumps([dict(notice.document) for notice in post.sent])
    assert {notice.event for notice in post.sent} >= {"request.filed", "execution.succeeded"}
    assert target in told
    assert "Deny" not in told
    assert hashlib.sha256(LOCKING.encode()).hexdigest() not in told
