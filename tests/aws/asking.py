"""What the tests of the simulated AWS ask it with: real boto3 clients, and sessions of AssumeRoot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from service.simulated_aws import Credential, SimulatedAws

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
