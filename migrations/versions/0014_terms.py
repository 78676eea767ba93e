"""Requests keep what only some filings say, in one column: that it is a drill, to begin with. There are new operations.
Expectations have the root user's e-mail address, and a drift can be that it changed.
One of them, a rotation, has statuses and times of its own.

A result keeps the SHA-256 of the file in which a secret was delivered sealed.

Compatibility: the previous version runs on this schema and ignores the column. It computes another digest for a request
that says such a thing, and refuses to act on it. Where a drill is open, it refuses to file the real request: stop it
before the first drill. It cannot read a request of a new operation, nor a drift of an
address: it lists no drift while there is one. The way back is refused once there is any of these.
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
_NEW_OPERATIONS: tuple[str, ...] = ("rotate_access_key", "unlock_s3_bucket_policy", "unlock_sqs_queue_policy")
_ON_A_TARGET = (
    "activate_access_key",
    "deactivate_access_key",
    "deactivate_mfa_device",
    "delete_access_key",
    "delete_signing_certificate",
)
_NEW_ON_A_TARGET: tuple[str, ...] = ("rotate_access_key", "unlock_s3_bucket_policy", "unlock_sqs_queue_policy")
_MAKING_KEYS = ("create_access_key", "rotate_access_key")

_SETTLED = ("delivered", "failed", "rolled_back", "succeeded")
_ENDED = ("expired", "failed", "rejected", "rolled_back", "succeeded", "withdrawn")
_APPROVED_ONCE = ("approved", "executing", "in_doubt", *_SETTLED)
_STATUSES = ("executing", "pending", "approved", "in_doubt", "delivered", *_ENDED)
_WITH_A_LIFETIME = ("delivered", "rolled_back", "succeeded")
_NEW_STATUSES = ("rotating", "stopped")


# Whether a request is a drill. The terms are JSON in its canonical form, in which no value can look like this name.
_IS_DRILL = """coalesce(replace(terms, '"drill":', '') <> terms, false)"""
_IS_OPEN = "status IN ('approved', 'executing', 'in_doubt', 'pending')"
# Unique indexes of requests: their columns, and their conditions in 0013 and from now on.
_INDEXES: dict[str, tuple[list[str], str | None, str]] = {
    "uq_requests_open": (["account_id", "operation", "target"], _IS_OPEN, f"{_IS_OPEN} AND NOT {_IS_DRILL}"),
    "uq_requests_open_drill": (["account_id", "operation", "target"], None, f"{_IS_OPEN} AND {_IS_DRILL}"),
    "uq_requests_executing": (["account_id"], "status = 'executing'", f"status = 'executing' AND NOT {_IS_DRILL}"),
}
_LIFETIME_RUNS = "lifetime_seconds IS NULL OR expires_at IS NOT NULL OR NOT ({})"
_NO_KEY = (
    f"NOT {_IS_DRILL} OR (result_access_key_id IS NULL AND aws_request_id IS NULL AND expires_at IS NULL "
    "AND deactivated_at IS NULL)"
)


def _named(operations: tuple[str, ...]) -> str:
    return f"operation IN ({', '.join(map(repr, sorted(operations)))})"


def _in(statuses: tuple[str, ...]) -> str:
    return f"status IN ({', '.join(map(repr, sorted(statuses)))})"


def _both(check: str, before: tuple[str, ...], *more: str) -> tuple[str, str]:
    return check.format(_in(before)), check.format(_in((*before, *(more or _NEW_STATUSES))))


# CHECKs, by table and name: in 0013, and from now on.
_CHECKS: dict[tuple[str, str], tuple[str | None, str]] = {
    ("requests", "operation"): (_named(_OPERATIONS), _named(_OPERATIONS + _NEW_OPERATIONS)),
    ("requests", "target"): (
        f"({_named(_ON_A_TARGET)}) = (target <> '')",
        f"({_named(_ON_A_TARGET + _NEW_ON_A_TARGET)}) = (target <> '')",
    ),
    ("requests", "lifetime_runs"): (
        _LIFETIME_RUNS.format(_in(_WITH_A_LIFETIME)),
        f"{_LIFETIME_RUNS.format(_in((*_WITH_A_LIFETIME, *_NEW_STATUSES)))} OR {_IS_DRILL}",
    ),
    ("requests", "drill"): (None, _NO_KEY),
    ("drifts", "kind"): (
        "kind IN ('key_vanished', 'mfa_lost', 'status_changed', 'unexplained_key')",
        "kind IN ('email_changed', 'key_vanished', 'mfa_lost', 'status_changed', 'unexplained_key')",
    ),
    ("drifts", "key"): (
        "(access_key_id = '') = (kind = 'mfa_lost')",
        "(access_key_id = '') = (kind IN ('email_changed', 'mfa_lost'))",
    ),
    ("requests", "create_never_runs_on_approval"): (
        "operation <> 'create_access_key' OR NOT run_on_approval",
        f"NOT ({_named(_MAKING_KEYS)}) OR NOT run_on_approval",
    ),
    ("requests", "machine_never_receives"): (
        "operation <> 'create_access_key' OR requester_kind = 'person' OR recipient <> requester",
        f"NOT ({_named(_MAKING_KEYS)}) OR requester_kind = 'person' OR recipient <> requester",
    ),
    ("requests", "lifetime"): (
        "lifetime_seconds IS NULL OR (lifetime_seconds > 0 AND operation = 'create_access_key')",
        f"lifetime_seconds IS NULL OR (lifetime_seconds > 0 AND {_named(_MAKING_KEYS)})",
    ),
    ("requests", "status"): _both("{}", _STATUSES),
    ("requests", "approved_first"): _both("approved_at IS NOT NULL OR NOT ({})", _APPROVED_ONCE),
    ("requests", "settled"): _both("(settled_at IS NOT NULL) = ({})", _SETTLED),
    ("requests", "result"): _both(
        "(result_code IS NOT NULL) = ({}) AND (result_code IS NULL) = (result_detail IS NULL)", (*_SETTLED, "in_doubt")
    ),
    ("requests", "ended"): _both("(ended_at IS NOT NULL) = ({})", _ENDED, "stopped"),
    ("requests", "retired"): (
        "retired_at IS NULL OR (expires_at IS NOT NULL AND status = 'succeeded')",
        f"retired_at IS NULL OR (expires_at IS NOT NULL AND {_in(('succeeded', *_NEW_STATUSES))})",
    ),
}
# A status, and from now on also an address.
_COLUMNS = ("expected", "found")
_SHORT, _LONG = "VARCHAR(20)", "VARCHAR(64)"

# The times of a rotation, each with the CHECK that comes with it.
_TIMES = {
    "released_at": None,
    "cut_over_at": "cut_over_at IS NULL OR received_at IS NOT NULL",
    "acting_at": (
        "NOT (status IN ('rotating', 'stopped')) OR (operation = 'rotate_access_key' AND received_at IS NOT NULL)"
    ),
    "stopped_at": (
        "COALESCE(released_at, acting_at, cut_over_at, stopped_at) IS NULL OR operation = 'rotate_access_key'"
    ),
}
_CHECK_OF = {"cut_over_at": "cut_over", "acting_at": "rotating", "stopped_at": "rotation"}

_IN_0013 = {
    "pending": ("approved", "rejected", "withdrawn", "expired"),
    "approved": ("executing", "rejected", "withdrawn", "expired"),
    "executing": ("succeeded", "delivered", "failed", "in_doubt"),
    "in_doubt": ("succeeded", "failed"),
    "delivered": ("succeeded", "rolled_back"),
}
_NEXT = {
    **_IN_0013,
    "delivered": ("succeeded", "rotating", "rolled_back"),
    "rotating": ("succeeded", "stopped"),
}
_SET_AGAIN = " OR ".join(
    f"(OLD.{name} IS NOT NULL AND (NEW.{name} IS NULL OR NEW.{name} <> OLD.{name}))"
    for name in ("released_at", "cut_over_at", "stopped_at")
)


def upgrade() -> None:
    op.execute("ALTER TABLE requests ADD COLUMN terms TEXT")
    op.execute("ALTER TABLE requests ADD COLUMN result_sealed_sha256 VARCHAR(64)")
    does = (
        f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if _is_sqlite() else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    )
    op.execute(f"CREATE TRIGGER requests_terms_once BEFORE UPDATE OF terms ON requests FOR EACH ROW {does}")
    for (table, name), (before, after) in _CHECKS.items():
        _change_check(table, name, before, after)
    for name, (columns, was, becomes) in _INDEXES.items():
        _change_index(name, columns, was, becomes)
    drills = sa.text(_IS_DRILL)
    op.create_index(
        "ix_requests_drills", "requests", ["status", "ended_at"], sqlite_where=drills, postgresql_where=drills
    )
    op.create_index("ix_decisions_person_decided_at", "decisions", ["person", "decided_at"])
    _change_types(_SHORT, _LONG)
    op.execute("ALTER TABLE expectations ADD COLUMN email VARCHAR(64)")
    op.execute(
        "ALTER TABLE expectations ADD COLUMN salt VARCHAR(32) "
        "CONSTRAINT ck_expectations_salted CHECK (email IS NULL OR salt IS NOT NULL)"
    )
    time = "DATETIME" if _is_sqlite() else "TIMESTAMP WITH TIME ZONE"
    for name, check in _TIMES.items():
        # Each check stands with its column: SQLite cannot add one to a table.
        constraint = "" if check is None else f" CONSTRAINT ck_requests_{_CHECK_OF[name]} CHECK ({check})"
        op.execute(f"ALTER TABLE requests ADD COLUMN {name} {time}{constraint}")
    _let_go_forward(_NEXT)
    _refuse_update("requests_rotate_once", _SET_AGAIN, "what has happened to a request cannot be changed")
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
    _drop_trigger("requests_rotate_once")
    _let_go_forward(_IN_0013)
    if not _is_sqlite():  # where a check goes with its column, whatever it is about
        op.execute("ALTER TABLE requests DROP CONSTRAINT ck_requests_rotating")
    for name in reversed(_TIMES):
        op.drop_column("requests", name)
    op.drop_column("expectations", "salt")
    op.drop_column("expectations", "email")
    _change_types(_LONG, _SHORT)
    op.drop_index("ix_decisions_person_decided_at", "decisions")
    op.drop_index("ix_requests_drills", "requests")
    for name, (columns, was, becomes) in _INDEXES.items():
        _change_index(name, columns, becomes, was)
    for (table, name), (before, after) in _CHECKS.items():
        _change_check(table, name, after, before)
    op.execute("DROP TRIGGER requests_terms_once" + ("" if _is_sqlite() else " ON requests"))
    op.drop_column("requests", "result_sealed_sha256")
    op.drop_column("requests", "terms")


def _let_go_forward(following: dict[str, tuple[str, ...]]) -> None:
    """Let requests take these steps and no others."""
    steps = " OR ".join(
        f"(OLD.status = '{before}' AND NEW.status IN ({', '.join(map(repr, after))}))"
        for before, after in following.items()
    )
    _drop_trigger("requests_go_forward")
    _refuse_update("requests_go_forward", f"NEW.status <> OLD.status AND NOT ({steps})", "a request goes forward only")


def _drop_trigger(name: str) -> None:
    op.execute(f"DROP TRIGGER {name}" + ("" if _is_sqlite() else " ON requests"))


def _refuse_update(name: str, when: str, why: str) -> None:
    does = (
        f"BEGIN SELECT RAISE(ABORT, '{why}'); END" if _is_sqlite() else f"EXECUTE FUNCTION rootquorum_refuse('{why}')"
    )
    op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON requests FOR EACH ROW WHEN ({when}) {does}")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _check_0013_can_hold_all() -> None:
    of_address = sa.text("SELECT count(*) FROM drifts WHERE kind = 'email_changed'")
    if number := op.get_bind().execute(of_address).scalar_one():
        raise CommandError(f"{number} drifts are of an address. Drifts are kept; so there is no way back.")
    new = sa.text(f"SELECT count(*) FROM requests WHERE NOT ({_named(_OPERATIONS)}) OR terms IS NOT NULL")
    if number := op.get_bind().execute(new).scalar_one():
        raise CommandError(
            f"{number} requests are of an operation that 0013 does not know, or say what it cannot keep. "
            "Requests are kept; so there is no way back."
        )


def _change_index(name: str, columns: list[str], before: str | None, after: str | None) -> None:
    """Replace a unique index of requests; None stands for none."""
    if before is not None:
        op.drop_index(name, "requests")
    if after is not None:
        where = sa.text(after)
        op.create_index(name, "requests", columns, unique=True, sqlite_where=where, postgresql_where=where)


def _change_check(table: str, name: str, before: str | None, after: str | None) -> None:
    """Replace a CHECK that every row meets before and after; None stands for none."""
    if before == after:
        return
    constraint = f"ck_{table}_{name}"
    if _is_sqlite():
        # A new one stands before this one, of requests, which does not change.
        place = "CONSTRAINT ck_requests_quorum CHECK ("
        stands, becomes = (
            place if check is None else f"CONSTRAINT {constraint} CHECK ({check})" for check in (before, after)
        )
        added = f", {place}"
        _edit(table, stands + (added if after is None else ""), becomes + (added if before is None else ""))
        return
    if before is not None:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    if after is not None:
        # Not as a text of SQLAlchemy, in which a colon is a parameter.
        op.get_bind().exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK ({after})")


def _change_types(before: str, after: str) -> None:
    """Change the length of the columns of drifts that hold addresses from now on. No value is too long."""
    if _is_sqlite():
        for column in _COLUMNS:
            _edit("drifts", *(f"{column} {length}" for length in (before, after)))
        return
    # PostgreSQL changes no type of a column that a trigger names.
    [trigger] = op.get_bind().scalars(
        sa.text("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'drifts_found_once'")
    )
    op.execute("DROP TRIGGER drifts_found_once ON drifts")
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE drifts ALTER COLUMN {column} TYPE {after}")
    op.execute(trigger)


def _edit(table: str, stands: str, becomes: str) -> None:
    """Edit a table's definition on SQLite, which has no statement for this.

    It may be edited in place if its rows stay valid: no copy, and triggers and indexes stay
    (https://sqlite.org/lang_altertable.html, section 7).
    """
    tx = op.get_bind()
    [sql] = tx.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).scalars()
    if sql.count(stands) != 1:
        raise CommandError(f"the table {table} is not as its revision says: {stands}")
    schema_version = tx.exec_driver_sql("PRAGMA schema_version").scalar_one()
    tx.exec_driver_sql("PRAGMA writable_schema = ON")
    tx.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (sql.replace(stands, becomes), table)
    )
    # Every connection reads the new definition.
    tx.exec_driver_sql(f"PRAGMA schema_version = {schema_version + 1}")
    tx.exec_driver_sql("PRAGMA writable_schema = OFF")
