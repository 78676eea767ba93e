"""The schema's version: which one the database has, which one this code needs, and the migration.

Only a migration loads Alembic, which costs 0.1 s and 10 MiB. `migrations/HEAD` has the needed revision.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from service.db.engine import Tx, begin, translated
from service.db.faults import NotGranted, away, reason_of
from service.db.tables import metadata, supported_revisions
from service.domain.errors import Code, Invalid, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config

# Beside the package, both in the repository and in an installed wheel.
_MIGRATIONS = Path(__file__).parents[2] / "migrations"
_GRANTS = _MIGRATIONS / "grants.sql"
_DEADLOCKS = 5
_DEADLOCK = "40P01"


def needed() -> str:
    """Return the revision that this code was written for."""
    return (_MIGRATIONS / "HEAD").read_text(encoding="ascii").strip()


def current(tx: Tx) -> str | None:
    """Return the database's revision, None if it is empty. Raise Unavailable if it names several."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    revisions = tx.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(revisions) > 1:
        raise away("its table alembic_version names several revisions")
    return revisions[0] if revisions else None


def supports(tx: Tx, revision: str) -> bool:
    """Return whether code written for `revision` runs on the database: it has that revision, or a later one whose
    migration says so.
    """
    if current(tx) == revision:
        return True
    if not inspect(tx).has_table(supported_revisions.name):
        return False
    query = select(supported_revisions).where(supported_revisions.c.revision == revision)
    return tx.execute(query).first() is not None


_NOT_MIGRATED = "The database was not migrated"


def migrate(engine: Engine) -> None:
    """Migrate the database to the needed revision. Raise Unavailable, Invalid.

    This is safe if it is there already, or somebody else is migrating it. A later revision that this code runs on is
    left alone.
    """
    from alembic.util import CommandError

    try:
        with translated(engine):
            with engine.connect() as tx:
                is_ahead = current(tx) != needed() and supports(tx, needed())
            if not is_ahead:
                upgrade(engine, "head")
    except CommandError as error:
        raise Unavailable(Code.UNAVAILABLE, f"{_NOT_MIGRATED}: {error}") from error
    except NotGranted as error:
        raise _not_the_owner() from error
    except ProgrammingError as error:
        cause = f"{_NOT_MIGRATED}: {reason_of(error, engine.url)}."
        raise Unavailable(Code.UNAVAILABLE, f"{_NOT_MIGRATED}.", cause=cause) from error


def upgrade(engine: Engine, revision: str) -> None:
    """Upgrade, all or nothing. If the service is running, PostgreSQL may abort this as a deadlock; then retry."""
    from alembic import command

    for _ in range(_DEADLOCKS):
        try:
            command.upgrade(config_for(engine), revision)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                raise
        else:
            return
    command.upgrade(config_for(engine), revision)


def _not_the_owner() -> Invalid:
    return Invalid(Code.INVALID_REQUEST, "This role may not do that. Only the owner of the tables may.")


def grant(engine: Engine, role: str) -> None:
    """Grant a PostgreSQL `role` what the service needs, and revoke all else. Raise Invalid, Unavailable.

    Repeat this after each migration, since only the owner has access to a new table or column.
    """
    if engine.dialect.name == "sqlite":
        raise Invalid(Code.INVALID_REQUEST, "SQLite has no roles.")
    comments_off = (line for line in _GRANTS.read_text().splitlines() if not line.startswith("--"))
    statements = "\n".join(comments_off).replace(':"role"', engine.dialect.identifier_preparer.quote_identifier(role))
    with begin(engine) as tx:
        _check_may_be_granted(tx, role)
        for statement in statements.split(";")[:-1]:
            tx.exec_driver_sql(statement)


def _check_may_be_granted(tx: Tx, role: str) -> None:
    """Raise Invalid for an unsuitable role. PostgreSQL only warns if nothing can be granted, and an owner can always
    grant itself what was revoked.
    """
    if not tx.execute(text("SELECT FROM pg_roles WHERE rolname = :role"), {"role": role}).all():
        raise Invalid(Code.INVALID_REQUEST, "The database knows no such role. CREATE ROLE … LOGIN makes one.")
    owner = select(text("tableowner FROM pg_tables WHERE tablename = 'audit_events'")).scalar_subquery()
    if not tx.execute(select(func.pg_has_role(owner, "USAGE"))).scalar_one():
        raise _not_the_owner()
    if tx.execute(select(func.pg_has_role(role, owner, "MEMBER"))).scalar_one():
        raise Invalid(Code.INVALID_REQUEST, "The owner of the tables cannot be the service's role as well.")


def not_granted(tx: Tx) -> list[str]:
    """Return the tables that this role should read or write and cannot. New tables belong to the owner only."""
    if tx.dialect.name == "sqlite":
        return []
    query = """
        SELECT name FROM unnest(CAST(:names AS text[])) AS name
        WHERE NOT has_table_privilege(name, 'SELECT')
            OR NOT (name = ANY(CAST(:read AS text[])) OR has_table_privilege(name, 'INSERT'))
    """
    names = {"names": sorted(metadata.tables), "read": sorted(_READ)}
    return list(tx.execute(text(query), names).scalars())


# What the service inserts nothing into.
_READ = {"audit_head", "audit_tree", "person_groups", "supported_revisions"}


def may_rewrite_history(tx: Tx) -> bool:
    """Return whether only triggers, which the owner can drop, keep this role from changing the audit log."""
    if tx.dialect.name == "sqlite":
        return False  # anybody who can write the file can do anything
    updates = func.has_any_column_privilege("audit_events", "UPDATE")
    deletes = func.has_table_privilege("audit_events", "DELETE, TRUNCATE")
    return bool(tx.execute(select(updates | deletes)).scalar_one())


def config_for(engine: Engine) -> "Config":
    """Return the config for Alembic's commands on `engine`."""
    from alembic.config import Config

    config = Config(stdout=sys.stdout)  # of now: its default is of the moment when Alembic was imported
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["engine"] = engine
    return config
