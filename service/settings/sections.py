"""The tables of the settings: their values with defaults, and the checks of each value."""

from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from service.domain.account import Partition
from service.domain.actor import SUBJECT_PATTERN, Role
from service.domain.demands import SignedApprovals
from service.domain.event_table import PUBLISHED, TOLD
from service.domain.mailbox import is_mailbox
from service.domain.operation import OperationName
from service.domain.policy import SMALLEST_QUORUM, ApprovalComment, FreshExecutions, Policy, SealedDelivery
from service.notify.kinds import HookKind, Kind, WebhookFormat
from service.outbound.kinds import Security, Transport
from service.settings import patterns
from service.settings.checks import (
    check_clock,
    check_comparable,
    check_database,
    check_date,
    check_path,
    check_visible,
    check_zone,
    split_url,
    wrong,
)

_RULES = Policy()

AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
# An organization's root, or one of its organizational units (AWS Organizations API reference).
UnitId = Annotated[str, StringConstraints(pattern=r"^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32})$")]
# Lower case only, because two spellings of one name would be two people.
SubjectId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$")]
# People are named exactly as their provider spells them, so that nobody is mistaken for another.
PersonId = Annotated[str, StringConstraints(pattern=rf"^{SUBJECT_PATTERN}$")]
DestinationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,39}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9:]([a-z0-9.:-]{0,251}[a-z0-9:])?$")]
File = Annotated[Path, AfterValidator(check_path)]
Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Window = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=366))]
DrillPeriod = Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=3660))]
Lifetime = Annotated[timedelta, Field(ge=timedelta(minutes=5), le=timedelta(days=3660))]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Section):
    """The database. `url` is SQLAlchemy's: `sqlite:///rootquorum.db` or `postgresql://user:password@host/name`."""

    url: Annotated[str, AfterValidator(check_database)] = "sqlite:///rootquorum.db"
    # One per thread that serves, and one per thread of the worker. PostgreSQL must allow that many for every replica.
    connections: int = Field(default=20, ge=2, le=200)


