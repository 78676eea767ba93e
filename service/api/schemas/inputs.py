"""Request bodies and parameters: only documented fields, and no text that could deceive its readers."""

import warnings
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.warnings import UnsupportedFieldAttributeWarning
from pydantic_core import PydanticCustomError

from service.domain.delivery import DeliveryStatus
from service.domain.operation import OperationName
from service.domain.request import Status
from service.domain.rotation_plan import LONGEST_STEP, SHORTEST_STEP
from service.domain.text import is_unseen

# FastAPI gives a whole body an alias. It ignores pydantic's warning itself, but only for what it builds at once.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)

# Both JSON Schema's and Rust's regular expressions support \uXXXX.
_CONTROL = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
# Bidirectional controls, line separators and invisible blanks reorder or hide what an approver reads.
_DECEIVING = r"\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
_LINE = rf"[^{_CONTROL}{_DECEIVING}\t\n\r]"
_TEXT = rf"[^{_CONTROL}{_DECEIVING}]"


def _check_visible(text: str) -> str:
    """Reject invisible characters beyond U+FFFF, such as tags: patterns for them would put them into the contract."""
    if any(is_unseen(letter) for letter in text if letter not in "\t\n\r"):
        raise PydanticCustomError("of_ours", "It contains invisible characters.")
    return text


_Visible = AfterValidator(_check_visible)

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_SHORTEST_LIFETIME, _LONGEST_LIFETIME = timedelta(minutes=5), timedelta(days=3660)


_CURSOR = "`next_cursor` of the previous page."


def duration(text: str) -> timedelta:
    """Parse an ISO 8601 duration. Raise ValueError."""
    return _DURATION.validate_python(text)


def _check_lifetime(text: str) -> str:
    try:
        fits = _SHORTEST_LIFETIME <= duration(text) <= _LONGEST_LIFETIME
    except ValidationError:  # its text quotes the input
        raise PydanticCustomError("of_ours", "This is not an ISO 8601 duration.") from None
    if not fits:
        raise PydanticCustomError("of_ours", "A lifetime is at least 5 minutes and at most 3660 days.")
    return text


def _check_step(text: str) -> str:
    try:
        fits = SHORTEST_STEP <= duration(text) <= LONGEST_STEP
    except ValidationError:
        raise PydanticCustomError("of_ours", "This is not a duration in the form of ISO 8601.") from None
    if not fits:
        raise PydanticCustomError("of_ours", "A step of a rotation takes at least 1 hour and at most 366 days.")
    return text


AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$", max_length=12)]
RequestId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", max_length=36),
]
AccessKeyId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]{16,128}$", max_length=128)]
FindingId = RequestId
DeliveryId = RequestId
# The number of an event in the audit log, or the log's size. Larger numbers are not exact in JSON.
LogNumber = Annotated[int, Field(ge=1, le=2**53 - 1)]
Destination = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,39}$", max_length=40)]
SerialNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_+=/:,.@-]{9,256}$", max_length=256)]
CertificateId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]{24,128}$", max_length=128)]
# By S3's rules of today, and by those of old buckets in us-east-1.
Bucket = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{2,254}$", max_length=255)]
QueueArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws(-[a-z]+)*:sqs:[a-z]{2}(-[a-z]+)+-[0-9]{1,2}:[0-9]{12}:[0-9A-Za-z_-]{1,80}([.]fifo)?$",
        max_length=256,
    ),
]
# No years and months: their length varies.
_Duration = StringConstraints(
    pattern=r"^P([0-9]{1,3}W|([0-9]{1,4}D)?(T([0-9]{1,5}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?)?)$", max_length=30
)
Lifetime = Annotated[str, _Duration, AfterValidator(_check_lifetime)]
StepOfRotation = Annotated[str, _Duration, AfterValidator(_check_step)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)]
Subject = Annotated[str, StringConstraints(pattern=rf"^{_LINE}+$", max_length=255), _Visible]
Ticket = Annotated[str, StringConstraints(pattern=rf"^{_LINE}+$", max_length=255), _Visible]
Justification = Annotated[
    str,
    StringConstraints(pattern=rf"^{_TEXT}*[^{_CONTROL}{_DECEIVING}\s]{_TEXT}*$", min_length=10, max_length=2000),
    _Visible,
]
Comment = Annotated[
    str, StringConstraints(pattern=rf"^{_TEXT}*[^{_CONTROL}{_DECEIVING}\s]{_TEXT}*$", max_length=2000), _Visible
]


# Its form is judged where it is read. A comment of an SSH key may stand behind it.
SealedTo = Annotated[str, StringConstraints(pattern=rf"^{_LINE}+$", max_length=2048), _Visible]
# What was signed, and OpenSSH's armored signature of it. No statement is as long, and no signature longer.
Statement = Annotated[str, StringConstraints(min_length=2, max_length=16 * 1024)]
Signature = Annotated[
    str,
    StringConstraints(
        pattern=r"^-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+\n-----END SSH SIGNATURE-----\n$",
        max_length=16 * 1024,
    ),
]
KeyName = Annotated[str, StringConstraints(pattern=rf"^{_LINE}+$", max_length=100), _Visible]


