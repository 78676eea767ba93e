"""Response bodies. No field has a default, so the contract marks all of them as `required`."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, WithJsonSchema

from service.api.schemas import ids
from service.domain.account import Partition, SourceKind
from service.domain.actor import Role
from service.domain.briefing import CAUTIONS, CautionCode
from service.domain.delivery import DeliveryStatus
from service.domain.demands import SignedApprovals
from service.domain.drift import DriftKind, Origin
from service.domain.errors import Code
from service.domain.operation import OperationName
from service.domain.permissions import ActionName
from service.domain.request import Status


class Output(BaseModel):
    """A body that is answered. Each takes up to 3 ms to build, so it is built when it is first answered."""

    model_config = ConfigDict(defer_build=True)


# Whether a request is a drill, and how its effect says so.
Drill = Annotated[bool, Field(description="True: a drill, in which nothing changes in AWS. Part of the digest.")]
SAYS_DRILL = "That of a drill begins with `DRILL`."


class AccountOut(Output):
    account_id: ids.AccountId
    name: str


class ConfiguredAccountOut(AccountOut):
    partition: Partition
    state: str = Field(description="The state in AWS Organizations; `ACTIVE` if that was not queried.")
    is_management: bool
    sources: list[SourceKind] = Field(description="The credential sources for the account, the least powerful first.")
    organizational_units: list[ids.UnitId] | None = Field(
        description="The ids of the organization's root and of all organizational units above the account, in no order "
        "of the tree. Null if they are not known."
    )
    tags: dict[str, str] | None = Field(
        description="The account's tags in AWS Organizations, unchanged. Empty if it has none; null if they are not "
        "known."
    )


class NeedsOut(Output):
    """The demands of today's policy and rules on a request for an operation in an account."""

    quorum: int = Field(description="How many people have to approve.")
    ticket_required: bool
    lifetime_required: bool = Field(description="Whether a new key needs a lifetime. False for other operations.")
    max_lifetime: timedelta | None = Field(description="The longest lifetime of a new key; null if there is none.")


class CapabilityOut(Output):
    """Whether an operation can run in this account, with its source, or the reason why not."""

    operation: OperationName
    possible: bool
    source: SourceKind | None = Field(description="The source that would be used; null if none can.")
    reason: str | None = Field(description="Why it is not possible; null if it is.")
    needs: NeedsOut


class ExpectedKeyOut(Output):
    access_key_id: ids.AccessKeyId
    status: str
    origin: Origin = Field(
        description="Present at the first drift check (`adopted`), created by a request, or accepted by an operator."
    )


class ExpectationOut(Output):
    """The expected state of the root user, as of the last drift check."""

    checked_at: datetime = Field(description="When that drift check began.")
    keys: list[ExpectedKeyOut]
    mfa_enabled: bool
    email: str | None = Field(
        description="The root user's e-mail address; null if it could not be read yet, or the caller may not see it."
    )


class AccountDetailOut(ConfiguredAccountOut):
    capabilities: list[CapabilityOut]
    expected: ExpectationOut | None = Field(description="Null before the first drift check.")


class FindingOut(Output):
    """One difference between an account and its expected state."""

    id: ids.Uuid
    account: AccountOut
    kind: DriftKind
    access_key_id: ids.AccessKeyId | None = Field(description="Null for MFA and for the e-mail address.")
    expected: str | None = Field(description="The expected status, or address; null if it should not exist.")
    found: str | None = Field(description="The actual status, or address; null if it does not exist.")
    found_at: datetime
    closed_at: datetime | None
    accepted_by: ids.Subject | None = Field(description="Null while open, and if it closed by itself.")


class DriftOut(Output):
    items: list[FindingOut]
    oldest_check_at: datetime | None = Field(
        description="Each account that was ever checked for drift was checked then or later. Null if none was."
    )
    never_checked: int = Field(description="How many accounts could be checked for drift and never were.")


class DriftCheckOut(Output):
    """The result of a drift check."""

    account: AccountOut
    adopted: bool = Field(description="True for the first drift check: the current state is expected from now on.")
    expected: ExpectationOut
    open: list[FindingOut]


