"""An object is locked away once, and what S3 says afterwards decides whether it is."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from botocore.exceptions import ClientError
from moto.core.request import Request
from support.products.storage import REGION, Storage, running_storage
from werkzeug.wrappers import Response

from service.aws.locked_objects import Locked, LockedBucket, Taken
from service.aws.sources import FixedSource
from service.domain.errors import Unavailable

KEY, CONTENT = "checkpoints/00000000000000004711", b"rootquorum.example/log\n4711\n"
UNTIL = datetime.now(UTC) + timedelta(days=365)

pytestmark = pytest.mark.usefixtures("no_back_off")


@pytest.fixture
def storage() -> Iterator[Storage]:
    with running_storage() as storage:
        yield storage


def refused(code: str, status: int) -> Callable[[Request], Response]:
    headers = {"x-amz-request-id": "0A49CE4060975EAC"}
    return lambda _: Response(f"<Error><Code>{code}</Code><Message>{KEY}</Message></Error>", status, headers)


def test_what_was_put_is_there_and_locked(storage: Storage) -> None:
    storage.bucket().put(KEY, CONTENT, UNTIL)
    found = storage.client().get_object(Bucket="anchors", Key=KEY, ChecksumMode="ENABLED")
    assert found["Body"].read() == CONTENT
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert found["ObjectLockRetainUntilDate"] == UNTIL.replace(microsecond=0)
    assert found["ChecksumSHA256"] == b64encode(sha256(CONTENT).digest()).decode()


def test_what_is_locked_cannot_be_deleted(storage: Storage) -> None:
    storage.bucket().put(KEY, CONTENT, UNTIL)
    s3 = storage.client()
    version = s3.head_object(Bucket="anchors", Key=KEY)["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="anchors", Key=KEY, VersionId=version, BypassGovernanceRetention=True)


def test_the_same_again_is_a_success_and_no_second_version(storage: Storage) -> None:
    first, second = (storage.bucket().put(KEY, CONTENT, UNTIL) for _ in range(2))
    assert storage.versions() == [(KEY, first.version)]
    assert (first.is_new, second) == (True, Locked(first.version, is_new=False))


@pytest.mark.parametrize("over_it", ["put", "delete"])
def test_what_is_put_over_it_later_leaves_it_the_oldest_version(storage: Storage, over_it: str) -> None:
    """A lock is on a version: only a policy of the bucket keeps others from being put over it."""
    put, s3 = storage.bucket().put(KEY, CONTENT, UNTIL), storage.client()
    if over_it == "put":
        s3.put_object(Bucket="anchors", Key=KEY, Body=b"another", ChecksumAlgorithm="SHA256")
    else:
        s3.delete_object(Bucket="anchors", Key=KEY)
    oldest, *_ = storage.versions()
    assert oldest == (KEY, put.version)
    assert s3.get_object(Bucket="anchors", Key=KEY, VersionId=put.version)["Body"].read() == CONTENT


@pytest.mark.parametrize("over_it", [b"another", CONTENT, None])
def test_the_version_that_was_made_is_the_one_that_is_looked_at_and_named(
    storage: Storage, over_it: bytes | None
) -> None:
    """Whatever somebody puts over it, locked or not, or whether they delete it, before it is looked at."""

    def followed_by_another(request: Request) -> Response:
        answer = storage.handled(request)
        if over_it is None:
            storage.client().delete_object(Bucket="anchors", Key=KEY)
        else:
            storage.client().put_object(
                Bucket="anchors",
                Key=KEY,
                Body=over_it,
                ChecksumAlgorithm="SHA256",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=UNTIL,
            )
        return answer

    storage.fail(followed_by_another, times=1)
    put = storage.bucket().put(KEY, CONTENT, UNTIL)
    oldest, *later = storage.versions()
    assert (oldest, len(later)) == ((KEY, put.version), 0 if over_it is None else 1)
    assert put.is_new


def test_other_content_is_refused_and_what_is_there_stays(storage: Storage) -> None:
    storage.bucket().put(KEY, CONTENT, UNTIL)
    with pytest.raises(Taken, match="Another object"):
        storage.bucket().put(KEY, b"another", UNTIL)
    assert storage.client().get_object(Bucket="anchors", Key=KEY)["Body"].read() == CONTENT


def test_the_same_content_that_somebody_else_put_without_a_lock_is_no_success(storage: Storage) -> None:
    storage.client().put_object(Bucket="anchors", Key=KEY, Body=CONTENT, ChecksumAlgorithm="SHA256")
    with pytest.raises(Unavailable, match="not locked"):
        storage.bucket().put(KEY, CONTENT, UNTIL)


@pytest.mark.parametrize(("mode", "until"), [("GOVERNANCE", UNTIL), ("COMPLIANCE", UNTIL - timedelta(days=1))])
def test_a_lock_that_is_weaker_or_shorter_is_no_success(storage: Storage, mode: str, until: datetime) -> None:
    storage.client().put_object(
        Bucket="anchors",
        Key=KEY,
        Body=CONTENT,
        ChecksumAlgorithm="SHA256",
        ObjectLockMode=mode,  # type: ignore[arg-type]  # parametrize knows no literals
        ObjectLockRetainUntilDate=until,
    )
    with pytest.raises(Unavailable, match="not in compliance mode"):
        storage.bucket().put(KEY, CONTENT, UNTIL)


def test_what_is_there_is_read_back_only_when_it_is_locked_for_as_long(storage: Storage) -> None:
    bucket, s3 = storage.bucket(), storage.client()
    put = bucket.put(KEY, CONTENT, UNTIL)
    assert bucket.kept(KEY, len(CONTENT), UNTIL) == (CONTENT, put.version)
    with pytest.raises(Unavailable, match="too long"):
        bucket.kept(KEY, len(CONTENT) - 1, UNTIL)
    with pytest.raises(Unavailable, match="not in compliance mode"):
        bucket.kept(KEY, len(CONTENT), UNTIL + timedelta(days=1))
    s3.put_object(Bucket="anchors", Key=KEY, Body=CONTENT, ChecksumAlgorithm="SHA256")
    with pytest.raises(Unavailable, match="not locked"):
        bucket.kept(KEY, len(CONTENT), UNTIL)
    s3.delete_object(Bucket="anchors", Key=KEY)
    with pytest.raises(Unavailable, match="cannot be relied on"):
        bucket.kept(KEY, len(CONTENT), UNTIL)


def test_a_bucket_without_object_lock_is_refused_and_gets_nothing(storage: Storage) -> None:
    s3 = storage.client()
    s3.create_bucket(Bucket="plain")
    with pytest.raises(Unavailable, match="the bucket has no Object Lock"):
        storage.bucket("plain").put(KEY, CONTENT, UNTIL)
    assert "Contents" not in s3.list_objects_v2(Bucket="plain")


def test_a_lock_that_cannot_be_seen_is_none(storage: Storage) -> None:
    storage.stays_dark = frozenset({"x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"})
    with pytest.raises(Unavailable, match="s3:GetObjectRetention"):
        storage.bucket().put(KEY, CONTENT, UNTIL)


def test_a_bucket_that_is_not_there_is_said_to_be_so(storage: Storage) -> None:
    with pytest.raises(Unavailable, match="no such bucket"):
        storage.bucket("nowhere").put(KEY, CONTENT, UNTIL)


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("AccessDenied", 403, "denied"),
        ("SlowDown", 503, "SlowDown"),
        ("ConditionalRequestConflict", 409, "same moment"),
    ],
)
def test_a_put_that_failed_left_nothing_and_says_why_without_a_quotation(
    storage: Storage, code: str, status: int, says: str
) -> None:
    storage.fail(refused(code, status))
    with pytest.raises(Unavailable, match=says) as failed:
        storage.bucket().put(KEY, CONTENT, UNTIL)
    assert KEY not in str(failed.value)
    assert storage.versions() == []
    storage.faults = 0
    storage.bucket().put(KEY, CONTENT, UNTIL)


def test_a_put_that_failed_but_was_done_is_found_by_the_next_try(storage: Storage) -> None:
    storage.fail(storage.lose_the_answer, times=1)
    storage.bucket().put(KEY, CONTENT, UNTIL)
    assert (storage.puts, len(storage.versions())) == (2, 1)


def test_a_put_that_was_done_and_never_answered_is_a_success_when_it_is_repeated(storage: Storage) -> None:
    storage.fail(storage.lose_the_answer)
    with pytest.raises(Unavailable, match=r"not certain.* No answer"):
        storage.bucket().put(KEY, CONTENT, UNTIL)
    assert len(storage.versions()) == 1
    storage.faults = 0
    storage.bucket().put(KEY, CONTENT, UNTIL)
    assert len(storage.versions()) == 1


def test_a_storage_that_is_not_there_is_unavailable() -> None:
    away = LockedBucket("anchors", FixedSource("AKIAEXAMPLE000000001", "s" * 40, "http://127.0.0.1:1"), REGION)
    with pytest.raises(Unavailable, match="No answer"):
        away.put(KEY, CONTENT, UNTIL)


@pytest.mark.parametrize("body", ["<html>", "{}", ""])
def test_whatever_else_answers_is_no_storage(storage: Storage, body: str) -> None:
    storage.stays_dark = frozenset({"x-amz-checksum-sha256"})
    storage.fail(lambda _: Response(body))
    with pytest.raises(Unavailable):
        storage.bucket().put(KEY, CONTENT, UNTIL)
