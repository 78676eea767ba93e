"""Marks: when something was last done. They are rows in the table of leases, under names that no lease has."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from service.db.columns import INSERT
from service.db.engine import Tx
from service.db.tables import leases

WRITTEN = "readyz"
LOOKED = "worker"


class Mark(NamedTuple):
    """A time, and the host name and process id that did it."""

    at: datetime
    by: str


def put(tx: Tx, name: str, mark: Mark) -> None:
    """Write the mark, overwriting the previous one."""
    row = INSERT[tx.dialect.name](leases).values(name=name, fence=0, holder=mark.by, until=mark.at)
    values = {"holder": row.excluded.holder, "until": row.excluded.until}
    tx.execute(row.on_conflict_do_update(index_elements=[leases.c.name], set_=values))


def last(tx: Tx, name: str) -> Mark | None:
    row = tx.execute(select(leases.c.until, leases.c.holder).where(leases.c.name == name)).first()
    return None if row is None else Mark(row.until, row.holder)
