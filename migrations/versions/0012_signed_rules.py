"""Requests keep the digest of the signed rules under which they were filed. Versions of the rules are found without
reading the log.

Compatibility: the previous version runs on this schema and ignores the column. It computes another digest for a request
that was filed under signed rules, and refuses to act on it. It knows nothing of signed rules.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_WHY = "what was filed cannot be changed"
_OF_RULES = "event = 'rules.signed'"


def upgrade() -> None:
    # The check stands with its column: SQLite cannot add one to a table.
    op.execute(
        "ALTER TABLE requests ADD COLUMN rules VARCHAR(64) CONSTRAINT ck_requests_rules CHECK (length(rules) = 64)"
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    does = f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    op.execute(f"CREATE TRIGGER requests_rules_once BEFORE UPDATE OF rules ON requests FOR EACH ROW {does}")
    of_rules = sa.text(_OF_RULES)
    op.create_index("ix_audit_events_rules", "audit_events", ["seq"], sqlite_where=of_rules, postgresql_where=of_rules)
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0011')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0012')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0012'")
    op.drop_index("ix_audit_events_rules", "audit_events")
    op.execute("DROP TRIGGER requests_rules_once" + ("" if op.get_bind().dialect.name == "sqlite" else " ON requests"))
    op.drop_column("requests", "rules")
