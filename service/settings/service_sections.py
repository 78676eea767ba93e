"""The tables of the settings about the service itself."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from service.settings.checks import check_database, split_url, wrong
from service.settings.values import File, Section


class DatabaseSettings(Section):
    """The database. `url` is SQLAlchemy's: `sqlite:///rootquorum.db` or `postgresql://user:password@host/name`."""

    url: Annotated[str, AfterValidator(check_database)] = Field(
        default="sqlite:///rootquorum.db",
        title="SQLAlchemy URL",
        description=(
            "Where requests, decisions, token hashes and the audit log are stored. "
            "`sqlite:///relative.db`, `sqlite:////absolute.db` or "
            "`postgresql://user:password@host/name` (driver: psycopg 3; libpq parameters after a "
            "`?`). Write `@`, `:` and `/` in the user's name or password as `%40`, `%3A`, `%2F`. "
            "SQLite is for one process. A PostgreSQL database must have the encoding UTF8. Other "
            "kinds of URL fail at the start."
        ),
    )
    # One per thread that serves, and one per thread of the worker. PostgreSQL must allow that many for every replica.
    connections: int = Field(
        default=20,
        ge=2,
        le=200,
        description=(
            "Size of each process's connection pool. The worker takes `worker.parallel` + 1, and "
            "`metrics.port` one; the others limit how many requests are served at the same time. "
            "Fewer than `worker.parallel` + 2 are an error if the settings enable the worker. "
            "PostgreSQL's `max_connections` must allow for all pools."
        ),
    )

    @property
    def is_for_one_process(self) -> bool:
        return self.url.startswith("sqlite")


def _check_public_url(url: str) -> str:
    parts = split_url(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise wrong("it has to be an http or https URL without user, query and fragment")
    return url.rstrip("/")


class ServerSettings(Section):
    """The HTTP server.

    `root_path` is the prefix under which a proxy serves this service. `trusted_proxies` are the addresses whose
    X-Forwarded-For and -Proto headers are trusted. Links in outgoing messages begin with `public_url`.

    The files are PEM. With the first two the port has TLS. `client_ca_file` has the authorities of callers'
    certificates.
    """

    host: str = Field(
        default="127.0.0.1",
        title="address",
        description=(
            "Where `rootquorum serve` listens. Without `server.certificate_file` it speaks plain HTTP: keep it on "
            "loopback or a private network, behind a proxy with TLS."
        ),
    )
    port: int = Field(default=8080, ge=0, le=65535, description="The port; 0 takes a free one.")
    certificate_file: File | None = Field(
        default=None,
        description=(
            "The service's own certificate (PEM), with those between it and its authority. The port then has TLS, of "
            "version 1.2 or newer, and nothing else. Leave it out behind a proxy. The file is read at the start and "
            "at SIGHUP."
        ),
    )
    key_file: File | None = Field(
        default=None,
        description=(
            "Its private key (PEM, without a password). Only the service's user should be able to read it. It is "
            "required with `certificate_file`, and read together with it."
        ),
    )
    client_ca_file: File | None = Field(
        default=None,
        description=(
            "Authorities (PEM). With them, every connection needs a certificate that one of them issued; one without "
            "is closed before any call, and so is one with TLS 1.2. It opens the port only: who somebody is, their "
            "token still says. Revocation lists are not read. It is read together with `certificate_file`."
        ),
    )
    root_path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = Field(
        default="",
        title="path without a slash at its end",
        description=(
            "The prefix, such as `/rootquorum`, under which a proxy serves this service. The proxy "
            "strips it. The desk, Swagger UI, `openapi.json` and `Location` use it."
        ),
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=("127.0.0.1",),
        title="list of addresses or networks",
        description=(
            "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted. Failed sign-ins and "
            "calls are counted by the resulting address."
        ),
    )
    public_url: Annotated[str, AfterValidator(_check_public_url)] | None = Field(
        default=None,
        title="http or https URL",
        description=(
            "The service's public address. Links sent to destinations begin with it, so it must end "
            "with `server.root_path` if that is set. Without it there are no links."
        ),
    )
    # Per address and minute; further failures are answered 429.
    failed_sign_ins: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description=(
            "How many sign-ins may fail per minute from one address before the response is 429. An "
            "IPv6 network of 64 bits counts as one address. Valid tokens are always accepted. Each "
            "process counts for itself."
        ),
    )
    # Per minute, at once or spread; further ones are answered 429.
    calls_per_address: int = Field(
        default=6000,
        ge=60,
        le=1_000_000,
        description=(
            "How many calls one address may make per minute, at once or spread. More are 429 with "
            "`Retry-After`. An IPv6 network of 64 bits counts as one address. At most four of its "
            "calls per thread of the API run or wait at a time. `/livez` and `/readyz` do not count. "
            "Each process counts for itself. Behind a proxy, set `server.trusted_proxies`, or all "
            "callers are one address."
        ),
    )
    calls_per_person: int = Field(
        default=1200,
        ge=60,
        le=1_000_000,
        description=("The same for each person at their provider, whatever their address, and for each API token."),
    )
    # Open requests of one requester.
    open_requests: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description=(
            "How many requests one person or machine may have open: pending, approved, executing or "
            "in doubt, drills included. Filing another one is 429 (`too_many_open`). It is counted in "
            "the database, for all processes."
        ),
    )
    # Browsers then reach this host by https alone, for this long. Only the operator knows whether all of it has https.
    hsts: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=730))] | None = Field(
        default=None,
        description=(
            "Send `Strict-Transport-Security` with this `max-age`: browsers then reach this host only "
            "by https, for this long. Set it only if everything on this host name has https, or let "
            "the proxy send it."
        ),
    )
    drain: Annotated[timedelta, Field(ge=timedelta(), le=timedelta(minutes=1))] = Field(
        default=timedelta(),
        description=(
            "How long `rootquorum serve` still accepts calls after SIGTERM. `/readyz` is 503 from then "
            "on. For [a fleet](fleet.md#stopping-a-process): longer than its load balancer takes to "
            "notice. Whoever stops the process must wait that much longer."
        ),
    )

    def tls_files(self) -> tuple[str, str, str | None] | None:
        """Return the paths of the certificate, of its key, and of the callers' authorities; None without TLS."""
        if self.certificate_file is None or self.key_file is None:
            return None
        authorities = None if self.client_ca_file is None else str(self.client_ca_file)
        return str(self.certificate_file), str(self.key_file), authorities


