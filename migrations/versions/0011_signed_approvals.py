"""Decisions keep what their people signed, and requests whether approvals had to be signed. Events about keys are found
without reading the log.

Compatibility: the previous version runs on this schema and ignores the columns. It computes another digest for a
request whose approvals have to be signed, and refuses to act on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_WHY = "what was filed cannot be changed"
_OF_KEYS = "event IN ('person.suspended', 'signing_key.endorsed', 'signing_key.registered', 'signing_key.revoked')"


def upgrade() -> None:
    # Each check stands with its column: SQLite cannot add one to a table.
    op.execute(
        "ALTER TABLE requests ADD COLUMN signed_approvals VARCHAR(10) CONSTRAINT ck_requests_signed_approvals "
        "CHECK (signed_approvals IN ('enrolled', 'required'))"
    )
    op.execute("ALTER TABLE decisions ADD COLUMN statement TEXT")
    op.execute(
        "ALTER TABLE decisions ADD COLUMN signature TEXT CONSTRAINT ck_decisions_signed_whole "
        "CHECK ((statement IS NULL) = (signature IS NULL))"
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    does = f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    op.execute(f"CREATE TRIGGER requests_signed_once BEFORE UPDATE OF signed_approvals ON requests FOR EACH ROW {does}")
    of_keys = sa.text(_OF_KEYS)
    op.create_index("ix_audit_events_keys", "audit_events", ["seq"], sqlite_where=of_keys, postgresql_where=of_keys)
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0010')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0011')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0011'")
    op.drop_index("ix_audit_events_keys", "audit_events")
    op.execute("DROP TRIGGER requests_signed_once" + ("" if op.get_bind().dialect.name == "sqlite" else " ON requests"))
    op.drop_column("decisions", "signature")
    op.drop_column("decisions", "statement")
    op.drop_column("requests", "signed_approvals")
