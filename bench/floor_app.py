"""The floor: what a call costs at least with the same server, framework, SQL library, drivers and answers.

    python bench/floor_app.py DATABASE_URL PORT none|kept|new [AWS_ENDPOINT_URL]

Each call is one transaction. It looks the bearer token up by its hash, and reads and writes rows as wide as the
service's: the request, its decisions, an audit event with a hash. The answer is validated and serialized once. Nothing
is checked, chained, numbered or remembered. For its calls to AWS see `aws_calls.py`.
"""

import hashlib
import json
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import uvicorn
from aws_calls import Aws
from fastapi import FastAPI, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
    update,
)
from starlette.responses import Response

from service.api.schemas.outputs import MeOut, RequestOut, RequestPageOut
from service.db import tables as ours
from service.db.columns import UtcDateTime

_QUORUM = 2
_EFFECT = (
    "The root user gets a new access key that can do anything in the account. It works until somebody deactivates or "
    "deletes it. Its secret goes to somebody alone, who executes the request within 8 hours of the last approval."
)
_WARNINGS = [{"code": "keys_exist", "detail": "The root user has one access key already."}]
_REASON = "Only the recipient may do this, because the answer holds the secret of the new key."
_ACTIONS = [{"action": name, "allowed": True, "code": None, "reason": None} for name in ("approve", "reject")] + [
    {"action": name, "allowed": False, "code": "not_the_recipient", "reason": _REASON}
    for name in ("withdraw", "execute", "confirm_receipt")
]
_AT = "2026-01-01T00:00:00Z"
_COULD_APPROVE: list[dict[str, Any]] = [
    {"subject": who, "name": who, "groups": [], "last_seen_at": None, "away_until": None} for who in ("bob", "carol")
]


def _observed(account_id: str) -> dict[str, Any]:
    key = f"AKIA{account_id}"
    return {
        "observed_at": _AT,
        "keys": [
            {
                "access_key_id": key,
                "status": "Active",
                "created_at": _AT,
                "last_used_at": _AT,
                "last_used_service": "iam",
            }
        ],
        "signer_key_id": key,
        "mfa_enabled": True,
        "mfa_devices": [f"arn:aws:iam::{account_id}:mfa/root"],
        "password_present": True,
        "signing_certificates_present": False,
        "signing_certificates": None,
        "email": None,
        "resource": None,
    }


# The tables: as wide as the service's, with its keys, and none of its other constraints.
metadata = MetaData()


def _as_wide_as(table: Table) -> Table:
    return Table(
        table.name,
        metadata,
        *(
            Column(
                each.name,
                DateTime(timezone=True) if isinstance(each.type, UtcDateTime) else each.type,
                primary_key=each.primary_key,
            )
            for each in table.columns
        ),
    )


requests, decisions, tokens = map(_as_wide_as, (ours.requests, ours.decisions, ours.api_tokens))
events = Table(
    "audit_events",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("event", String(64)),
    Column("request_id", String(36)),
    Column("content", Text),
    Column("hash", String(64)),
)
Index("ix_tokens", tokens.c.token_hash, unique=True)
Index("ix_requests", requests.c.filed_at, requests.c.id)

_SHOWN = (
    *("id", "status", "operation", "account_id", "requester", "requester_kind", "recipient", "justification", "ticket"),
    *("run_on_approval", "filed_at", "approve_by", "execute_by", "digest"),
)
_LISTED = select(*(requests.c[name] for name in _SHOWN)).order_by(requests.c.filed_at.desc(), requests.c.id.desc())