def _check_public_url(url: str) -> str:
    parts = split_url(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise wrong("it has to be an http or https URL without user, query and fragment")
    return url.rstrip("/")


class ServerSettings(_Section):
    """The HTTP server.

    `root_path` is the prefix under which a proxy serves this service. `trusted_proxies` are the addresses whose
    X-Forwarded-For and -Proto headers are trusted. Links in outgoing messages begin with `public_url`.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    root_path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    public_url: Annotated[str, AfterValidator(_check_public_url)] | None = None
    # Per address and minute; further failures are answered 429.
    failed_sign_ins: int = Field(default=20, ge=1, le=10_000)
    # Per minute, at once or spread; further ones are answered 429.
    calls_per_address: int = Field(default=6000, ge=60, le=1_000_000)
    calls_per_person: int = Field(default=1200, ge=60, le=1_000_000)
    # Open requests of one requester.
    open_requests: int = Field(default=100, ge=1, le=100_000)
    # Browsers then reach this host by https alone, for this long. Only the operator knows whether all of it has https.
    hsts: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=730))] | None = None
    # From SIGTERM to the end of accepting: as long as a load balancer may take to notice /readyz.
    drain: Annotated[timedelta, Field(ge=timedelta(), le=timedelta(minutes=1))] = timedelta()


class WorkerSettings(_Section):
    enabled: bool = True
    # Accounts worked on at a time; each takes one database connection.
    parallel: int = Field(default=4, ge=2, le=64)
    interval: Annotated[timedelta, Field(ge=timedelta(milliseconds=100))] = timedelta(seconds=2)
    # How long a process that has gone silent keeps its leases.
    lease: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(seconds=30)


class HealthSettings(_Section):
    """From when on something about the service itself is an incident. `anchor_within` None: anchors are not watched.

    Reconciliation judges a new key's age by AWS's clock, to a minute, so a wider tolerance helps nobody.
    """

    worker_silence: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=366))] = timedelta(minutes=2)
    anchor_within: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=366))] | None = None
    clock_tolerance: Annotated[timedelta, Field(ge=timedelta(seconds=5), le=timedelta(minutes=5))] = timedelta(
        minutes=1
    )


class MetricsSettings(_Section):
    """Metrics for Prometheus. Both ways to read them are off by default.

    `port` opens a port of its own, where nobody signs in. `behind_role` serves them on the API's port to operators and
    auditors. At most `accounts` accounts have series of their own.
    """

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)
    behind_role: bool = False
    accounts: int = Field(default=200, ge=0, le=10_000)


class LogSettings(_Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class PolicySettings(_Section):
    """The policy. Durations are ISO 8601, such as `PT8H`."""

    quorum: int = Field(default=SMALLEST_QUORUM, ge=SMALLEST_QUORUM)
    approval_window: Window = _RULES.approval_window
    execution_window: Window = _RULES.execution_window
    receipt_window: Window = _RULES.receipt_window
    rollback_grace: Window = _RULES.rollback_grace
    consistency_delay: Window = _RULES.consistency_delay
    require_root_mfa: bool = _RULES.require_root_mfa
    lifetime_required: bool = _RULES.lifetime_required
    max_lifetime: Lifetime | None = _RULES.max_lifetime
    expiry_notice: Window = _RULES.expiry_notice
    drift_checks: bool = _RULES.drift_checks
    drift_interval: Window = _RULES.drift_interval
    drill_every: DrillPeriod | None = _RULES.drill_every
    decision_max_auth_age: Window = _RULES.decision_max_auth_age
    decision_requires_auth_time: bool = _RULES.decision_requires_auth_time
    decision_acr: frozenset[Name] = _RULES.decision_acr
    decision_amr: frozenset[Name] = _RULES.decision_amr
    approval_comment: ApprovalComment = _RULES.approval_comment
    signed_approvals: SignedApprovals = _RULES.signed_approvals
    sealed_delivery: SealedDelivery = _RULES.sealed_delivery
    execution_sign_in: FreshExecutions = _RULES.execution_sign_in
    ticket_required: bool = _RULES.ticket_required
    ticket_pattern: Annotated[str, AfterValidator(patterns.check)] | None = _RULES.ticket_pattern
    ticket_check: bool = _RULES.ticket_check
    ticket_check_at_execution: bool = _RULES.ticket_check_at_execution
    ticket_states: frozenset[Name] | None = _RULES.ticket_states
    ticket_unchecked: bool = _RULES.ticket_unchecked
    escalate_to: frozenset[DestinationName] = _RULES.escalate_to


class ProviderGroupSettings(_Section):
    """A group that an issuer states. `group` is a value of the issuer's groups claim."""

    issuer: str
    group: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class GroupSettings(_Section):
    """A group of approvers, for rules. It gives nobody a role."""

    people: frozenset[PersonId] = frozenset()
    provider_groups: tuple[ProviderGroupSettings, ...] = ()


class ApprovalSettings(_Section):
    """How many people of a group have to approve."""

    group: SubjectId
    at_least: int = Field(default=1, ge=1, le=100)


Clock = Annotated[time, AfterValidator(check_clock)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HoursSettings(_Section):
    """The hours in which what lets somebody in as root may run: from `opens` until just before `closes`.

    `closes` is on the next day if it is not later. `zone` is an IANA time zone. On the dates in `closed_on` nothing may
    run.
    """

    days: Annotated[frozenset[Day], Field(min_length=1)] = frozenset(get_args(Day))
    opens: Clock = time(0)
    closes: Clock = time(0)
    zone: Annotated[str, AfterValidator(check_zone)]
    closed_on: frozenset[Annotated[date, BeforeValidator(check_date)]] = frozenset()


Tag = Annotated[str, StringConstraints(max_length=256), AfterValidator(check_comparable)]
Tags = Annotated[frozenset[Tag], Field(min_length=1)]


class RuleSettings(_Section):
    """A rule. It applies to the accounts that one of `accounts`, `names`, `organizational_units` and `tags` selects, or
    to all; and to `operations`, or to all. All rules that apply count, and the strictest of each value.
    """

    name: Annotated[Name, AfterValidator(check_visible)]
    accounts: frozenset[AccountId] = frozenset()
    names: tuple[Annotated[str, StringConstraints(max_length=100), AfterValidator(check_comparable)], ...] = ()
    organizational_units: frozenset[UnitId] = frozenset()
    tags: dict[Annotated[str, StringConstraints(max_length=128), AfterValidator(check_comparable)], Tag | Tags] = {}
    operations: frozenset[OperationName] = frozenset()
    approvals: tuple[ApprovalSettings, ...] = ()
    quorum: int | None = Field(default=None, ge=SMALLEST_QUORUM, le=100)
    max_lifetime: Lifetime | None = None
    require_root_mfa: bool = False
    ticket_required: bool = False
    approval_comment: ApprovalComment = ApprovalComment.OPTIONAL
    signed_approvals: SignedApprovals = SignedApprovals.OFF
    sealed_delivery: SealedDelivery = SealedDelivery.OFF
    decision_amr: frozenset[Name] = frozenset()
    hours: HoursSettings | None = None


# A browser's origin, which is compared letter by letter.
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.:\[\]-]{1,255}$")]
# A host's name, without a port (W3C Web Authentication, section 5.1.2).
RelyingParty = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class SigningSettings(_Section):
    """What a signature has to prove beyond its key. Without `rp_id` and `origins` no passkey signs.

    `rules_file` is the file of rules that a quorum signs, relative to the settings file. All else is then in there.
    """

    rules_file: File | None = None
    rp_id: RelyingParty | None = None
    origins: frozenset[Origin] = frozenset()
    user_verified: bool = True
    only_hardware: bool = False
    only_device_bound: bool = False


# An OpenSSH public key, with or without a comment.
PublicKeyLine = Annotated[str, StringConstraints(min_length=20, max_length=4096)]


# Somebody whom a provider signs in is named by issuer and subject.
FounderId = Annotated[str, StringConstraints(pattern=rf"^{SUBJECT_PATTERN}(#[!-~]{{1,255}})?$", max_length=255)]


Fingerprint = Annotated[str, StringConstraints(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]


class EmergencySettings(_Section):
    """What makes signed rules stricter at once, without their signatures: a higher quorum, and keys not to count."""

    quorum: int | None = Field(default=None, ge=SMALLEST_QUORUM, le=100)
    revoked_keys: frozenset[Fingerprint] = frozenset()


class FounderSettings(_Section):
    """A person whose keys count without anybody's endorsement."""

    keys: Annotated[tuple[PublicKeyLine, ...], Field(min_length=1, max_length=20)]


class AwsSettings(_Section):
    """AWS. `simulated` replaces AWS by a simulation, for trying things out."""

    simulated: bool = False
    simulated_port: int = Field(default=0, ge=0, le=65535)


Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
Profile = Annotated[str, StringConstraints(min_length=1)]


class OrganizationSettings(_Section):
    """An organization. `profile` is a boto3 profile in the management account, or in the delegated admin's for IAM.

    With `list_accounts`, its accounts are served without being named: those in `allow`, or all if that is empty, but
    never those in `deny`. `read_units` and `read_tags` concern all accounts that it reaches. So does
    `unlock_resources`, which lets requests delete the policies of buckets and queues.
    """

    profile: Profile | None = None
    region: Region = "us-east-1"
    list_accounts: bool = False
    allow: frozenset[AccountId] = frozenset()
    deny: frozenset[AccountId] = frozenset()
    read_units: bool = False
    read_tags: bool = False
    unlock_resources: bool = False
    refresh: Window = timedelta(minutes=15)


class AccountSettings(_Section):
    """An account. `profile` is the boto3 profile with its root credential. `organization` is the table of the
    organization that reaches it by sts:AssumeRoot.
    """

    name: Name
    partition: Partition = Partition.AWS
    profile: Profile | None = None
    organization: str | None = None


def is_guarded(url: str) -> bool:
    """Return whether nobody on the way can change the answer: https, or this machine itself."""
    parts = split_url(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"})


_NO_URL = "it has to be an https URL"


def _check_issuer(url: str) -> str:
    parts = split_url(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise wrong(_NO_URL)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong("an issuer has neither query nor fragment nor user")
    return url


def _check_discovery(url: str) -> str:
    parts = split_url(url)
    if not is_guarded(url) or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise wrong(_NO_URL)
    return url


# Parameters that the service sends to a provider itself, or that would override these. Settings must not set them
# (OpenID Connect Core 1.0, RFC 6749, RFC 7523, RFC 7636, RFC 9101, RFC 9126, RFC 9449).
RESERVED_PARAMETERS = frozenset(
    {
        "acr_values",
        "assertion",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "dpop_jkt",
        "grant_type",
        "id_token_hint",
        "max_age",
        "nonce",
        "password",
        "redirect_uri",
        "refresh_token",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "username",
    }
)


def _check_parameter(name: str) -> str:
    # Some providers ignore case.
    if name.lower() in RESERVED_PARAMETERS:
        raise wrong("this parameter is reserved for the service")
    return name


ParameterName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}$"), AfterValidator(_check_parameter)
]
ParameterValue = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,2048}$")]
# Several values repeat the parameter.
Parameters = dict[ParameterName, ParameterValue | Annotated[tuple[ParameterValue, ...], Field(min_length=1)]]


class GrantSettings(_Section):
    """Roles for a group. `group` is a value of the claim; `accounts`, if given, limits the roles to these accounts."""

    group: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    accounts: frozenset[AccountId] | None = None


ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
# The name of a claim; a list is a path into nested claims. A string is never a path, because names may contain dots.
ClaimPath = ClaimName | Annotated[tuple[ClaimName, ...], Field(min_length=1, max_length=8)]


def path_of(claim: ClaimPath) -> tuple[str, ...]:
    return (claim,) if isinstance(claim, str) else claim


class PeopleHaveSettings(_Section):
    """A claim, and the value or values of it that only people have."""

    claim: ClaimPath
    value: bool | ClaimName | Annotated[frozenset[ClaimName], Field(min_length=1)]

    @property
    def values(self) -> frozenset[str | bool]:
        return frozenset({self.value}) if isinstance(self.value, str | bool) else frozenset(self.value)


class IssuerSettings(_Section):
    """An OpenID Connect provider. `url` is its exact issuer; `audience` is the audience of its tokens for us.

    `discovery_url` overrides the address of its metadata, `discovery_issuer` the issuer that the metadata must name.
    `person_claim` is the claim that is the same for all logins of one human. `groups_absent` says what a token without
    groups means. `people_have` distinguishes people from machines if no standard claim does. `client_id` enables
    sign-in from the pages; `sends` selects which of the two returned tokens is used.
    """

    url: Annotated[str, AfterValidator(_check_issuer)]
    discovery_url: Annotated[str, AfterValidator(_check_discovery)] | None = None
    discovery_issuer: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    audience: Annotated[frozenset[Name], Field(min_length=1)]
    client_id_as_audience: bool = False
    person_claim: ClaimPath | None = None
    name_claim: ClaimPath = "name"
    groups_claim: ClaimPath = "groups"
    groups_separator: Annotated[str, StringConstraints(min_length=1, max_length=10)] | None = None
    groups_absent: Literal["refuse", "none"] = "refuse"
    people_have: PeopleHaveSettings | None = None
    grants: tuple[GrantSettings, ...] = ()
    client_id: Name | None = None
    client_secret: SecretStr | None = None
    scopes: tuple[Name, ...] = ("openid", "profile", "email")
    sends: Literal["access_token", "id_token"] = "access_token"
    authorization_parameters: Parameters = {}
    token_parameters: Parameters = {}


class NotifySettings(_Section):
    """Deliveries. `allowed_hosts` are trusted even at private addresses and without TLS. `retention` is how long ended
    deliveries are kept.
    """

    retention: Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=3660))] = timedelta(days=90)
    allowed_hosts: frozenset[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:_-]+$")]] = frozenset()


