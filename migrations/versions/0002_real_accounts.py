"""Operations on passwords, MFA devices and certificates, keys with a lifetime, and what accounts should have.

Compatibility: the previous version does not run on this schema; stop it first. What was filed before keeps its digest:
the new fields are left out of the digest's document where they are empty. The way back drops expectations and drifts,
and is refused once there is a request that 0001 cannot hold: one of a new operation, or with a lifetime.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0002"
down_revision = "0001"

# CHECKs of requests: in 0001, and from now on.
_CHECKS: dict[str, tuple[str | None, str]] = {
    "operation": (
        "operation IN ('activate_access_key', 'create_access_key', 'deactivate_access_key', 'delete_access_key')",
        (
            "operation IN ('activate_access_key', 'allow_password_recovery', 'create_access_key', "
            "'deactivate_access_key', 'deactivate_mfa_device', 'delete_access_key', 'delete_login_profile', "
            "'delete_signing_certificate')"
        ),
    ),
    "target": (
        "(operation = 'create_access_key') = (access_key_id = '')",
        (
            "(operation IN ('activate_access_key', 'deactivate_access_key', 'deactivate_mfa_device', "
            "'delete_access_key', 'delete_signing_certificate')) = (target <> '')"
        ),
    ),
    "deactivated": (
        "deactivated_at IS NULL OR unconfirmed_at IS NOT NULL",
        "deactivated_at IS NULL OR unconfirmed_at IS NOT NULL OR expires_at IS NOT NULL",
    ),
    "lifetime": (None, "lifetime_seconds IS NULL OR (lifetime_seconds > 0 AND operation = 'create_access_key')"),
    "expires": (None, "expires_at IS NULL OR (lifetime_seconds IS NOT NULL AND settled_at IS NOT NULL)"),
    "lifetime_runs": (
        None,
        (
            "lifetime_seconds IS NULL OR expires_at IS NOT NULL "
            "OR NOT (status IN ('delivered', 'rolled_back', 'succeeded'))"
        ),
    ),
    "retired": (None, "retired_at IS NULL OR (expires_at IS NOT NULL AND status = 'succeeded')"),
    "source": (None, "source IS NULL OR (claimed_at IS NOT NULL AND source IN ('assume_root', 'profile'))"),
}

_NEW_TIMES = ("expires_at", "expiry_announced_at", "expiry_failed_at", "retired_at")
_NEW = ("lifetime_seconds", "source", *_NEW_TIMES)

_FILED = (
    "id, account_id, operation, {}, requester, requester_kind, recipient, justification, ticket, run_on_approval, "
    "accept_lockout, quorum, filed_at, approve_by, execution_window_seconds, receipt_window_seconds, "
    "rollback_grace_seconds, observed, digest, idempotency_key, idempotency_hash"
)

_HAPPENED = (
    "approved_at",
    "execute_by",
    "claimed_at",
    "claimed_by",
    "known_key_ids",
    "settled_at",
    "unconfirmed_at",
    "deactivated_at",
)

_NEXT = {
    "pending": ("approved", "rejected", "withdrawn", "expired"),
    "approved": ("executing", "rejected", "withdrawn", "expired"),
    "executing": ("succeeded", "delivered", "failed", "in_doubt"),
    "in_doubt": ("succeeded", "failed"),
    "delivered": ("succeeded", "rolled_back"),
}
_NOT_NEXT = "NEW.status <> OLD.status AND NOT ({})".format(
    " OR ".join(
        f"(OLD.status = '{before}' AND NEW.status IN ({', '.join(map(repr, after))}))"
        for before, after in _NEXT.items()
    )
)


def _set_again(*columns: str) -> str:
    """The condition that one of `columns` had a value and gets another."""
    return " OR ".join(
        f"(OLD.{name} IS NOT NULL AND (NEW.{name} IS NULL OR NEW.{name} <> OLD.{name}))" for name in columns
    )


# What no statement may do, whoever sends it: (name, table, event, when, why).
_Refused = tuple[str, str, str, str | None, str]


def _on_requests(*, also_filed: str, also_happened: tuple[str, ...]) -> tuple[_Refused, ...]:
    return (
        (
            "requests_filed_once",
            "requests",
            f"UPDATE OF {_FILED.format(also_filed)}",
            None,
            "what was filed cannot be changed",
        ),
        ("requests_go_forward", "requests", "UPDATE", _NOT_NEXT, "a request goes forward only"),
        (
            "requests_run_once",
            "requests",
            "UPDATE",
            _set_again(*_HAPPENED, *also_happened),
            "what has happened to a request cannot be changed",
        ),
        ("requests_no_delete", "requests", "DELETE", None, "requests are kept"),
    )


_IN_0001 = _on_requests(also_filed="access_key_id", also_happened=())
_ON_REQUESTS = _on_requests(
    also_filed="target, lifetime_seconds",
    also_happened=("source", "receipt_by", "received_at", "overdue_at", *_NEW_TIMES),
)

_ON_DRIFTS: tuple[_Refused, ...] = (
    (
        "drifts_found_once",
        "drifts",
        "UPDATE OF id, account_id, kind, access_key_id, expected, found, found_at",
        None,
        "what was found cannot be changed",
    ),
    ("drifts_stay_closed", "drifts", "UPDATE", "OLD.closed_at IS NOT NULL", "a closed drift cannot be changed"),
    ("drifts_no_delete", "drifts", "DELETE", None, "drifts are kept"),
    ("expectations_stay", "expectations", "UPDATE OF account_id", None, "an expectation stays with its account"),
    ("expectations_no_delete", "expectations", "DELETE", None, "expectations are kept"),
)

# An insert must not conflict with these rows. REPLACE would delete such a row without running its trigger, on
# connections without recursive_triggers. For drifts, this also covers their unique index.
_SAME = {
    "requests": "id = NEW.id",
    "drifts": "id = NEW.id OR (closed_at IS NULL AND NEW.closed_at IS NULL AND account_id = NEW.account_id "
    "AND kind = NEW.kind AND access_key_id = NEW.access_key_id)",
    "expectations": "account_id = NEW.account_id",
}


def upgrade() -> None:
    _drop_triggers(_IN_0001)
    op.drop_index("uq_requests_open", "requests")
    # On SQLite this is a new table and a copy of all rows; env.py has seen to the foreign keys.
    with op.batch_alter_table("requests") as requests:
        requests.alter_column(
            "access_key_id",
            new_column_name="target",
            existing_type=sa.String(length=128),
            type_=sa.String(length=256),
            existing_nullable=False,
        )
        requests.add_column(sa.Column("lifetime_seconds", sa.Integer(), nullable=True))
        requests.add_column(sa.Column("source", sa.String(length=20), nullable=True))
        for name in _NEW_TIMES:
            requests.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
        for name, (before, after) in _CHECKS.items():
            if before is not None:
                requests.drop_constraint(op.f(f"ck_requests_{name}"), type_="check")
            requests.create_check_constraint(op.f(f"ck_requests_{name}"), sa.text(after))
    _create_open_index("target")
    op.create_index(
        "ix_requests_expires_at",
        "requests",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL AND retired_at IS NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND retired_at IS NULL"),
    )
    op.create_table(
        "expectations",
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("mfa_enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint("length(account_id) = 12", name=op.f("ck_expectations_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_expectations")),
    )
    op.create_table(
        "drifts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("access_key_id", sa.String(length=128), nullable=False),
        sa.Column("expected", sa.String(length=20), nullable=True),
        sa.Column("found", sa.String(length=20), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.String(length=255), nullable=True),
        sa.CheckConstraint(
            "kind IN ('key_vanished', 'mfa_lost', 'status_changed', 'unexplained_key')", name=op.f("ck_drifts_kind")
        ),
        sa.CheckConstraint("(access_key_id = '') = (kind = 'mfa_lost')", name=op.f("ck_drifts_key")),
        sa.CheckConstraint("accepted_by IS NULL OR closed_at IS NOT NULL", name=op.f("ck_drifts_accepted")),
        sa.ForeignKeyConstraint(["account_id"], ["expectations.account_id"], name=op.f("fk_drifts_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drifts")),
    )
    op.create_index("ix_drifts_account_id_found_at", "drifts", ["account_id", "found_at"], unique=False)
    op.create_index(
        "uq_drifts_open",
        "drifts",
        ["account_id", "kind", "access_key_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    _create_triggers((*_ON_REQUESTS, *_ON_DRIFTS))
    _keep_whole("drifts", "expectations")


def downgrade() -> None:
    _check_0001_can_hold_all()
    op.drop_table("drifts")
    op.drop_table("expectations")
    _drop_triggers(_ON_REQUESTS)
    op.drop_index("ix_requests_expires_at", "requests")
    op.drop_index("uq_requests_open", "requests")
    with op.batch_alter_table("requests") as requests:
        for name in _CHECKS:
            requests.drop_constraint(op.f(f"ck_requests_{name}"), type_="check")
        for name in _NEW:
            requests.drop_column(name)
        requests.alter_column(
            "target",
            new_column_name="access_key_id",
            existing_type=sa.String(length=256),
            type_=sa.String(length=128),
            existing_nullable=False,
        )
        for name, (before, _) in _CHECKS.items():
            if before is not None:
                requests.create_check_constraint(op.f(f"ck_requests_{name}"), sa.text(before))
    _create_open_index("access_key_id")
    _create_triggers(_IN_0001)
    _keep_whole()


def _check_0001_can_hold_all() -> None:
    known, _ = _CHECKS["operation"]
    strangers = op.get_bind().execute(
        sa.text(f"SELECT count(*) FROM requests WHERE NOT ({known}) OR lifetime_seconds IS NOT NULL")
    )
    if number := strangers.scalar_one():
        raise CommandError(
            f"{number} requests are of an operation that 0001 does not know, or have a lifetime, which their digest "
            "covers. Requests are kept; so there is no way back."
        )


def _create_open_index(target: str) -> None:
    is_open = sa.text("status IN ('approved', 'executing', 'in_doubt', 'pending')")
    op.create_index(
        "uq_requests_open",
        "requests",
        ["account_id", "operation", target],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _drop_triggers(refused: Iterable[_Refused]) -> None:
    if _is_sqlite():
        return  # they go with the table that the new one replaces
    for name, table, *_ in refused:
        op.execute(f"DROP TRIGGER {name} ON {table}")


def _create_triggers(refused: Iterable[_Refused]) -> None:
    for name, table, event, when, why in refused:
        what = f"RAISE(ABORT, '{why}')" if _is_sqlite() else f"rootquorum_refuse('{why}')"
        condition = f"WHEN ({when})" if when else ""
        does = f"BEGIN SELECT {what}; END" if _is_sqlite() else f"EXECUTE FUNCTION {what}"
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {condition} {does}")


def _keep_whole(*new: str) -> None:
    """What 0001 does against REPLACE and TRUNCATE, for `new` tables, and for requests where they are a new table."""
    for table in ("requests", *new) if _is_sqlite() else ():
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} FOR EACH ROW "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {_SAME[table]}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} are kept'); END"
        )
    for table in () if _is_sqlite() else new:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION rootquorum_refuse('{table} are kept')"
        )
