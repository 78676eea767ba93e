"""Buckets and queues at the simulated AWS: AWS's own task policies decide what a root session may do with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws.asking import ACCOUNT, AUDIT, DELETE, OTHER, S3, SQS, client, refusal, root_session

from service.simulated_aws import Credential, SimulatedAws

POLICY = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}}'

Session = Callable[..., Any]


@pytest.fixture
def session(aws: SimulatedAws, manager: Any) -> Session:
    """Return a client of a root session in an account, by task policy, service and region."""

    def made(task_policy: str, service: str, region: str = "us-east-1", account_id: str = ACCOUNT) -> Any:
        given = manager.assume_root(TargetPrincipal=account_id, TaskPolicyArn={"arn": task_policy})["Credentials"]
        credential = Credential(given["AccessKeyId"], given["SecretAccessKey"])
        return client(aws, service, credential, given["SessionToken"], region_name=region)

    return made


def test_the_task_policy_for_s3_reaches_the_policies_of_buckets_and_nothing_else(
    aws: SimulatedAws, session: Session
) -> None:
    aws.add_bucket(ACCOUNT, "logs", POLICY)
    s3 = session(S3, "s3")
    assert s3.get_bucket_policy(Bucket="logs")["Policy"] == POLICY
    assert refusal(lambda: s3.get_bucket_location(Bucket="logs")) == ("AccessDenied", 403)
    assert refusal(lambda: s3.list_objects_v2(Bucket="logs")) == ("AccessDenied", 403)
    assert refusal(session(S3, "iam").list_access_keys) == ("AccessDenied", 403)
    assert s3.delete_bucket_policy(Bucket="logs")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.bucket_policy("logs") is None
    assert refusal(lambda: s3.get_bucket_policy(Bucket="logs")) == ("NoSuchBucketPolicy", 404)
    s3.put_bucket_policy(Bucket="logs", Policy=POLICY)
    assert aws.bucket_policy("logs") == POLICY


def test_a_list_of_buckets_names_their_regions_and_has_pages(aws: SimulatedAws, session: Session) -> None:
    for name, region in (("logs", "eu-central-1"), ("logs-old", "us-east-1"), ("other", "us-east-1")):
        aws.add_bucket(ACCOUNT, name, region=region)
    aws.add_bucket(OTHER, "logs-of-others")
    s3 = session(S3, "s3")
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["logs", "logs-old", "other"]
    aws.page_size = 1
    pages = s3.get_paginator("list_buckets").paginate(Prefix="logs")
    found = [(each["Name"], each["BucketRegion"]) for page in pages for each in page["Buckets"]]
    assert found == [("logs", "eu-central-1"), ("logs-old", "us-east-1")]


def test_nobody_reaches_a_bucket_of_another_account(aws: SimulatedAws, session: Session) -> None:
    aws.add_bucket(OTHER, "theirs", POLICY)
    s3 = session(S3, "s3")
    assert refusal(lambda: s3.get_bucket_policy(Bucket="theirs")) == ("AccessDenied", 403)
    assert refusal(lambda: s3.delete_bucket_policy(Bucket="theirs")) == ("AccessDenied", 403)
    assert refusal(lambda: s3.delete_bucket_policy(Bucket="none")) == ("NoSuchBucket", 404)
    assert aws.bucket_policy("theirs") == POLICY


def test_a_call_that_expects_another_owner_is_refused(aws: SimulatedAws, session: Session) -> None:
    aws.add_bucket(ACCOUNT, "logs", POLICY)
    s3 = session(S3, "s3")
    refused = refusal(lambda: s3.delete_bucket_policy(Bucket="logs", ExpectedBucketOwner=OTHER))
    assert (refused, aws.bucket_policy("logs")) == (("AccessDenied", 403), POLICY)


def test_the_task_policy_for_sqs_reaches_the_policies_of_queues_and_nothing_else(
    aws: SimulatedAws, session: Session
) -> None:
    arn = aws.add_queue(ACCOUNT, "orders.fifo", POLICY, region="eu-central-1")
    sqs = session(SQS, "sqs", "eu-central-1")
    url = sqs.get_queue_url(QueueName="orders.fifo")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "QueueArn"])["Attributes"]
    assert found == {"Policy": POLICY, "QueueArn": arn}
    assert refusal(lambda: sqs.receive_message(QueueUrl=url)) == ("AccessDenied", 400)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert aws.queue_policy(arn) is None
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes") == {}


def test_a_queue_of_another_account_or_region_is_not_reached(aws: SimulatedAws, session: Session) -> None:
    aws.add_queue(OTHER, "theirs", POLICY)
    aws.add_queue(ACCOUNT, "far", POLICY, region="eu-central-1")
    sqs = session(SQS, "sqs")
    assert refusal(lambda: sqs.get_queue_url(QueueName="far"))[0] == "AWS.SimpleQueueService.NonExistentQueue"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="far")
    theirs = f"https://sqs.us-east-1.amazonaws.com/{OTHER}/theirs"
    wanted = {"QueueUrl": theirs, "AttributeNames": ["Policy"]}
    assert refusal(lambda: sqs.get_queue_attributes(**wanted)) == ("AccessDenied", 400)


@pytest.mark.parametrize("task_policy", [AUDIT, DELETE])
def test_a_session_for_credentials_reaches_no_policy_of_a_resource(
    aws: SimulatedAws, session: Session, task_policy: str
) -> None:
    aws.add_bucket(ACCOUNT, "logs", POLICY)
    aws.add_queue(ACCOUNT, "orders", POLICY)
    assert refusal(session(task_policy, "s3").list_buckets) == ("AccessDenied", 403)
    assert refusal(lambda: session(task_policy, "s3").delete_bucket_policy(Bucket="logs")) == ("AccessDenied", 403)
    assert refusal(lambda: session(task_policy, "sqs").get_queue_url(QueueName="orders"))[0] == "AccessDenied"


def test_the_user_who_assumes_root_reaches_no_bucket(aws: SimulatedAws) -> None:
    assert refusal(client(aws, "s3", aws.management_credential()).list_buckets) == ("AccessDenied", 403)


def test_unlocking_needs_its_own_feature_of_central_root_access(aws: SimulatedAws, manager: Any) -> None:
    aws.set_organization_features(["RootCredentialsManagement"])
    assert refusal(lambda: root_session(aws, manager, S3)) == ("AccessDenied", 403)
    root_session(aws, manager, AUDIT)