class Input(BaseModel):
    """A body, or all parameters of a query: no other names."""

    # Built when it is first sent, since its patterns take up to a MiB each.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)


EXAMPLE_JUSTIFICATION = "Rotation of the break-glass key, due this quarter."


class _Filing(Input):
    model_config = ConfigDict(defer_build=False)  # two routes share what is built once

    account_id: AccountId = Field(description="The AWS account, 12 digits.", examples=["111122223333"])
    justification: Justification = Field(
        description="The reason, for the approvers: 10 to 2,000 characters, no control characters.",
        examples=[EXAMPLE_JUSTIFICATION],
    )
    ticket: Ticket | None = Field(default=None, description="The ticket of this request.", examples=["OPS-4711"])
    recipient: Subject | None = Field(
        default=None,
        description="The person who may execute the request, and who gets the secret of a new key. The default is the "
        "requester. A machine that creates a key must name one.",
    )
    drill: bool = Field(
        default=False,
        description="Practise it: everything is done and asked as for a real request, but nothing changes in AWS, and "
        "there is no key. It is marked everywhere, and can never become a real request.",
    )


class _MakingKey(_Filing):
    lifetime: Lifetime | None = Field(
        default=None,
        description="How long the key may live, as an ISO 8601 duration of weeks, days, hours, minutes and seconds: "
        "5 minutes to 10 years, and no longer than the policy allows. At its end the service deactivates the key, and "
        "deletes it after the grace period, without a further approval.",
        examples=["P30D"],
    )
    sealed_to: SealedTo | None = Field(
        default=None,
        description="A key of the recipient's to which the secret is sealed, so that nobody reads it on its way: an "
        "age recipient (`age1…`), or an SSH public key of the kind ssh-ed25519 or ssh-rsa (2048 to 4096 bits). It is "
        "part of the digest, and approvers see its fingerprint.",
        examples=["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"],
    )


class CreateAccessKey(_MakingKey):
    """Create a root access key. Only the recipient gets its secret, in the response to the execution."""

    operation: Literal["create_access_key"]


class Rotation(Input):
    """The plan of a rotation: how long each step waits. Approvers approve it with the new key."""

    unused_for: StepOfRotation = Field(
        default="P7D",
        description="The old key is deactivated once it has been unused for so long, by AWS's information about its "
        "last use. The time before the receipt does not count.",
        examples=["P7D"],
    )
    cut_over_within: StepOfRotation = Field(
        default="P30D",
        description="The old key is deactivated within this time after the receipt, or not at all. It is longer than "
        "`unused_for`.",
        examples=["P30D"],
    )
    deletion_wait: StepOfRotation = Field(
        default="P7D", description="The old key is deleted so long after its deactivation.", examples=["P7D"]
    )

    @model_validator(mode="after")
    def _can_be_unused(self) -> "Rotation":
        if duration(self.unused_for) >= duration(self.cut_over_within):
            raise PydanticCustomError("of_ours", "The time for the cut-over has to be longer than `unused_for`.")
        return self


class RotateAccessKey(_MakingKey):
    """Replace a root access key: create a new one, then deactivate and delete the old one. It is approved once, as a
    plan. Only the recipient gets the secret of the new key, in the response to the execution.
    """

    operation: Literal["rotate_access_key"]
    access_key_id: AccessKeyId = Field(description="The old key, which is active.", examples=["AKIAIOSFODNN7EXAMPLE"])
    rotation: Rotation = Field(default_factory=Rotation, description="The plan; each step has a usual length.")


class NewCutOver(Input):
    """Somebody's word that the old key of a rotation may be deactivated now."""

    access_key_id: AccessKeyId = Field(description="The old key, so that nobody takes one for the other.")
    comment: Comment = Field(description="How you know that nothing needs the old key any more; for the log.")


class _Unattended(_Filing):
    run_on_approval: bool = Field(default=False, description="Run it as soon as it is approved.")


class _OnKey(_Unattended):
    access_key_id: AccessKeyId = Field(description="The root access key.", examples=["AKIAIOSFODNN7EXAMPLE"])


class _Disabling(_OnKey):
    accept_lockout: bool = Field(
        default=False,
        description="Allow this for the key that the service signs with, and for the last active key.",
    )


class DeactivateAccessKey(_Disabling):
    """Deactivate the key. It stops working until it is activated again."""

    operation: Literal["deactivate_access_key"]


class ActivateAccessKey(_OnKey):
    """Activate an inactive key. It works again."""

    operation: Literal["activate_access_key"]


class DeleteAccessKey(_Disabling):
    """Delete the key for good."""

    operation: Literal["delete_access_key"]


class DeleteLoginProfile(_Unattended):
    """Delete the root password: nobody can sign in to the console as root. For member accounts, by AssumeRoot."""

    operation: Literal["delete_login_profile"]


class AllowPasswordRecovery(_Unattended):
    """Let anybody who reads the root e-mail set a root password. For member accounts, by AssumeRoot."""

    operation: Literal["allow_password_recovery"]


