"""Naming of constraints, storage of times, partial indexes, and inserts on conflict, which all tables share.

SQLAlchemy's part for PostgreSQL takes 40 ms and 2 MiB. So nothing here loads it before an engine for PostgreSQL does.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, DateTime, Index, MetaData, Table, TypeDecorator, event, text
from sqlalchemy.engine import Dialect

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: `timestamptz` on PostgreSQL; on SQLite, UTC text of fixed precision, which sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(sorted(repr(str(value)) for value in values))})"


def insert_into(tx: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return the insert that supports ON CONFLICT, for transactions that insert the same row at the same time."""
    if tx.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of only those rows for which the condition holds."""
    index = Index(name, *columns, unique=unique)

    def add_condition(target: Index, connection: Connection, **_: object) -> None:
        target.dialect_options[connection.dialect.name]["where"] = text(where)

    # An Index that is given the condition loads the parts for both databases.
    event.listen(index, "before_create", add_condition)
    return index
