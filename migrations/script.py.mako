"""${message}

Compatibility: (say how the previous version of the service works on the schema that this leaves behind, while both run.
If it does not, say so, and name it in no row of supported_revisions. Add only what the previous version can do without:
new tables, new columns that are NULL or have a default, new indexes. Drop and rename a version later.)
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
    # The versions whose code runs on this schema: this one, and earlier ones that the note above names as compatible.
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN (${repr(down_revision)})")
    op.execute("INSERT INTO supported_revisions (revision) VALUES (${repr(up_revision)})")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = ${repr(up_revision)}")
    ${downgrades if downgrades else "pass"}
