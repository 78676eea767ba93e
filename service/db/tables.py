"""The tables. CHECKs make nonsense rows impossible; triggers (in the migration) make history immutable."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)

from service.db.columns import UtcDateTime, one_of, partial_index
from service.db.columns import metadata as metadata  # noqa: PLC0414  # with all of these tables in it
from service.domain.account import SourceKind
from service.domain.actor import ActorKind
from service.domain.delivery import DeliveryStatus
from service.domain.demands import SignedApprovals
from service.domain.drift import DriftKind
from service.domain.event_table import POLICY_CHANGED, RULES_SIGNED
from service.domain.operation import KINDS, TARGET_OF, OperationName
from service.domain.policy import SMALLEST_QUORUM
from service.domain.request import OPEN, TERMINAL, Status, Verdict

_NEVER_CLAIMED = {Status.PENDING, Status.APPROVED, Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED}
_APPROVED_ONCE = set(Status) - _NEVER_CLAIMED | {Status.APPROVED}
# Whether a request is a drill, in SQL of both databases. The terms are JSON in its canonical form. No value in it can
# look like this name: a quotation mark in a text has a backslash before it.
_IS_DRILL = """coalesce(replace(terms, '"drill":', '') <> terms, false)"""
# What the worker looks for: keys whose lifetime has not ended yet.
_MAY_EXPIRE = "expires_at IS NOT NULL AND retired_at IS NULL"
_ROTATED = {Status.ROTATING, Status.STOPPED}
_SETTLED = {Status.DELIVERED, Status.SUCCEEDED, Status.FAILED, Status.ROLLED_BACK} | _ROTATED
_MAKES_KEY = one_of("operation", [name for name, kind in KINDS.items() if kind.makes_key])

requests = Table(
    "requests",
    metadata,
    Column("id", String(36), primary_key=True),
    # As filed: never changed again (trigger), all of it in the digest.
    Column("account_id", String(12), nullable=False),
    Column("operation", String(40), nullable=False),
    # The id of the operation's target. Empty if there is none, because NULLs are distinct in the unique index below.
    Column("target", String(256), nullable=False),
    Column("requester", String(255), nullable=False),
    Column("requester_kind", String(10), nullable=False),
    Column("recipient", String(255), nullable=False),
    Column("justification", Text, nullable=False),
    Column("ticket", String(255)),
    Column("run_on_approval", Boolean, nullable=False),
    Column("accept_lockout", Boolean, nullable=False),
    Column("quorum", Integer, nullable=False),
    Column("filed_at", UtcDateTime, nullable=False),
    Column("approve_by", UtcDateTime, nullable=False),
    Column("execution_window_seconds", Integer, nullable=False),
    Column("receipt_window_seconds", Integer, nullable=False),
    Column("rollback_grace_seconds", Integer, nullable=False),
    Column("lifetime_seconds", Integer),
    Column("observed", Text, nullable=False),
    # JSON; NULL if there were no rules.
    Column("demands", Text),
    Column("placement", Text),
    # NULL if no approval had to be signed.
    Column(
        "signed_approvals",
        String(10),
        CheckConstraint(
            one_of("signed_approvals", {SignedApprovals.ENROLLED, SignedApprovals.REQUIRED}), name="signed_approvals"
        ),
    ),
    # The digest of the signed rules in force; NULL if there were none.
    Column("rules", String(64), CheckConstraint("length(rules) = 64", name="rules")),
    # JSON: what only some filings say; NULL if this one says nothing of it.
    Column("terms", Text),
    Column("digest", String(64), nullable=False),
    Column("idempotency_key", String(255)),
    Column("idempotency_hash", String(64)),
    # What changes during its life.
    Column("status", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("approved_at", UtcDateTime),
    Column("execute_by", UtcDateTime),
    Column("claimed_at", UtcDateTime),
    Column("claimed_by", String(255)),
    Column("known_key_ids", Text),
    Column("source", String(20)),
    Column("result_code", String(64)),
    Column("result_detail", Text),
    Column("result_access_key_id", String(128)),
    Column("result_sealed_sha256", String(64)),
    Column("signer_key_id", String(128)),
    Column("aws_request_id", String(128)),
    Column("settled_at", UtcDateTime),
    Column("receipt_by", UtcDateTime),
    Column("received_at", UtcDateTime),
    Column("overdue_at", UtcDateTime),
    Column("unconfirmed_at", UtcDateTime),
    Column("deactivated_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("expiry_announced_at", UtcDateTime),
    Column("expiry_failed_at", UtcDateTime),
    Column("retired_at", UtcDateTime),
    # The times of a rotation.
    Column("released_at", UtcDateTime),
    Column(
        "cut_over_at", UtcDateTime, CheckConstraint("cut_over_at IS NULL OR received_at IS NOT NULL", name="cut_over")
    ),
    Column(
        "acting_at",
        UtcDateTime,
        CheckConstraint(
            f"NOT ({one_of('status', _ROTATED)}) OR (operation = 'rotate_access_key' AND received_at IS NOT NULL)",
            name="rotating",
        ),
    ),
    Column(
        "stopped_at",
        UtcDateTime,
        CheckConstraint(
            "COALESCE(released_at, acting_at, cut_over_at, stopped_at) IS NULL OR operation = 'rotate_access_key'",
            name="rotation",
        ),
    ),
    Column("look_at", UtcDateTime),
    Column("reminded_at", UtcDateTime),
    Column("stuck_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    CheckConstraint(one_of("status", Status), name="status"),
    CheckConstraint(one_of("operation", OperationName), name="operation"),
    CheckConstraint(one_of("requester_kind", {ActorKind.PERSON, ActorKind.MACHINE}), name="requester_kind"),
    CheckConstraint(f"({one_of('operation', TARGET_OF)}) = (target <> '')", name="target"),
    CheckConstraint("length(account_id) = 12 AND length(digest) = 64", name="lengths"),
    CheckConstraint("requester <> '' AND recipient <> ''", name="people"),
    CheckConstraint(f"quorum >= {SMALLEST_QUORUM} AND version >= 1", name="quorum"),
    CheckConstraint(
        "execution_window_seconds > 0 AND receipt_window_seconds > 0 AND rollback_grace_seconds > 0", name="windows"
    ),
    CheckConstraint(f"NOT ({_MAKES_KEY}) OR NOT run_on_approval", name="create_never_runs_on_approval"),
    CheckConstraint(
        f"NOT ({_MAKES_KEY}) OR requester_kind = 'person' OR recipient <> requester",
        name="machine_never_receives",
    ),
    CheckConstraint("(idempotency_key IS NULL) = (idempotency_hash IS NULL)", name="idempotency"),
    CheckConstraint("(approved_at IS NULL) = (execute_by IS NULL)", name="approval_clock"),
    CheckConstraint(f"approved_at IS NOT NULL OR NOT ({one_of('status', _APPROVED_ONCE)})", name="approved_first"),
    CheckConstraint(f"(claimed_at IS NULL) = ({one_of('status', _NEVER_CLAIMED)})", name="claimed"),
    CheckConstraint(
        "(claimed_at IS NULL) = (known_key_ids IS NULL) AND (claimed_at IS NULL) = (claimed_by IS NULL)",
        name="claim_whole",
    ),
    CheckConstraint(f"(settled_at IS NOT NULL) = ({one_of('status', _SETTLED)})", name="settled"),
    CheckConstraint(
        f"(result_code IS NOT NULL) = ({one_of('status', _SETTLED | {Status.IN_DOUBT})}) "
        "AND (result_code IS NULL) = (result_detail IS NULL)",
        name="result",
    ),
    CheckConstraint("status <> 'delivered' OR receipt_by IS NOT NULL", name="receipt_clock"),
    # A key that is being rolled back was delivered, and can no longer be confirmed.
    CheckConstraint("unconfirmed_at IS NULL OR status IN ('delivered', 'rolled_back')", name="unconfirmed"),
    CheckConstraint(
        "deactivated_at IS NULL OR unconfirmed_at IS NOT NULL OR expires_at IS NOT NULL", name="deactivated"
    ),
    # Only a new key has a lifetime, which starts at its creation.
    CheckConstraint(f"lifetime_seconds IS NULL OR (lifetime_seconds > 0 AND {_MAKES_KEY})", name="lifetime"),
    CheckConstraint("expires_at IS NULL OR (lifetime_seconds IS NOT NULL AND settled_at IS NOT NULL)", name="expires"),
    CheckConstraint(
        f"lifetime_seconds IS NULL OR expires_at IS NOT NULL OR NOT ({one_of('status', _SETTLED - {Status.FAILED})}) "
        f"OR {_IS_DRILL}",
        name="lifetime_runs",
    ),
    # A drill changes nothing in AWS, so there is no key, and AWS has answered nothing.
    CheckConstraint(
        f"NOT {_IS_DRILL} OR (result_access_key_id IS NULL AND aws_request_id IS NULL AND expires_at IS NULL "
        "AND deactivated_at IS NULL)",
        name="drill",
    ),
    CheckConstraint(
        f"retired_at IS NULL OR (expires_at IS NOT NULL AND {one_of('status', _ROTATED | {Status.SUCCEEDED})})",
        name="retired",
    ),
    CheckConstraint(f"source IS NULL OR (claimed_at IS NOT NULL AND {one_of('source', SourceKind)})", name="source"),
    CheckConstraint(f"(ended_at IS NOT NULL) = ({one_of('status', TERMINAL)})", name="ended"),
    # The target of a decision's foreign key.
    UniqueConstraint("id", "requester", "recipient", "digest"),
    UniqueConstraint("requester", "idempotency_key"),
    Index("ix_requests_filed_at_id", "filed_at", "id"),
    Index("ix_requests_status_filed_at_id", "status", "filed_at", "id"),
    Index("ix_requests_requester_filed_at_id", "requester", "filed_at", "id"),
    Index("ix_requests_recipient_filed_at_id", "recipient", "filed_at", "id"),
    Index("ix_requests_account_id_filed_at_id", "account_id", "filed_at", "id"),
    Index("ix_requests_ticket_filed_at_id", "ticket", "filed_at", "id"),
    Index("ix_requests_operation_filed_at_id", "operation", "filed_at", "id"),
    # What people or the worker still have to do: few rows, however many requests have ended.
    partial_index("ix_requests_unfinished", "filed_at", "id", where="ended_at IS NULL"),
    # One open request for the same thing. A drill keeps no real request out, and no real request a drill.
    *(
        partial_index(
            name, "account_id", "operation", "target", unique=True, where=f"{one_of('status', OPEN)} AND {condition}"
        )
        for name, condition in (("uq_requests_open", f"NOT {_IS_DRILL}"), ("uq_requests_open_drill", _IS_DRILL))
    ),
    # For the worker: keys whose lifetime has not ended yet.
    partial_index("ix_requests_expires_at", "expires_at", where=_MAY_EXPIRE),
    # When the last drill was completed.
    partial_index("ix_requests_drills", "status", "ended_at", where=_IS_DRILL),
    # One execution per account, drills apart: AWS's two-key limit is no mutex, and a concurrent act would defeat the
    # last-active-key check.
    partial_index(
        "uq_requests_executing", "account_id", unique=True, where=f"status = 'executing' AND NOT {_IS_DRILL}"
    ),
)

# For queries that use the indexes above: SQLite needs the literal text of their conditions, without parameters.
is_open: ColumnElement[bool] = literal_column(one_of("requests.status", OPEN))
is_drill: ColumnElement[bool] = literal_column(_IS_DRILL.replace("terms", "requests.terms"))
is_real: ColumnElement[bool] = literal_column("NOT " + _IS_DRILL.replace("terms", "requests.terms"))

decisions = Table(
    "decisions",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("person", String(255), primary_key=True),
    # Copies, kept correct by the foreign key, for the CHECKs below.
    Column("requester", String(255), nullable=False),
    Column("recipient", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("decision", String(10), nullable=False),
    Column("comment", Text),
    Column("credential", String(64), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    # What was signed, and the signature; NULL if it is not signed. Neither is believed before it is verified.
    Column("statement", Text),
    Column("signature", Text, CheckConstraint("(statement IS NULL) = (signature IS NULL)", name="signed_whole")),
    ForeignKeyConstraint(
        ["request_id", "requester", "recipient", "digest"],
        ["requests.id", "requests.requester", "requests.recipient", "requests.digest"],
    ),
    CheckConstraint("person <> requester", name="not_the_requester"),
    CheckConstraint("person <> recipient", name="not_the_recipient"),
    CheckConstraint(one_of("decision", Verdict), name="decision"),
    CheckConstraint("decision <> 'reject' OR comment IS NOT NULL", name="rejection_says_why"),
    Index("ix_decisions_person_decided_at", "person", "decided_at"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("subject", String(255), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    CheckConstraint(one_of("kind", {ActorKind.PERSON, ActorKind.MACHINE}), name="kind"),
    CheckConstraint("expires_at > created_at", name="expiry"),
    Index("ix_api_tokens_subject", "subject"),
)

# People proved by identity providers, as last seen, and people suspended by an operator.
people = Table(
    "people",
    metadata,
    Column("subject", String(255), primary_key=True),
    Column("name", String(255), nullable=False),
    # The provider's name in the settings, and those of its groups that have a meaning here, as a JSON list.
    Column("issuer", String(64)),
    Column("groups", Text, nullable=False),
    Column("seen_at", UtcDateTime),
    Column("proved_at", UtcDateTime),
    Column("votes_since", UtcDateTime),
    Column("suspended_at", UtcDateTime),
    # From each provider's newest token: name in the settings → groups and time of issue, in RFC 8785 form. The columns
    # above hold the newest of these.
    Column("words", Text, nullable=False, server_default="{}"),
    # NULL if the subject is the claim unchanged. Versions before 0008 used its lower-case form and leave this empty;
    # then it is the spelling of the claim in the first token after the upgrade.
    Column("spelling", String(255), server_default=""),
    # The newest mail address that a provider vouched for, and when the token was issued that said so.
    Column("email", String(254)),
    Column("email_at", UtcDateTime),
    CheckConstraint("subject <> '' AND name <> ''", name="names"),
    CheckConstraint("(issuer IS NULL) = (seen_at IS NULL) AND (issuer IS NULL) = (proved_at IS NULL)", name="proof"),
    # NOT NULL is explicit, because a comparison with NULL would pass.
    CheckConstraint(
        "suspended_at IS NULL OR (votes_since IS NOT NULL AND votes_since >= suspended_at)", name="suspended"
    ),
)

# The groups in `people.words`, for queries by group. A trigger keeps them the same.
person_groups = Table(
    "person_groups",
    metadata,
    Column("subject", String(255), primary_key=True),
    Column("issuer", String(64), primary_key=True),
    Column("group", String(255), primary_key=True),
    Index("ix_person_groups_issuer_group_subject", "issuer", "group", "subject"),
)

# What each account's root user should have: the service's own expectation, updated by every drift check.
expectations = Table(
    "expectations",
    metadata,
    Column("account_id", String(12), primary_key=True),
    Column("checked_at", UtcDateTime, nullable=False),
    # Id → [status, origin], in RFC 8785 form.
    Column("keys", Text, nullable=False),
    Column("mfa_enabled", Boolean, nullable=False),
    # The root user's address, NULL until it could be read, and the random text that hides it in the log.
    Column("email", String(64)),
    Column("salt", String(32), CheckConstraint("email IS NULL OR salt IS NOT NULL", name="salted")),
    CheckConstraint("length(account_id) = 12", name="account"),
)

drifts = Table(
    "drifts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account_id", String(12), ForeignKey("expectations.account_id"), nullable=False),
    Column("kind", String(20), nullable=False),
    # Empty for MFA and the address, for the unique index below.
    Column("access_key_id", String(128), nullable=False),
    # Statuses, or addresses.
    Column("expected", String(64)),
    Column("found", String(64)),
    Column("found_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("accepted_by", String(255)),
    CheckConstraint(one_of("kind", DriftKind), name="kind"),
    CheckConstraint("(access_key_id = '') = (kind IN ('email_changed', 'mfa_lost'))", name="key"),
    CheckConstraint("accepted_by IS NULL OR closed_at IS NOT NULL", name="accepted"),
    # One open finding per difference.
    partial_index("uq_drifts_open", "account_id", "kind", "access_key_id", unique=True, where="closed_at IS NULL"),
    partial_index("ix_drifts_open", "account_id", "found_at", "id", where="closed_at IS NULL"),
)

# Few of all events; each process looks for the last of them when it starts.
_OF_POLICY = f"event = '{POLICY_CHANGED}'"
# Few, too. Whose key counts is worked out from them.
_OF_RULES = f"event = '{RULES_SIGNED}'"

audit_events = Table(
    "audit_events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(64), nullable=False),
    Column("request_id", String(36), ForeignKey("requests.id")),
    # The whole event in RFC 8785 form; the columns above are for queries only.
    Column("content", Text, nullable=False),
    CheckConstraint("seq >= 1", name="seq"),
    Index("ix_audit_events_request_id_seq", "request_id", "seq"),
    partial_index("ix_audit_events_policy", "seq", where=_OF_POLICY),
    partial_index("ix_audit_events_rules", "seq", where=_OF_RULES),
)

# Events for destinations, staged with the audit event, in its transaction.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("seq", BigInteger, ForeignKey("audit_events.seq"), nullable=False),
    Column("destination", String(40), nullable=False),
    # Deliveries of one stream keep their order: the request, else the account.
    Column("stream", String(36), nullable=False),
    Column("event", String(64), nullable=False),
    Column("request_id", String(36), ForeignKey("requests.id")),
    Column("ticket", String(255)),
    Column("body", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("give_up_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("is_repeat", Boolean, nullable=False, server_default=false()),
    # The subjects of people who were told in person, as a JSON list; NULL for destinations that tell nobody in person.
    Column("reached", Text),
    CheckConstraint(one_of("status", DeliveryStatus), name="status"),
    CheckConstraint("(ended_at IS NULL) = (status = 'pending')", name="ended"),
    CheckConstraint("attempts >= 0", name="attempts"),
    UniqueConstraint("seq", "destination"),
    Index("ix_deliveries_destination_seq", "destination", "seq"),
    Index("ix_deliveries_status_seq_destination", "status", "seq", "destination"),
    Index("ix_deliveries_request_id_seq_destination", "request_id", "seq", "destination"),
    partial_index(
        # The status is the same in all rows; it is here because SQLite prefers the index that matches more columns.
        "ix_deliveries_due",
        "destination",
        "status",
        "due_at",
        "seq",
        where="ended_at IS NULL",
    ),
    partial_index("ix_deliveries_ended_at", "ended_at", where="ended_at IS NOT NULL"),
    partial_index("ix_deliveries_pending", "destination", "stream", "seq", where="ended_at IS NULL"),
)

# Destinations that were disabled because they asked for no more; the settings have the list of all.
destinations = Table(
    "destinations",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("disabled_at", UtcDateTime),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    CheckConstraint("id = 1 AND size >= 0", name="single"),
)

# The tree over the events (RFC 9162): each complete subtree except leaves, under the event that completed it.
audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("level BETWEEN 1 AND 62 AND seq % (CAST(1 AS BIGINT) << level) = 0", name="place"),
    CheckConstraint("length(hash) = 64", name="hash"),
)

# The tree's size and root after the last event; only for comparison.
audit_tree = Table(
    "audit_tree",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", String(64), nullable=False),
    CheckConstraint("id = 1 AND size >= 0", name="single"),
)

# What witnesses have cosigned: a head of the log, by the key of each, and the line in its note.
cosignatures = Table(
    "cosignatures",
    metadata,
    # The name and the id of the witness's key. Another key is another witness.
    Column("witness", String(500), primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", String(64), nullable=False),
    # When it was kept, by our clock. The line has the witness's own time.
    Column("at", UtcDateTime, nullable=False),
    Column("line", Text, nullable=False),
    CheckConstraint("size >= 1", name="size"),
    CheckConstraint("length(root) = 64", name="root"),
    Index("ix_cosignatures_size", "size"),
)

# The last hour in which the log records that somebody read a part of it.
audit_reads = Table(
    "audit_reads",
    metadata,
    Column("reader", String(255), primary_key=True),
    Column("what", String(20), primary_key=True),
    Column("hour", UtcDateTime, nullable=False),
)

# Which worker of the fleet is working on what. `fence` grows with every holder, so that a former one is detected.
# `marks.py` keeps rows here that are not leases.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    CheckConstraint("fence >= 0", name="fence"),
)

# Which code runs on this schema: the revisions that it was written for.
supported_revisions = Table("supported_revisions", metadata, Column("revision", String(32), primary_key=True))
