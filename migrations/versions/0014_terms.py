"""Requests keep what only some filings say, in one column: that it is a drill, to begin with. There are new operations.

Compatibility: the previous version runs on this schema and ignores the column. It computes another digest for a request
that says such a thing, and refuses to act on it. It cannot read a request of a new operation. The way back is refused
once there is either.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0014"
down_revision = "0013"

_WHY = "what was filed cannot be changed"

_OPERATIONS = (
    "activate_access_key",
    "allow_password_recovery",
    "create_access_key",
    "deactivate_access_key",
    "deactivate_mfa_device",
    "delete_access_key",
    "delete_login_profile",
    "delete_signing_certificate",
)
_NEW_OPERATIONS: tuple[str, ...] = ()
_ON_A_TARGET = (
    "activate_access_key",
    "deactivate_access_key",
    "deactivate_mfa_device",
    "delete_access_key",
    "delete_signing_certificate",
)
_NEW_ON_A_TARGET: tuple[str, ...] = ()


def _named(operations: tuple[str, ...]) -> str:
    return f"operation IN ({', '.join(map(repr, sorted(operations)))})"


# CHECKs of requests: in 0013, and from now on.
_CHECKS = {
    "operation": (_named(_OPERATIONS), _named(_OPERATIONS + _NEW_OPERATIONS)),
    "target": (
        f"({_named(_ON_A_TARGET)}) = (target <> '')",
        f"({_named(_ON_A_TARGET + _NEW_ON_A_TARGET)}) = (target <> '')",
    ),
}


def upgrade() -> None:
    op.execute("ALTER TABLE requests ADD COLUMN terms TEXT")
    does = (
        f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if _is_sqlite() else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    )
    op.execute(f"CREATE TRIGGER requests_terms_once BEFORE UPDATE OF terms ON requests FOR EACH ROW {does}")
    for name, (before, after) in _CHECKS.items():
        _change_check(name, before, after)
    # The keys' events are proved with the whole log now, so nothing looks for them alone.
    op.drop_index("ix_audit_events_keys", "audit_events")
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0013')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0014')")


def downgrade() -> None:
    _check_0013_can_hold_all()
    op.execute("DELETE FROM supported_revisions WHERE revision = '0014'")
    of_keys = sa.text(
        "event IN ('person.suspended', 'signing_key.endorsed', 'signing_key.registered', 'signing_key.revoked')"
    )
    op.create_index("ix_audit_events_keys", "audit_events", ["seq"], sqlite_where=of_keys, postgresql_where=of_keys)
    for name, (before, after) in _CHECKS.items():
        _change_check(name, after, before)
    op.execute("DROP TRIGGER requests_terms_once" + ("" if _is_sqlite() else " ON requests"))
    op.drop_column("requests", "terms")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _check_0013_can_hold_all() -> None:
    new = sa.text(f"SELECT count(*) FROM requests WHERE NOT ({_named(_OPERATIONS)}) OR terms IS NOT NULL")
    if number := op.get_bind().execute(new).scalar_one():
        raise CommandError(
            f"{number} requests are of an operation that 0013 does not know, or say what it cannot keep. "
            "Requests are kept; so there is no way back."
        )


def _change_check(name: str, before: str, after: str) -> None:
    """Replace a CHECK of requests that every row meets before and after.

    SQLite has no statement for this. A table's definition may be edited in place if its rows stay valid: no copy, and
    triggers and indexes stay (https://sqlite.org/lang_altertable.html, section 7).
    """
    if before == after:
        return
    if not _is_sqlite():
        op.execute(f"ALTER TABLE requests DROP CONSTRAINT ck_requests_{name}")
        op.execute(f"ALTER TABLE requests ADD CONSTRAINT ck_requests_{name} CHECK ({after})")
        return
    tx = op.get_bind()
    [sql] = tx.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'requests'").scalars()
    stands, becomes = (f"CONSTRAINT ck_requests_{name} CHECK ({check})" for check in (before, after))
    if sql.count(stands) != 1:
        raise CommandError(f"the CHECK ck_requests_{name} of requests is not the one of revision 0013")
    schema_version = tx.exec_driver_sql("PRAGMA schema_version").scalar_one()
    tx.exec_driver_sql("PRAGMA writable_schema = ON")
    tx.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = 'requests'", (sql.replace(stands, becomes),)
    )
    # Every connection reads the new definition.
    tx.exec_driver_sql(f"PRAGMA schema_version = {schema_version + 1}")
    tx.exec_driver_sql("PRAGMA writable_schema = OFF")
