"""Refusals by rule. Each has a stable code and a sentence that is true and safe to show."""

from enum import StrEnum
from typing import Self

from service.domain.sign_in_checks import RoleCheck, TokenCheck


class Code(StrEnum):
    """Stable names of refusals. They are part of the contract: `docs/problems.md` explains each."""

    # The sentence; the raising code fills in each `{name}`. And the input field that the refusal concerns.
    sentence: str
    field: str | None

    def __new__(cls, value: str, sentence: str, field: str | None = None) -> Self:
        code = str.__new__(cls, value)
        code._value_ = value
        code.sentence, code.field = sentence, field
        return code

    # the caller
    UNAUTHENTICATED = ("unauthenticated", "Sign in with a bearer token.")
    INVALID_TOKEN = ("invalid_token", "The token is unknown, expired, revoked, or not meant for this service.")
    TOO_MANY_FAILURES = ("too_many_failures", "Too many sign-ins from your address have failed. Wait a minute.")
    TOO_MANY_WAITING = (
        "too_many_waiting",
        "Too many calls of this kind are waiting already. Try again in some seconds.",
    )
    TOO_MANY_CALLS = ("too_many_calls", "You or your address made too many calls. Wait for the time in Retry-After.")
    TOO_MANY_OPEN = ("too_many_open", "You have as many open requests as one may have here. Withdraw one, or wait.")
    SIGN_IN_AGAIN = ("sign_in_again", "{what} requires a sign-in within the last {seconds} seconds. Sign in again.")
    NO_ROLE = ("no_role", "You are signed in, but none of your groups has a role here.")
    SUSPENDED = ("suspended", "You are suspended here. An operator can reinstate you.")
    BAD_SIGNATURE = ("bad_signature", "The signature of this message is missing, wrong or out of date.")
    ROLE_REQUIRED = ("role_required", "You need the {roles} role for {accounts} to {task}.")
    NOT_FOUND = ("not_found", "There is no such request.")
    SELF_APPROVAL = ("self_approval", "The requester may not decide on their own request.")
    RECIPIENT_APPROVAL = ("recipient_approval", "The recipient may not decide on what they will receive.")
    MACHINE_MAY_NOT_DECIDE = ("machine_may_not_decide", "Only people may decide. A machine may file and read.")
    VOTE_NOT_COUNTED = (
        "vote_not_counted",
        "Your votes count from {since} on. A clock was ahead when you last voted, lost the role or were suspended.",
    )
    NOT_THE_REQUESTER = ("not_the_requester", "Only the requester may withdraw a request.")
    NOT_THE_RECIPIENT = (
        "not_the_recipient",
        "Only the recipient may execute a create, because the answer holds the secret.",
    )
    NOT_THE_EXECUTOR = ("not_the_executor", "Only the requester or the recipient may execute this request.")
    LOG_NOT_SIGNED = ("log_not_signed", "This service has no key to sign the head of the audit log.")
    NOT_COSIGNED = ("not_cosigned", "So many witnesses have not cosigned any head of the audit log.")
    SIGNATURE_REQUIRED = (
        "signature_required",
        "An approval of this request has to be signed with a key of your own, which others have endorsed.",
    )
    KEY_NOT_ENDORSED = ("key_not_endorsed", "You have no signing key that counts.")
    SELF_ENDORSEMENT = ("self_endorsement", "Nobody endorses a key of their own.")
    # the input
    INVALID_REQUEST = ("invalid_request", "The request does not have the documented form.")
    DOUBLED_HEADER = ("doubled_header", "A header was sent twice, so neither value can be trusted.")
    MALFORMED_IDEMPOTENCY_KEY = (
        "malformed_idempotency_key",
        "An Idempotency-Key must be 1 to 255 visible ASCII characters.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency_key_reused",
        "You have filed a different request with this Idempotency-Key.",
        "Idempotency-Key",
    )
    BODY_TOO_LARGE = ("body_too_large", "The body is larger than {kib} KiB.")
    BODY_TOO_SLOW = ("body_too_slow", "The body did not arrive within {seconds} seconds.")
    METHOD_NOT_ALLOWED = ("method_not_allowed", "This resource does not support that method.")
    NOT_ACCEPTABLE = ("not_acceptable", "Your Accept header excludes what this path returns. Nothing was run.")
    UNKNOWN_ACCOUNT = ("unknown_account", "This account is not configured.", "account_id")
    UNKNOWN_RECIPIENT = ("unknown_recipient", "The recipient is not a person whom this service knows.", "recipient")
    RECIPIENT_REQUIRED = (
        "recipient_required",
        "A machine that asks for a key must name the person who receives it.",
        "recipient",
    )
    COMMENT_REQUIRED = ("comment_required", "{what} requires a comment that says why.", "comment")
    WRONG_SIGNATURE = ("wrong_signature", "{why} So the signature does not count.", "signature")
    WRONG_KEY = ("wrong_key", "{why} Use another public key.", "key")
    LIFETIME_REQUIRED = ("lifetime_required", "This service requires a lifetime for a new key.", "lifetime")
    LIFETIME_TOO_LONG = (
        "lifetime_too_long",
        "This service allows a new key to live for at most {seconds} seconds.",
        "lifetime",
    )
    SEALED_DELIVERY_REQUIRED = (
        "sealed_delivery_required",
        "This service seals the secret of a new key to a key of its recipient's, and none is named.",
        "sealed_to",
    )
    WRONG_SEALED_TO = ("wrong_sealed_to", "{why} Name another key to seal to.", "sealed_to")
    QUEUE_ELSEWHERE = (
        "queue_elsewhere",
        "The ARN of the queue names another account or another partition of AWS.",
        "queue_arn",
    )
    TICKET_REQUIRED = ("ticket_required", "This service requires a ticket.", "ticket")
    UNKNOWN_TICKET = ("unknown_ticket", "There is no such ticket.", "ticket")
    # the account does not allow it
    NOT_CAPABLE = ("not_capable", "{reasons}")
    KEY_LIMIT_REACHED = ("key_limit_reached", "The root user already has two access keys, and AWS allows no third.")
    ROOT_MFA_REQUIRED = ("root_mfa_required", "The root user has no MFA, which this service requires for a new key.")
    NO_SUCH_KEY = ("no_such_key", "The root user of this account has no such access key.")
    NO_SUCH_MFA_DEVICE = ("no_such_mfa_device", "The root user has no such MFA device.")
    NO_SUCH_CERTIFICATE = ("no_such_certificate", "The root user has no such signing certificate.")
    NO_PASSWORD = ("no_password", "The root user has no password.")
    PASSWORD_EXISTS = ("password_exists", "The root user already has a password, which can be recovered.")
    NO_SUCH_BUCKET = ("no_such_bucket", "The account has no such S3 bucket.")
    NO_SUCH_QUEUE = ("no_such_queue", "The account has no such SQS queue.")
    NO_POLICY = ("no_policy", "The bucket or queue has no policy, so no policy locks it.")
    ALREADY_IN_STATUS = ("already_in_status", "The access key is already {status}.")
    SIGNING_KEY = (
        "signing_key",
        "The service signs with this access key and would lock itself out. Set accept_lockout if intended.",
    )
    LAST_ACTIVE_KEY = (
        "last_active_key",
        "This is the root user's last active access key. Set accept_lockout if intended.",
    )
    NO_QUORUM = (
        "no_quorum",
        "This account has too few approvers besides the requester and the recipient. It lacks {missing}.",
    )
    DUPLICATE_REQUEST = (
        "duplicate_request",
        "Another request for this operation on this account and target is still open.",
    )
    TICKET_STATE = ("ticket_state", "The state of the ticket does not allow a request.")
    # the status of the request does not allow it
    WRONG_STATUS = ("wrong_status", "The request is {status}, which does not allow this.")
    EXPIRED = ("expired", "The request has expired. File a new one.")
    ALREADY_DECIDED = ("already_decided", "You have already decided on this request. One person has one vote.")
    ALREADY_APPROVED = ("already_approved", "The request already has all the approvals it needs.")
    NOT_NEEDED = ("not_needed", "Your approval would not help, since {missing} has to approve.")
    OUTSIDE_HOURS = ("outside_hours", "The rules let nobody in as root at this time. The next time {again}.")
    ACCOUNT_MOVED = (
        "account_moved",
        "The account was renamed, moved or tagged since this was filed, so other rules apply. File a new request.",
    )
    ALREADY_EXECUTED = ("already_executed", "The request was already executed. A request runs once.")
    NO_FILE = ("no_file", "This request makes no key, so there is no file to return. Nothing was run.")
    WRONG_DIGEST = ("wrong_digest", "The digest does not match this request. Read the request again.")
    STATEMENT_TOO_OLD = (
        "statement_too_old",
        "The statement was made too long ago, by the audit log. Read a new one, and sign that.",
    )
    KEY_REVOKED = ("key_revoked", "This signing key was revoked, for good. Register another one.")
    KEY_TAKEN = ("key_taken", "This signing key is another person's.")
    TOO_MANY_KEYS = ("too_many_keys", "You have registered {most} signing keys, and nobody may register more.")
    LOG_WITHOUT_NAME = (
        "log_without_name",
        "The settings give the audit log no name, so nothing can be signed for this service.",
    )
    WRONG_SEALED_DIGEST = (
        "wrong_sealed_digest",
        "The receipt does not name the sealed file that the service delivered. What you hold is not what it sent.",
    )
    RECEIPT_TOO_LATE = (
        "receipt_too_late",
        "The receipt came too late, and the key is being rolled back. File a new request.",
    )
    QUORUM_LOST = (
        "quorum_lost",
        "Only {counted} of the {needed} required approvals count today. What is missing is {missing}.",
    )
    PARTICIPANT_SUSPENDED = ("participant_suspended", "The requester or the recipient is suspended.")
    REQUESTER_LOST_ROLE = ("requester_lost_role", "The requester no longer has the requester role for this account.")
    RECIPIENT_GONE = ("recipient_gone", "The recipient is no longer a person who can sign in here.")
    CONTRADICTORY_TIMES = (
        "contradictory_times",
        "The times of this request contradict each other: {contradiction}. Tell the operators.",
    )
    ALTERED = ("altered", "The stored request is not the one that was filed. Nobody may act on it; tell the operators.")
    ACCOUNT_BUSY = ("account_busy", "Another request is being executed on this account. Try again later.")
    # a dependency failed, or the execution did
    ACCOUNT_UNREACHABLE = ("account_unreachable", "The account's root credentials cannot be read now.")
    PROVIDER_UNREACHABLE = (
        "provider_unreachable",
        "The identity provider does not answer with its keys now. Try again later.",
    )
    TRACKER_UNREACHABLE = ("tracker_unreachable", "The tracker cannot be asked about the ticket now. Try again later.")
    ROOT_NOT_PROVED = (
        "root_not_proved",
        "The configured credential is not the root user of this account. Nothing was done with it.",
    )
    EXECUTION_FAILED = ("execution_failed", "{why} The request has failed; file a new one.")
    RULES_NOT_IN_FORCE = (
        "rules_not_in_force",
        "This process has other rules than those in force. It decides, files and executes nothing until it restarts.",
    )
    CLOCK_WRONG = (
        "clock_wrong",
        "The clock of the service's host disagrees with others, so nothing is executed. Nothing was done.",
    )
    NO_WORKER = (
        "no_worker",
        "No worker is running, which would roll back a lost key and end its lifetime. So no key is created.",
    )
    NOT_RECORDED = (
        "not_recorded",
        (
            "The outcome could not be recorded. No secret is shown, and a new key will be deleted. "
            "Do not repeat this; read the request again in some minutes."
        ),
    )
    UNAVAILABLE = ("unavailable", "The database is not available. Try again later.")
    INTERNAL = ("internal", "Something went wrong inside the service. Its log says what.")


