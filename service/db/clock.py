"""The database's clock."""

from datetime import datetime

from sqlalchemy import DateTime, func, select

from service.db.engine import Tx

_NOW = select(func.clock_timestamp(type_=DateTime(timezone=True)))


def database_time(tx: Tx) -> datetime | None:
    """Return the time by the database's own clock. SQLite has none: it is None there."""
    return None if tx.dialect.name == "sqlite" else tx.execute(_NOW).scalar_one()
