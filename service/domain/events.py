"""Makes events: exactly one for each transition and each decision. `event_table` has their names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.domain.actor import Actor, Member, Person
from service.domain.canonical import Document, Json, timestamp
from service.domain.delivery import Delivery
from service.domain.event_table import (
    DECIDED,
    DELIVERY_FAILED,
    DELIVERY_REPEATED,
    DESTINATION_DISABLED,
    EXECUTION_DELIVERED,
    EXECUTION_FAILED,
    EXECUTION_IN_DOUBT,
    EXECUTION_STARTED,
    EXECUTION_SUCCEEDED,
    FILED,
    KEY_EXPIRING,
    KEY_EXPIRY_FAILED,
    KEY_QUARANTINED,
    KEY_ROLLED_BACK,
    LOG_READ,
    OLD_KEY_DELETED,
    RECEIPT_CONFIRMED,
    RECEIPT_GIVEN_UP,
    RECEIPT_OVERDUE,
    REQUEST_APPROVED,
    REQUEST_EXPIRED,
    REQUEST_REJECTED,
    REQUEST_WITHDRAWN,
    ROTATION_STOPPED,
    ROTATION_STOPPING,
    EventName,
)
from service.domain.outcome import Done
from service.domain.request import NEXT, Decision, OperationRequest, Status

REACHED: Mapping[Status, EventName] = {
    Status.APPROVED: REQUEST_APPROVED,
    Status.REJECTED: REQUEST_REJECTED,
    Status.WITHDRAWN: REQUEST_WITHDRAWN,
    Status.EXPIRED: REQUEST_EXPIRED,
    Status.EXECUTING: EXECUTION_STARTED,
    Status.IN_DOUBT: EXECUTION_IN_DOUBT,
    Status.DELIVERED: EXECUTION_DELIVERED,
    Status.SUCCEEDED: EXECUTION_SUCCEEDED,
    Status.FAILED: EXECUTION_FAILED,
    Status.ROLLED_BACK: KEY_ROLLED_BACK,
    Status.ROTATING: RECEIPT_CONFIRMED,
    Status.STOPPED: ROTATION_STOPPED,
}

EVENT_OF: Mapping[tuple[Status, Status], EventName] = {
    (before, after): REACHED[after] for before, following in NEXT.items() for after in following
} | {
    (Status.DELIVERED, Status.SUCCEEDED): RECEIPT_CONFIRMED,
    (Status.ROTATING, Status.SUCCEEDED): OLD_KEY_DELETED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """A fact for the audit log. `data` adds to who, when and which request."""

    name: EventName
    data: Document = field(default_factory=dict)


def record(
    event: Event,
    *,
    seq: int,
    at: datetime,
    actor: Actor,
    request_id: str | None,
    previous: int | None,
    call_id: str | None,
) -> Document:
    """Return the audit log's record of an event. Its canonical form is the log's leaf.

    `previous` is the number of the same request's event before this one, so that evidence cannot leave one out.
    `call_id` is the id of the HTTP call or the worker's step that caused it. It stands beside `data`, because equal
    refusals have equal data, and destinations receive some of it.
    """
    return {
        "seq": seq,
        "at": timestamp(at),
        "call_id": call_id,
        "event": event.name,
        "request_id": request_id,
        "previous": previous,
        "actor": {
            "kind": actor.kind.value,
            "subject": actor.subject,
            "credential": actor.credential,
            "proof": None if actor.proof is None else actor.proof.document,
        },
        "data": event.data,
    }


def marked(event: Event, request: OperationRequest) -> Event:
    """Mark each event of a drill in the log as one, so that no event can be mistaken for one of a real request."""
    return replace(event, data={**event.data, "drill": True}) if request.filing.drill else event


def filed(request: OperationRequest) -> Event:
    return Event(FILED, {"filing": request.filing.document(), "digest": request.digest})


def known_as(name: EventName, person: Person, member: Member) -> Event:
    """Record a person's new roles. Votes before `votes_since` are void: they had lost the approver role meanwhile."""
    about: Document = {
        "person": person.subject,
        "name": person.name,
        "issuer": person.issuer,
        "groups": list[Json](sorted(person.groups)),
        "roles": list[Json](sorted(member.roles)),
        "votes_since": None if person.votes_since is None else timestamp(person.votes_since),
    }
    return Event(name, about)


