"""Marks: when something was last done. They are rows in the table of leases, under names that no lease has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select

from service.db.columns import insert_into
from service.db.engine import Tx
from service.db.tables import leases

WRITTEN = "readyz"
LOOKED = "worker"
ANCHORED = "anchored"
DRILL_DUE = "drill due"


class Mark(NamedTuple):
    """A time, and the host name and process id that did it. `size` is that of the log, where it is about the log."""

    at: datetime
    by: str
    size: int = 0


def put(tx: Tx, name: str, mark: Mark) -> None:
    """Write the mark, overwriting the previous one."""
    row = insert_into(tx, leases).values(name=name, fence=mark.size, holder=mark.by, until=mark.at)
    values = {"fence": row.excluded.fence, "holder": row.excluded.holder, "until": row.excluded.until}
    tx.execute(row.on_conflict_do_update(index_elements=[leases.c.name], set_=values))


def last(tx: Tx, name: str) -> Mark | None:
    return among(tx, name).get(name)


def starting_with(tx: Tx, prefix: str) -> Mapping[str, Mark]:
    """Return the marks whose name begins so, by name."""
    return _found(tx, _MARKS.where(leases.c.name.startswith(prefix, autoescape=True)))


def among(tx: Tx, *names: str) -> Mapping[str, Mark]:
    """Return those of these marks that there are, by name."""
    return _found(tx, _AMONG, {"names": names})


_MARKS = select(leases.c.name, leases.c.until, leases.c.holder, leases.c.fence)
# Built once, as each execution asks for one.
_AMONG = _MARKS.where(leases.c.name.in_(bindparam("names", expanding=True)))


def _found(tx: Tx, query: Select[Any], values: Mapping[str, object] | None = None) -> Mapping[str, Mark]:
    return {row.name: Mark(row.until, row.holder, row.fence) for row in tx.execute(query, values)}