class ServiceError(Exception):
    """A refusal by rule. `code` is stable; `detail` is a sentence or two without any of the caller's input.

    The default of `detail` is the code's sentence with `values` filled in. `cause` is the same for the operator, who
    may also read the names of files and profiles; `about` is what it concerns. Neither is shown over HTTP, and neither
    holds a secret. Raise KeyError if a value is missing.
    """

    def __init__(
        self, code: Code, detail: str | None = None, *, cause: str | None = None, about: str = "", **values: object
    ) -> None:
        self.code = code
        self.detail = code.sentence.format_map(values) if detail is None else detail
        super().__init__(f"{code}: {self.detail}")
        self.cause = cause or self.detail
        self.about = about

    @property
    def exact(self) -> str:
        """Return the text for the log: the cause, and what it concerns."""
        return f"{self.about}: {self.cause}" if self.about else self.cause


class Unauthenticated(ServiceError):
    """The caller is not signed in, or the credential is not valid (any more).

    `check` is the check that a token failed; `issuer` is the provider's name in the settings. Only the log has both.
    """

    check: TokenCheck | None = None
    issuer: str | None = None


class SignInAgain(Unauthenticated):
    """The caller is known, but this requires a fresher or stronger sign-in (RFC 9470).

    `max_age` is in seconds. `acr_values` are the accepted values, separated by blanks; any value if empty.
    """

    def __init__(self, detail: str, *, max_age: int, acr_values: str) -> None:
        super().__init__(Code.SIGN_IN_AGAIN, detail)
        self.max_age = max_age
        self.acr_values = acr_values