def _check_event(name: str) -> str:
    if name not in PUBLISHED:
        raise wrong(f"it has to be one of the published events: {', '.join(sorted(PUBLISHED))}")
    return name


def _check_told(name: str) -> str:
    if name not in TOLD:
        raise wrong(f"people are told in person only of these: {', '.join(sorted(TOLD))}")
    return name


def _check_mailbox(address: str) -> str:
    if not is_mailbox(address):
        raise wrong("it has to be a mail address in ASCII, without a name")
    return address


MailAddress = Annotated[str, AfterValidator(_check_mailbox)]
MailCredential = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,255}$")]


class _WithSecrets(_Section):
    """Secrets in the settings or in `secret_files`, one per file. During a rotation there are two."""

    secrets: tuple[SecretStr, ...] = ()
    secret_files: tuple[File, ...] = ()

    def all_secrets(self) -> list[str]:
        """Return the secrets in the settings and in the files, which are read now. Raise OSError, UnicodeError."""
        return [secret.get_secret_value() for secret in self.secrets] + [
            file.read_text().strip() for file in self.secret_files
        ]


class WebhookSettings(_WithSecrets):
    """A destination for Standard Webhooks. Each secret begins with `whsec_` (HMAC) or `whsk_` (Ed25519). `events` None
    means all.
    """

    url: str
    format: WebhookFormat = "standard"
    events: frozenset[Annotated[str, AfterValidator(_check_event)]] | None = None


