"""When something was last done, one row for each: they stand in the table of the leases, by names that no lease has."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from service.db.audit import INSERT
from service.db.engine import Tx
from service.db.tables import leases

WRITTEN = "readyz"
LOOKED = "worker"


class Mark(NamedTuple):
    """`by` is the host's name and the process's number."""

    at: datetime
    by: str


def put(tx: Tx, name: str, mark: Mark) -> None:
    """Overwrite the one before."""
    row = INSERT[tx.dialect.name](leases).values(name=name, fence=0, holder=mark.by, until=mark.at)
    values = {"holder": row.excluded.holder, "until": row.excluded.until}
    tx.execute(row.on_conflict_do_update(index_elements=[leases.c.name], set_=values))


def last(tx: Tx, name: str) -> Mark | None:
    row = tx.execute(select(leases.c.until, leases.c.holder).where(leases.c.name == name)).first()
    return None if row is None else Mark(row.until, row.holder)