class TooMany(ServiceError):
    """Too many calls from this address, or too many under way. The caller may retry after `retry_after` seconds.

    None leaves the time to the code.
    """

    def __init__(self, code: Code, detail: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class Forbidden(ServiceError):
    """The actor may not do this, whatever the state of the request."""


class NoRole(Forbidden):
    """A provider has authenticated the caller, but they have no role here.

    `check` is the check that failed; `issuer` is the provider's name in the settings. Only the log has both.
    """

    issuer: str | None = None

    def __init__(self, check: RoleCheck, detail: str | None = None) -> None:
        super().__init__(Code.NO_ROLE, detail)
        self.check = check


class NotFound(ServiceError):
    """It does not exist, or the actor must not learn that it does."""


class Invalid(ServiceError):
    """The input can never be accepted as it stands. `field` names the faulty field, if there is one."""

    def __init__(self, code: Code, detail: str | None = None, *, field: str | None = None, **values: object) -> None:
        super().__init__(code, code.sentence.format_map(values) if detail is None else detail)
        self.field = field or code.field


class Malformed(ServiceError):
    """The input does not have the form that the protocol requires."""


class Conflict(ServiceError):
    """The present state of the request or of the account does not allow this."""


class Superseded(Conflict):
    """A lost compare-and-swap: somebody else changed the request between our read and our write."""

    def __init__(self) -> None:
        super().__init__(Code.WRONG_STATUS, "Somebody else changed this request meanwhile.")


class ExecutionFailed(Conflict):
    """The execution ended without the approved effect; the request is `failed`."""


class Unavailable(ServiceError):
    """A dependency is unavailable. Nothing was done, and the caller may retry later.

    `retry_after` is in seconds; None if unknown.
    """

    retry_after: int | None = None


class UnknownKey(Unavailable):
    """The key of a token is unknown, and its provider may not be asked again for `retry_after` seconds."""

    check = TokenCheck.UNKNOWN_KEY
    issuer: str | None = None

    def __init__(self, retry_after: int) -> None:
        super().__init__(Code.PROVIDER_UNREACHABLE, "The key of your token is not known yet. Try again later.")
        self.retry_after = retry_after


def bad_token(check: TokenCheck | None = None) -> Unauthenticated:
    """Refuse with the same sentence for every fault, so that somebody who tries out tokens learns nothing."""
    refusal = Unauthenticated(Code.INVALID_TOKEN)
    refusal.check = check
    return refusal


# Refusals with a sentence of their own, instead of their code's. The contract shows these as well.


def no_such_account() -> NotFound:
    """Refuse an unknown account in a path. In a body, it is `unknown_account`."""
    return NotFound(Code.NOT_FOUND, Code.UNKNOWN_ACCOUNT.sentence)


def no_file_in_clear() -> Conflict:
    """Refuse a file in clear for a request whose secret is to be sealed."""
    return Conflict(
        Code.NO_FILE, "The secret of this key is to be sealed, so no file has it in clear. Nothing was run."
    )


def log_too_small(field: str) -> Invalid:
    """Refuse a size of the audit log that it does not have yet."""
    return Invalid(Code.INVALID_REQUEST, "The log is not that large.", field=field)
