"""When all is over: what AWS has, what the database says, and what the clients were told, have to agree."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from faults.fleet import Served
from faults.load import Load
from kill.aftermath import INCIDENTS, TOLD_AT_THE_END, accounted_for, every_request
from sqlalchemy import select, text
from support.house import House

from service.db import tables
from service.db.engine import begin, read
from service.domain.event_table import PUBLISHED
from service.domain.request import TERMINAL, OperationRequest
from service.worker import run_pass
from service.workflow.context import Context
from service.workflow.due import due

_STARTED = "execution.started"
_NO_DATABASE = "The database is not available"  # and why
_PASSES = 20


def settle(ctx: Context) -> None:
    """The worker works until nothing is ever due again; the leases of the dead are over by then."""
    with begin(ctx.engine) as tx:
        tx.execute(text("UPDATE leases SET until = now()"))
    waits = (ctx.roots.call_budget, ctx.policy.consistency_delay, ctx.policy.receipt_window, ctx.policy.rollback_grace)
    at = datetime.now(UTC)
    for wait in (timedelta(0), *waits, ctx.policy.consistency_delay):
        at += wait
        _work(replace(ctx, now=partial(_same, at)))


def _same(at: datetime) -> datetime:
    return at


def _work(ctx: Context) -> None:
    for _ in range(_PASSES):
        if not list(due(ctx)):
            return
        run_pass(ctx)
    raise AssertionError([(step.what, step.account_id) for step in due(ctx)])


@dataclass(frozen=True)
class Found:
    """What is in the database: the requests, the audit events, how often each tells what of a request, every row."""

    requests: list[OperationRequest]
    events: list[dict[str, Any]]
    head: int
    told: Counter[tuple[str, str]]
    rows: str

    @classmethod
    def of(cls, ctx: Context) -> "Found":
        content, seq = tables.audit_events.c.content, tables.audit_events.c.seq
        with read(ctx.engine) as tx:
            events = [json.loads(event) for event in tx.execute(select(content).order_by(seq)).scalars()]
            head = tx.execute(select(tables.audit_head.c.size)).scalar_one()
            rows = repr([tuple(row) for table in tables.metadata.sorted_tables for row in tx.execute(select(table))])
        told = Counter((event["request_id"], event["event"]) for event in events if event["request_id"])
        return cls(every_request(ctx), events, head, told, rows)


def judge(fleet: Served, load: Load) -> Counter[str]:
    """What there was, counted. Raises AssertionError for whatever does not agree."""
    house, found = fleet.house, Found.of(fleet.house.ctx)
    _assert_nothing_acknowledged_is_lost(load, found)
    _assert_told_once(house, found)
    _assert_executed_once(house, found)
    _assert_every_key_has_an_owner(house, found)
    _assert_secrets_went_to_one(fleet, load, found)
    _assert_everybody_was_told(fleet, found)
    _assert_nothing_crashed(fleet)
    starts = sum(times for (_, event), times in found.told.items() if event == _STARTED)
    counts = {
        "requests": len(found.requests),
        "acknowledged": load.acknowledged.total(),
        "audit events": len(found.events),
        "executions": starts,
        "CreateAccessKey": house.aws.count("CreateAccessKey"),
        "secrets": len(fleet.secrets),
        "deliveries": len(fleet.siem.received),
    }
    return Counter(counts) + Counter(f"request {request.status}" for request in found.requests)


def _assert_nothing_acknowledged_is_lost(load: Load, found: Found) -> None:
    """Each filing, vote, execution and receipt that a client was told of, and all requests have ended."""
    assert load.acknowledged - found.told == Counter()
    assert [request.status for request in found.requests if request.status not in TERMINAL] == []


def _assert_told_once(house: House, found: Found) -> None:
    """Of each request what happened once; the audit log has neither gap nor fork, and no account is adopted twice."""
    assert [event["seq"] for event in found.events] == list(range(1, found.head + 1))
    for request in found.requests:
        assert sum(found.told[request.filing.request_id, name] for name in TOLD_AT_THE_END) == 1
        assert found.told[request.filing.request_id, "decision.recorded"] <= 2
    often = {event for (_, event), times in found.told.items() if times > 1}
    assert often <= {"decision.recorded", "execution.denied", "decision.denied"}
    assert not INCIDENTS & {event["event"] for event in found.events}
    adopted = Counter(event["data"]["account_id"] for event in found.events if event["event"] == "account.adopted")
    assert adopted == Counter(account.account_id for account in house.ctx.accounts.configured())


def _assert_executed_once(house: House, found: Found) -> None:
    """No request began twice, and AWS saw no create that no request had begun."""
    begun: Counter[str | None] = Counter()
    for request in found.requests:
        times = found.told[request.filing.request_id, _STARTED]
        assert times <= 1
        begun[request.filing.account_id] += times * request.filing.operation.is_create
    created = Counter(call.account_id for call in house.aws.calls if call.action == "CreateAccessKey")
    assert created - begun == Counter()


def _assert_every_key_has_an_owner(house: House, found: Found) -> None:
    account_ids = [account.account_id for account in house.ctx.accounts.configured()]
    signers = {house.aws.root_credential(account_id).access_key_id: "Active" for account_id in account_ids}
    there = {key: status for account_id in account_ids for key, status in house.aws.keys(account_id).items()}
    in_order = sorted(found.requests, key=lambda request: request.filing.filed_at)
    assert there == accounted_for(signers, in_order)


def _assert_secrets_went_to_one(fleet: Served, load: Load, found: Found) -> None:
    """Those that AWS made, also where the answer was lost: in one answer at most, in no row and in no log."""
    logs = "".join(log.read_text() for log in fleet.folder.glob("*.log"))
    for secret in fleet.secrets:
        assert sum(secret in answer for answer in load.answers) <= 1
        assert secret not in found.rows
        assert secret not in logs
    created = sum(event == "execution.delivered" for _, event in load.acknowledged.elements())
    assert sum(secret in answer for answer in load.answers for secret in fleet.secrets) == created > 0


def _assert_everybody_was_told(fleet: Served, found: Found) -> None:
    """The destination has every event at least once, and what is new of each request in its order."""
    request_of = {event["seq"]: event["request_id"] for event in found.events if event["event"] in PUBLISHED}
    came = list(dict.fromkeys(fleet.siem.sequences()))
    assert set(came) == set(request_of)
    for request in found.requests:
        of_request = [seq for seq in came if request_of[seq] == request.filing.request_id]
        assert of_request == sorted(of_request)


def _assert_nothing_crashed(fleet: Served) -> None:
    """What the service did not expect it logs as an error, and who starts without a database says just that."""
    lines = [line for log in fleet.folder.glob("*.log") for line in log.read_text().splitlines()]
    unexpected = [line for line in lines if '"level": "error"' in line or not line.startswith("{")]
    assert [line for line in unexpected if not line.startswith(_NO_DATABASE)] == []
