"""People have an address, and deliveries remember whom they have reached.

Compatibility: the previous version runs on this schema, and ignores the columns. It tells nobody in person.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    time = "DATETIME" if op.get_bind().dialect.name == "sqlite" else "TIMESTAMP WITH TIME ZONE"
    op.execute("ALTER TABLE people ADD COLUMN email VARCHAR(254)")
    op.execute(f"ALTER TABLE people ADD COLUMN email_at {time}")
    op.execute("ALTER TABLE deliveries ADD COLUMN reached TEXT")
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0012')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0013')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0013'")
    op.drop_column("deliveries", "reached")
    op.drop_column("people", "email_at")
    op.drop_column("people", "email")
