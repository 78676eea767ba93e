"""What goes out over HTTP. Nothing has a default, so the contract says `required` of all of it."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, WithJsonSchema

from service.api.schemas import ids
from service.domain.account import Partition, SourceKind
from service.domain.actor import Role
from service.domain.briefing import CAUTIONS, CautionCode
from service.domain.delivery import DeliveryStatus
from service.domain.drift import DriftKind, Origin
from service.domain.errors import Code
from service.domain.operation import OperationName
from service.domain.permissions import ActionName
from service.domain.request import Status


class AccountOut(BaseModel):
    account_id: ids.AccountId
    name: str


class ConfiguredAccountOut(AccountOut):
    partition: Partition
    state: str = Field(description="What AWS Organizations says; `ACTIVE` where it was not asked.")
    is_management: bool
    sources: list[SourceKind] = Field(description="The ways into the account, the least powerful first.")


class CapabilityOut(BaseModel):
    """Whether an operation can run here, and by which source; where not, why."""

    operation: OperationName
    possible: bool
    source: SourceKind | None = Field(description="The one that would act; null where none can.")
    reason: str | None = Field(description="Why it is not possible.")


class ExpectedKeyOut(BaseModel):
    access_key_id: ids.AccessKeyId
    status: str
    origin: Origin = Field(
        description="There at the first look (`adopted`), made by a request, or accepted by an operator."
    )


class ExpectationOut(BaseModel):
    """What the service expects the root user to have since its last look for drift."""

    checked_at: datetime = Field(description="When that look began.")
    keys: list[ExpectedKeyOut]
    mfa_enabled: bool


class AccountDetailOut(ConfiguredAccountOut):
    capabilities: list[CapabilityOut]
    expected: ExpectationOut | None = Field(description="Null before the first look.")


class FindingOut(BaseModel):
    """One difference between an account and what is expected there."""

    id: ids.Uuid
    account: AccountOut
    kind: DriftKind
    access_key_id: ids.AccessKeyId | None = Field(description="Null for MFA.")
    expected: str | None = Field(description="The expected status; null where none is expected.")
    found: str | None = Field(description="The status that it has; null where there is none.")
    found_at: datetime
    closed_at: datetime | None
    accepted_by: ids.Subject | None = Field(description="Null while open, and where it went away by itself.")


class DriftOut(BaseModel):
    items: list[FindingOut]


class DriftCheckOut(BaseModel):
    """A look at an account."""

    account: AccountOut
    adopted: bool = Field(
        description="This was the first drift check, so the service expects from now on what it found."
    )
    expected: ExpectationOut
    open: list[FindingOut]


class DeliveryOut(BaseModel):
    """One event to one destination. What it says stands in the audit log."""

    id: ids.Uuid = Field(description="The same however often it is sent: `webhook-id`.")
    sequence: int = Field(description="Of the event, in the audit log.")
    event: ids.EventName
    destination: ids.Destination
    request_id: ids.Uuid | None = Field(description="Null for what is about no request.")
    status: DeliveryStatus
    attempts: int
    detail: str | None = Field(description="What became of the last attempt.")
    created_at: datetime
    due_at: datetime = Field(description="The next attempt, where it is pending.")
    give_up_at: datetime
    ended_at: datetime | None


class DeliveryPageOut(BaseModel):
    items: list[DeliveryOut]
    next_cursor: ids.Cursor | None


class ActorOut(BaseModel):
    subject: ids.Subject
    name: str


class RequesterOut(ActorOut):
    kind: Literal["person", "machine"]


class AccessKeyOut(BaseModel):
    """A root access key as AWS listed it."""

    access_key_id: ids.AccessKeyId
    status: str = Field(description="`Active` or `Inactive`, as AWS says it.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="It lags by hours; null is no proof that nobody uses the key.")
    last_used_service: str | None


class SigningCertificateOut(BaseModel):
    certificate_id: ids.CertificateId
    status: str


class RootCredentialsOut(BaseModel):
    """The account's root credentials at `observed_at`; null where AWS did not say, or was not asked."""

    observed_at: datetime
    keys: list[AccessKeyOut]
    signer_key_id: ids.AccessKeyId | None = Field(
        description="The key that the service itself holds; null when it comes by AssumeRoot only."
    )
    mfa_enabled: bool | None
    mfa_devices: list[ids.Target] | None = Field(description="Serial numbers.")
    password_present: bool | None
    signing_certificates_present: bool | None
    signing_certificates: list[SigningCertificateOut] | None


class WarningOut(BaseModel):
    """Something to weigh; `detail` says it of this request."""

    code: CautionCode = Field(description="; ".join(f"`{code}`: {meaning}" for code, meaning in CAUTIONS.items()) + ".")
    detail: str


class DecisionOut(BaseModel):
    person: ActorOut
    decision: Literal["approve", "reject"]
    digest: ids.Digest = Field(description="What was decided on.")
    comment: str | None
    decided_at: datetime
    void_because: str | None = Field(description="Why it does not count today; null when it does.")


