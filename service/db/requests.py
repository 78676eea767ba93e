"""Queries for requests and their decisions."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, String, bindparam, func, insert, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from service.db.columns import UtcDateTime
from service.db.engine import Tx
from service.db.request_rows import (
    LISTED,
    decision_columns,
    decision_of,
    filed_columns,
    life_columns,
    listed_of,
    request_of,
)
from service.db.selection import conditions, seen_by
from service.db.tables import decisions, is_drill, is_open, is_real, requests
from service.domain.errors import Superseded
from service.domain.operation import Operation
from service.domain.request import Decision, OperationRequest, Status
from service.domain.selection import Cursor, Listed, Selection

# Times further ahead than this come from a broken clock and are ignored.
_FARTHEST = timedelta(days=3 * 366)


def add(tx: Tx, request: OperationRequest, *, idempotency_key: str | None, idempotency_hash: str | None) -> None:
    """Insert a request. Raise IntegrityError if an open one for the same thing, or the idempotency key, exists."""
    once = {"idempotency_key": idempotency_key, "idempotency_hash": idempotency_hash}
    tx.execute(_ADD, filed_columns(request) | life_columns(request) | once)


def is_busy(error: IntegrityError) -> bool:
    """Return whether the error says that another request is being executed on the account."""
    return _breaks(error, "uq_requests_executing", "account_id")


def is_duplicate(error: IntegrityError) -> bool:
    """Return whether the error says that an open request for the same thing, or the idempotency key, exists."""
    thing = ("account_id", "operation", "target")
    return (
        _breaks(error, "uq_requests_open", *thing)
        or _breaks(error, "uq_requests_open_drill", *thing)
        or _breaks(error, "uq_requests_requester_idempotency_key", "requester", "idempotency_key")
    )


def _breaks(error: IntegrityError, name: str, *columns: str) -> bool:
    """Return whether the error is about this index. PostgreSQL names the index, SQLite its columns."""
    sqlite = "UNIQUE constraint failed: " + ", ".join(f"requests.{column}" for column in columns)
    return f'"{name}"' in str(error.orig) or str(error.orig) == sqlite


def get(tx: Tx, request_id: str) -> OperationRequest | None:
    rows = tx.execute(_WITH_DECISIONS, {"request_id": request_id}).mappings().all()
    if not rows:
        return None
    made = [{name: row[label] for name, label in _OF_DECISION.items()} for row in rows]
    return request_of(rows[0], _by_request(decision for decision in made if decision["person"] is not None))


def lock(tx: Tx, request_id: str) -> OperationRequest | None:
    """Return the request with its row locked until the transaction ends.

    Without the lock, two simultaneous approvals would each see one vote, and the request would stay pending. SQLite
    has no row locks; there BEGIN IMMEDIATE has locked everything already.

    The decisions are read after that: PostgreSQL would join the row as it is after a wait with decisions from before.
    """
    row = tx.execute(_LOCKED, {"request_id": request_id}).mappings().one_or_none()
    return request_of(row, _decisions_of(tx, [request_id])) if row else None


def hold(tx: Tx, request_id: str) -> None:
    """Lock the row until the transaction ends, for somebody who has the request already."""
    tx.execute(_HELD, {"request_id": request_id})


_OF_DECISION = {column.name: f"of_decision_{column.name}" for column in decisions.c}
_BY_ID = select(requests).where(requests.c.id == bindparam("request_id"))
_LOCKED = _BY_ID.with_for_update()
_HELD = _BY_ID.with_only_columns(requests.c.id).with_for_update()
_WITH_DECISIONS = _BY_ID.outerjoin(decisions, decisions.c.request_id == requests.c.id).add_columns(
    *(decisions.c[name].label(label) for name, label in _OF_DECISION.items())
)


def by_idempotency_key(tx: Tx, requester: str, key: str) -> tuple[OperationRequest, str] | None:
    """Return the request that `requester` filed with this key, and the hash of its content."""
    query = select(requests).where(requests.c.requester == requester, requests.c.idempotency_key == key)
    row = tx.execute(query).mappings().one_or_none()
    return (request_of(row, _decisions_of(tx, [row["id"]])), row["idempotency_hash"]) if row else None


def ids(tx: Tx, *, after: str, limit: int) -> Sequence[str]:
    """Return at most `limit` ids after `after`, in order, to iterate over all requests."""
    query = select(requests.c.id).where(requests.c.id > after).order_by(requests.c.id).limit(limit)
    return tx.execute(query).scalars().all()


def by_ids(tx: Tx, request_ids: Sequence[str]) -> list[OperationRequest]:
    rows = tx.execute(select(requests).where(requests.c.id.in_(request_ids)).order_by(requests.c.id)).mappings().all()
    made = _decisions_of(tx, request_ids)
    return [request_of(row, made) for row in rows]


def count(tx: Tx) -> int:
    return tx.execute(select(func.count()).select_from(requests)).scalar_one()


def open_for(tx: Tx, account_id: str, operation: Operation, *, drill: bool) -> bool:
    """Return whether an open request for the same account, operation and target exists; the index has the last word.

    Drills are looked for among drills, and real requests among real ones.
    """
    same = {"account": account_id, "name": operation.name, "of": operation.target or ""}
    return tx.execute(_OPEN_DRILL if drill else _OPEN, same).first() is not None


def count_open(tx: Tx, requester: str) -> int:
    """Return how many requests of this requester are open, drills included."""
    return tx.execute(_COUNT_OPEN, {"by": requester}).scalar_one()


def last_drill(tx: Tx) -> datetime | None:
    """Return when the last drill was completed, None if there was none."""
    return tx.execute(_LAST_DRILL).scalar()


_LAST_DRILL = (
    select(requests.c.ended_at)
    .where(requests.c.status == Status.SUCCEEDED, is_drill)
    .order_by(requests.c.ended_at.desc())
    .limit(1)
)


def open_with_tickets(tx: Tx) -> Sequence[tuple[str, str]]:
    """Return id and ticket of each open request that has a ticket. There are few, however many have ended."""
    query = select(requests.c.id, requests.c.ticket).where(
        requests.c.ended_at.is_(None), requests.c.ticket.is_not(None)
    )
    return [(row.id, row.ticket) for row in tx.execute(query)]


def last_vote(tx: Tx, person: str, now: datetime) -> datetime | None:
    """Return the time of a person's last decision on an open request, if a clock ahead of ours put it in the future."""
    # From the open requests to their votes: one index, then the primary key. There is no index on a person's votes.
    is_open = select(requests.c.id).where(requests.c.ended_at.is_(None))
    of_person = select(decisions.c.decided_at).where(decisions.c.request_id.in_(is_open), decisions.c.person == person)
    times = (at for at in tx.execute(of_person).scalars() if now <= at <= now + _FARTHEST)
    return max(times, default=None)


