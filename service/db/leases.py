"""Leases on PostgreSQL: which worker of the fleet is working on what, so that no other one starts on it.

A holder that is killed or frozen loses its lease when it expires. The next holder gets a higher fence, so the former
holder is detected if it wakes up. Times come from the database's clock, so that no other clock matters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, select, tuple_, update

from service.db.columns import insert_into
from service.db.engine import Tx
from service.db.tables import leases
from service.domain.errors import Code, Conflict

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lease:
    """One holding of the lease called `name`."""

    name: str
    fence: int


def take(tx: Tx, names: Sequence[str], holder: str, length: timedelta, *, limit: int) -> list[Lease]:
    """Take the first `limit` free leases among `names`. Skip rows being claimed by another worker (SKIP LOCKED)."""
    known = set(tx.execute(select(leases.c.name).where(leases.c.name.in_(names))).scalars())
    # In the same order everywhere, or two workers could deadlock.
    missing = [{"name": name, "fence": 0, "holder": "", "until": _LONG_AGO} for name in sorted(set(names) - known)]
    if missing:
        tx.execute(insert_into(tx, leases).on_conflict_do_nothing(), missing)
    is_free = (leases.c.name.in_(names), leases.c.until <= func.now())
    free = set(tx.execute(select(leases.c.name).where(*is_free).with_for_update(skip_locked=True)).scalars())
    taken = [name for name in names if name in free][:limit]
    held = update(leases).where(leases.c.name.in_(taken))
    values = {"fence": leases.c.fence + 1, "holder": holder, "until": func.now() + length}
    fences = {row.name: row.fence for row in tx.execute(held.values(values).returning(leases.c.name, leases.c.fence))}
    return [Lease(name, fences[name]) for name in taken]


def renew(tx: Tx, held: Iterable[Lease], length: timedelta) -> None:
    """Extend the leases that were neither released nor taken by another worker."""
    is_held = (_is_one_of(held), leases.c.until > _LONG_AGO)
    tx.execute(update(leases).where(*is_held).values(until=func.now() + length))


def release(tx: Tx, held: Iterable[Lease]) -> None:
    """Release the leases, so that others can take them now."""
    tx.execute(update(leases).where(_is_one_of(held)).values(until=_LONG_AGO))


def check(tx: Tx, lease: Lease) -> None:
    """Raise Conflict if another worker has taken the lease. Otherwise none can until the transaction ends.

    An expired lease is still valid as long as nobody has taken it.
    """
    query = select(leases.c.name).where(_is_one_of([lease])).with_for_update(read=True)
    if tx.execute(query).first() is None:
        raise Conflict(Code.WRONG_STATUS, "Another process has taken this over.")


def _is_one_of(held: Iterable[Lease]) -> ColumnElement[bool]:
    return tuple_(leases.c.name, leases.c.fence).in_([(lease.name, lease.fence) for lease in held])
