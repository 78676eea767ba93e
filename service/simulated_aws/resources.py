"""Buckets and queues with their policies, and what S3 and SQS answer about those.

They hold no objects and no messages: the root task policies reach the policies alone. Sources are the API references of
S3 and SQS.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from service.simulated_aws.answers import AwsError, json_answer, s3_answer
from service.simulated_aws.keys import Signer
from service.simulated_aws.partition import Partition
from service.simulated_aws.wire import Incoming

_LARGEST_PAGE = 1000  # botocore's model of MaxBuckets
_QUEUE_URL = re.compile(r"https?://[^/]+/(?P<account>\d{12})/(?P<name>[\w.-]+)", re.ASCII)
_NO_SUCH_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


@dataclass
class Bucket:
    name: str
    account_id: str
    region: str
    policy: str | None
    created_at: datetime


@dataclass
class Queue:
    arn: str
    policy: str | None

    @property
    def account_id(self) -> str:
        return self.arn.split(":")[4]


class Resources:
    """All buckets by name, and all queues by ARN. The caller holds the lock of the simulated AWS."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self.buckets: dict[str, Bucket] = {}
        self.queues: dict[str, Queue] = {}

    def add_bucket(self, account_id: str, name: str, region: str, policy: str | None) -> None:
        self.buckets[name] = Bucket(name, account_id, region, policy, datetime.now(UTC))

    def add_queue(self, account_id: str, name: str, region: str, policy: str | None) -> str:
        """Add a queue and return its ARN."""
        arn = f"arn:{self._partition.name}:sqs:{region}:{account_id}:{name}"
        self.queues[arn] = Queue(arn, policy)
        return arn

    def named(self, incoming: Incoming, signer: Signer) -> tuple[str, str | None]:
        """Return the ARN of the bucket or queue that a call names, and its owner if it exists; `*` for a list."""
        if incoming.service == "s3":
            name = incoming.parameters.get("Bucket")
            if name is None:
                return "*", None
            found = self.buckets.get(name)
            return f"arn:{self._partition.name}:s3:::{name}", found.account_id if found else None
        arn = self._queue_arn(incoming, signer)
        queue = self.queues.get(arn)
        return arn, queue.account_id if queue else None

    def perform_s3(self, incoming: Incoming, signer: Signer, largest: int | None) -> Response:
        """Perform a call of S3 as a signer who may do it. Raise AwsError."""
        if incoming.action == "ListBuckets":
            return s3_answer(self._list(incoming, signer, largest))
        bucket = self._bucket(incoming, signer)
        match incoming.action:
            case "GetBucketPolicy":
                if bucket.policy is None:
                    raise AwsError("NoSuchBucketPolicy", "The bucket policy does not exist", HTTPStatus.NOT_FOUND)
                return s3_answer(bucket.policy, content_type="application/json")
            case "PutBucketPolicy":
                bucket.policy = incoming.body.decode()
            case "DeleteBucketPolicy":  # AWS does not mind where there is none
                bucket.policy = None
            case _:
                raise AwsError("MethodNotAllowed", "The simulated S3 has policies only.", HTTPStatus.METHOD_NOT_ALLOWED)
        return s3_answer("", status=HTTPStatus.NO_CONTENT)

    def perform_sqs(self, incoming: Incoming, signer: Signer) -> Response:
        """Perform a call of SQS as a signer who may do it. Raise AwsError."""
        queue = self.queues.get(self._queue_arn(incoming, signer))
        if queue is None or queue.account_id != signer.account_id:
            message = "The specified queue does not exist."
            raise AwsError("QueueDoesNotExist", message, HTTPStatus.BAD_REQUEST, query_code=_NO_SUCH_QUEUE)
        match incoming.action:
            case "GetQueueUrl":
                region, account_id, name = queue.arn.split(":")[3:]
                return _sqs({"QueueUrl": f"https://sqs.{region}.amazonaws.com/{account_id}/{name}"})
            case "GetQueueAttributes":
                found = {"QueueArn": queue.arn} | ({} if queue.policy is None else {"Policy": queue.policy})
                wanted = json.loads(incoming.parameters.get("AttributeNames", "[]"))
                return _sqs({"Attributes": {name: value for name, value in found.items() if {name, "All"} & {*wanted}}})
            case "SetQueueAttributes":
                policy = json.loads(incoming.parameters.get("Attributes", "{}")).get("Policy")
                queue.policy = queue.policy if policy is None else policy or None
                return _sqs({})
        raise AwsError("InvalidAction", "The simulated SQS has policies only.", HTTPStatus.BAD_REQUEST)

    def _bucket(self, incoming: Incoming, signer: Signer) -> Bucket:
        bucket = self.buckets.get(incoming.parameters["Bucket"])
        if bucket is None:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", HTTPStatus.NOT_FOUND)
        expected = incoming.request.headers.get("x-amz-expected-bucket-owner", bucket.account_id)
        if signer.account_id != bucket.account_id or expected != bucket.account_id:
            raise AwsError("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN)
        if incoming.region != bucket.region:
            message = "The bucket you are attempting to access must be addressed using the specified endpoint."
            raise AwsError("PermanentRedirect", message, HTTPStatus.MOVED_PERMANENTLY)
        return bucket

    def _list(self, incoming: Incoming, signer: Signer, largest: int | None) -> str:
        """Write one page. The region of each bucket is in it if the call has any parameter (API reference)."""
        given = incoming.request.args
        size = given.get("max-buckets", str(_LARGEST_PAGE))
        start = given.get("continuation-token", "0")
        if not size.isdecimal() or not 0 < int(size) <= _LARGEST_PAGE or not start.isdecimal():
            raise AwsError("InvalidArgument", "Invalid Argument", HTTPStatus.BAD_REQUEST)
        prefix = given.get("prefix", "")
        found = [
            bucket
            for name, bucket in sorted(self.buckets.items())
            if bucket.account_id == signer.account_id and name.startswith(prefix)
        ]
        end = int(start) + min(int(size), largest or _LARGEST_PAGE)
        has_parameter = bool(given.keys() - {"x-id"})
        listed = "".join(_listed(bucket, with_region=has_parameter) for bucket in found[int(start) : end])
        token = f"<ContinuationToken>{end}</ContinuationToken>" if end < len(found) else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Owner><ID>{signer.account_id:0>64}</ID></Owner><Buckets>{listed}</Buckets>{token}"
            f"<Prefix>{escape(prefix)}</Prefix></ListAllMyBucketsResult>"
        )

    def _queue_arn(self, incoming: Incoming, signer: Signer) -> str:
        owner, name = signer.account_id, incoming.parameters.get("QueueName", "")
        if incoming.action == "GetQueueUrl":
            owner = incoming.parameters.get("QueueOwnerAWSAccountId", owner)
        elif match := _QUEUE_URL.fullmatch(incoming.parameters.get("QueueUrl", "")):
            owner, name = match["account"], match["name"]
        return f"arn:{self._partition.name}:sqs:{incoming.region}:{owner}:{name}"


def _listed(bucket: Bucket, *, with_region: bool) -> str:
    region = f"<BucketRegion>{bucket.region}</BucketRegion>" if with_region else ""
    created_at = bucket.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = escape(bucket.name)
    return f"<Bucket><Name>{name}</Name>{region}<CreationDate>{created_at}</CreationDate></Bucket>"


def _sqs(result: dict[str, Any]) -> Response:
    return json_answer(result, version="1.0")
