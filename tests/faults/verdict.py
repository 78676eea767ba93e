"""When all is over: what AWS has, what the database says, and what the clients were told, have to agree."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from factories import House
from faults.load import Load
from kill.aftermath import INCIDENTS, TOLD_AT_THE_END, accounted_for, every_request
from sqlalchemy import select, text

from service.db import tables
from service.db.engine import begin, read
from service.domain.request import TERMINAL
from service.worker import run_pass
from service.workflow.context import Context
from service.workflow.sweep import due

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


def judge(house: House, load: Load, accounts: list[str]) -> Counter[str]:
    """What there was, counted. Raises AssertionError for whatever does not agree."""
    found = sorted(every_request(house.ctx), key=lambda request: request.filing.filed_at)
    with read(house.ctx.engine) as tx:
        contents = tx.execute(select(tables.audit_events.c.content).order_by(tables.audit_events.c.seq)).scalars().all()
        head = tx.execute(select(tables.audit_head.c.size)).scalar_one()
        rows = repr([tuple(row) for table in tables.metadata.sorted_tables for row in tx.execute(select(table))])
    events = [json.loads(content) for content in contents]

    # Every acknowledged request is present, and all have ended.
    assert load.acknowledged <= {request.filing.request_id for request in found}
    assert [request.status for request in found if request.status not in TERMINAL] == []

    # Every execution at most once: each account had one create at most, and each request began and ended once.
    creates = Counter(call.account_id for call in house.aws.calls if call.action == "CreateAccessKey")
    assert set(creates.values()) <= {1}
    told = Counter((event["request_id"], event["event"]) for event in events if event["request_id"])
    for request in found:
        request_id = request.filing.request_id
        assert told[request_id, "execution.started"] <= 1
        assert sum(told[request_id, name] for name in TOLD_AT_THE_END) == 1
    often = {event for (_, event), times in told.items() if times > 1}
    assert often <= {"decision.recorded", "execution.denied", "decision.denied"}
    assert max(told[request.filing.request_id, "decision.recorded"] for request in found) <= 2

    # Every secret was answered at most once, and is nowhere in the database.
    shown = [secret for secrets in load.secrets.values() for secret in secrets]
    assert all(len(secrets) == 1 for secrets in load.secrets.values())
    assert len(shown) == len(set(shown))
    assert not [secret for secret in shown if secret in rows]

    # No key without an owner.
    signers = {house.aws.root_credential(account).access_key_id: "Active" for account in accounts}
    there = {key: status for account in accounts for key, status in house.aws.keys(account).items()}
    assert there == accounted_for(signers, found)

    # The audit log has neither gap nor fork, and no account was looked at for the first time twice.
    assert [event["seq"] for event in events] == list(range(1, head + 1))
    assert not INCIDENTS & {event["event"] for event in events}
    adopted = Counter(event["data"]["account_id"] for event in events if event["event"] == "account.adopted")
    assert adopted == Counter(accounts)
    return Counter(
        {
            "requests": len(found),
            "acknowledged": len(load.acknowledged),
            "audit events": len(events),
            "executions": sum(times for (_, event), times in told.items() if event == "execution.started"),
            "CreateAccessKey": sum(creates.values()),
            "secrets shown": len(shown),
        }
    ) + Counter(f"request {request.status}" for request in found)
