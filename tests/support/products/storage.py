"""moto's S3, which has Object Lock, over HTTP. A test can replace its responses by faults."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moto.backends import get_backend
from moto.core.request import Request
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from service.aws.locked_objects import LockedBucket
from service.aws.sources import FixedSource, client_of
from service.simulated_aws.server import Server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

REGION = "us-east-1"
_ACCESS_KEY_ID, _SECRET = "AKIAEXAMPLE000000001", "s" * 40


@dataclass
class Storage:
    """The storage. `fault` answers instead of a PUT; None loses the connection."""

    app: DomainDispatcherApplication
    url: str = ""
    fault: Callable[[Request], Response | None] | None = None
    faults: int = 0
    puts: int = 0
    stays_dark: frozenset[str] = field(default_factory=frozenset)

    @property
    def source(self) -> FixedSource:
        return FixedSource(_ACCESS_KEY_ID, _SECRET, self.url)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment by which boto3 finds it."""
        return {
            "AWS_ACCESS_KEY_ID": _ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_ENDPOINT_URL_S3": self.url,
        }

    def bucket(self, name: str = "anchors") -> LockedBucket:
        return LockedBucket(name, self.source, REGION)

    def client(self) -> "S3Client":
        found: S3Client = client_of(self.source.session(), "s3", region_name=REGION, endpoint_url=self.url)
        return found

    def fail(self, fault: Callable[[Request], Response | None], times: int = 100) -> None:
        self.fault, self.faults, self.puts = fault, times, 0

    def lose_the_answer(self, request: Request) -> None:
        self.handled(request)

    def handled(self, request: Request) -> Response:
        response = Response.from_app(self.app, request.environ)
        response.headers["x-amz-request-id"] = "0A49CE4060975EAC"  # moto's ids do not look like AWS's
        for name in self.stays_dark:
            response.headers.pop(name, None)
        return response

    def answer(self, request: Request) -> Response | None:
        self.puts += request.method == "PUT"
        if request.method == "PUT" and self.faults and self.fault:
            self.faults -= 1
            return self.fault(request)
        return self.handled(request)

    def versions(self) -> list[tuple[str, str]]:
        """Return key and id of all versions, for each key the oldest first."""
        newest_first = self.client().list_object_versions(Bucket="anchors").get("Versions", [])
        return [(each["Key"], each["VersionId"]) for each in reversed(newest_first)]


@contextmanager
def running_storage() -> Iterator[Storage]:
    """Run it with one bucket, `anchors`, under Object Lock."""
    storage = Storage(DomainDispatcherApplication(create_backend_app))
    server = Server(storage.answer, 0)
    storage.url = server.url
    storage.client().create_bucket(Bucket="anchors", ObjectLockEnabledForBucket=True)
    try:
        yield storage
    finally:
        server.stop()
        for backends in get_backend("s3").values():
            for backend in backends.values():
                backend.reset()
