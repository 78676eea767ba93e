"""Objects in S3 that nobody can change or delete for a time, not even the account's root: Object Lock.

The lock is on a version. Somebody who may put or delete without a condition can put another version or a delete marker
over it. A plain read then finds that one. The bucket's policy must refuse this: docs/log-keys.md has such a policy.

It needs `s3:PutObject`, `s3:PutObjectRetention`, `s3:GetObject`, `s3:GetObjectVersion` and `s3:GetObjectRetention`.
Without the last, S3 does not say whether an object is locked. `s3:GetObjectVersion` is for reading a named version (API
reference of HeadObject).
"""

import re
from base64 import b64encode
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from service.aws.answers import text
from service.aws.errors import asked
from service.aws.signer import Signer
from service.aws.sources import Source
from service.domain.errors import Code, Unavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

_MODE: Final = "COMPLIANCE"  # the mode that no permission overrides
_EXISTS = 412
_VERSION = re.compile(r"[!-~]{1,1024}", re.ASCII)


class Taken(Unavailable):
    """Another object has that name, and stays."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked object: S3's id of its version, and whether this call made it."""

    version: str
    is_new: bool


class LockedBucket:
    """An S3 bucket with Object Lock; `region` is the bucket's.

    A put takes at most twice `calls.LONGEST_CALL`, a read half of that, plus the source's time for its credential.
    """

    def __init__(self, bucket: str, source: Source, region: str) -> None:
        self._bucket = bucket
        self._source = source
        self._region = region

    def put(self, key: str, content: bytes, retain_until: datetime) -> Locked:
        """Write the object once, and check that it exists and is locked.

        It never overwrites an object. The same content with a lock as long is a success, so a put whose answer was
        lost can be repeated with the same `retain_until`. Fractions of a second in `retain_until` are dropped. Raise
        Taken if another object has the name, Unavailable.
        """
        until = retain_until.replace(microsecond=0)
        checksum = b64encode(sha256(content).digest()).decode()
        with (
            self._asked("It is not certain that the object is locked away.", "PutObject, HeadObject"),
            closing(Signer.of(self._source, self._region).s3()) as s3,
        ):
            made = self._write(s3, key, content, checksum, until)
            # Check the version that we made. Only if we made none, check the newest: a newer one is not ours.
            found = (
                s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
                if made is None
                else s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED", VersionId=made)
            )
        _check(found, checksum, until)
        return Locked(found["VersionId"], made is not None)

    def kept(self, key: str, largest: int, retain_until: datetime) -> tuple[bytes, str]:
        """Return the content and the version of the object that made a put fail with Taken.

        Raise Unavailable if it is not locked as a put would have locked it, has more than `largest` bytes, or does not
        exist.
        """
        with (
            self._asked("The existing object cannot be relied on.", "GetObject"),
            closing(Signer.of(self._source, self._region).s3()) as s3,
        ):
            found = s3.get_object(Bucket=self._bucket, Key=key)
            _check_lock(found, retain_until.replace(microsecond=0))
            with closing(found["Body"]) as body:
                content = body.read(largest + 1)
            if len(content) > largest:
                raise _refusal("It is too long.")
            return content, found["VersionId"]

    def _asked(self, what: str, call: str) -> AbstractContextManager[None]:
        return asked(what, call, about=f"S3 by {self._source.name}", code=Code.UNAVAILABLE)

    def _write(self, s3: "S3Client", key: str, content: bytes, checksum: str, until: datetime) -> str | None:
        """Return the version that was made; None if the object exists already."""
        try:
            answer: Any = s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                IfNoneMatch="*",
                # With a lock, the algorithm must be named beside the checksum (API reference of PutObject).
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                ObjectLockMode=_MODE,
                ObjectLockRetainUntilDate=until,
            )
            return text(answer, "VersionId", _VERSION)
        except ClientError as error:
            # It exists already, from an earlier try of ours or from somebody else. The caller checks it.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != _EXISTS:
                raise
            return None


def _check(found: "HeadObjectOutputTypeDef", checksum: str, until: datetime) -> None:
    """Check the content and the lock. An object without our kind of checksum is not ours. Raise Taken, Unavailable."""
    if found.get("ChecksumSHA256") != checksum:
        raise Taken(Code.UNAVAILABLE, "Another object is there by its name.")
    _check_lock(found, until)


def _check_lock(found: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef", until: datetime) -> None:
    """Raise Unavailable unless it is locked for long enough."""
    locked_until = found.get("ObjectLockRetainUntilDate")
    if locked_until is None or "VersionId" not in found:
        raise _refusal("It is not locked: the bucket has no Object Lock, or s3:GetObjectRetention is not allowed.")
    if found.get("ObjectLockMode") != _MODE or locked_until < until:
        raise _refusal("It is locked, but not in compliance mode for as long as it should be.")


def _refusal(sentence: str) -> Unavailable:
    return Unavailable(Code.UNAVAILABLE, sentence)
