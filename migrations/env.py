"""How Alembic reaches the database: an engine handed over by the service, else the settings' URL."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from service.db.engine import connect
from service.db.tables import metadata
from service.settings import load

# A lock number that nothing else in this database uses: "rootquor" in ASCII.
MIGRATION_LOCK = 0x726F6F7471756F72

given = context.config.attributes.get("engine")
engine: Engine = given or connect(load().database.url, connections=1)


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Disable foreign keys around a transaction in which SQLite replaces a table.

    Source: https://sqlite.org/lang_altertable.html, section 7. The pragma has no effect inside a transaction, so it
    bypasses SQLAlchemy, which would begin one.
    """
    raw = connection.connection
    raw.cursor().execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.rollback()  # a failed COMMIT leaves the transaction open
        raw.cursor().execute("PRAGMA foreign_keys=ON")


def check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        rows = ", ".join(f"{table} (row {row}) → {parent}" for table, row, parent, _ in broken)
        raise CommandError(f"foreign keys lead nowhere, so nothing was migrated: {rows}")


def wait_for_our_turn(connection: Connection) -> None:
    """Take a lock, so that replicas that start together migrate once: those that waited find nothing to do.

    Lock and settings end with the transaction, so this works through a connection pooler.
    """
    for setting in ("statement_timeout = 0", "idle_in_transaction_session_timeout = 0", "lock_timeout = '15min'"):
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    # Wait only seconds for a table's lock, since everybody else queues behind us.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")


with engine.connect() as connection:
    is_sqlite = engine.dialect.name == "sqlite"
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with foreign_keys_off(connection) if is_sqlite else nullcontext(), context.begin_transaction():
        if not is_sqlite:
            wait_for_our_turn(connection)
        context.run_migrations()
        if is_sqlite:
            check_foreign_keys(connection)
