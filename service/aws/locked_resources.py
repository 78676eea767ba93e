"""The policy of one bucket or queue, through a root session whose task policy allows nothing else.

`S3UnlockBucketPolicy` allows `s3:ListAllMyBuckets`, `s3:GetBucketPolicy`, `s3:PutBucketPolicy` and
`s3:DeleteBucketPolicy`; `SQSUnlockQueuePolicy` allows `sqs:ListQueues`, `sqs:GetQueueUrl`, `sqs:GetQueueAttributes` and
`sqs:SetQueueAttributes` (AWS's documents of both). So a bucket's region comes from the list of buckets: no such session
may ask for the location of a bucket.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any, Protocol

from botocore.exceptions import ClientError, UnknownRegionError

from service.aws.answers import ARN, NotOfAws, members, text
from service.aws.calls import ONCE, REPEATABLE
from service.aws.errors import S3_REQUEST_ID, asked, code_of, request_id
from service.aws.signer import REGION, UNREAD, Signer
from service.domain.account import Account, ResourcePolicy
from service.domain.operation import Operation, OperationName

# Longer than AWS's limits: 20 KB for a bucket's policy, less for a queue's. Half a surrogate pair is no character.
_POLICY = re.compile(r"[^\ud800-\udfff]{1,32768}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,1024}", re.ASCII)
_MOST_PAGES = 1000
_NOT_FOUND = 404


class LockedResource(Protocol):
    """A bucket or queue whose policy can be read and deleted."""

    def read(self) -> ResourcePolicy | None:
        """Return what AWS has now. Return None if the account has no such bucket or queue. Raise Unavailable."""

    def unlock(self, found: ResourcePolicy) -> str:
        """Delete the policy that was read, with one call in its region. Return AWS's id of the call.

        Raise whatever botocore raises, and NotOfAws.
        """

    def close(self) -> None:
        """Close the connections."""


def locked_resource(signer: Signer, operation: Operation, account: Account, about: str) -> LockedResource:
    """Return the bucket or queue that the operation names."""
    of = _Bucket if operation.name is OperationName.UNLOCK_S3_BUCKET_POLICY else _Queue
    return of(signer, str(operation.target), account, about)


class _Resource:
    def __init__(self, signer: Signer, target: str, account: Account, about: str) -> None:
        self._signer = signer
        self._target = target
        self._account = account
        self._about = about
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    def _asked(self, call: str) -> AbstractContextManager[None]:
        return asked(UNREAD, call, about=self._about, is_root=True)

    def _client(self, service: str, region: str, *, once: bool = False) -> Any:
        made = self._signer.resource_client(service, region, ONCE if once else REPEATABLE)
        return self._open.enter_context(closing(made))

    def _check_region(self, region: str) -> None:
        """Raise NotOfAws for a region outside the account's partition."""
        try:
            partition = self._signer.session.get_partition_for_region(region)
        except UnknownRegionError:
            partition = None
        if partition != self._account.partition.value:
            raise NotOfAws("Region")


class _Bucket(_Resource):
    def read(self) -> ResourcePolicy | None:
        with self._asked("ListBuckets"):
            region = self._region()
        if region is None:
            return None
        s3 = self._client("s3", region)
        with self._asked("GetBucketPolicy"):
            try:
                answer = s3.get_bucket_policy(Bucket=self._target, ExpectedBucketOwner=self._account.account_id)
            except ClientError as error:
                if not _is_absent(error, "NoSuchBucketPolicy"):
                    raise
                return ResourcePolicy(region, None)
            _check_id(answer, S3_REQUEST_ID)
            return ResourcePolicy(region, text(answer, "Policy", _POLICY))

    def unlock(self, found: ResourcePolicy) -> str:
        s3 = self._client("s3", found.region, once=True)
        answer = s3.delete_bucket_policy(Bucket=self._target, ExpectedBucketOwner=self._account.account_id)
        return _check_id(answer, S3_REQUEST_ID)

    def _region(self) -> str | None:
        """Return the region of the bucket. Return None if the account has none of this name."""
        listing = self._client("s3", REGION[self._account.partition])
        for each in _every_bucket(listing.list_buckets, self._target):
            if each.get("Name") == self._target:
                region = text(each, "BucketRegion", _REGION)
                self._check_region(region)
                return region
        return None


class _Queue(_Resource):
    _url = ""

    def read(self) -> ResourcePolicy | None:
        region, account_id, name = self._target.split(":")[3:]
        with self._asked("GetQueueUrl"):
            self._check_region(region)
            sqs = self._client("sqs", region)
            try:
                answer = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account_id)
            except ClientError as error:
                if not _is_absent(error, "QueueDoesNotExist"):
                    raise
                return None
            _check_id(answer)
            form = re.compile(rf"https?://[!-~]{{1,512}}/{account_id}/{re.escape(name)}", re.ASCII)
            self._url = text(answer, "QueueUrl", form)
        with self._asked("GetQueueAttributes"):
            answer = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["Policy", "QueueArn"])
            _check_id(answer)
            attributes = answer.get("Attributes")
            # Only with its ARN is this the answer about our queue, from which a policy may be missing.
            if not isinstance(attributes, Mapping) or text(attributes, "QueueArn", ARN) != self._target:
                raise NotOfAws("QueueArn")
            policy = text(attributes, "Policy", _POLICY) if attributes.get("Policy") else None
            return ResourcePolicy(region, policy)

    def unlock(self, found: ResourcePolicy) -> str:
        sqs = self._client("sqs", found.region, once=True)
        # An empty policy removes the policy.
        return _check_id(sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": ""}))


def _every_bucket(list_buckets: Callable[..., Any], prefix: str) -> list[Mapping[str, Any]]:
    """Return the buckets from all pages. With a parameter, AWS names the region of each. Raise NotOfAws."""
    found: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        page = list_buckets(Prefix=prefix, **token)
        _check_id(page, S3_REQUEST_ID)
        # botocore leaves an empty list out, but an answer about buckets names their owner.
        if "Owner" not in page:
            raise NotOfAws("Owner")
        found += members(page, "Buckets") if "Buckets" in page else []
        if page.get("ContinuationToken") is None:
            return found
        following = {"ContinuationToken": text(page, "ContinuationToken", _TOKEN)}
        if following == token:
            break
        token = following
    raise NotOfAws("ContinuationToken")


def _check_id(answer: Mapping[str, Any], form: re.Pattern[str] | None = None) -> str:
    """Return AWS's id of the call, without which the answer may be a foreign page. Raise NotOfAws."""
    found = request_id(answer) if form is None else request_id(answer, form)
    if found is None:
        raise NotOfAws("RequestId")
    return found


def _is_absent(error: ClientError, code: str) -> bool:
    """Return whether AWS says by `code` that something does not exist."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return code_of(error) == code and status in {400, _NOT_FOUND}
