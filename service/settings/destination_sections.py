"""The tables of the settings about destinations of events, and about senders of hooks."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from service.domain.event_table import PUBLISHED, TOLD
from service.notify.kinds import HookKind, Kind, WebhookFormat
from service.outbound.kinds import Security, Transport
from service.settings import patterns
from service.settings.checks import wrong
from service.settings.values import File, Host, MailAddress, Name, Repository, Section


class NotifySettings(Section):
    """Deliveries. `allowed_hosts` are trusted even at private addresses and without TLS. `retention` is how long ended
    deliveries are kept.
    """

    retention: Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=3660))] = Field(
        default=timedelta(days=90),
        description="How long deliveries that have ended are kept. The audit log keeps what happened.",
    )
    allowed_hosts: frozenset[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:_-]+$")]] = Field(
        default=frozenset(),
        title="list of host names or addresses, lower case",
        description=(
            "Hosts that are trusted wherever they lead: private addresses, and http without TLS. "
            "Nothing else may be sent to private addresses."
        ),
    )


def _check_event(name: str) -> str:
    if name not in PUBLISHED:
        raise wrong(f"it has to be one of the published events: {', '.join(sorted(PUBLISHED))}")
    return name


def _check_told(name: str) -> str:
    if name not in TOLD:
        raise wrong(f"people are told in person only of these: {', '.join(sorted(TOLD))}")
    return name


# None means all.
Events = Annotated[
    frozenset[Annotated[str, AfterValidator(_check_event)]] | None,
    Field(title="list of [names of published events](events.md)", json_schema_extra={"default": "all"}),
]
Server = Annotated[
    Host,
    Field(
        title="host name or address, lower case",
        description=(
            "The server. A private address must be in `notify.allowed_hosts`. Its certificate must be for this name."
        ),
    ),
]
MailCredential = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,255}$")]


class _WithSecrets(Section):
    """Secrets in the settings or in `secret_files`, one per file. During a rotation there are two."""

    secrets: tuple[SecretStr, ...] = Field(
        default=(),
        description=(
            "Signing secrets: `whsec_…` (HMAC-SHA256, 24 to 64 bytes in Base64) or `whsk_…` (Ed25519, "
            "the 32 bytes of the private key). To rotate, set two: each signs. `rootquorum notify key "
            "NAME` prints the public key (`whpk_…`) of a `whsk_…` for its receiver. Prefer the "
            "variable, as a JSON list."
        ),
    )
    secret_files: tuple[File, ...] = Field(
        default=(),
        description="The same, each in a file. They are read at the start, and those of webhooks at SIGHUP too.",
    )

    def all_secrets(self) -> list[str]:
        """Return the secrets in the settings and in the files, which are read now. Raise OSError, UnicodeError."""
        return [secret.get_secret_value() for secret in self.secrets] + [
            file.read_text().strip() for file in self.secret_files
        ]


class WebhookSettings(_WithSecrets):
    """A destination for Standard Webhooks. Each secret begins with `whsec_` (HMAC) or `whsk_` (Ed25519). `events` None
    means all.
    """

    url: str = Field(title="https URL; http for an allowed host", description="The destination's address.")
    format: WebhookFormat = Field(
        default="standard",
        description=(
            "What is sent: the plain event, or a [CloudEvent](security-teams.md#cloudevents) in "
            "structured or in binary mode, for which `server.public_url` is required."
        ),
    )
    events: Events = Field(default=None, description="The events that it receives.")


class ChatSettings(Section):
    """A chat with an incoming webhook, whose `url` is a secret. `events` None means all."""

    url: SecretStr | None = Field(
        default=None,
        title="https URL; http for an allowed host",
        json_schema_extra={"default": "this or `url_file` is required"},
        description=(
            "The incoming webhook. Whoever knows it can post there: it is a secret, so prefer the variable or a file."
        ),
    )
    url_file: File | None = Field(
        default=None, description="The same in a file, which is read at the start and at SIGHUP."
    )
    events: Events = Field(default=None, description="The events that are posted there.")

    def secret_url(self) -> str:
        """Return it from the settings, or from the file, which is read now, else empty. Raise OSError, UnicodeError."""
        if self.url is not None:
            return self.url.get_secret_value()
        return "" if self.url_file is None else self.url_file.read_text().strip()


class TrackerSettings(Section):
    """A tracker: it receives events as comments on the ticket that a request names, and is asked for tickets.

    `states` maps an event to the state that it moves the ticket to. `events` None means all. `password` is the token
    where a product has one. What its kind needs is in `notify/products.py`.
    """

    kind: Kind = Field(description="The product. `jira` is Jira Data Center.")
    url: str = Field(
        title="https URL without query and fragment; http for an allowed host",
        description=(
            "The tracker's address, as its users type it; for `github` the API's: "
            "`https://api.github.com`, or `https://<host>/api/v3` of an Enterprise Server."
        ),
    )
    user: Name | None = Field(
        default=None,
        json_schema_extra={
            "default": "none; required for `jira-cloud`, `servicenow` and `roundup`, an error for the others"
        },
        description="The dedicated user who comments there; for `jira-cloud` its e-mail address.",
    )
    repository: Repository | None = Field(
        default=None,
        title="`owner/name`",
        json_schema_extra={"default": "none; required for `github`, an error for the others"},
        description=(
            "The repository whose issues are the tickets. It is compared case-insensitively, as in "
            "`hooks.<name>.repository`. After a rename, use the new name."
        ),
    )
    table: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")] | None = Field(
        default=None,
        title="name of a table",
        json_schema_extra={"default": "none; required for `servicenow`, an error for the others"},
        description="The table whose records are the tickets: `incident`, `change_request`.",
    )
    password: SecretStr | None = Field(
        default=None,
        description=(
            "The user's password; for `jira-cloud` its API token, for `jira` and `github` only the "
            "token. Prefer the variable."
        ),
    )
    password_file: File | None = Field(
        default=None, description="The same in a file, which is read at the start and at SIGHUP."
    )
    # Identifies this tracker's tickets if those of several trackers look alike.
    pattern: Annotated[str, AfterValidator(patterns.check)] | None = Field(
        default=None,
        title="regular expression",
        json_schema_extra={"default": "every ticket of the product's form"},
        description=(
            "Which tickets are this tracker's, if several trackers have tickets that look alike (two "
            "Jiras, two tables of ServiceNow). Matched in full, in addition to the product's own "
            "form. Look-around and back-references are refused."
        ),
    )
    events: Events = Field(default=None, description="The events that it receives as comments.")
    states: dict[Annotated[str, AfterValidator(_check_event)], Name] = Field(
        default={},
        title="table: event to state",
        json_schema_extra={"default": "none"},
        description=(
            'The state that an event moves a ticket to: `{ "execution.succeeded" = "resolved" }`. For '
            "`github`, `open` or `closed`. If a hook covers this tracker, events that can come before "
            "an execution has begun may use only `open` for `github`, and only the states in "
            "`policy.ticket_states` for the others: [why](tickets.md#when-a-ticket-is-closed)."
        ),
    )

    def secret(self) -> str:
        """Return it from the settings, or from the file, which is read now, else empty. Raise OSError, UnicodeError."""
        if self.password is not None:
            return self.password.get_secret_value()
        return "" if self.password_file is None else self.password_file.read_text().strip()


class SyslogSettings(Section):
    """A syslog server. `port` None is 6514, or 601 for `tcp`, or 514 for `udp`; these two are only for this machine.

    The files are PEM. `certificate_file` is this service's own, with its key in `key_file` or in the same file.
    `events` None means all.
    """

    host: Server
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        json_schema_extra={"default": "`6514`; `601` for `tcp`, `514` for `udp`"},
        description="The server's port.",
    )
    transport: Transport = Field(
        default="tls",
        description=(
            "How messages travel. `tcp` and `udp` are only for a server on this very machine, with "
            "`localhost` or its loopback address in `notify.allowed_hosts`."
        ),
    )
    ca_file: File | None = Field(
        default=None,
        json_schema_extra={"default": "the machine's authorities"},
        description=(
            "The authorities (PEM) that vouch for the server, instead of the machine's. It is read at "
            "the start and at SIGHUP, as the next two are."
        ),
    )
    certificate_file: File | None = Field(
        default=None, description="The certificate (PEM) that the service shows to the server."
    )
    key_file: File | None = Field(
        default=None,
        json_schema_extra={"default": "in `certificate_file`"},
        description="Its private key (PEM), without a passphrase.",
    )
    events: Events = Field(default=None, description="The events that it receives.")

    def files(self) -> tuple[str | None, str | None, str | None]:
        """Return the paths of the authorities, of the certificate and of its key."""
        authorities, certificate, key = (
            None if file is None else str(file) for file in (self.ca_file, self.certificate_file, self.key_file)
        )
        return authorities, certificate, key


class MailSettings(Section):
    """A mail server that tells people in person. `port` None is 587, or 465 for `tls`, or 25 for `none`.

    `security` `none` is only for a server on this machine. `sender` is the address in From. `events` None means all of
    which people are told.
    """

    host: Server
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        json_schema_extra={"default": "`587`; `465` for `tls`, `25` for `none`"},
        description="The server's port.",
    )
    security: Security = Field(
        default="starttls",
        description=(
            "How the connection is secured. `tls` is TLS from the start. `none` is only for a server "
            "on this very machine, with `localhost` or its loopback address in "
            "`notify.allowed_hosts`."
        ),
    )
    user: MailCredential | None = Field(
        default=None, title="ASCII text", description="The user to sign in as; requires a password."
    )
    password: SecretStr | None = Field(
        default=None, title="ASCII text", description="The password. Prefer the variable."
    )
    password_file: File | None = Field(
        default=None, description="The same in a file, which is read at the start and at SIGHUP."
    )
    sender: MailAddress = Field(
        title="mail address",
        description=(
            "The address in From. Its domain is the name by which the service introduces itself, and "
            "is in each Message-ID."
        ),
    )
    events: frozenset[Annotated[str, AfterValidator(_check_told)]] | None = Field(
        default=None,
        title="list of [names of events that are told in person](events.md)",
        json_schema_extra={"default": "all of them"},
        description="The events that people are told.",
    )

    def secret(self) -> str:
        """Return it from the settings, or from the file, which is read now, else empty. Raise OSError, UnicodeError."""
        if self.password is not None:
            return self.password.get_secret_value()
        return "" if self.password_file is None else self.password_file.read_text().strip()


class HookSettings(_WithSecrets):
    """A sender of messages that a ticket was closed. What its kind needs is in `notify/products.py`.
    Secrets of Standard Webhooks begin with `whsec_` or `whpk_` (Ed25519); all others are any text.
    """

    secrets: tuple[SecretStr, ...] = Field(
        default=(),
        description=(
            "Its signing secrets: `whsec_…` or `whpk_…` (an Ed25519 public key) for `standard`, any text of at least "
            "24 characters for the others. To rotate, set two. Prefer the variable, as a JSON list."
        ),
    )
    kind: HookKind = Field(
        description=(
            "How it signs: [Standard Webhooks](https://www.standardwebhooks.com/), GitHub's "
            "`X-Hub-Signature-256`, or Jira's `X-Hub-Signature`."
        )
    )
    repository: Repository | None = Field(
        default=None,
        title="`owner/name`",
        json_schema_extra={"default": "required for `github`"},
        description="The repository whose issues are the tickets; after a rename, the new name.",
    )