class ChatSettings(_Section):
    """A chat with an incoming webhook, whose `url` is a secret. `events` None means all."""

    url: SecretStr | None = None
    url_file: File | None = None
    events: frozenset[Annotated[str, AfterValidator(_check_event)]] | None = None

    def secret_url(self) -> str:
        """Return it from the settings, or from the file, which is read now, else empty. Raise OSError, UnicodeError."""
        if self.url is not None:
            return self.url.get_secret_value()
        return "" if self.url_file is None else self.url_file.read_text().strip()


class TrackerSettings(_Section):
    """A tracker: it receives events as comments on the ticket that a request names, and is asked for tickets.

    `states` maps an event to the state that it moves the ticket to. `events` None means all. `password` is the token
    where a product has one. What its kind needs is in `notify/products.py`.
    """

    kind: Kind
    url: str
    user: Name | None = None
    repository: Repository | None = None
    table: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")] | None = None
    password: SecretStr | None = None
    password_file: File | None = None
    # Identifies this tracker's tickets if those of several trackers look alike.
    pattern: Annotated[str, AfterValidator(patterns.check)] | None = None
    events: frozenset[Annotated[str, AfterValidator(_check_event)]] | None = None
    states: dict[Annotated[str, AfterValidator(_check_event)], Name] = {}

    def secret(self) -> str:
        """Return it from the settings, or from the file, which is read now, else empty. Raise OSError, UnicodeError."""
        if self.password is not None:
            return self.password.get_secret_value()
        return "" if self.password_file is None else self.password_file.read_text().strip()


