"""What can go wrong by rule, each with a stable code and a sentence that is true and safe to show."""

from enum import StrEnum


class Code(StrEnum):
    """Stable names of refusals. They are part of the contract: `docs/problems.md` explains each."""

    # who is asking
    UNAUTHENTICATED = "unauthenticated"
    INVALID_TOKEN = "invalid_token"  # noqa: S105  # the name of a refusal
    TOO_MANY_FAILURES = "too_many_failures"
    TOO_MANY_WAITING = "too_many_waiting"
    SIGN_IN_AGAIN = "sign_in_again"
    NO_ROLE = "no_role"
    SUSPENDED = "suspended"
    BAD_SIGNATURE = "bad_signature"
    ROLE_REQUIRED = "role_required"
    NOT_FOUND = "not_found"
    SELF_APPROVAL = "self_approval"
    RECIPIENT_APPROVAL = "recipient_approval"
    MACHINE_MAY_NOT_DECIDE = "machine_may_not_decide"
    VOTE_NOT_COUNTED = "vote_not_counted"
    NOT_THE_REQUESTER = "not_the_requester"
    NOT_THE_RECIPIENT = "not_the_recipient"
    NOT_THE_EXECUTOR = "not_the_executor"
    LOG_NOT_SIGNED = "log_not_signed"
    # what was sent
    INVALID_REQUEST = "invalid_request"
    DOUBLED_HEADER = "doubled_header"
    MALFORMED_IDEMPOTENCY_KEY = "malformed_idempotency_key"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TOO_SLOW = "body_too_slow"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    RECIPIENT_REQUIRED = "recipient_required"
    COMMENT_REQUIRED = "comment_required"
    LIFETIME_REQUIRED = "lifetime_required"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    TICKET_REQUIRED = "ticket_required"
    UNKNOWN_TICKET = "unknown_ticket"
    # what cannot run on this account
    NOT_CAPABLE = "not_capable"
    KEY_LIMIT_REACHED = "key_limit_reached"
    ROOT_MFA_REQUIRED = "root_mfa_required"
    NO_SUCH_KEY = "no_such_key"
    NO_SUCH_MFA_DEVICE = "no_such_mfa_device"
    NO_SUCH_CERTIFICATE = "no_such_certificate"
    NO_PASSWORD = "no_password"  # noqa: S105  # the name of a refusal
    PASSWORD_EXISTS = "password_exists"  # noqa: S105  # the name of a refusal
    ALREADY_IN_STATUS = "already_in_status"
    SIGNING_KEY = "signing_key"
    LAST_ACTIVE_KEY = "last_active_key"
    NO_QUORUM = "no_quorum"
    DUPLICATE_REQUEST = "duplicate_request"
    TICKET_STATE = "ticket_state"
    # where the request is in its life
    WRONG_STATUS = "wrong_status"
    EXPIRED = "expired"
    ALREADY_DECIDED = "already_decided"
    ALREADY_APPROVED = "already_approved"
    ALREADY_EXECUTED = "already_executed"
    NO_FILE = "no_file"
    WRONG_DIGEST = "wrong_digest"
    RECEIPT_TOO_LATE = "receipt_too_late"
    QUORUM_LOST = "quorum_lost"
    PARTICIPANT_SUSPENDED = "participant_suspended"
    REQUESTER_LOST_ROLE = "requester_lost_role"
    RECIPIENT_GONE = "recipient_gone"
    CONTRADICTORY_TIMES = "contradictory_times"
    ALTERED = "altered"
    ACCOUNT_BUSY = "account_busy"
    # what happened outside
    ACCOUNT_UNREACHABLE = "account_unreachable"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    TRACKER_UNREACHABLE = "tracker_unreachable"
    ROOT_NOT_PROVED = "root_not_proved"
    EXECUTION_FAILED = "execution_failed"
    NOT_RECORDED = "not_recorded"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class TokenCheck(StrEnum):
    """What a token can fail, in the order in which it is asked. For the log and for operators, never for the caller."""

    # any token
    OPAQUE = "opaque"
    SIZE = "size"
    MALFORMED = "malformed"
    # a provider's
    ISSUER = "issuer"
    ALGORITHM = "algorithm"
    CRITICAL = "critical"
    TYPE = "type"
    KEY_ID = "key_id"
    TIMES = "times"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    UNKNOWN_KEY = "unknown_key"
    KEY = "key"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    SUBJECT = "subject"
    # an API token
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    OWNER = "owner"


