"""Requests keep the demands of the rules that applied when they were filed, and what the rules could match. The last
change of the policy is found without reading the log.

Compatibility: the previous version runs on this schema. It does not know the two columns, so it computes another digest
for a request that was filed under rules, and refuses to act on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WHY = "what was filed cannot be changed"


def upgrade() -> None:
    op.add_column("requests", sa.Column("demands", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("placement", sa.Text(), nullable=True))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    does = f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    op.execute(
        f"CREATE TRIGGER requests_demanded_once BEFORE UPDATE OF demands, placement ON requests FOR EACH ROW {does}"
    )
    of_policy = sa.text("event = 'policy.changed'")
    op.create_index(
        "ix_audit_events_policy", "audit_events", ["seq"], sqlite_where=of_policy, postgresql_where=of_policy
    )
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0009')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0010')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0010'")
    op.execute(
        "DROP TRIGGER requests_demanded_once" + ("" if op.get_bind().dialect.name == "sqlite" else " ON requests")
    )
    op.drop_index("ix_audit_events_policy", "audit_events")
    op.drop_column("requests", "placement")
    op.drop_column("requests", "demands")
