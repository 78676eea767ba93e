"""The first schema: requests, decisions, API tokens, the audit log, and the triggers that keep history as it was.

Compatibility: there is no previous version.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_FILED = (
    "id, account_id, operation, access_key_id, requester, requester_kind, recipient, justification, ticket, "
    "run_on_approval, accept_lockout, quorum, filed_at, approve_by, execution_window_seconds, "
    "receipt_window_seconds, rollback_grace_seconds, observed, digest, idempotency_key, idempotency_hash"
)

# A vote may be cast anew, or turn into a rejection; a rejection stays.
_NOT_A_NEW_VOTE = (
    "NOT (OLD.decision = 'approve' AND OLD.person = NEW.person AND OLD.request_id = NEW.request_id "
    "AND OLD.requester = NEW.requester AND OLD.recipient = NEW.recipient AND OLD.digest = NEW.digest)"
)

_NEXT = {
    "pending": ("approved", "rejected", "withdrawn", "expired"),
    "approved": ("executing", "rejected", "withdrawn", "expired"),
    "executing": ("succeeded", "delivered", "failed", "in_doubt"),
    "in_doubt": ("succeeded", "failed"),
    "delivered": ("succeeded", "rolled_back"),
}
_NOT_NEXT = "NEW.status <> OLD.status AND NOT ({})".format(
    " OR ".join(
        f"(OLD.status = '{before}' AND NEW.status IN ({', '.join(map(repr, after))}))"
        for before, after in _NEXT.items()
    )
)


def _set_again(*columns: str) -> str:
    """The condition that one of `columns` had a value and gets another."""
    return " OR ".join(
        f"(OLD.{name} IS NOT NULL AND (NEW.{name} IS NULL OR NEW.{name} <> OLD.{name}))" for name in columns
    )


# (name, table, event, when, why): what no statement may do, whoever sends it.
_REFUSED = (
    ("audit_events_no_update", "audit_events", "UPDATE", None, "the audit log is append-only"),
    ("audit_events_no_delete", "audit_events", "DELETE", None, "the audit log is append-only"),
    ("audit_head_counts", "audit_head", "UPDATE", "NEW.size <> OLD.size + 1", "the audit head counts by one"),
    ("audit_head_no_delete", "audit_head", "DELETE", None, "the audit head stays"),
    ("requests_filed_once", "requests", f"UPDATE OF {_FILED}", None, "what was filed cannot be changed"),
    ("requests_go_forward", "requests", "UPDATE", _NOT_NEXT, "a request goes forward only"),
    (
        "requests_run_once",
        "requests",
        "UPDATE",
        _set_again(
            "approved_at",
            "execute_by",
            "claimed_at",
            "claimed_by",
            "known_key_ids",
            "settled_at",
            "unconfirmed_at",
            "deactivated_at",
        ),
        "what has happened to a request cannot be changed",
    ),
    ("requests_no_delete", "requests", "DELETE", None, "requests are kept"),
    (
        "decisions_stay",
        "decisions",
        "UPDATE",
        _NOT_A_NEW_VOTE,
        "only an approval can be replaced, by the next decision of the same person on the same thing",
    ),
    ("decisions_no_delete", "decisions", "DELETE", None, "decisions are kept"),
)


def triggers(dialect: str) -> list[str]:
    """The statements that create the triggers for `sqlite` or `postgresql`."""
    if dialect == "sqlite":
        # REPLACE deletes without a trigger on connections that have not turned recursive_triggers on.
        replacements = [
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} FOR EACH ROW "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN SELECT RAISE(ABORT, '{table} are kept'); END"
            for table, same in (
                ("audit_events", "seq = NEW.seq"),
                ("audit_head", "id = NEW.id"),
                ("requests", "id = NEW.id"),
                ("decisions", "request_id = NEW.request_id AND person = NEW.person"),
            )
        ]
        return replacements + [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {f'WHEN {when}' if when else ''} "
            f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
            for name, table, event, when, why in _REFUSED
        ]
    function = (
        "CREATE FUNCTION rootquorum_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    rows = [
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {f'WHEN ({when})' if when else ''} "
        f"EXECUTE FUNCTION rootquorum_refuse('{why}')"
        for name, table, event, when, why in _REFUSED
    ]
    truncations = [
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION rootquorum_refuse('{table} is kept')"
        for table in ("audit_events", "audit_head", "requests", "decisions")
    ]
    return [function, *rows, *truncations]


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('machine', 'person')", name=op.f("ck_api_tokens_kind")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_api_tokens_expiry")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index("ix_api_tokens_subject", "api_tokens", ["subject"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1 AND size >= 0", name=op.f("ck_audit_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("operation", sa.String(length=40), nullable=False),
        sa.Column("access_key_id", sa.String(length=128), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("requester_kind", sa.String(length=10), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("justification", sa.Text(), nullable=False),
        sa.Column("ticket", sa.String(length=255), nullable=True),
        sa.Column("run_on_approval", sa.Boolean(), nullable=False),
        sa.Column("accept_lockout", sa.Boolean(), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approve_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("execution_window_seconds", sa.Integer(), nullable=False),
        sa.Column("receipt_window_seconds", sa.Integer(), nullable=False),
        sa.Column("rollback_grace_seconds", sa.Integer(), nullable=False),
        sa.Column("observed", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("idempotency_hash", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("execute_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.String(length=255), nullable=True),
        sa.Column("known_key_ids", sa.Text(), nullable=True),
        sa.Column("result_code", sa.String(length=64), nullable=True),
        sa.Column("result_detail", sa.Text(), nullable=True),
        sa.Column("result_access_key_id", sa.String(length=128), nullable=True),
        sa.Column("signer_key_id", sa.String(length=128), nullable=True),
        sa.Column("aws_request_id", sa.String(length=128), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipt_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unconfirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(claimed_at IS NULL) = (status IN ('approved', 'expired', 'pending', 'rejected', 'withdrawn'))",
            name=op.f("ck_requests_claimed"),
        ),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = "
            "(status IN ('expired', 'failed', 'rejected', 'rolled_back', 'succeeded', 'withdrawn'))",
            name=op.f("ck_requests_ended"),
        ),
        sa.CheckConstraint("(operation = 'create_access_key') = (access_key_id = '')", name=op.f("ck_requests_target")),
        sa.CheckConstraint(
            "(result_code IS NOT NULL) = (status IN ('delivered', 'failed', 'in_doubt', 'rolled_back', 'succeeded')) "
            "AND (result_code IS NULL) = (result_detail IS NULL)",
            name=op.f("ck_requests_result"),
        ),
        sa.CheckConstraint(
            "(settled_at IS NOT NULL) = (status IN ('delivered', 'failed', 'rolled_back', 'succeeded'))",
            name=op.f("ck_requests_settled"),
        ),
        sa.CheckConstraint(
            "approved_at IS NOT NULL OR NOT (status IN "
            "('approved', 'delivered', 'executing', 'failed', 'in_doubt', 'rolled_back', 'succeeded'))",
            name=op.f("ck_requests_approved_first"),
        ),
        sa.CheckConstraint(
            "operation <> 'create_access_key' OR NOT run_on_approval",
            name=op.f("ck_requests_create_never_runs_on_approval"),
        ),
        sa.CheckConstraint(
            "operation <> 'create_access_key' OR requester_kind = 'person' OR recipient <> requester",
            name=op.f("ck_requests_machine_never_receives"),
        ),
        sa.CheckConstraint(
            "operation IN ('activate_access_key', 'create_access_key', 'deactivate_access_key', 'delete_access_key')",
            name=op.f("ck_requests_operation"),
        ),
        sa.CheckConstraint("requester <> '' AND recipient <> ''", name=op.f("ck_requests_people")),
        sa.CheckConstraint("requester_kind IN ('machine', 'person')", name=op.f("ck_requests_requester_kind")),
        sa.CheckConstraint(
            "unconfirmed_at IS NULL OR status IN ('delivered', 'rolled_back')", name=op.f("ck_requests_unconfirmed")
        ),
        sa.CheckConstraint(
            "deactivated_at IS NULL OR unconfirmed_at IS NOT NULL", name=op.f("ck_requests_deactivated")
        ),
        sa.CheckConstraint("status <> 'delivered' OR receipt_by IS NOT NULL", name=op.f("ck_requests_receipt_clock")),
        sa.CheckConstraint(
            "status IN ('approved', 'delivered', 'executing', 'expired', 'failed', 'in_doubt', 'pending', "
            "'rejected', 'rolled_back', 'succeeded', 'withdrawn')",
            name=op.f("ck_requests_status"),
        ),
        sa.CheckConstraint("(approved_at IS NULL) = (execute_by IS NULL)", name=op.f("ck_requests_approval_clock")),
        sa.CheckConstraint(
            "(claimed_at IS NULL) = (known_key_ids IS NULL) AND (claimed_at IS NULL) = (claimed_by IS NULL)",
            name=op.f("ck_requests_claim_whole"),
        ),
        sa.CheckConstraint(
            "(idempotency_key IS NULL) = (idempotency_hash IS NULL)", name=op.f("ck_requests_idempotency")
        ),
        sa.CheckConstraint(
            "execution_window_seconds > 0 AND receipt_window_seconds > 0 AND rollback_grace_seconds > 0",
            name=op.f("ck_requests_windows"),
        ),
        sa.CheckConstraint("length(account_id) = 12 AND length(digest) = 64", name=op.f("ck_requests_lengths")),
        sa.CheckConstraint("quorum >= 2 AND version >= 1", name=op.f("ck_requests_quorum")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
        sa.UniqueConstraint(
            "id", "requester", "recipient", "digest", name=op.f("uq_requests_id_requester_recipient_digest")
        ),
        sa.UniqueConstraint("requester", "idempotency_key", name=op.f("uq_requests_requester_idempotency_key")),
    )
    op.create_index("ix_requests_account_id_filed_at_id", "requests", ["account_id", "filed_at", "id"], unique=False)
    op.create_index("ix_requests_filed_at_id", "requests", ["filed_at", "id"], unique=False)
    op.create_index("ix_requests_recipient_filed_at_id", "requests", ["recipient", "filed_at", "id"], unique=False)
    op.create_index("ix_requests_requester_filed_at_id", "requests", ["requester", "filed_at", "id"], unique=False)
    op.create_index("ix_requests_status_filed_at_id", "requests", ["status", "filed_at", "id"], unique=False)
    op.create_index("ix_requests_ticket_filed_at_id", "requests", ["ticket", "filed_at", "id"], unique=False)
    op.create_index(
        "uq_requests_executing",
        "requests",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text("status = 'executing'"),
        postgresql_where=sa.text("status = 'executing'"),
    )
    op.create_index(
        "uq_requests_open",
        "requests",
        ["account_id", "operation", "access_key_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('approved', 'executing', 'in_doubt', 'pending')"),
        postgresql_where=sa.text("status IN ('approved', 'executing', 'in_doubt', 'pending')"),
    )
    op.create_table(
        "audit_events",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_audit_events_seq")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_audit_events_request_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_request_id_seq", "audit_events", ["request_id", "seq"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("decision <> 'reject' OR comment IS NOT NULL", name=op.f("ck_decisions_rejection_says_why")),
        sa.CheckConstraint("decision IN ('approve', 'reject')", name=op.f("ck_decisions_decision")),
        sa.CheckConstraint("person <> recipient", name=op.f("ck_decisions_not_the_recipient")),
        sa.CheckConstraint("person <> requester", name=op.f("ck_decisions_not_the_requester")),
        sa.ForeignKeyConstraint(
            ["request_id", "requester", "recipient", "digest"],
            ["requests.id", "requests.requester", "requests.recipient", "requests.digest"],
            name=op.f("fk_decisions_request_id_requester_recipient_digest"),
        ),
        sa.PrimaryKeyConstraint("request_id", "person", name=op.f("pk_decisions")),
    )
    op.execute("INSERT INTO audit_head (id, size) VALUES (1, 0)")
    for statement in triggers(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    for table in ("decisions", "audit_events", "requests", "audit_head", "api_tokens"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION rootquorum_refuse()")
