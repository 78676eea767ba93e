"""Deliveries: what destinations are told.

Compatibility: the previous version runs on this schema. It knows no destinations, so nobody outside is told of what its
processes do while both run; the audit log has it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=36), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=True),
        sa.Column("ticket", sa.String(length=255), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('delivered', 'failed', 'pending')", name=op.f("ck_deliveries_status")),
        sa.CheckConstraint("(ended_at IS NULL) = (status = 'pending')", name=op.f("ck_deliveries_ended")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_deliveries_attempts")),
        sa.ForeignKeyConstraint(["seq"], ["audit_events.seq"], name=op.f("fk_deliveries_seq")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_deliveries_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("seq", "destination", name=op.f("uq_deliveries_seq_destination")),
    )
    pending = sa.text("ended_at IS NULL")
    for name, columns in (("due", ["destination", "status", "seq"]), ("pending", ["destination", "stream", "seq"])):
        op.create_index(f"ix_deliveries_{name}", "deliveries", columns, sqlite_where=pending, postgresql_where=pending)
    op.create_index("ix_deliveries_destination_seq", "deliveries", ["destination", "seq"])
    op.create_index("ix_deliveries_status_seq_destination", "deliveries", ["status", "seq", "destination"])
    op.create_index("ix_deliveries_request_id_seq_destination", "deliveries", ["request_id", "seq", "destination"])
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0004')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0005')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0005'")
    op.drop_table("deliveries")