class RoleCheck(StrEnum):
    """Why somebody whom a provider has proved is nobody here. For the log; `detail` says it to the caller."""

    MACHINE = "machine"
    PERSON_ABSENT = "person_absent"
    PERSON_ELSEWHERE = "person_elsewhere"
    PERSON_UNREADABLE = "person_unreadable"
    PERSON_UNVERIFIED = "person_unverified"
    NAME = "name"
    SPELLING = "spelling"
    GROUPS_ABSENT = "groups_absent"
    GROUPS_ELSEWHERE = "groups_elsewhere"
    GROUPS_UNREADABLE = "groups_unreadable"
    NO_GRANTS = "no_grants"
    NO_GROUP = "no_group"


class ServiceError(Exception):
    """A refusal by rule. `code` is stable; `detail` is one sentence without any of the caller's input.

    `cause` is the same sentence for the operator, who also reads files' and profiles' names; `about` says what it
    concerns. Neither is for a caller over HTTP, and neither holds a secret.
    """

    def __init__(self, code: Code, detail: str, *, cause: str | None = None, about: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.cause = cause or detail
        self.about = about

    @property
    def exact(self) -> str:
        """What goes into the log: the cause, and what it concerns."""
        return f"{self.about}: {self.cause}" if self.about else self.cause


class Unauthenticated(ServiceError):
    """Nobody is signed in, or the credential is not good (any more).

    `check` is what a token failed, and `issuer` the provider's name in the settings. Both are for the log alone.
    """

    check: TokenCheck | None = None
    issuer: str | None = None


class SignInAgain(Unauthenticated):
    """Who it is is known, but not freshly or strongly enough for this (RFC 9470).

    `max_age` is in seconds; `acr_values` are those of which one will do, separated by blanks, empty for any.
    """

    def __init__(self, detail: str, *, max_age: int, acr_values: str) -> None:
        super().__init__(Code.SIGN_IN_AGAIN, detail)
        self.max_age = max_age
        self.acr_values = acr_values


class TooMany(ServiceError):
    """This comes too often from there, or too much of it is under way; asking again later makes sense."""


class Forbidden(ServiceError):
    """This actor may not do this, whatever the state of the request."""


class NoRole(Forbidden):
    """Somebody whom a provider has proved is nobody here."""

    def __init__(self, check: RoleCheck, detail: str) -> None:
        super().__init__(Code.NO_ROLE, detail)
        self.check = check


class NotFound(ServiceError):
    """There is no such thing, or this actor must not learn that there is."""


class Invalid(ServiceError):
    """What was sent can never be done as it stands. `field` is the name of what is wrong in it, where that depends."""

    def __init__(self, code: Code, detail: str, *, field: str | None = None) -> None:
        super().__init__(code, detail)
        self.field = field


class Malformed(ServiceError):
    """What was sent does not have the form that the protocol asks for."""


class Conflict(ServiceError):
    """The state of the request or of the account does not allow it now."""


class Superseded(Conflict):
    """Somebody else changed a request between our read of it and our write."""

    def __init__(self) -> None:
        super().__init__(Code.WRONG_STATUS, "Somebody else changed this request meanwhile.")


class ExecutionFailed(Conflict):
    """The one execution ended without the effect that was approved; the request is `failed`."""


class Unavailable(ServiceError):
    """Something that this needs is away; nothing was done; asking again later makes sense.

    `retry_after` is in seconds, where it is known how long that takes.
    """

    retry_after: int | None = None


class UnknownKey(Unavailable):
    """Nobody knows the key of a token, and its provider may not be asked again before `retry_after` seconds."""

    check = TokenCheck.UNKNOWN_KEY
    issuer: str | None = None

    def __init__(self, retry_after: int) -> None:
        super().__init__(Code.PROVIDER_UNREACHABLE, "The key of your token is not known yet. Try again later.")
        self.retry_after = retry_after


# Refusals that are given in more than one place.


def expired() -> Conflict:
    return Conflict(Code.EXPIRED, "The request has expired. File a new one.")


def no_such_request() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such request.")


def bad_token(check: TokenCheck | None = None) -> Unauthenticated:
    """The same sentence for whatever is wrong with it: who tries tokens out learns nothing."""
    refusal = Unauthenticated(
        Code.INVALID_TOKEN, "The token is unknown, expired, revoked, or not meant for this service."
    )
    refusal.check = check
    return refusal


def no_role() -> NoRole:
    return NoRole(RoleCheck.NO_GROUP, "You are signed in, but none of your groups has a role here.")


def suspended() -> Forbidden:
    return Forbidden(Code.SUSPENDED, "You are suspended here. An operator can reinstate you.")