def acted_on(tx: Tx, account_id: str, since: datetime | None) -> list[OperationRequest]:
    """Return the executed requests of an account that changed after `since`; all of them for None. Omit drills."""
    names = ("settled_at", "deactivated_at", "cut_over_at", "retired_at", "ended_at")
    query = select(requests).where(requests.c.account_id == account_id, requests.c.settled_at.is_not(None), is_real)
    if since is not None:
        query = query.where(or_(*(requests.c[name] > since for name in names)))
    return [request_of(row, {}) for row in tx.execute(query).mappings()]


def is_acted_on(tx: Tx, account_id: str) -> bool:
    """Return whether an execution on the account is running, or in doubt. One of a drill changes nothing there."""
    query = select(requests.c.id).where(
        requests.c.account_id == account_id, requests.c.status.in_({Status.EXECUTING, Status.IN_DOUBT}), is_real
    )
    return tx.execute(query).first() is not None


def save(tx: Tx, before: OperationRequest, after: OperationRequest) -> None:
    """Write a changed request and its new decision by compare-and-swap. Raise Superseded if `before` is outdated.

    That cannot happen to what was read with its row locked. A settlement has its request from before, and loses here if
    reconciliation was faster.
    """
    columns, columns_before = life_columns(after), life_columns(before)
    changed = {name: value for name, value in columns.items() if value != columns_before[name]}
    of_before = {"id_before": before.filing.request_id, "version_before": before.version}
    saved = tx.execute(_SAVE, changed | of_before)
    if saved.rowcount != 1:
        raise Superseded
    for decision in after.decisions:
        if decision not in before.decisions:
            _save_decision(tx, after, decision, replaces=before.decision_of(decision.person) is not None)