class SyslogSettings(_Section):
    """A syslog server. `port` None is 6514, or 601 for `tcp`, or 514 for `udp`; these two are only for this machine.

    The files are PEM. `certificate_file` is this service's own, with its key in `key_file` or in the same file.
    `events` None means all.
    """

    host: Host
    port: int | None = Field(default=None, ge=1, le=65535)
    transport: Transport = "tls"
    ca_file: File | None = None
    certificate_file: File | None = None
    key_file: File | None = None
    events: frozenset[Annotated[str, AfterValidator(_check_event)]] | None = None

    def files(self) -> tuple[str | None, str | None, str | None]:
        """Return the paths of the authorities, of the certificate and of its key."""
        authorities, certificate, key = (
            None if file is None else str(file) for file in (self.ca_file, self.certificate_file, self.key_file)
        )
        return authorities, certificate, key


class MailSettings(_Section):
    """A mail server that tells people in person. `port` None is 587, or 465 for `tls`, or 25 for `none`.

    `security` `none` is only for a server on this machine. `sender` is the address in From. `events` None means all of
    which people are told.
    """

    host: Host
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Security = "starttls"
    user: MailCredential | None = None
    password: SecretStr | None = None
    password_file: File | None = None
    sender: MailAddress
    events: frozenset[Annotated[str, AfterValidator(_check_told)]] | None = None

    def secret(self) -> str:
        """Return it from the settings, or from the file, which is read now, else empty. Raise OSError, UnicodeError."""
        if self.password is not None:
            return self.password.get_secret_value()
        return "" if self.password_file is None else self.password_file.read_text().strip()


