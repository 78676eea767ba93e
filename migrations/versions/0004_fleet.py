"""Leases for the periodic work of a fleet, the indexes of lists, and which versions' code runs on this schema.

Compatibility: the previous version runs on this schema. It takes no leases, so what it does by itself can overlap with
what others do, as it could before. It knows no schema but its own, so its /readyz turns red, and it does not start.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("fence >= 0", name=op.f("ck_leases_fence")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_index("ix_requests_operation_filed_at_id", "requests", ["operation", "filed_at", "id"])
    unfinished = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_requests_unfinished",
        "requests",
        ["filed_at", "id"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_drifts_open",
        "drifts",
        ["account_id", "found_at", "id"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.drop_index("ix_drifts_account_id_found_at", "drifts")
    supported = op.create_table(
        "supported_revisions",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_supported_revisions")),
    )
    op.bulk_insert(supported, [{"revision": revision}])


def downgrade() -> None:
    op.drop_table("supported_revisions")
    op.create_index("ix_drifts_account_id_found_at", "drifts", ["account_id", "found_at"], unique=False)
    op.drop_index("ix_drifts_open", "drifts")
    op.drop_index("ix_requests_unfinished", "requests")
    op.drop_index("ix_requests_operation_filed_at_id", "requests")
    op.drop_table("leases")
