"""What goes out over HTTP. Nothing has a default, so the contract says `required` of all of it."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from service.domain.account import Partition, SourceKind
from service.domain.drift import DriftKind, Origin
from service.domain.operation import OperationName
from service.domain.request import Status


class AccountOut(BaseModel):
    account_id: str
    name: str


class ConfiguredAccountOut(AccountOut):
    """`state` is what AWS Organizations says, `ACTIVE` where it was not asked; `sources` the least powerful first."""

    partition: Partition
    state: str
    is_management: bool
    sources: list[SourceKind]


class CapabilityOut(BaseModel):
    """Whether an operation can run here, and by which source; where not, why."""

    operation: OperationName
    possible: bool
    source: SourceKind | None
    reason: str | None


class ExpectedKeyOut(BaseModel):
    """`origin`: there at the first look (`adopted`), made by a request (`created`), or accepted by an operator."""

    access_key_id: str
    status: str
    origin: Origin


class ExpectationOut(BaseModel):
    """What the service expects the root user to have since its last look for drift."""

    checked_at: datetime
    keys: list[ExpectedKeyOut]
    mfa_enabled: bool


class AccountDetailOut(ConfiguredAccountOut):
    """`expected` is null before the first look."""

    capabilities: list[CapabilityOut]
    expected: ExpectationOut | None


class FindingOut(BaseModel):
    """One difference between an account and what is expected there; `access_key_id` is null for MFA."""

    id: str
    account: AccountOut
    kind: DriftKind
    access_key_id: str | None
    expected: str | None
    found: str | None
    found_at: datetime
    closed_at: datetime | None
    accepted_by: str | None


class DriftOut(BaseModel):
    items: list[FindingOut]


class DriftCheckOut(BaseModel):
    """A look at an account. `adopted`: it was the first, and everything there is expected from now on."""

    account: AccountOut
    adopted: bool
    expected: ExpectationOut
    open: list[FindingOut]


class ActorOut(BaseModel):
    subject: str
    name: str


class RequesterOut(ActorOut):
    kind: Literal["person", "machine"]


class AccessKeyOut(BaseModel):
    """A root access key as AWS listed it. Last use lags, and is no proof of non-use."""

    access_key_id: str
    status: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_service: str | None


class SigningCertificateOut(BaseModel):
    certificate_id: str
    status: str


class RootCredentialsOut(BaseModel):
    """The account's root credentials at `observed_at`; null where AWS did not say, or what it says is not there.

    `signer_key_id` is the root access key that the service itself holds; null when it comes by AssumeRoot only.
    """

    observed_at: datetime
    keys: list[AccessKeyOut]
    signer_key_id: str | None
    mfa_enabled: bool | None
    mfa_devices: list[str] | None
    password_present: bool | None
    signing_certificates_present: bool | None
    signing_certificates: list[SigningCertificateOut] | None


class WarningOut(BaseModel):
    code: str
    detail: str


class DecisionOut(BaseModel):
    """`void_because` says why a decision does not count today; null when it does."""

    person: ActorOut
    decision: Literal["approve", "reject"]
    digest: str
    comment: str | None
    decided_at: datetime
    void_because: str | None


class QuorumOut(BaseModel):
    """How many approvals are needed, and how many count today."""

    needed: int
    counted: int


class ClocksOut(BaseModel):
    """A new key that is not confirmed within the receipt window, or whose lifetime ends, is deactivated, and deleted
    after the grace. `lifetime` is an ISO 8601 duration, null for ever.
    """

    filed_at: datetime
    approve_by: datetime
    approved_at: datetime | None
    execute_by: datetime | None
    executed_at: datetime | None
    settled_at: datetime | None
    receipt_window_seconds: int
    receipt_by: datetime | None
    received_at: datetime | None
    deactivated_at: datetime | None
    rollback_grace_seconds: int
    lifetime: timedelta | None
    expires_at: datetime | None
    expiry_failed_at: datetime | None
    retired_at: datetime | None
    ended_at: datetime | None


class ResultOut(BaseModel):
    """How the execution ended. `access_key_id` is the new key's."""

    code: str
    detail: str
    access_key_id: str | None
    signer_key_id: str | None
    aws_request_id: str | None


class ActionOut(BaseModel):
    """What you may do now; for what you may not, the rule and why."""

    action: str
    allowed: bool
    code: str | None
    reason: str | None


class RequestSummaryOut(BaseModel):
    """A line of a list."""

    id: str
    status: Status
    operation: OperationName
    account: AccountOut
    target: str | None
    warnings: list[WarningOut]
    requester: RequesterOut
    recipient: ActorOut
    justification: str
    ticket: str | None
    run_on_approval: bool
    filed_at: datetime
    approve_by: datetime
    execute_by: datetime | None
    digest: str


class RequestOut(BaseModel):
    """A request in the order in which one decides: what, on which account and key, its effect, warnings, who asks and
    why, the state of things, and last the digest to send back. `target` is the id of the key, MFA device or
    certificate; `access_key` the key as it was when the request was filed.
    """

    id: str
    status: Status
    operation: OperationName
    effect: str
    account: AccountOut
    target: str | None
    access_key: AccessKeyOut | None
    warnings: list[WarningOut]
    requester: RequesterOut
    recipient: ActorOut
    justification: str
    ticket: str | None
    run_on_approval: bool
    accept_lockout: bool
    observed: RootCredentialsOut
    clocks: ClocksOut
    quorum: QuorumOut
    decisions: list[DecisionOut]
    executed_by: ActorOut | None
    source: SourceKind | None
    result: ResultOut | None
    digest: str
    actions: list[ActionOut]


class RequestPageOut(BaseModel):
    items: list[RequestSummaryOut]
    next_cursor: str | None


class CreatedKeyOut(BaseModel):
    """The new key. Its secret is in this one answer: confirm the receipt by `receipt_by`, or ask for another key."""

    access_key_id: str = Field(examples=["AKIAIOSFODNN7EXAMPLE"])
    secret_access_key: str = Field(examples=["(the secret, shown this once)"])
    created_at: datetime
    account_id: str
    request_id: str
    receipt_by: datetime | None


class MeOut(ActorOut):
    kind: Literal["person", "machine", "service"]
    roles: list[str]


class AccountCredentialsOut(BaseModel):
    account: ConfiguredAccountOut
    root_credentials: RootCredentialsOut


class ProofOut(BaseModel):
    """The sign-in at an identity provider that proved somebody: claims of the token, which itself is kept nowhere."""

    issuer: str
    subject: str
    jti: str | None
    issued_at: datetime
    auth_time: datetime | None
    acr: str | None
    amr: list[str]


class AuditActorOut(BaseModel):
    """`proof` is null for an API token, which `credential` names then."""

    kind: str
    subject: str
    credential: str
    proof: ProofOut | None


class AuditEventOut(BaseModel):
    """An event as it was written. `data` depends on the event."""

    seq: int
    at: datetime
    event: str
    request_id: str | None
    actor: AuditActorOut
    data: dict[str, object]


class AuditPageOut(BaseModel):
    """`next_cursor` is null on the last page; `resume_cursor` is where to look for what comes later."""

    items: list[AuditEventOut]
    next_cursor: str | None
    resume_cursor: str | None


class HealthOut(BaseModel):
    status: Literal["ok"]
