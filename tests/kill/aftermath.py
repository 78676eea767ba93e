"""After the kill: the worker is started again and given time, and then everything is accounted for."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kill.undertakings import LIFETIME, PLAN, REQUESTER, Scene, credentials
from sqlalchemy import select
from support.builders import (
    ACTIVATE,
    ALLOW_PASSWORD,
    CREATE,
    DEACTIVATE,
    DEACTIVATE_MFA,
    DELETE,
    DELETE_CERTIFICATE,
    DELETE_PASSWORD,
    ROTATE,
    UNLOCK_BUCKET,
    UNLOCK_QUEUE,
)

from service.db import audit, expectations, requests, tables
from service.db.engine import read
from service.domain.events import EVENT_OF
from service.domain.operation import OperationName
from service.domain.request import TERMINAL, OperationRequest, Status
from service.worker import run_pass
from service.workflow.context import Context
from service.workflow.due import due

ACTION: Mapping[OperationName, str] = {
    CREATE: "CreateAccessKey",
    ROTATE: "CreateAccessKey",
    DEACTIVATE: "UpdateAccessKey",
    ACTIVATE: "UpdateAccessKey",
    DELETE: "DeleteAccessKey",
    DELETE_PASSWORD: "DeleteLoginProfile",
    ALLOW_PASSWORD: "CreateLoginProfile",
    DEACTIVATE_MFA: "DeactivateMFADevice",
    DELETE_CERTIFICATE: "DeleteSigningCertificate",
    UNLOCK_BUCKET: "DeleteBucketPolicy",
    UNLOCK_QUEUE: "SetQueueAttributes",
}
# What is there when the operation is done; all others leave nothing.
LEAVES = {DEACTIVATE: "Inactive", ACTIVATE: "Active", ALLOW_PASSWORD: "present"}
TOLD_AT_THE_END = {name for (_, after), name in EVENT_OF.items() if after in TERMINAL}
INCIDENTS = {"key.quarantined", "key.expiry_failed", "execution.unresolved", "receipt.overdue", "rotation.stopped"}
_UNKNOWN = {Status.EXECUTING, Status.IN_DOUBT}
_KEY_IS_THERE = {Status.DELIVERED, Status.ROTATING, Status.SUCCEEDED}
_PASSES = 10


def restart(scene: Scene) -> None:
    """Whoever asked tries again where nothing had been claimed; then the worker works until nothing is ever due."""
    house = scene.house
    house.clock.at = max(house.clock.at, datetime.now(UTC))
    scene.learn_secrets()
    request = None if scene.undertaking.by_worker else scene.request
    if request is not None and house.now(request).status is Status.APPROVED:
        executed, _ = house.execute(request, by=REQUESTER)
        assert executed.status in {Status.SUCCEEDED, Status.DELIVERED}
        scene.learn_secrets()
    policy, workers = house.ctx.policy, itertools.cycle((2, 1))
    waits = (
        house.ctx.roots.call_budget,
        PLAN.deletion_wait,
        policy.consistency_delay,
        policy.receipt_window,
        policy.rollback_grace,
    )
    for wait in (timedelta(0), *waits, LIFETIME, policy.rollback_grace):
        house.clock.advance(wait)
        _work(house.ctx, workers)
        found = every_request(house.ctx)
        # A claimed call of a rotation whose effect is not looked for yet.
        is_acting = any(request.acting_at is not None for request in found)
        if not is_acting and not _UNKNOWN & {request.status for request in found}:
            assert credentials(house.aws) == accounted_for(scene.before, found)


def _work(ctx: Context, workers: "itertools.cycle[int]") -> None:
    """Passes, two at once and one alone by turns, until nothing is due any more."""
    for _ in range(_PASSES):
        if not list(due(ctx)):
            return
        at_once = next(workers)
        with ThreadPoolExecutor(at_once) as pool:
            for done in [pool.submit(run_pass, ctx) for _ in range(at_once)]:
                done.result()
    raise AssertionError([step.what for step in due(ctx)])


def judge(scene: Scene) -> None:
    """The same for every case."""
    found = every_request(scene.house.ctx)
    with read(scene.house.ctx.engine) as tx:
        events = [json.loads(content) for _, content in audit.page(tx, after=0, limit=1000)]
        findings = [finding.drift.access_key_id for finding in expectations.open_findings(tx, None)]
    assert [request.status for request in found if request.status not in TERMINAL] == []
    for request in found:
        assert scene.house.aws.count(ACTION[request.filing.operation.name]) <= 1
        assert_told_once(request, events)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert not INCIDENTS & {event["event"] for event in events}
    assert [event["event"] for event in events].count("drift.found") == len(findings)
    assert findings == ([scene.target] if scene.undertaking.is_drift_check else [])


def every_request(ctx: Context) -> list[OperationRequest]:
    with read(ctx.engine) as tx:
        ids = tx.execute(select(tables.requests.c.id)).scalars().all()
        return [request for request_id in ids if (request := requests.get(tx, request_id)) is not None]


def accounted_for(before: Mapping[str, str], found: Sequence[OperationRequest]) -> dict[str, str]:
    """What the root users must have: what they had, and what requests say that was made of it."""
    credentials = dict(before)
    for request in found:
        operation, result = request.filing.operation, request.result
        if operation.is_create and request.status in _KEY_IS_THERE and request.retired_at is None:
            assert result is not None
            credentials[str(result.access_key_id)] = "Inactive" if request.deactivated_at else "Active"
        if operation.is_rotation and request.cut_over_at is not None:
            credentials[str(operation.target)] = "Inactive"
            if request.status is Status.SUCCEEDED:
                del credentials[str(operation.target)]
        if not operation.is_create and request.status is Status.SUCCEEDED:
            about = operation.target or f"{request.filing.account_id} password"
            credentials.pop(about, None)
            if operation.name in LEAVES:
                credentials[about] = LEAVES[operation.name]
    return credentials


def assert_told_once(request: OperationRequest, events: Sequence[Mapping[str, Any]]) -> None:
    """Claimed once, ended once, and nothing else twice but the two approvals."""
    own = [event for event in events if event["request_id"] == request.filing.request_id]
    told = Counter(event["event"] for event in own)
    assert told["execution.started"] == 1
    # A receipt ends a create, and not a rotation.
    ends = [event for event in own if event["event"] in TOLD_AT_THE_END and event["data"]["status"] in TERMINAL]
    assert len(ends) == 1
    assert {name: times for name, times in told.items() if times > 1} == {"decision.recorded": 2}


def assert_no_secret(scene: Scene, folder: Path) -> None:
    """Not in any row, nor in the bytes of the SQLite file, its log, and the service's own log."""
    with read(scene.house.ctx.engine) as tx:
        rows = repr([tuple(row) for table in tables.metadata.sorted_tables for row in tx.execute(select(table))])
    files = [file.read_bytes() for pattern in ("*.db*", "service.log") for file in folder.glob(pattern)]
    assert len(scene.secrets) > 1
    for secret in scene.secrets:
        assert secret not in rows
        assert not [file for file in files if secret.encode() in file]
