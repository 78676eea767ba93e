"""Reminders of requests that wait for approvers, and destinations that want no more.

Compatibility: the previous version runs on this schema. It reminds nobody, and goes on telling a destination that wants
no more, which takes none of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_COLUMNS = ("look_at", "reminded_at", "stuck_at")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("requests", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_destinations")),
    )
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index("ix_deliveries_ended_at", "deliveries", ["ended_at"], sqlite_where=ended, postgresql_where=ended)
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0005')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0006')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0006'")
    op.drop_index("ix_deliveries_ended_at", "deliveries")
    op.drop_table("destinations")
    for name in reversed(_COLUMNS):
        op.drop_column("requests", name)
