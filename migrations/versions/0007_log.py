"""The audit log becomes a tree: its complete subtrees, its size and root, and who has read from it in which hour.
Deliveries are sent by when they are due, and know whether they were taken before.

Compatibility: the previous version runs on this schema. What it appends is taken into the tree by the next append of
this one; it says nothing of reads, and leaves `previous` out of its events. A delivery that it sends once more is none
that was taken before.
"""

import hashlib
from functools import reduce

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BATCH = 1000

# (name, table, event, when, why): what no statement may do, whoever sends it.
_REFUSED = (
    ("audit_nodes_no_update", "audit_nodes", "UPDATE", None, "the audit log is append-only"),
    ("audit_nodes_no_delete", "audit_nodes", "DELETE", None, "the audit log is append-only"),
    ("audit_tree_grows", "audit_tree", "UPDATE", "NEW.size <= OLD.size", "the audit tree grows"),
    ("audit_tree_no_delete", "audit_tree", "DELETE", None, "the audit tree stays"),
)

# A node's children: two leaves, or two nodes. pg_temp is searched last, since anybody may make temporary tables.
_CHECK_NODE = """
CREATE FUNCTION rootquorum_check_node() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    below bytea;
BEGIN
    IF NEW.level = 1 THEN
        SELECT string_agg(sha256('\\x00'::bytea || convert_to(content, 'UTF8')), ''::bytea ORDER BY seq) INTO below
        FROM audit_events WHERE seq IN (NEW.seq - 1, NEW.seq);
    ELSE
        SELECT string_agg(decode(hash, 'hex'), ''::bytea ORDER BY seq) INTO below
        FROM audit_nodes
        WHERE level = NEW.level - 1 AND seq IN (NEW.seq - (1::bigint << (NEW.level - 1)), NEW.seq);
    END IF;
    IF below IS NULL OR length(below) <> 64 OR NEW.hash <> encode(sha256('\\x01'::bytea || below), 'hex') THEN
        RAISE EXCEPTION 'a node is the hash of what is below it' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""

_SAME = {"audit_nodes": "seq = NEW.seq AND level = NEW.level", "audit_tree": "id = NEW.id"}


def upgrade() -> None:
    op.create_table(
        "audit_nodes",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "level BETWEEN 1 AND 62 AND seq % (CAST(1 AS BIGINT) << level) = 0", name=op.f("ck_audit_nodes_place")
        ),
        sa.CheckConstraint("length(hash) = 64", name=op.f("ck_audit_nodes_hash")),
        sa.PrimaryKeyConstraint("seq", "level", name=op.f("pk_audit_nodes")),
    )
    op.create_table(
        "audit_tree",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1 AND size >= 0", name=op.f("ck_audit_tree_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_tree")),
    )
    op.create_table(
        "audit_reads",
        sa.Column("reader", sa.String(length=255), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reader", "what", name=op.f("pk_audit_reads")),
    )
    _plant()
    # This comes late, since it blocks others from staging deliveries.
    _index("due_at", "seq")
    op.add_column("deliveries", sa.Column("is_repeat", sa.Boolean(), nullable=False, server_default=sa.false()))
    for statement in _triggers(op.get_bind().dialect.name):
        op.execute(statement)
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0006')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0007')")


def _index(*columns: str) -> None:
    """Index the pending deliveries in the order of `columns`."""
    pending = sa.text("ended_at IS NULL")
    op.drop_index("ix_deliveries_due", "deliveries")
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["destination", "status", *columns],
        sqlite_where=pending,
        postgresql_where=pending,
    )


def _plant() -> None:
    """Build the tree over the present events. The next append adds events that others append meanwhile."""
    bind, size, subtrees = op.get_bind(), 0, list[bytes]()
    nodes = sa.table("audit_nodes", sa.column("seq"), sa.column("level"), sa.column("hash"))
    while contents := _contents(size):
        rows = []
        for content in contents:
            carried, level = _hash(b"\x00", content.encode()), 0
            while size >> level & 1:
                carried, level = _hash(b"\x01", subtrees.pop(), carried), level + 1
                rows.append({"seq": size + 1, "level": level, "hash": carried.hex()})
            size += 1
            subtrees.append(carried)
        if rows:
            bind.execute(sa.insert(nodes), rows)
    root = reduce(lambda right, left: _hash(b"\x01", left, right), reversed(subtrees)) if subtrees else _hash()
    bind.execute(
        sa.text("INSERT INTO audit_tree (id, size, root) VALUES (1, :size, :root)"), {"size": size, "root": root.hex()}
    )


def _hash(*parts: bytes) -> bytes:
    """Hash by RFC 9162, 2.1.1. It is repeated here, so that this migration never changes."""
    return hashlib.sha256(b"".join(parts)).digest()


def _contents(size: int) -> list[str]:
    query = "SELECT content FROM audit_events WHERE seq > :after AND seq <= :until ORDER BY seq"
    found = op.get_bind().execute(sa.text(query), {"after": size, "until": size + _BATCH})
    return list(found.scalars())


def _triggers(dialect: str) -> list[str]:
    if dialect == "sqlite":
        # REPLACE deletes without a trigger on connections that have not turned recursive_triggers on.
        return [
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} FOR EACH ROW "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN SELECT RAISE(ABORT, '{table} are kept'); END"
            for table, same in _SAME.items()
        ] + [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {f'WHEN {when}' if when else ''} "
            f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
            for name, table, event, when, why in _REFUSED
        ]
    # SQLite has no SHA-256, and no roles to protect against.
    checked = "CREATE TRIGGER audit_nodes_checked BEFORE INSERT ON audit_nodes FOR EACH ROW "
    return (
        [_CHECK_NODE, f"{checked} EXECUTE FUNCTION rootquorum_check_node()"]
        + [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {f'WHEN ({when})' if when else ''} "
            f"EXECUTE FUNCTION rootquorum_refuse('{why}')"
            for name, table, event, when, why in _REFUSED
        ]
        + [
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION rootquorum_refuse('{table} is kept')"
            for table in _SAME
        ]
    )


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0007'")
    op.drop_column("deliveries", "is_repeat")
    _index("seq")
    for table in ("audit_reads", "audit_tree", "audit_nodes"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION rootquorum_check_node()")