class DeliveryOut(Output):
    """One event to one destination. Its content is in the audit log."""

    id: ids.Uuid = Field(description="The `webhook-id`. It stays the same for every attempt.")
    sequence: int = Field(description="The event's sequence number in the audit log.")
    event: ids.EventName
    destination: ids.Destination
    request_id: ids.Uuid | None = Field(description="Null if the event is not about a request.")
    status: DeliveryStatus
    attempts: int
    detail: str | None = Field(description="The result of the last attempt.")
    reached: list[ids.Subject] | None = Field(
        description="For whom a mail server has accepted it. Null for a destination that tells nobody in person."
    )
    created_at: datetime
    due_at: datetime = Field(description="When the next attempt is due, if it is pending.")
    give_up_at: datetime
    ended_at: datetime | None


class DeliveryPageOut(Output):
    items: list[DeliveryOut]
    next_cursor: ids.Cursor | None


class ActorOut(Output):
    subject: ids.Subject
    name: str


class RequesterOut(ActorOut):
    kind: Literal["person", "machine"]


class AccessKeyOut(Output):
    """A root access key as listed by AWS."""

    access_key_id: ids.AccessKeyId
    status: str = Field(description="`Active` or `Inactive`, as reported by AWS.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="It lags by hours. Null does not prove that the key is unused.")
    last_used_service: str | None


class SigningCertificateOut(Output):
    certificate_id: ids.CertificateId
    status: str


class ResourcePolicyOut(Output):
    """The policy of the bucket or queue that is to be unlocked, as AWS has it. Others wrote it: it may be any text."""

    region: str = Field(description="The region of the bucket or queue.")
    policy: str | None = Field(description="The text, unchanged; null if there is no policy.")
    policy_sha256: ids.Digest | None = Field(description="The SHA-256 of the text in UTF-8, in hex.")


class RootCredentialsOut(Output):
    """The account's root credentials at `observed_at`. A field is null if AWS did not report it, or was not asked."""

    observed_at: datetime
    keys: list[AccessKeyOut]
    signer_key_id: ids.AccessKeyId | None = Field(
        description="The key that the service itself uses; null if it uses only AssumeRoot."
    )
    mfa_enabled: bool | None
    mfa_devices: list[ids.Target] | None = Field(description="The serial numbers.")
    password_present: bool | None
    signing_certificates_present: bool | None
    signing_certificates: list[SigningCertificateOut] | None
    email: str | None = Field(
        description="The address with which root signs in to the console. Null without a role for the account, "
        "without an organization, or if the organization's profile may not read it."
    )
    resource: ResourcePolicyOut | None = Field(description="The resource of an unlock; null for other operations.")


class WarningOut(Output):
    """Something to consider. `detail` is specific to this request."""

    code: CautionCode = Field(description="; ".join(f"`{code}`: {meaning}" for code, meaning in CAUTIONS.items()) + ".")
    detail: str


class DecisionOut(Output):
    person: ActorOut
    decision: Literal["approve", "reject"]
    digest: ids.Digest = Field(description="The digest that was decided on.")
    comment: str | None
    decided_at: datetime
    statement: str | None = Field(description="What was signed; null if it is not signed.")
    signature: str | None = Field(description="Its signature, in OpenSSH's armor; null without one.")
    void_because: str | None = Field(description="Why it does not count now; null if it does.")


class MissingOut(Output):
    """Approvals that are missing: `count` of people in one of these groups or, without groups, of anybody."""

    groups: list[str]
    count: int


class QuorumOut(Output):
    """How many approvals are needed, how many count now, and of whom they are missing.

    All of it is evaluated at every read, and again before the execution.
    """

    needed: int
    counted: int
    missing: list[MissingOut] = Field(description="Empty with a quorum. One person meets one demand.")
    signed_approvals: SignedApprovals = Field(
        description="Which approvals have to be signed: none, those of people who have a key that counts, or all."
    )
    rules: list[str] = Field(
        description="The rules in force for this request: those of today, and those of the filing."
    )


class DemandOut(Output):
    """The demands of a rule when the request was filed; part of the digest. Today's rules may demand more."""

    rule: str
    approvals: dict[str, int] = Field(description="How many people of each group have to approve.")
    quorum: int | None
    max_lifetime: timedelta | None
    require_root_mfa: bool
    ticket_required: bool
    approval_comment: bool
    signed_approvals: SignedApprovals
    sealed_delivery: bool = Field(description="The secret of a new key is sealed to a key of its recipient's.")
    decision_amr: list[str] = Field(description="A decision requires a sign-in by one of these methods.")
    hours: "HoursOut | None" = Field(description="Null: what lets somebody in may run at any time.")


class HoursOut(Output):
    """The hours in which what lets somebody in as root may run."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    opens: str = Field(description="By the clocks of the zone, such as `08:00`.")
    closes: str = Field(description="Until just before this time; on the next day if it is not later.")
    zone: str = Field(description="An IANA time zone.")
    closed_on: list[date] = Field(description="Dates on which nothing may run.")


class CouldApproveOut(ActorOut):
    """Somebody whose approval would help."""

    groups: list[str] = Field(description="Their groups that the rules demand.")
    last_seen_at: datetime | None = Field(description="Null if a provider has never signed them in here.")
    away_until: datetime | None


class ClocksOut(Output):
    """The request's times and deadlines.

    A new key is deactivated if its receipt is not confirmed within the receipt window, or when its lifetime ends. It
    is deleted after the grace period.
    """

    filed_at: datetime
    approve_by: datetime = Field(description="The request expires if it has no quorum by then.")
    approved_at: datetime | None
    execute_by: datetime | None = Field(description="The approval is valid until then.")
    executed_at: datetime | None
    settled_at: datetime | None = Field(description="When the result of the execution was known.")
    receipt_window_seconds: int
    receipt_by: datetime | None
    received_at: datetime | None
    deactivated_at: datetime | None
    rollback_grace_seconds: int
    lifetime: timedelta | None = Field(description="An ISO 8601 duration; null if it never ends.")
    expires_at: datetime | None = Field(description="The end of the lifetime.")
    expiry_failed_at: datetime | None = Field(
        description="Since when the key outlives its lifetime, because AWS refused to deactivate or delete it."
    )
    retired_at: datetime | None = Field(description="When the key was deleted after the end of its lifetime.")
    ended_at: datetime | None = Field(description="When the request reached its final status.")


class RotationOut(Output):
    """The plan of a rotation, which is part of the digest, and where it stands."""

    unused_for: timedelta = Field(description="How long the old key has to be unused; an ISO 8601 duration.")
    cut_over_within: timedelta = Field(description="How long after the receipt it may be deactivated.")
    deletion_wait: timedelta = Field(description="How long after its deactivation it is deleted.")
    cut_over_by: datetime | None = Field(description="Until when the old key may be deactivated.")
    released_at: datetime | None = Field(description="When somebody said that it may be deactivated.")
    cut_over_at: datetime | None = Field(description="When it was deactivated.")
    delete_old_at: datetime | None = Field(description="When it is deleted, unless it is used until then.")
    stopped_at: datetime | None = Field(description="When somebody stopped the rotation.")


class LoggedResultOut(Output):
    """The result of an execution, as the log has it."""

    code: str
    detail: str
    access_key_id: ids.AccessKeyId | None = Field(description="The new key.")
    signer_key_id: ids.AccessKeyId | None = Field(description="The key that signed the call.")
    aws_request_id: ids.AwsRequestId | None


class ResultOut(LoggedResultOut):
    """The result of the execution."""

    sealed_sha256: ids.Digest | None = Field(
        description="SHA-256 of the file in which the secret was delivered sealed; null if it was not."
    )


class ActionOut(Output):
    """An action, and whether you may do it now. If not, `code` and `reason` say why."""

    action: ActionName
    allowed: bool
    code: Code | None = Field(description="The code of the problem that you would get.")
    reason: str | None


class RequestSummaryOut(Output):
    """A request in a list."""

    id: ids.Uuid
    status: Status
    operation: OperationName
    effect: str = Field(description=f"What this request does. {SAYS_DRILL}")
    drill: Drill
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


class SealedToOut(Output):
    """The recipient's key to which the secret is sealed."""

    key: str = Field(description="An age recipient, or an SSH public key without a comment.")
    fingerprint: str = Field(
        description="Of an SSH key, as `ssh-keygen -l` prints it; an age recipient itself. Compare it with the "
        "recipient by another way."
    )


class RequestOut(Output):
    """A request. Its fields are in the order of a decision: the operation, account and target, effect, warnings,
    requester and reason, the current state, and last the digest to send back.
    """

    id: ids.Uuid
    status: Status
    operation: OperationName
    effect: str = Field(
        description="What this request does: its target, how long, who gets the secret, and when it runs. " + SAYS_DRILL
    )
    drill: Drill
    account: AccountOut
    target: ids.Target | None = Field(description="The key, MFA device or certificate, if there is one.")
    access_key: AccessKeyOut | None = Field(description="The target as it was when the request was filed.")
    warnings: list[WarningOut]
    requester: RequesterOut
    recipient: ActorOut
    sealed_to: SealedToOut | None = Field(description="Null if the secret is delivered in clear, or there is none.")
    justification: str
    ticket: str | None
    run_on_approval: bool = Field(description="The service runs it automatically once it is approved.")
    accept_lockout: bool = Field(
        description="The target may be the key that the service signs with, or the last active key."
    )
    observed: RootCredentialsOut = Field(
        description="The account's credentials when the request was filed; part of the digest."
    )
    clocks: ClocksOut
    rotation: RotationOut | None = Field(description="Null for any other operation.")
    demands: list[DemandOut]
    quorum: QuorumOut
    could_approve: list[CouldApproveOut] = Field(
        description="People whose approval would help, at most ten of them. Empty once nothing is missing."
    )
    decisions: list[DecisionOut]
    executed_by: ActorOut | None
    source: SourceKind | None = Field(description="The credential source of the execution.")
    result: ResultOut | None
    digest: ids.Digest = Field(description="SHA-256 of everything that was filed. Send it back with your decision.")
    actions: list[ActionOut] = Field(description="What you may do now.")


class PreviewOut(Output):
    """A request as approvers would read it if it were filed now. Its fields are those of the request."""

    operation: OperationName
    effect: str
    drill: Drill
    account: AccountOut
    target: ids.Target | None
    access_key: AccessKeyOut | None
    warnings: list[WarningOut]
    requester: RequesterOut
    recipient: ActorOut
    sealed_to: SealedToOut | None
    justification: str
    ticket: str | None
    run_on_approval: bool
    accept_lockout: bool
    observed: RootCredentialsOut
    clocks: ClocksOut
    rotation: RotationOut | None
    demands: list[DemandOut]
    quorum: QuorumOut
    could_approve: list[CouldApproveOut]


class RequestPageOut(Output):
    items: list[RequestSummaryOut]
    next_cursor: ids.Cursor | None


# Shown in JSON, and hidden in every Python repr, dump and error. pydantic's own schema marks it as `writeOnly`, so
# generated clients would not read it.
_Shown = Annotated[
    SecretStr,
    PlainSerializer(SecretStr.get_secret_value, when_used="json"),
    WithJsonSchema({"type": "string", "format": "password"}),
]


# What examples show in the place of a secret.
PLACEHOLDER = "(the secret, shown this once)"


class CreatedKeyOut(Output):
    """The new key. Its secret is only in this response. Confirm its receipt by `receipt_by`, or it is deleted."""

    # Built at the start: nothing may fail between the creation of a key and the only answer that has it.
    model_config = ConfigDict(hide_input_in_errors=True, defer_build=False)

    access_key_id: ids.AccessKeyId = Field(examples=["AKIAIOSFODNN7EXAMPLE"])
    secret_access_key: _Shown = Field(examples=[PLACEHOLDER])
    created_at: datetime
    account_id: ids.AccountId
    request_id: ids.Uuid
    receipt_by: datetime | None = Field(description="Without a receipt by then, the key is deactivated and deleted.")


class SealedKeyOut(Output):
    """The new key, whose secret is sealed to the recipient's key. Only this response has it. Open it, then confirm its
    receipt by `receipt_by`, or the key is deleted.
    """

    model_config = ConfigDict(defer_build=False)  # as above

    access_key_id: ids.AccessKeyId = Field(examples=["AKIAIOSFODNN7EXAMPLE"])
    sealed: str = Field(
        description="An armored file of age. Opened, it is JSON with `access_key_id`, `secret_access_key`, "
        "`created_at`, `account_id` and `request_id`."
    )
    sealed_sha256: ids.Digest = Field(
        description="SHA-256 of `sealed` as it was sent. The receipt names that of what arrived: compute it yourself."
    )
    created_at: datetime
    account_id: ids.AccountId
    request_id: ids.Uuid
    receipt_by: datetime | None = Field(description="As for a key in clear.")


class MeOut(ActorOut):
    kind: Literal["person", "machine", "service"]
    roles: list[Role]
    can_decide: bool = Field(
        description="Whether this token is good for decisions now: its owner is an approver of some account, "
        "and the sign-in is fresh and strong enough."
    )


class AccountCredentialsOut(Output):
    account: ConfiguredAccountOut
    root_credentials: RootCredentialsOut


class HealthOut(Output):
    status: Literal["ok"]


class AliveOut(HealthOut):
    version: str