class HookSettings(_WithSecrets):
    """A sender of messages that a ticket was closed. What its kind needs is in `notify/products.py`.
    Secrets of Standard Webhooks begin with `whsec_` or `whpk_` (Ed25519); all others are any text.
    """

    kind: HookKind
    repository: Repository | None = None


class LogKeySettings(_Section):
    """A key of the audit log: in a file (PEM, PKCS #8), in the settings, or in AWS KMS.

    A key that no longer signs has only its `verifier_key`. A KMS key must have one, so that no other can replace it.
    """

    key: SecretStr | None = None
    key_file: File | None = None
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    profile: Profile | None = None
    region: Region = "us-east-1"
    verifier_key: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    def pem(self) -> bytes | None:
        """Return the private key from the settings or from the file, which is read now. Raise OSError."""
        if self.key is not None:
            return self.key.get_secret_value().encode()
        return None if self.key_file is None else self.key_file.read_bytes()

    def for_others(self) -> "LogKeySettings":
        """Return the key without its private part, if the public one is given."""
        if self.verifier_key is None:
            return self
        return LogKeySettings(verifier_key=self.verifier_key, since=self.since, until=self.until)


class WitnessSettings(_Section):
    """A witness of the log's head (C2SP tlog-witness). `url` is its submission prefix."""

    url: str
    verifier_key: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class AuditSettings(_Section):
    """The audit log. `origin` is its permanent name in checkpoints, such as a host name and a path.

    The authority at `timestamp_url` (RFC 3161) stamps anchors; its certificates chain to `timestamp_roots` (PEM).
    """

    origin: Annotated[str, StringConstraints(pattern=r"^[!-*,-~]{1,200}$")] | None = None
    keys: dict[DestinationName, LogKeySettings] = {}
    timestamp_url: str | None = None
    timestamp_roots: File | None = None
    witnesses: dict[DestinationName, WitnessSettings] = {}

    def for_others(self) -> "AuditSettings":
        """Return the settings that it takes to check the log."""
        return AuditSettings(origin=self.origin, keys={name: key.for_others() for name, key in self.keys.items()})


class PersonSettings(_Section):
    """A person, keyed by the value of `person_claim`. `accounts`, if given, limits the roles to these accounts.

    Until `away_until`, reminders do not name the person. Their votes count all the same. `email` is where they are told
    in person; without it, it is the address that their provider has verified.
    """

    name: Name
    roles: frozenset[Role] = frozenset()
    accounts: frozenset[AccountId] | None = None
    away_until: AwareDatetime | None = None
    email: MailAddress | None = None


class MachineSettings(_Section):
    """A machine. If it signs in at a provider, `issuer` names that, and `login` is the subject of its tokens."""

    name: Name
    # No `approver`: a machine never decides.
    roles: frozenset[Literal["requester", "auditor", "operator"]] = frozenset()
    accounts: frozenset[AccountId] | None = None
    issuer: str | None = None
    login: Name | None = None
