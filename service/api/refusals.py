"""The one table of refusals in HTTP: the status of each code, and a sentence that it is answered with."""

from typing import NamedTuple

from service.domain.errors import Code


class Refusal(NamedTuple):
    """`detail` is an example, in the service's own words; where the cause is told, others read differently. `field` is
    what of an input it is about.
    """

    status: int
    detail: str
    field: str | None = None


REFUSALS: dict[Code, Refusal] = {
    # who is asking
    Code.UNAUTHENTICATED: Refusal(401, "Sign in with a bearer token."),
    Code.INVALID_TOKEN: Refusal(401, "The token is unknown, expired, revoked, or not meant for this service."),
    Code.TOO_MANY_FAILURES: Refusal(429, "Too many sign-ins from your address have failed. Wait a minute."),
    Code.TOO_MANY_WAITING: Refusal(429, "Too many such calls wait for an answer already. Try again in some seconds."),
    Code.SIGN_IN_AGAIN: Refusal(401, "A decision takes a sign-in of the last 900 seconds. Sign in again."),
    Code.NO_ROLE: Refusal(403, "You are signed in, but none of your groups has a role here."),
    Code.SUSPENDED: Refusal(403, "You are suspended here. An operator can reinstate you."),
    Code.BAD_SIGNATURE: Refusal(401, "The message is not signed by whom it should be, or not now."),
    Code.ROLE_REQUIRED: Refusal(403, "To decide one needs the role approver for this account."),
    Code.NOT_FOUND: Refusal(404, "There is no such request."),
    Code.SELF_APPROVAL: Refusal(403, "The requester may not decide on their own request."),
    Code.RECIPIENT_APPROVAL: Refusal(403, "The recipient may not decide on what they will receive."),
    Code.MACHINE_MAY_NOT_DECIDE: Refusal(403, "Only people decide; a machine may file and read."),
    Code.VOTE_NOT_COUNTED: Refusal(
        403,
        "Your votes count from 2026-11-24T12:00:00.000000Z on: a clock was ahead when you last voted, lost the role or "
        "were suspended.",
    ),
    Code.NOT_THE_REQUESTER: Refusal(403, "Only the requester may withdraw a request."),
    Code.NOT_THE_RECIPIENT: Refusal(403, "Only the recipient may execute a create: the answer is the secret."),
    Code.NOT_THE_EXECUTOR: Refusal(403, "Only the requester or the recipient may execute this request."),
    Code.LOG_NOT_SIGNED: Refusal(404, "This service has no key to sign the audit log's head with."),
    # what was sent
    Code.INVALID_REQUEST: Refusal(422, "The request does not have the documented form."),
    Code.DOUBLED_HEADER: Refusal(400, "A header is there twice, and of two values none can be believed."),
    Code.MALFORMED_IDEMPOTENCY_KEY: Refusal(400, "An Idempotency-Key is 1 to 255 visible ASCII characters."),
    Code.IDEMPOTENCY_KEY_REUSED: Refusal(422, "You filed something else with this Idempotency-Key.", "Idempotency-Key"),
    Code.BODY_TOO_LARGE: Refusal(413, "The body is larger than 64 KiB."),
    Code.BODY_TOO_SLOW: Refusal(408, "The body did not arrive within 10 seconds."),
    Code.METHOD_NOT_ALLOWED: Refusal(405, "This resource does not know that method."),
    Code.NOT_ACCEPTABLE: Refusal(406, "Accept does not allow what this path answers with. Nothing was run."),
    Code.UNKNOWN_ACCOUNT: Refusal(422, "This account is not configured.", "account_id"),
    Code.UNKNOWN_RECIPIENT: Refusal(422, "The recipient is not a person that this service knows.", "recipient"),
    Code.RECIPIENT_REQUIRED: Refusal(
        422, "A machine that asks for a key names the person who receives it.", "recipient"
    ),
    Code.COMMENT_REQUIRED: Refusal(422, "A rejection needs a comment that says why.", "comment"),
    Code.LIFETIME_REQUIRED: Refusal(422, "A new key needs a lifetime here.", "lifetime"),
    Code.LIFETIME_TOO_LONG: Refusal(422, "The longest lifetime of a new key is 2,592,000 seconds here.", "lifetime"),
    Code.TICKET_REQUIRED: Refusal(422, "A request names a ticket here.", "ticket"),
    Code.UNKNOWN_TICKET: Refusal(422, "There is no such ticket.", "ticket"),
    # what cannot run on this account
    Code.NOT_CAPABLE: Refusal(409, "The account is SUSPENDED, and AWS lets nobody in."),
    Code.KEY_LIMIT_REACHED: Refusal(409, "The root user has two access keys already; AWS allows no third."),
    Code.ROOT_MFA_REQUIRED: Refusal(409, "The root user has no MFA, which is demanded here before a new key."),
    Code.NO_SUCH_KEY: Refusal(409, "The root user of this account has no such access key."),
    Code.NO_SUCH_MFA_DEVICE: Refusal(409, "The root user has no such MFA device."),
    Code.NO_SUCH_CERTIFICATE: Refusal(409, "The root user has no such signing certificate."),
    Code.NO_PASSWORD: Refusal(409, "The root user has no password."),
    Code.PASSWORD_EXISTS: Refusal(409, "The root user has a password already, which can be recovered."),
    Code.ALREADY_IN_STATUS: Refusal(409, "The access key is Inactive already."),
    Code.SIGNING_KEY: Refusal(
        409,
        "The service itself signs with this access key and would lock itself out of the account. "
        "Say accept_lockout if that is meant.",
    ),
    Code.LAST_ACTIVE_KEY: Refusal(
        409, "This is the root user's last active access key. Say accept_lockout if that is meant."
    ),
    Code.NO_QUORUM: Refusal(
        409,
        "Fewer than 2 approvers of this account are neither the requester nor the recipient; "
        "nobody could approve this.",
    ),
    Code.DUPLICATE_REQUEST: Refusal(
        409, "A request for the same operation on the same account and key is open already."
    ),
    Code.TICKET_STATE: Refusal(409, "The ticket is not in a state in which anything may be asked for."),
    # where the request is in its life
    Code.WRONG_STATUS: Refusal(409, "The request is succeeded; that is not possible any more, or not yet."),
    Code.EXPIRED: Refusal(409, "The request has expired. File a new one."),
    Code.ALREADY_DECIDED: Refusal(409, "You have decided on this request. One person has one vote."),
    Code.ALREADY_APPROVED: Refusal(409, "The request has all the approvals it needs."),
    Code.ALREADY_EXECUTED: Refusal(409, "The request was executed already. A request runs once."),
    Code.NO_FILE: Refusal(409, "This request makes no key, so there is no file of one. Nothing was run."),
    Code.WRONG_DIGEST: Refusal(409, "The digest is not that of this request. Read it again."),
    Code.RECEIPT_TOO_LATE: Refusal(409, "The receipt came too late: the key is being taken back. File a new request."),
    Code.QUORUM_LOST: Refusal(409, "1 of 2 approvals count today. Another approver has to approve."),
    Code.PARTICIPANT_SUSPENDED: Refusal(409, "The requester or the recipient is suspended."),
    Code.REQUESTER_LOST_ROLE: Refusal(409, "The requester no longer has the role requester for this account."),
    Code.RECIPIENT_GONE: Refusal(409, "The recipient is no longer a person who can sign in here."),
    Code.CONTRADICTORY_TIMES: Refusal(
        409,
        "The times of this request contradict each other: the filing is at 2026-11-24T12:00:00.000000Z, which is still "
        "to come. Tell the operators.",
    ),
    Code.ALTERED: Refusal(409, "What is stored is not what was filed. Nobody may act on it; tell the operators."),
    Code.ACCOUNT_BUSY: Refusal(409, "Another request is being executed on this account. Try again later."),
    # what happened outside
    Code.ACCOUNT_UNREACHABLE: Refusal(
        503,
        "The account's root credentials cannot be read now. AWS denied the call, often by a service control policy.",
    ),
    Code.PROVIDER_UNREACHABLE: Refusal(503, "The identity provider cannot be asked for its keys now. Try again later."),
    Code.TRACKER_UNREACHABLE: Refusal(503, "The tracker cannot be asked for the ticket now. Try again later."),
    Code.ROOT_NOT_PROVED: Refusal(
        503, "The configured credential is not the root user of this account; nothing was done with it."
    ),
    Code.EXECUTION_FAILED: Refusal(
        409,
        "AWS denied the call, often by a service control policy. The request is failed; file a new one.",
    ),
    Code.NOT_RECORDED: Refusal(
        503,
        "What happened could not be recorded, so no secret is shown, and a key that was made is taken back. "
        "Do not repeat this; look at the request again in some minutes.",
    ),
    Code.UNAVAILABLE: Refusal(503, "The database is not available. Try again later."),
    Code.INTERNAL: Refusal(500, "Something went wrong inside the service; its log says what."),
}