def connect(url: str) -> Engine:
    """Return an engine with the drivers' defaults. SQLite is as durable as the service's."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=20)
    engine = create_engine(url, pool_size=20, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=15000", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))

    return engine


class Filing(BaseModel):
    account_id: str
    operation: str
    justification: str
    ticket: str | None = None


class NewDecision(BaseModel):
    decision: str
    digest: str


Bearer = Annotated[HTTPAuthorizationCredentials, Security(HTTPBearer())]


def _subject(tx: Connection, bearer: HTTPAuthorizationCredentials) -> str:
    hashed = hashlib.sha256(bearer.credentials.encode()).hexdigest()
    return str(tx.execute(select(tokens).where(tokens.c.token_hash == hashed)).one().subject)


def _recorded(tx: Connection, name: str, subject: str, request_id: str) -> None:
    now = datetime.now(UTC)
    content = json.dumps({"at": now.isoformat(), "event": name, "request_id": request_id, "actor": subject})
    hashed = hashlib.sha256(content.encode()).hexdigest()
    row = {"at": now, "event": name, "request_id": request_id, "content": content, "hash": hashed}
    tx.execute(insert(events).values(row))


def _answer(row: Row[Any], decided: list[Row[Any]]) -> Response:
    """Return the service's answer, made of what the transaction has."""
    body = RequestOut.model_validate(
        {
            **{name: getattr(row, name) for name in ("id", "status", "operation", "justification", "ticket", "digest")},
            "effect": _EFFECT,
            "drill": False,
            "account": {"account_id": row.account_id, "name": row.account_id},
            "target": row.target or None,
            "access_key": None,
            "warnings": _WARNINGS,
            "requester": {"subject": row.requester, "name": row.requester, "kind": row.requester_kind},
            "recipient": {"subject": row.recipient, "name": row.recipient},
            "sealed_to": None,
            "run_on_approval": row.run_on_approval,
            "accept_lockout": row.accept_lockout,
            "observed": json.loads(row.observed),
            "clocks": {
                **{
                    name: getattr(row, name)
                    for name in (
                        *("filed_at", "approve_by", "approved_at", "execute_by", "settled_at", "receipt_by"),
                        *("receipt_window_seconds", "received_at", "deactivated_at", "rollback_grace_seconds"),
                        *("expires_at", "expiry_failed_at", "retired_at", "ended_at"),
                    )
                },
                "executed_at": row.claimed_at,
                "lifetime": None,
            },
            "rotation": None,
            "demands": [],
            "quorum": {
                "needed": row.quorum,
                "counted": len(decided),
                "missing": [{"groups": [], "count": row.quorum - len(decided)}] if len(decided) < row.quorum else [],
                "signed_approvals": "off",
                "rules": [],
            },
            "could_approve": _COULD_APPROVE if len(decided) < row.quorum else [],
            "decisions": [
                {
                    "person": {"subject": each.person, "name": each.person},
                    "decision": each.decision,
                    "digest": each.digest,
                    "comment": each.comment,
                    "decided_at": each.decided_at,
                    "statement": each.statement,
                    "signature": each.signature,
                    "void_because": None,
                }
                for each in decided
            ],
            "executed_by": None,
            "source": row.source,
            "result": None
            if row.result_code is None
            else {
                "code": row.result_code,
                "detail": row.result_detail,
                "access_key_id": row.result_access_key_id,
                "signer_key_id": row.signer_key_id,
                "aws_request_id": row.aws_request_id,
                "sealed_sha256": None,
            },
            "actions": _ACTIONS,
        }
    )
    return _json(body)


def _json(body: BaseModel, status: int = 200) -> Response:
    return Response(body.model_dump_json(), status_code=status, media_type="application/json")


def _decided(tx: Connection, request_id: str) -> list[Row[Any]]:
    return list(tx.execute(select(decisions).where(decisions.c.request_id == request_id)))


app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})


@app.get("/v1/me")
def me(http: Request, bearer: Bearer) -> Response:
    with http.app.state.reading.begin() as tx:
        subject = _subject(tx, bearer)
    found = {"subject": subject, "name": subject, "kind": "person", "roles": ["approver"], "can_decide": True}
    return _json(MeOut.model_validate(found))


@app.post("/v1/requests")
def file(http: Request, bearer: Bearer, body: Filing) -> Response:
    http.app.state.aws.look(body.account_id)
    now = datetime.now(UTC)
    with http.app.state.engine.begin() as tx:
        subject = _subject(tx, bearer)
        request_id = str(uuid.uuid4())
        filed = dict.fromkeys(requests.c.keys()) | body.model_dump()
        filed |= {
            "id": request_id,
            "target": "",
            "requester": subject,
            "requester_kind": "person",
            "recipient": subject,
            "run_on_approval": False,
            "accept_lockout": False,
            "quorum": _QUORUM,
            "filed_at": now,
            "approve_by": now + timedelta(days=3),
            "execution_window_seconds": 28800,
            "receipt_window_seconds": 900,
            "rollback_grace_seconds": 86400,
            "observed": json.dumps(_observed(body.account_id)),
            "status": "pending",
            "version": 1,
        }
        filed["digest"] = hashlib.sha256(json.dumps(filed, default=str).encode()).hexdigest()
        tx.execute(insert(requests).values(filed))
        _recorded(tx, "request.filed", subject, request_id)
        row = tx.execute(select(requests).where(requests.c.id == request_id)).one()
    answer = _answer(row, [])
    answer.status_code = 201
    return answer


