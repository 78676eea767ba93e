"""The cosignatures of witnesses on heads of the audit log are kept.

Compatibility: the previous version runs on this schema and ignores the table. It asks witnesses only for anchors.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_WHY = "cosignatures are kept"


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "cosignatures",
        sa.Column("witness", sa.String(length=500), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.CheckConstraint("size >= 1", name=op.f("ck_cosignatures_size")),
        sa.CheckConstraint("length(root) = 64", name=op.f("ck_cosignatures_root")),
        sa.PrimaryKeyConstraint("witness", "size", name=op.f("pk_cosignatures")),
    )
    op.create_index("ix_cosignatures_size", "cosignatures", ["size"])
    for statement in _triggers(is_sqlite=is_sqlite):
        op.execute(statement)
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0014')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0015')")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0015'")
    op.drop_table("cosignatures")


def _triggers(*, is_sqlite: bool) -> list[str]:
    does = f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    kept = [
        f"CREATE TRIGGER cosignatures_no_{event.lower()} BEFORE {event} ON cosignatures FOR EACH ROW {does}"
        for event in ("UPDATE", "DELETE")
    ]
    if is_sqlite:
        # REPLACE deletes without a trigger on connections that have not turned recursive_triggers on.
        there = "SELECT 1 FROM cosignatures WHERE witness = NEW.witness AND size = NEW.size"
        replaced = (
            f"CREATE TRIGGER cosignatures_no_replace BEFORE INSERT ON cosignatures FOR EACH ROW WHEN EXISTS ({there})"
        )
        return [*kept, f"{replaced} {does}"]
    return [*kept, f"CREATE TRIGGER cosignatures_no_truncate BEFORE TRUNCATE ON cosignatures FOR EACH STATEMENT {does}"]