def quarantined(*access_key_ids: str) -> Event:
    """Report an incident: unexplained keys, which the service does not touch."""
    return Event(KEY_QUARANTINED, {"access_key_ids": sorted(access_key_ids)})


def expiry_failed(access_key_id: str, reason: str) -> Event:
    """Report an incident: a key has outlived its lifetime, and `reason` says why it is still there."""
    return Event(KEY_EXPIRY_FAILED, {"access_key_id": access_key_id, "reason": reason})


def delivery_failed(delivery: Delivery) -> Event:
    """Report an incident: a delivery has failed for good, unless somebody sends it again."""
    return Event(DELIVERY_FAILED, _of(delivery))


def delivery_repeated(delivery: Delivery) -> Event:
    """Record that somebody had a delivery sent again."""
    return Event(DELIVERY_REPEATED, _of(delivery))


def destination_disabled(destination: str, failed: int) -> Event:
    """Report an incident: a destination refuses all messages, and gets none until an operator sends one again."""
    return Event(DESTINATION_DISABLED, {"destination": destination, "failed": failed})


def log_read(what: str, hour: datetime) -> Event:
    """Record that somebody reads from the log in this hour. Each reader has at most one such event an hour."""
    return Event(LOG_READ, {"what": what, "hour": timestamp(hour)})


def _of(delivery: Delivery) -> Document:
    return {
        "delivery_id": delivery.id,
        "destination": delivery.destination,
        "seq": delivery.seq,
        "event": delivery.event,
        "attempts": delivery.attempts,
        "reason": delivery.detail,
    }


def taken_away(name: EventName, access_key_id: str, done: Done) -> Event:
    """Record that a delivered key was deactivated or deleted, and which credential signed the call."""
    about: Document = {
        "access_key_id": access_key_id,
        "signer_key_id": done.signer_key_id,
        "aws_request_id": done.aws_request_id,
    }
    return Event(name, about)


def between(before: OperationRequest, after: OperationRequest) -> tuple[Event, ...]:
    """Return the events from `before` to `after`: new decisions, marks on a delivered key, the transition."""
    happened = [
        Event(
            DECIDED,
            {
                "person": decision.person,
                "decision": decision.verdict.value,
                "digest": decision.digest,
                "comment": decision.comment,
                "credential": decision.credential,
                **_signed(decision),
            },
        )
        for decision in after.decisions
        if decision not in before.decisions
    ]
    marks = {
        RECEIPT_OVERDUE: (before.overdue_at, after.overdue_at),
        RECEIPT_GIVEN_UP: (before.unconfirmed_at, after.unconfirmed_at),
        KEY_EXPIRING: (before.expiry_announced_at, after.expiry_announced_at),
        ROTATION_STOPPING: (before.stopped_at, after.stopped_at),
    }
    happened += [Event(name, _about(after)) for name, (earlier, now) in marks.items() if now != earlier]
    if after.status is not before.status:
        happened.append(Event(EVENT_OF[before.status, after.status], _about(after)))
    return tuple(happened)


def _signed(decision: Decision) -> Document:
    if decision.statement is None:
        return {}
    return {"statement": decision.statement, "signature": decision.signature}


def _about(request: OperationRequest) -> Document:
    """Return the data of a transition's event: clocks when they start, key ids at the claim, the result at the end."""
    data: dict[str, Json] = {"status": request.status.value, "digest": request.digest}
    if request.status is Status.APPROVED and request.execute_by:
        data["execute_by"] = timestamp(request.execute_by)
    if request.status is Status.EXECUTING and request.known_key_ids is not None:
        data["known_key_ids"] = list(request.known_key_ids)
        data["source"] = request.source
    if request.expires_at is not None:
        data["expires_at"] = timestamp(request.expires_at)
    if request.result is not None:
        data["result"] = request.result.document
    return data