def select_page(tx: Tx, selection: Selection, *, after: Cursor | None, limit: int) -> list[Listed]:
    """Return at most `limit` requests after the cursor, newest first."""
    where, values = conditions(selection)
    if after is not None:
        where = [*where, _AFTER]
        values |= {"last_filed_at": after.filed_at, "last_id": after.request_id}
    values |= {"most": limit}
    newest_first = _newest_first(tuple(where))
    if selection.reader is None:
        rows = tx.execute(newest_first, values).all()
    else:
        parts = [tx.execute(newest_first.where(part), values).all() for part in seen_by(selection.reader)]
        rows = list(islice(merge(*parts, key=lambda row: (row.filed_at, row.id), reverse=True), limit))
    return [listed_of(row) for row in rows]


# Built once for each kind of list, since building takes longer than executing. There are few different conditions.
@lru_cache(maxsize=256)
def _newest_first(where: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    newest_first = requests.c.filed_at.desc(), requests.c.id.desc()
    return select(*LISTED).where(*where).order_by(*newest_first).limit(bindparam("most"))


_LAST = bindparam("last_filed_at", type_=UtcDateTime), bindparam("last_id", type_=String)
_AFTER = tuple_(requests.c.filed_at, requests.c.id) < tuple_(*_LAST)


def _decisions_of(tx: Tx, request_ids: Iterable[str]) -> dict[str, list[Decision]]:
    return _by_request(tx.execute(_DECISIONS, {"request_ids": list(request_ids)}).mappings())


def _by_request(rows: Iterable[RowMapping | dict[str, Any]]) -> dict[str, list[Decision]]:
    """Build the decisions of each request, in the order in which they were made."""
    found: dict[str, list[Decision]] = {}
    for row in sorted(rows, key=lambda row: (row["decided_at"], row["person"])):
        found.setdefault(row["request_id"], []).append(decision_of(row))
    return found


_DECISIONS = select(decisions).where(decisions.c.request_id.in_(bindparam("request_ids", expanding=True)))


def _save_decision(tx: Tx, request: OperationRequest, decision: Decision, *, replaces: bool) -> None:
    values, filing = decision_columns(decision), request.filing
    if replaces:
        tx.execute(_REPLACE_DECISION, values | {"of_request": filing.request_id, "of_person": decision.person})
    else:
        of_request = {"request_id": filing.request_id, "requester": filing.requester, "recipient": filing.recipient}
        tx.execute(_ADD_DECISION, values | of_request | {"person": decision.person})


# Built once, as all that a filing or a decision needs. The columns to set are those that are given.
_ADD = insert(requests)
_SAME = select(requests.c.id).where(
    requests.c.account_id == bindparam("account"),
    requests.c.operation == bindparam("name"),
    requests.c.target == bindparam("of"),
    is_open,
)
_OPEN, _OPEN_DRILL = _SAME.where(is_real), _SAME.where(is_drill)
_COUNT_OPEN = select(func.count()).where(requests.c.requester == bindparam("by"), is_open)
_SAVE = update(requests).where(
    requests.c.id == bindparam("id_before"), requests.c.version == bindparam("version_before")
)
_ADD_DECISION = insert(decisions)
_REPLACE_DECISION = update(decisions).where(
    decisions.c.request_id == bindparam("of_request"), decisions.c.person == bindparam("of_person")
)
