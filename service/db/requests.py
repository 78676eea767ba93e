"""Requests and their decisions: rows in, OperationRequest out."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import RowMapping, Select, func, insert, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from service.db.engine import Tx
from service.db.selection import conditions, seen_by
from service.db.tables import decisions, is_open, requests
from service.domain.account import RootCredentials, SourceKind
from service.domain.actor import ActorKind
from service.domain.canonical import canonical, seconds
from service.domain.filing import Filing
from service.domain.operation import Operation, OperationName
from service.domain.request import Decision, OperationRequest, Result, Status, Verdict
from service.domain.selection import Cursor, Selection

# No clock is believed that is farther ahead: what it dates nobody waits for.
_FARTHEST = timedelta(days=3 * 366)


def add(tx: Tx, request: OperationRequest, *, idempotency_key: str | None, idempotency_hash: str | None) -> None:
    """Raises IntegrityError when an open request for the same thing, or the idempotency key, is there already."""
    tx.execute(
        insert(requests).values(
            **_filed_columns(request),
            **_life_columns(request),
            idempotency_key=idempotency_key,
            idempotency_hash=idempotency_hash,
        )
    )


def is_busy(error: IntegrityError) -> bool:
    """Whether it says that another request is being executed on the account."""
    return _breaks(error, "uq_requests_executing", "account_id")


def is_duplicate(error: IntegrityError) -> bool:
    """Whether it says that an open request for the same thing, or the idempotency key, is there already."""
    return _breaks(error, "uq_requests_open", "account_id", "operation", "target") or _breaks(
        error, "uq_requests_requester_idempotency_key", "requester", "idempotency_key"
    )


def _breaks(error: IntegrityError, name: str, *columns: str) -> bool:
    """PostgreSQL names the index, SQLite its columns."""
    sqlite = "UNIQUE constraint failed: " + ", ".join(f"requests.{column}" for column in columns)
    return f'"{name}"' in str(error.orig) or str(error.orig) == sqlite


def get(tx: Tx, request_id: str) -> OperationRequest | None:
    return _one(tx, select(requests).where(requests.c.id == request_id))


def lock(tx: Tx, request_id: str) -> OperationRequest | None:
    """The request, with its row locked until the transaction ends.

    Without the lock two simultaneous approvals each see one vote, and the request stays pending. SQLite has no row
    locks; there BEGIN IMMEDIATE has locked everything already.
    """
    return _one(tx, select(requests).where(requests.c.id == request_id).with_for_update())


def by_idempotency_key(tx: Tx, requester: str, key: str) -> tuple[OperationRequest, str] | None:
    """The request that `requester` filed with this key, and the hash of what was sent with it."""
    query = select(requests).where(requests.c.requester == requester, requests.c.idempotency_key == key)
    row = tx.execute(query).mappings().one_or_none()
    return (_request(row, _decisions_of(tx, [row["id"]])), row["idempotency_hash"]) if row else None


def ids(tx: Tx, *, after: str, limit: int) -> Sequence[str]:
    """At most `limit` of the ids beyond `after`, in their order: the way to go through all requests."""
    query = select(requests.c.id).where(requests.c.id > after).order_by(requests.c.id).limit(limit)
    return tx.execute(query).scalars().all()


def by_ids(tx: Tx, request_ids: Sequence[str]) -> list[OperationRequest]:
    rows = tx.execute(select(requests).where(requests.c.id.in_(request_ids)).order_by(requests.c.id)).mappings().all()
    made = _decisions_of(tx, request_ids)
    return [_request(row, made) for row in rows]


def count(tx: Tx) -> int:
    """How many there are."""
    return tx.execute(select(func.count()).select_from(requests)).scalar_one()


def open_for(tx: Tx, account_id: str, operation: Operation) -> bool:
    """Whether an open request for the same account, operation and key is there; the index decides in the end."""
    query = select(requests.c.id).where(
        requests.c.account_id == account_id,
        requests.c.operation == operation.name,
        requests.c.target == (operation.target or ""),
        is_open,
    )
    return tx.execute(query).first() is not None


def open_with_tickets(tx: Tx) -> Sequence[tuple[str, str]]:
    """The id and the ticket of each request that has one and has not ended: few, however many there were."""
    query = select(requests.c.id, requests.c.ticket).where(
        requests.c.ended_at.is_(None), requests.c.ticket.is_not(None)
    )
    return [(row.id, row.ticket) for row in tx.execute(query)]


def last_vote(tx: Tx, person: str, now: datetime) -> datetime | None:
    """When somebody decided last on what has not ended yet, if that is not past: by a clock that was ahead of ours."""
    # From what is open to the vote on it: one index, then the primary key. A person's votes have no index of their own.
    is_open = select(requests.c.id).where(requests.c.ended_at.is_(None))
    of_person = select(decisions.c.decided_at).where(decisions.c.request_id.in_(is_open), decisions.c.person == person)
    times = (at for at in tx.execute(of_person).scalars() if now <= at <= now + _FARTHEST)
    return max(times, default=None)


def acted_on(tx: Tx, account_id: str, since: datetime | None) -> list[OperationRequest]:
    """The executed requests of an account that changed after `since`; all of them for None."""
    life = (requests.c.settled_at, requests.c.deactivated_at, requests.c.retired_at, requests.c.ended_at)
    query = select(requests).where(requests.c.account_id == account_id, requests.c.settled_at.is_not(None))
    if since is not None:
        query = query.where(or_(*(column > since for column in life)))
    return [_request(row, {}) for row in tx.execute(query).mappings()]


def is_acted_on(tx: Tx, account_id: str) -> bool:
    """Whether an execution on the account is under way, or in doubt."""
    query = select(requests.c.id).where(
        requests.c.account_id == account_id, requests.c.status.in_({Status.EXECUTING, Status.IN_DOUBT})
    )
    return tx.execute(query).first() is not None


def save(tx: Tx, before: OperationRequest, after: OperationRequest) -> None:
    """Write a changed request and its new decision, unless `before` is no longer what is stored: RuntimeError then.

    With the row locked that cannot be. A settlement, which takes no lock, learns here that reconciliation was quicker.
    """
    saved = tx.execute(
        update(requests)
        .where(requests.c.id == before.filing.request_id, requests.c.version == before.version)
        .values(**_life_columns(after))
    )
    if saved.rowcount != 1:
        raise RuntimeError("the request was changed by somebody else meanwhile")
    for decision in after.decisions:
        if decision not in before.decisions:
            _save_decision(tx, after, decision, replaces=before.decision_of(decision.person) is not None)


def select_page(tx: Tx, selection: Selection, *, after: Cursor | None, limit: int) -> list[OperationRequest]:
    """At most `limit` requests, newest first, from beyond the cursor."""
    wanted = select(requests).where(*conditions(selection))
    if after is not None:
        wanted = wanted.where(tuple_(requests.c.filed_at, requests.c.id) < (after.filed_at, after.request_id))
    newest_first = wanted.order_by(requests.c.filed_at.desc(), requests.c.id.desc()).limit(limit)
    if selection.reader is None:
        rows = list(tx.execute(newest_first).mappings())
    else:
        parts = [tx.execute(newest_first.where(part)).mappings().all() for part in seen_by(selection.reader)]
        rows = list(islice(merge(*parts, key=lambda row: (row["filed_at"], row["id"]), reverse=True), limit))
    found = _decisions_of(tx, [row["id"] for row in rows])
    return [_request(row, found) for row in rows]


def _one(tx: Tx, query: Select[Any]) -> OperationRequest | None:
    row = tx.execute(query).mappings().one_or_none()
    return _request(row, _decisions_of(tx, [row["id"]])) if row else None


def _decisions_of(tx: Tx, request_ids: Iterable[str]) -> dict[str, list[Decision]]:
    query = select(decisions).where(decisions.c.request_id.in_(list(request_ids)))
    found: dict[str, list[Decision]] = {}
    for row in sorted(tx.execute(query).mappings(), key=lambda row: (row["decided_at"], row["person"])):
        found.setdefault(row["request_id"], []).append(
            Decision(
                person=row["person"],
                verdict=Verdict(row["decision"]),
                digest=row["digest"],
                comment=row["comment"],
                credential=row["credential"],
                decided_at=row["decided_at"],
            )
        )
    return found


def _save_decision(tx: Tx, request: OperationRequest, decision: Decision, *, replaces: bool) -> None:
    values = {
        "digest": decision.digest,
        "decision": decision.verdict,
        "comment": decision.comment,
        "credential": decision.credential,
        "decided_at": decision.decided_at,
    }
    filing = request.filing
    if replaces:
        of_person = (decisions.c.request_id == filing.request_id) & (decisions.c.person == decision.person)
        tx.execute(update(decisions).where(of_person).values(**values))
    else:
        tx.execute(
            insert(decisions).values(
                request_id=filing.request_id,
                person=decision.person,
                requester=filing.requester,
                recipient=filing.recipient,
                **values,
            )
        )


def _filed_columns(request: OperationRequest) -> dict[str, object]:
    filing = request.filing
    return {
        "id": filing.request_id,
        "account_id": filing.account_id,
        "operation": filing.operation.name,
        "target": filing.operation.target or "",
        "requester": filing.requester,
        "requester_kind": filing.requester_kind,
        "recipient": filing.recipient,
        "justification": filing.justification,
        "ticket": filing.ticket,
        "run_on_approval": filing.run_on_approval,
        "accept_lockout": filing.accept_lockout,
        "quorum": filing.quorum,
        "filed_at": filing.filed_at,
        "approve_by": filing.approve_by,
        "execution_window_seconds": seconds(filing.execution_window),
        "receipt_window_seconds": seconds(filing.receipt_window),
        "rollback_grace_seconds": seconds(filing.rollback_grace),
        "lifetime_seconds": None if filing.lifetime is None else seconds(filing.lifetime),
        "observed": canonical(filing.observed.document()).decode(),
        "digest": request.digest,
    }


def _life_columns(request: OperationRequest) -> dict[str, object]:
    result = request.result
    known = request.known_key_ids
    return {
        "status": request.status,
        "version": request.version,
        "approved_at": request.approved_at,
        "execute_by": request.execute_by,
        "claimed_at": request.claimed_at,
        "claimed_by": request.claimed_by,
        "known_key_ids": None if known is None else canonical(list(known)).decode(),
        "source": request.source,
        "result_code": result.code if result else None,
        "result_detail": result.detail if result else None,
        "result_access_key_id": result.access_key_id if result else None,
        "signer_key_id": result.signer_key_id if result else None,
        "aws_request_id": result.aws_request_id if result else None,
        "settled_at": request.settled_at,
        "receipt_by": request.receipt_by,
        "received_at": request.received_at,
        "overdue_at": request.overdue_at,
        "unconfirmed_at": request.unconfirmed_at,
        "deactivated_at": request.deactivated_at,
        "expires_at": request.expires_at,
        "expiry_announced_at": request.expiry_announced_at,
        "expiry_failed_at": request.expiry_failed_at,
        "retired_at": request.retired_at,
        "look_at": request.look_at,
        "reminded_at": request.reminded_at,
        "stuck_at": request.stuck_at,
        "ended_at": request.ended_at,
    }


def _request(row: RowMapping, decisions_of: dict[str, list[Decision]]) -> OperationRequest:
    known = row["known_key_ids"]
    return OperationRequest(
        filing=_filing(row),
        digest=row["digest"],
        status=Status(row["status"]),
        version=row["version"],
        decisions=tuple(decisions_of.get(row["id"], ())),
        approved_at=row["approved_at"],
        execute_by=row["execute_by"],
        claimed_at=row["claimed_at"],
        claimed_by=row["claimed_by"],
        known_key_ids=None if known is None else tuple(json.loads(known)),
        source=None if row["source"] is None else SourceKind(row["source"]),
        result=_result(row),
        settled_at=row["settled_at"],
        receipt_by=row["receipt_by"],
        received_at=row["received_at"],
        overdue_at=row["overdue_at"],
        unconfirmed_at=row["unconfirmed_at"],
        deactivated_at=row["deactivated_at"],
        expires_at=row["expires_at"],
        expiry_announced_at=row["expiry_announced_at"],
        expiry_failed_at=row["expiry_failed_at"],
        retired_at=row["retired_at"],
        look_at=row["look_at"],
        reminded_at=row["reminded_at"],
        stuck_at=row["stuck_at"],
        ended_at=row["ended_at"],
    )


def _filing(row: RowMapping) -> Filing:
    return Filing(
        request_id=row["id"],
        account_id=row["account_id"],
        operation=Operation(OperationName(row["operation"]), row["target"] or None),
        requester=row["requester"],
        requester_kind=ActorKind(row["requester_kind"]),
        recipient=row["recipient"],
        justification=row["justification"],
        ticket=row["ticket"],
        run_on_approval=row["run_on_approval"],
        accept_lockout=row["accept_lockout"],
        quorum=row["quorum"],
        filed_at=row["filed_at"],
        approve_by=row["approve_by"],
        execution_window=timedelta(seconds=row["execution_window_seconds"]),
        receipt_window=timedelta(seconds=row["receipt_window_seconds"]),
        rollback_grace=timedelta(seconds=row["rollback_grace_seconds"]),
        lifetime=None if row["lifetime_seconds"] is None else timedelta(seconds=row["lifetime_seconds"]),
        observed=RootCredentials.from_document(json.loads(row["observed"])),
    )


def _result(row: RowMapping) -> Result | None:
    if row["result_code"] is None:
        return None
    return Result(
        code=row["result_code"],
        detail=row["result_detail"],
        access_key_id=row["result_access_key_id"],
        signer_key_id=row["signer_key_id"],
        aws_request_id=row["aws_request_id"],
    )
