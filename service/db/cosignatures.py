"""Cosignatures of the log's heads, as witnesses gave them. They are only added, and never change."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, union_all

from service.db.columns import insert_into
from service.db.engine import Tx
from service.db.tables import audit_events, cosignatures
from service.domain.cosigning import Cosigned

# Heads far behind the log's help nobody, so nobody looks further back.
_LATEST = 1000


@dataclass(frozen=True, slots=True)
class Cosignature:
    """The line of one witness under the note of a head. `root` is lower-case hex."""

    witness: str
    size: int
    root: str
    at: datetime
    line: str


def add(tx: Tx, made: Cosignature) -> None:
    """Keep a cosignature, unless the witness's first one of this size is kept already."""
    kept = (cosignatures.c.witness == made.witness, cosignatures.c.size == made.size)
    if tx.execute(select(cosignatures.c.size).where(*kept)).first() is not None:
        return
    values = {"witness": made.witness, "size": made.size, "root": made.root, "at": made.at, "line": made.line}
    tx.execute(insert_into(tx, cosignatures).values(values).on_conflict_do_nothing())


def last(
    tx: Tx, witnesses: Collection[str], is_good: Callable[[Cosignature], bool] = lambda _: True
) -> Mapping[str, Cosigned]:
    """Return what each of these witnesses cosigned last, and since when the log has more than that.

    A witness whose last one is not good counts as one that never cosigned. It takes two statements, however many
    witnesses there are.
    """
    if not witnesses:
        return {}
    # One search of the index for each: a GROUP BY would read every row.
    each = [
        select(cosignatures)
        .where(cosignatures.c.witness == witness)
        .order_by(cosignatures.c.size.desc())
        .limit(1)
        .subquery()
        for witness in witnesses
    ]
    rows = [Cosignature(**row) for row in tx.execute(union_all(*map(select, each))).mappings()]
    found = {row.witness: row for row in rows if is_good(row)}
    sizes = {witness: found[witness].size if witness in found else 0 for witness in witnesses}
    after = select(audit_events.c.seq, audit_events.c.at).where(
        audit_events.c.seq.in_({size + 1 for size in sizes.values()})
    )
    begun = {row.seq: row.at for row in tx.execute(after)}
    return {
        witness: Cosigned(size, found[witness].at if witness in found else None, begun.get(size + 1))
        for witness, size in sizes.items()
    }


def of_size(tx: Tx, size: int, witnesses: Collection[str]) -> Sequence[Cosignature]:
    """Return the cosignatures of these witnesses on the head of this size, ordered by witness."""
    query = select(cosignatures).where(cosignatures.c.size == size, cosignatures.c.witness.in_(witnesses))
    return [Cosignature(**row) for row in tx.execute(query.order_by(cosignatures.c.witness)).mappings()]


def latest(tx: Tx) -> Sequence[Cosignature]:
    """Return the last cosignatures of any witness, those of the largest heads first, and at most a thousand."""
    query = select(cosignatures).order_by(cosignatures.c.size.desc(), cosignatures.c.witness).limit(_LATEST)
    return [Cosignature(**row) for row in tx.execute(query).mappings()]