class DeactivateMfaDevice(_Unattended):
    """Remove the MFA device from the root user's sign-in. For member accounts, by AssumeRoot."""

    operation: Literal["deactivate_mfa_device"]
    serial_number: SerialNumber = Field(
        description="The MFA device's serial number; for a virtual device its ARN.",
        examples=["arn:aws:iam::111122223333:mfa/root-account-mfa-device"],
    )


class DeleteSigningCertificate(_Unattended):
    """Delete the X.509 signing certificate for good."""

    operation: Literal["delete_signing_certificate"]
    certificate_id: CertificateId = Field(
        description="The root user's signing certificate.", examples=["TA7SMP42TDN5Z26OBPJE7EXAMPLE"]
    )


class UnlockS3BucketPolicy(_Unattended):
    """Delete a bucket's policy, which locks its owners out. For member accounts, by AssumeRoot, if the settings let it.

    The request shows the policy, and its SHA-256 is in the digest. Another policy at the execution is refused.
    """

    operation: Literal["unlock_s3_bucket_policy"]
    bucket: Bucket = Field(description="The S3 bucket, in any region.", examples=["example-logs"])


class UnlockSqsQueuePolicy(_Unattended):
    """Delete a queue's policy, which locks its owners out. For member accounts, by AssumeRoot, if the settings let it.

    The request shows the policy, and its SHA-256 is in the digest. Another policy at the execution is refused.
    """

    operation: Literal["unlock_sqs_queue_policy"]
    queue_arn: QueueArn = Field(
        description="The ARN of the SQS queue, in this account.",
        examples=["arn:aws:sqs:eu-central-1:444455556666:orders"],
    )


NewRequest = Annotated[
    CreateAccessKey
    | RotateAccessKey
    | DeactivateAccessKey
    | ActivateAccessKey
    | DeleteAccessKey
    | DeleteLoginProfile
    | AllowPasswordRecovery
    | DeactivateMfaDevice
    | DeleteSigningCertificate
    | UnlockS3BucketPolicy
    | UnlockSqsQueuePolicy,
    Field(discriminator="operation"),
]


class NewReceipt(Input):
    """What arrived. Only the receipt of a sealed key says so."""

    sealed_sha256: Digest = Field(
        description="SHA-256, in lower-case hex, of `sealed` in the answer to the execution, as it arrived."
    )


class NewDecision(Input):
    """A decision. A rejection requires a comment. An approval may have to be signed; then it has both last fields."""

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"statement": ["signature"], "signature": ["statement"]}}
    )

    decision: Literal["approve", "reject"]
    digest: Digest = Field(description="The `digest` of the request as you read it.")
    comment: Comment | None = Field(default=None, description="For the requester and the log.")
    statement: Statement | None = Field(default=None, description="What you signed: the `statement` as it was given.")
    signature: Signature | None = Field(default=None, description="OpenSSH's armored signature of the statement.")

    @model_validator(mode="after")
    def _is_whole(self) -> "NewDecision":
        if (self.statement is None) != (self.signature is None):
            raise PydanticCustomError("of_ours", "A statement and its signature belong together.")
        return self


class Acceptance(Input):
    """The reason to accept a finding."""

    comment: Comment


class DriftFilter(Input):
    """Filters for drift."""

    account_id: AccountId | None = None


class RequestFilter(Input):
    """Filters for requests."""

    awaiting: Literal["me"] | None = Field(
        default=None, description="Only requests that wait for you: for a decision, an execution or a receipt."
    )
    status: Status | None = None
    account_id: AccountId | None = None
    operation: OperationName | None = None
    requester: Subject | None = None
    recipient: Subject | None = None
    ticket: Ticket | None = None
    cursor: str | None = Field(default=None, max_length=200, description=_CURSOR)
    limit: int = Field(default=20, ge=1, le=100)


class DeliveryFilter(Input):
    """Filters for deliveries."""

    status: DeliveryStatus | None = None
    destination: Destination | None = None
    request_id: RequestId | None = None
    cursor: str | None = Field(default=None, max_length=200, description=_CURSOR)
    limit: int = Field(default=20, ge=1, le=100)


class CheckpointFilter(Input):
    """Which head of the log."""

    cosigned_by: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="How many of the log's witnesses must have cosigned the head; by default the current head, "
        "whether any has or not.",
    )


class InclusionFilter(Input):
    """The event, and the size of the log."""

    seq: LogNumber = Field(description="The event's sequence number.")
    size: LogNumber | None = Field(default=None, description="The log's size; by default its current size.")


class ConsistencyFilter(Input):
    """Two sizes of the log."""

    first: LogNumber = Field(description="The size that you know.")
    second: LogNumber | None = Field(default=None, description="The later size; by default the current one.")


class AuditFilter(Input):
    """Filters for events."""

    request_id: RequestId | None = None
    cursor: str | None = Field(default=None, max_length=200, description=_CURSOR)
    limit: int = Field(default=100, ge=1, le=500)
