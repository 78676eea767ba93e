"""Objects in S3 that nobody can change or delete for a time, not even the account's root: Object Lock.

What is locked is a version: whoever may put or delete without a condition can put another one, or a mark of deletion,
over it, which is then what a plain read finds. The bucket's policy has to refuse that: docs/operations.md has one.

This needs `s3:PutObject`, `s3:PutObjectRetention`, `s3:GetObject`, `s3:GetObjectVersion` and `s3:GetObjectRetention`;
without the last one S3 does not say whether an object is locked, and the one before it is for a version that is named
(API reference of HeadObject).
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

_MODE: Final = "COMPLIANCE"  # the one that no permission overrides
_EXISTS = 412
_VERSION = re.compile(r"[!-~]{1,1024}", re.ASCII)


class Taken(Unavailable):
    """Something else is there by that name, and stays."""


@dataclass(frozen=True, slots=True)
class Locked:
    """An object under lock: S3's id of the version that is, and whether this call made it."""

    version: str
    is_new: bool


class LockedBucket:
    """A bucket of S3 that was made with Object Lock; `region` is the bucket's.

    A put takes at most twice `calls.LONGEST_CALL`, a read half of that, and what the source takes for its credential.
    """

    def __init__(self, bucket: str, source: Source, region: str) -> None:
        self._bucket = bucket
        self._source = source
        self._region = region

    def put(self, key: str, content: bytes, retain_until: datetime) -> Locked:
        """Write the object once, and see that it is there and locked.

        What is there by that name is never written over: the same content, locked for as long, is a success, so that a
        put whose answer was lost can be repeated with the same `retain_until`. Of that a fraction of a second is
        dropped. Raises Taken when another object has the name, Unavailable.
        """
        until = retain_until.replace(microsecond=0)
        checksum = b64encode(sha256(content).digest()).decode()
        with (
            self._asked("It is not certain that the object is locked away.", "PutObject, HeadObject"),
            closing(Signer.of(self._source, self._region).s3()) as s3,
        ):
            made = self._write(s3, key, content, checksum, until)
            # The newest is what we look at only where we made none: whatever was put over ours since is not ours.
            found = (
                s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
                if made is None
                else s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED", VersionId=made)
            )
        _check(found, checksum, until)
        return Locked(found["VersionId"], made is not None)

    def kept(self, key: str, largest: int, retain_until: datetime) -> tuple[bytes, str]:
        """What is there by that name, which a put found taken, and its version.

        Raises Unavailable when it is not locked as a put would have locked it, has more than `largest` bytes, or when
        there is nothing.
        """
        with (
            self._asked("What is there already cannot be relied on.", "GetObject"),
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
        """The version that was made; None when something is there already."""
        try:
            answer: Any = s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                IfNoneMatch="*",
                # A lock demands that the algorithm is named beside the checksum (API reference of PutObject).
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                ObjectLockMode=_MODE,
                ObjectLockRetainUntilDate=until,
            )
            return text(answer, "VersionId", _VERSION)
        except ClientError as error:
            # Something is there already: by a try of ours that was done, or by whomever. It is looked at.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != _EXISTS:
                raise
            return None


def _check(found: "HeadObjectOutputTypeDef", checksum: str, until: datetime) -> None:
    """Raises Taken, Unavailable. An object that was put without our kind of checksum is not ours."""
    if found.get("ChecksumSHA256") != checksum:
        raise Taken(Code.UNAVAILABLE, "Another object is there by its name.")
    _check_lock(found, until)


def _check_lock(found: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef", until: datetime) -> None:
    """Raises Unavailable."""
    locked_until = found.get("ObjectLockRetainUntilDate")
    if locked_until is None or "VersionId" not in found:
        raise _refusal("It is not locked: the bucket has no Object Lock, or s3:GetObjectRetention is not allowed.")
    if found.get("ObjectLockMode") != _MODE or locked_until < until:
        raise _refusal("It is locked, but not in compliance mode for as long as it should be.")


def _refusal(sentence: str) -> Unavailable:
    return Unavailable(Code.UNAVAILABLE, sentence)