class QuorumOut(BaseModel):
    """How many approvals are needed, and how many count today."""

    needed: int
    counted: int = Field(description="Asked again at every reading, and before the execution.")


class ClocksOut(BaseModel):
    """A new key that is not confirmed within the receipt window, or whose lifetime ends, is deactivated, and deleted
    after the grace.
    """

    filed_at: datetime
    approve_by: datetime = Field(description="Without a quorum by then the request expires.")
    approved_at: datetime | None
    execute_by: datetime | None = Field(description="An approval is good until then.")
    executed_at: datetime | None
    settled_at: datetime | None = Field(description="When it was known what the execution did.")
    receipt_window_seconds: int
    receipt_by: datetime | None
    received_at: datetime | None
    deactivated_at: datetime | None
    rollback_grace_seconds: int
    lifetime: timedelta | None = Field(description="An ISO 8601 duration; null for ever.")
    expires_at: datetime | None = Field(description="The end of the lifetime.")
    expiry_failed_at: datetime | None = Field(
        description="The key outlives its lifetime since then: AWS did not let it go."
    )
    retired_at: datetime | None = Field(description="When a key whose lifetime had ended was gone.")
    ended_at: datetime | None = Field(description="When the request got its last status.")


class ResultOut(BaseModel):
    """How the execution ended."""

    code: str
    detail: str
    access_key_id: ids.AccessKeyId | None = Field(description="The new key's.")
    signer_key_id: ids.AccessKeyId | None = Field(description="The key that signed the call.")
    aws_request_id: ids.AwsRequestId | None


class ActionOut(BaseModel):
    """What you may do now; for what you may not, the rule and why."""

    action: ActionName
    allowed: bool
    code: Code | None = Field(description="That of the problem that it would be answered with.")
    reason: str | None


class RequestSummaryOut(BaseModel):
    """A line of a list."""

    id: ids.Uuid
    status: Status
    operation: OperationName
    effect: str = Field(description="As in the request itself.")
    account: AccountOut
    target: ids.Target | None
    warnings: list[WarningOut]
    requester: RequesterOut
    recipient: ActorOut
    justification: str
    ticket: str | None
    run_on_approval: bool
    filed_at: datetime
    approve_by: datetime
    execute_by: datetime | None
    digest: ids.Digest


class RequestOut(BaseModel):
    """A request in the order in which one decides: what, on which account and key, its effect, warnings, who asks and
    why, the state of things, and last the digest to send back.
    """

    id: ids.Uuid
    status: Status
    operation: OperationName
    effect: str = Field(
        description="What this request does, in words: to what, for how long, who gets the secret, when it runs."
    )
    account: AccountOut
    target: ids.Target | None = Field(description="The key, MFA device or certificate, where it is about one.")
    access_key: AccessKeyOut | None = Field(description="The target as it was when the request was filed.")
    warnings: list[WarningOut]
    requester: RequesterOut
    recipient: ActorOut
    justification: str
    ticket: str | None
    run_on_approval: bool = Field(description="The service runs it by itself, as soon as it is approved.")
    accept_lockout: bool = Field(description="It may be the key that the service signs with, or the last active one.")
    observed: RootCredentialsOut = Field(
        description="What the account had when the request was filed; part of the digest."
    )
    clocks: ClocksOut
    quorum: QuorumOut
    decisions: list[DecisionOut]
    executed_by: ActorOut | None
    source: SourceKind | None = Field(description="How the service signed in to run it.")
    result: ResultOut | None
    digest: ids.Digest = Field(description="SHA-256 of all that was filed: what a decision sends back.")
    actions: list[ActionOut] = Field(description="What you may do now.")


class RequestPageOut(BaseModel):
    items: list[RequestSummaryOut]
    next_cursor: ids.Cursor | None


# Shown in JSON, and hidden in every repr, every dump and every error of Python's. pydantic's own schema of it says that
# it is never sent (`writeOnly`), which generated clients would believe.
_Shown = Annotated[
    SecretStr,
    PlainSerializer(SecretStr.get_secret_value, when_used="json"),
    WithJsonSchema({"type": "string", "format": "password"}),
]


# What examples show in the place of a secret.
PLACEHOLDER = "(the secret, shown this once)"


class CreatedKeyOut(BaseModel):
    """The new key. Its secret is in this one answer: confirm the receipt by `receipt_by`, or ask for another key."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_key_id: ids.AccessKeyId = Field(examples=["AKIAIOSFODNN7EXAMPLE"])
    secret_access_key: _Shown = Field(examples=[PLACEHOLDER])
    created_at: datetime
    account_id: ids.AccountId
    request_id: ids.Uuid
    receipt_by: datetime | None = Field(description="Confirmed later, the key is taken back.")


class MeOut(ActorOut):
    kind: Literal["person", "machine", "service"]
    roles: list[Role]


class AccountCredentialsOut(BaseModel):
    account: ConfiguredAccountOut
    root_credentials: RootCredentialsOut


class HealthOut(BaseModel):
    status: Literal["ok"]


class AliveOut(HealthOut):
    version: str
