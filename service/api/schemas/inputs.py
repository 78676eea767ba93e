"""What comes in over HTTP: only what is documented, and no text that could deceive whoever reads it."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from service.domain.delivery import DeliveryStatus
from service.domain.operation import OperationName
from service.domain.request import Status
from service.domain.text import is_unseen

# Written out in both spellings that matter: JSON Schema's and Rust's regular expressions know \uXXXX alike.
_CONTROL = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
# Bidirectional controls, line separators and blanks that are no spaces reorder or hide what an approver reads.
_DECEIVING = r"\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
_LINE = rf"[^{_CONTROL}{_DECEIVING}\t\n\r]"
_TEXT = rf"[^{_CONTROL}{_DECEIVING}]"


def _check_visible(text: str) -> str:
    """What the patterns cannot say without invisible letters in the contract: tags and the like beyond U+FFFF."""
    if any(is_unseen(letter) for letter in text if letter not in "\t\n\r"):
        raise PydanticCustomError("of_ours", "There are characters in it that nobody sees.")
    return text


_Visible = AfterValidator(_check_visible)

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_SHORTEST_LIFETIME, _LONGEST_LIFETIME = timedelta(minutes=5), timedelta(days=3660)


_CURSOR = "`next_cursor` of the page before."


def duration(text: str) -> timedelta:
    """The value of an ISO 8601 duration. Raises ValueError."""
    return _DURATION.validate_python(text)


def _check_lifetime(text: str) -> str:
    try:
        fits = _SHORTEST_LIFETIME <= duration(text) <= _LONGEST_LIFETIME
    except ValidationError:  # which repeats what was sent
        raise PydanticCustomError("of_ours", "This is not an ISO 8601 duration.") from None
    if not fits:
        raise PydanticCustomError("of_ours", "A lifetime is 5 minutes at least and 3660 days at most.")
    return text


AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$", max_length=12)]
RequestId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", max_length=36),
]
AccessKeyId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]{16,128}$", max_length=128)]
FindingId = RequestId
DeliveryId = RequestId
# Of an event in the audit log, or how many it has; larger numbers have no one form in JSON.
LogNumber = Annotated[int, Field(ge=1, le=2**53 - 1)]
Destination = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,39}$", max_length=40)]
SerialNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_+=/:,.@-]{9,256}$", max_length=256)]
CertificateId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]{24,128}$", max_length=128)]
# No years and months, whose length depends.
Lifetime = Annotated[
    str,
    StringConstraints(
        pattern=r"^P([0-9]{1,3}W|([0-9]{1,4}D)?(T([0-9]{1,5}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?)?)$", max_length=30
    ),
    AfterValidator(_check_lifetime),
]
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


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


EXAMPLE_JUSTIFICATION = "Rotation of the break-glass key, due this quarter."


class _Filing(_Input):
    account_id: AccountId = Field(description="The AWS account, 12 digits.", examples=["111122223333"])
    justification: Justification = Field(
        description="Why, for the approvers: 10 to 2,000 characters, no control characters.",
        examples=[EXAMPLE_JUSTIFICATION],
    )
    ticket: Ticket | None = Field(default=None, description="The ticket this belongs to.", examples=["OPS-4711"])
    recipient: Subject | None = Field(
        default=None,
        description="The person who gets the answer; the requester if left out. A machine that creates names one.",
    )


class CreateAccessKey(_Filing):
    """A new root access key. Its secret goes to the recipient, in the answer to the execution and nowhere else."""

    operation: Literal["create_access_key"]
    lifetime: Lifetime | None = Field(
        default=None,
        description="How long the key may live, as an ISO 8601 duration of weeks, days, hours, minutes and seconds: "
        "5 minutes to 10 years, and no longer than the policy allows. At its end the service deactivates the key, and "
        "deletes it after the grace, without asking again.",
        examples=["P30D"],
    )


class _Unattended(_Filing):
    run_on_approval: bool = Field(default=False, description="Run it as soon as it is approved.")


class _OnKey(_Unattended):
    access_key_id: AccessKeyId = Field(description="The root access key.", examples=["AKIAIOSFODNN7EXAMPLE"])


class _Disabling(_OnKey):
    accept_lockout: bool = Field(
        default=False,
        description="Allow it for the key that the service signs with and for the last active key.",
    )


class DeactivateAccessKey(_Disabling):
    """The key stops working until it is activated again."""

    operation: Literal["deactivate_access_key"]


class ActivateAccessKey(_OnKey):
    """An inactive key works again."""

    operation: Literal["activate_access_key"]


class DeleteAccessKey(_Disabling):
    """The key is gone for good."""

    operation: Literal["delete_access_key"]


class DeleteLoginProfile(_Unattended):
    """Nobody can sign in to the console as root any more. For member accounts, by AssumeRoot."""

    operation: Literal["delete_login_profile"]


class AllowPasswordRecovery(_Unattended):
    """Whoever reads the root e-mail can set a root password. For member accounts, by AssumeRoot."""

    operation: Literal["allow_password_recovery"]


class DeactivateMfaDevice(_Unattended):
    """The root user signs in without this device. For member accounts, by AssumeRoot."""

    operation: Literal["deactivate_mfa_device"]
    serial_number: SerialNumber = Field(
        description="The MFA device; for a virtual one its ARN.",
        examples=["arn:aws:iam::111122223333:mfa/root-account-mfa-device"],
    )


class DeleteSigningCertificate(_Unattended):
    """The X.509 signing certificate is gone for good."""

    operation: Literal["delete_signing_certificate"]
    certificate_id: CertificateId = Field(
        description="The root user's signing certificate.", examples=["TA7SMP42TDN5Z26OBPJE7EXAMPLE"]
    )


NewRequest = Annotated[
    CreateAccessKey
    | DeactivateAccessKey
    | ActivateAccessKey
    | DeleteAccessKey
    | DeleteLoginProfile
    | AllowPasswordRecovery
    | DeactivateMfaDevice
    | DeleteSigningCertificate,
    Field(discriminator="operation"),
]


class NewDecision(_Input):
    """`digest` is that of the request as you read it; a rejection needs a comment."""

    decision: Literal["approve", "reject"]
    digest: Digest = Field(description="As the request says it: it shows what you have read.")
    comment: Comment | None = Field(default=None, description="For the requester and the log.")


class Acceptance(_Input):
    """Why what was found may stay as it is."""

    comment: Comment


class DriftFilter(_Input):
    """Whose drift to list."""

    account_id: AccountId | None = None


class RequestFilter(_Input):
    """Which requests to list."""

    awaiting: Literal["me"] | None = Field(
        default=None, description="Only what waits for you: decisions, executions, receipts."
    )
    status: Status | None = None
    account_id: AccountId | None = None
    operation: OperationName | None = None
    requester: Subject | None = None
    recipient: Subject | None = None
    ticket: Ticket | None = None
    cursor: str | None = Field(default=None, max_length=200, description=_CURSOR)
    limit: int = Field(default=20, ge=1, le=100)


class DeliveryFilter(_Input):
    """Which deliveries to list."""

    status: DeliveryStatus | None = None
    destination: Destination | None = None
    request_id: RequestId | None = None
    cursor: str | None = Field(default=None, max_length=200, description=_CURSOR)
    limit: int = Field(default=20, ge=1, le=100)


class InclusionFilter(_Input):
    """Of which event, in a log of which size."""

    seq: LogNumber = Field(description="Of the event.")
    size: LogNumber | None = Field(default=None, description="Of the log; the present one if left out.")


class ConsistencyFilter(_Input):
    """Between which two sizes."""

    first: LogNumber = Field(description="The size that you know.")
    second: LogNumber | None = Field(
        default=None, description="The later one; without it, the size that the log has now."
    )


class AuditFilter(_Input):
    """Which events to read."""

    request_id: RequestId | None = None
    cursor: str | None = Field(default=None, max_length=200, description=_CURSOR)
    limit: int = Field(default=100, ge=1, le=500)