class WorkerSettings(Section):
    enabled: bool = Field(
        default=True,
        description=(
            "Run the worker in this process. `serve --no-worker` turns it off as well; `rootquorum "
            "worker` runs it alone, whatever this says. At least one process must run it: see "
            "[operations](operations.md#the-worker). With SQLite only `serve` can, so leave this on there."
        ),
    )
    # Accounts worked on at a time; each takes one database connection.
    parallel: int = Field(
        default=4,
        ge=2,
        le=64,
        description=(
            "How many accounts the worker handles at the same time. Steps of one account run one "
            "after the other. An account for which AWS is slow occupies one of these threads."
        ),
    )
    interval: Annotated[timedelta, Field(ge=timedelta(milliseconds=100))] = Field(
        default=timedelta(seconds=2),
        description="The pause between two passes. It limits how late a `run_on_approval` request runs.",
    )
    # How long a process that has gone silent keeps its leases.
    lease: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = Field(
        default=timedelta(seconds=30),
        description=(
            "PostgreSQL only: how long a worker keeps its lease after its last renewal, by the "
            "database's clock. Leases are renewed once per interval, so this must be at least three "
            "intervals."
        ),
    )


class HealthSettings(Section):
    """From when on something about the service itself is an incident. `anchor_within` None: anchors are not watched.

    Reconciliation judges a new key's age by AWS's clock, to a minute, so a wider tolerance helps nobody.
    """

    worker_silence: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=366))] = Field(
        default=timedelta(minutes=2),
        description=(
            "For how long no worker may make a pass. After that the event is `worker.silent`, and no key is created."
        ),
    )
    anchor_within: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=366))] | None = Field(
        default=None,
        description=(
            "How old the last [anchor](log-keys.md) of the log's head may get while the log grows. "
            "After that the event is `anchor.overdue`. None: nobody is told."
        ),
    )
    cosigned_within: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=366))] = Field(
        default=timedelta(hours=1),
        description=(
            "How old an event of the log may get before each [witness](log-keys.md#witnesses) has cosigned it. "
            "After that the event is `cosignature.overdue`. It has to be longer than `audit.cosign_interval`."
        ),
    )
    clock_tolerance: Annotated[timedelta, Field(ge=timedelta(seconds=5), le=timedelta(minutes=5))] = Field(
        default=timedelta(minutes=1),
        description=(
            "How far the host's clock may be from the database's and from AWS's. Beyond that the "
            "event is `clock.wrong`, and nothing is executed."
        ),
    )


class MetricsSettings(Section):
    """Metrics for Prometheus. Both ways to read them are off by default.

    `port` opens a port of its own, where nobody signs in. `behind_role` serves them on the API's port to operators and
    auditors. At most `accounts` accounts have series of their own.
    """

    host: str = Field(default="127.0.0.1", title="address", description="Where that port listens.")
    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description=(
            "A port of its own for metrics, in `serve` and in `worker`. Nobody signs in there. It "
            "takes one of `database.connections`."
        ),
    )
    behind_role: bool = Field(
        default=False, description="Serve `/metrics` on the API's port to operators and auditors of all accounts."
    )
    accounts: int = Field(
        default=200, ge=0, le=10_000, description="How many accounts, by id, have series of their own."
    )


class LogSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description=(
            "For the whole process. Exceptions: `httpcore` and `httpx` never log below `INFO`, and "
            "`botocore`, `boto3` and `urllib3` never below `CRITICAL`, since they quote responses, "
            "which may hold a secret."
        ),
    )
    format: Literal["json", "console"] = Field(
        default="json", description="One line per event on stderr: JSON, or text for a terminal."
    )
