"""What drills are for: who answers, how fast and by which means; when somebody last did; and whether one is due."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.db import audit, decisions, marks, people, requests
from service.db.decisions import LastDecision
from service.db.engine import Tx, read, retried
from service.db.marks import DRILL_DUE, Mark
from service.domain.actor import WORKER
from service.domain.canonical import parse_timestamp, seconds, timestamp
from service.domain.directory import Directory
from service.domain.errors import Code, NotFound
from service.domain.event_table import DECIDED, DRILL_IS_DUE
from service.domain.events import Event
from service.domain.permissions import check_may_report, check_may_see_approvers
from service.domain.request import OperationRequest, Verdict
from service.signing.faults import BadSignature
from service.signing.sshsig import key_of
from service.workflow.context import Context
from service.workflow.read import request_for
from service.workflow.sign_in import Caller, recording_sign_ins, signed_in
from service.workflow.standing import standing_of
from service.workflow.tell import tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Somebody's last decision on a drill, as the log has it.

    `methods` are those of the sign-in (`amr`); None for an API token, which names none. `key` is the fingerprint of the
    key that the signature names; None if it is not signed, or names none.
    """

    decision: Verdict
    at: datetime
    methods: tuple[str, ...] | None
    key: str | None


@dataclass(frozen=True, slots=True)
class DrillReport:
    """A drill, and everybody who was asked to decide on it, with their answer; None for those who did not answer."""

    request: OperationRequest
    directory: Directory
    answers: dict[str, Answer | None]


@dataclass(frozen=True, slots=True)
class Approver:
    """An approver of today, with their last sign of life: the last sign-in at a provider, and the last decision."""

    subject: str
    name: str
    seen_at: datetime | None
    decided: LastDecision | None

    @property
    def proved_at(self) -> datetime | None:
        times = [self.seen_at, None if self.decided is None else self.decided.at]
        return max((at for at in times if at is not None), default=None)


@retried
@recording_sign_ins
def report(ctx: Context, caller: Caller, request_id: str) -> DrillReport:
    """Report on a drill. Those who could decide on it today, and those who did, count as asked.

    Raise NotFound for what is no drill; Unauthenticated, Forbidden, Unavailable.
    """
    with read(ctx.engine) as tx:
        actor = signed_in(ctx, tx, caller)
        request = request_for(tx, actor, request_id)
        check_may_report(request, actor)
        if not request.filing.drill:
            raise no_drill()
        standing = standing_of(ctx, tx, request, all_approvers=True)
        events = [json.loads(content) for _, content in audit.of_request(tx, request_id)]
        found = {each["data"]["person"]: _answer(each) for each in events if each["event"] == DECIDED}
        directory = standing.directory.joined(people.some(tx, found))
    asked = standing.approvers_of(request) | found.keys()
    return DrillReport(request, directory, {person: found.get(person) for person in sorted(asked)})


def no_drill() -> NotFound:
    return NotFound(Code.NOT_FOUND, "This request is no drill.")


def _answer(event: Any) -> Answer:
    proof, data = event["actor"].get("proof"), event["data"]
    return Answer(
        decision=Verdict(data["decision"]),
        at=parse_timestamp(event["at"]),
        methods=None if proof is None else tuple(proof["amr"]),
        key=None if data.get("signature") is None else _fingerprint(data["signature"]),
    )


def _fingerprint(signature: str) -> str | None:
    try:
        return key_of(signature).fingerprint
    except BadSignature:
        return None


@retried
@recording_sign_ins
def approvers(ctx: Context, caller: Caller) -> Sequence[Approver]:
    """Return all approvers who are known, those without a sign of life first, then the oldest.

    Raise Unauthenticated, Forbidden, Unavailable.
    """
    with read(ctx.engine) as tx:
        check_may_see_approvers(signed_in(ctx, tx, caller))
        directory = ctx.directory.joined(people.every(tx))
        members = [member for member in directory.everybody.values() if member.approves]
        last = decisions.last_of(tx, [member.subject for member in members])
    found = [Approver(each.subject, each.name, each.seen_at, last.get(each.subject)) for each in members]
    return sorted(found, key=lambda each: (each.proved_at is not None, each.proved_at, each.name, each.subject))


def is_due(ctx: Context, tx: Tx, now: datetime) -> bool:
    """Return whether operators are to be told that a drill is due: once, until another one was completed."""
    every = ctx.policy.drill_every
    if every is None:
        return False
    told, last = marks.last(tx, DRILL_DUE), requests.last_drill(tx)
    if last is None:
        return told is None
    return last + every <= now and (told is None or told.at < last)


@retried
def tell_drill_due(ctx: Context) -> None:
    """Tell that a drill is due, unless another worker just did. Raise Conflict, Unavailable."""
    with ctx.begin() as tx:
        audit.hold(tx)
        now = ctx.now()
        if ctx.policy.drill_every is None or not is_due(ctx, tx, now):
            return
        last = requests.last_drill(tx)
        marks.put(tx, DRILL_DUE, Mark(now, WORKER.subject))
        about = {
            "drill_every": seconds(ctx.policy.drill_every),
            "last_completed_at": None if last is None else timestamp(last),
        }
        tell(ctx, tx, Event(DRILL_IS_DUE, about), actor=WORKER, at=now)
