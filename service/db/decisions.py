"""Queries for people's decisions, whatever requests they were on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from service.db.engine import Tx
from service.db.tables import decisions, is_drill, requests


@dataclass(frozen=True, slots=True)
class LastDecision:
    """Somebody's last decision: when and on which request, whether that is a drill, and whether they signed it."""

    at: datetime
    request_id: str
    is_drill: bool
    is_signed: bool


def last_of(tx: Tx, people: Collection[str]) -> Mapping[str, LastDecision]:
    """Return the last decision of each of these people who has decided at all.

    Each is a look-up of its own: one query for all would read every decision that they ever made.
    """
    rows = {person: tx.execute(_LAST, {"person": person}).first() for person in people}
    return {
        person: LastDecision(row.decided_at, row.request_id, row.drill, row.is_signed)
        for person, row in rows.items()
        if row is not None
    }


_NEWEST = (
    select(decisions)
    .where(decisions.c.person == bindparam("person"))
    .order_by(decisions.c.decided_at.desc())
    .limit(1)
    .subquery()
)
_LAST = select(
    _NEWEST.c.decided_at,
    _NEWEST.c.request_id,
    is_drill.label("drill"),
    _NEWEST.c.signature.is_not(None).label("is_signed"),
).join(requests, requests.c.id == _NEWEST.c.request_id)