@app.get("/v1/requests")
def several(http: Request, bearer: Bearer, limit: int = 20, awaiting: str | None = None) -> Response:
    with http.app.state.reading.begin() as tx:
        _subject(tx, bearer)
        query = _LISTED.where(requests.c.status == "pending") if awaiting else _LISTED
        rows = list(tx.execute(query.limit(limit + 1)))[:limit]
    page = {
        "items": [
            {
                **row._mapping,  # noqa: SLF001  # public, whatever its name
                "effect": _EFFECT,
                "drill": False,
                "account": {"account_id": row.account_id, "name": row.account_id},
                "target": None,
                "warnings": _WARNINGS,
                "requester": {"subject": row.requester, "name": row.requester, "kind": row.requester_kind},
                "recipient": {"subject": row.recipient, "name": row.recipient},
            }
            for row in rows
        ],
        "next_cursor": None,
    }
    return _json(RequestPageOut.model_validate(page))


@app.get("/v1/requests/{request_id}")
def one(http: Request, bearer: Bearer, request_id: str) -> Response:
    with http.app.state.reading.begin() as tx:
        _subject(tx, bearer)
        row = tx.execute(select(requests).where(requests.c.id == request_id)).one()
        decided = _decided(tx, request_id)
    return _answer(row, decided)


def _locked(tx: Connection, request_id: str) -> Row[Any]:
    return tx.execute(select(requests).where(requests.c.id == request_id).with_for_update()).one()


def _changed(tx: Connection, row: Row[Any], name: str, subject: str, **values: object) -> Row[Any]:
    changed = {"version": row.version + 1} | values
    found = tx.execute(update(requests).where(requests.c.id == row.id).values(changed).returning(requests)).one()
    _recorded(tx, name, subject, row.id)
    return found


@app.post("/v1/requests/{request_id}/decisions")
def decide(http: Request, bearer: Bearer, request_id: str, body: NewDecision) -> Response:
    now = datetime.now(UTC)
    with http.app.state.engine.begin() as tx:
        subject = _subject(tx, bearer)
        row = _locked(tx, request_id)
        made = {
            "request_id": request_id,
            "person": subject,
            "requester": row.requester,
            "recipient": row.recipient,
            "digest": body.digest,
            "decision": body.decision,
            "credential": "token",
            "decided_at": now,
        }
        tx.execute(insert(decisions).values(made))
        decided = _decided(tx, request_id)
        approved = {"status": "approved", "approved_at": now, "execute_by": now + timedelta(hours=8)}
        values = approved if len(decided) >= _QUORUM else {}
        row = _changed(tx, row, "request.decided", subject, **values)
    return _answer(row, decided)


@app.post("/v1/requests/{request_id}/withdrawal")
def withdraw(http: Request, bearer: Bearer, request_id: str) -> Response:
    return _ended(http, bearer, request_id, "withdrawn")


@app.post("/v1/requests/{request_id}/receipt")
def confirm(http: Request, bearer: Bearer, request_id: str) -> Response:
    return _ended(http, bearer, request_id, "succeeded")


def _ended(http: Request, bearer: HTTPAuthorizationCredentials, request_id: str, status: str) -> Response:
    now = datetime.now(UTC)
    with http.app.state.engine.begin() as tx:
        subject = _subject(tx, bearer)
        row = _locked(tx, request_id)
        received = now if status == "succeeded" else None
        name = f"request.{status}"
        row = _changed(tx, row, name, subject, status=status, received_at=received, ended_at=now)
        decided = _decided(tx, request_id)
    return _answer(row, decided)


@app.post("/v1/requests/{request_id}/execution")
def execute(http: Request, bearer: Bearer, request_id: str, account_id: str) -> Response:
    """Make the key. The caller names the account, so that nothing has to be read before."""
    key, now = http.app.state.aws.create(account_id), datetime.now(UTC)
    with http.app.state.engine.begin() as tx:
        subject = _subject(tx, bearer)
        row = _changed(
            tx,
            _locked(tx, request_id),
            "execution.succeeded",
            subject,
            status="delivered",
            claimed_at=now,
            claimed_by=subject,
            known_key_ids="[]",
            source="profile",
            result_code="done",
            result_detail="Done.",
            result_access_key_id=key,
            signer_key_id=f"AKIA{account_id}",
            settled_at=now,
            receipt_by=now + timedelta(minutes=15),
        )
        decided = _decided(tx, request_id)
    return _answer(row, decided)


def main(url: str, port: str, mode: str, endpoint_url: str = "") -> None:
    app.state.engine = connect(url)
    metadata.create_all(app.state.engine)
    app.state.reading = app.state.engine.execution_options(begin="BEGIN")
    app.state.aws = Aws(mode, endpoint_url)
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
