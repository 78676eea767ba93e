"""Publishes events: writes the audit record and one delivery per subscribed destination, in one transaction."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from service.db import audit, outbox
from service.db.engine import Tx
from service.domain.actor import Actor
from service.domain.briefing import done
from service.domain.canonical import Document, Json, canonical, timestamp
from service.domain.delivery import GIVE_UP_AFTER, Delivery, DeliveryStatus
from service.domain.event_table import DELIVERY_FAILED, JUDGED, PUBLISHED, SHOWN
from service.domain.events import Event, marked
from service.domain.reminder import ESCALATING, is_escalated
from service.domain.request import OperationRequest
from service.domain.standing import Standing
from service.workflow.context import Context


def tell(
    ctx: Context,
    tx: Tx,
    *events: Event,
    actor: Actor,
    at: datetime,
    request: OperationRequest | None = None,
    standing: Standing | None = None,
) -> None:
    """Audit events, in order, and stage their deliveries. `request` is their request after the change, if they have
    one, and `standing` is that by which it was judged.
    """
    if not events:
        return
    request_id = None if request is None else request.filing.request_id
    told = [_judged(event, request, standing) if event.name in JUDGED else event for event in events]
    recorded = told if request is None else [marked(event, request) for event in told]
    appended = audit.append(tx, *recorded, actor=actor, at=at, request_id=request_id)
    staged = [
        delivery
        for event, place in zip(told, appended, strict=True)
        if event.name in PUBLISHED
        for delivery in _deliveries(ctx, event, place, actor=actor, at=at, request=request)
    ]
    if staged:
        disabled = outbox.disabled(tx)
        staged = [delivery for delivery in staged if delivery.destination not in disabled]
    if staged:
        outbox.add(tx, staged)


def _judged(event: Event, request: OperationRequest | None, standing: Standing | None) -> Event:
    """Add the policy in force to an event, and the groups of those whose approvals counted, if groups are demanded."""
    if request is None or standing is None:
        raise ValueError(f"{event.name} was not judged")
    judged: dict[str, Json] = {"policy": standing.policy.document()}
    if standing.policy.approvals:
        judged["groups"] = {person: list[Json](groups) for person, groups in standing.demanded_groups(request).items()}
    return replace(event, data={**event.data, **judged})


def _deliveries(
    ctx: Context,
    event: Event,
    appended: audit.Appended,
    *,
    actor: Actor,
    at: datetime,
    request: OperationRequest | None,
) -> Iterator[Delivery]:
    """Yield a delivery for each subscribed destination."""
    ticket = None if request is None else request.filing.ticket
    subscribed = [name for name in ctx.destinations if _is_subscribed(ctx, name, event, ticket)]
    if not subscribed:
        return
    request_id = None if request is None else request.filing.request_id
    body = canonical(_document(ctx, event, appended, actor=actor, at=at, request=request)).decode()
    for name in subscribed:
        is_in_person, delivery_id = name in ctx.in_person, ctx.new_id()
        yield Delivery(
            id=delivery_id,
            seq=appended.seq,
            destination=name,
            # What one person cannot be told must not wait in front of what the others are to be told.
            stream=delivery_id if is_in_person else request_id or str(event.data.get("account_id", "")),
            event=event.name,
            request_id=request_id,
            ticket=ticket,
            body=body,
            status=DeliveryStatus.PENDING,
            attempts=0,
            detail=None,
            created_at=at,
            due_at=at,
            give_up_at=at + GIVE_UP_AFTER,
            ended_at=None,
            reached=frozenset() if is_in_person else None,
        )


def _is_subscribed(ctx: Context, name: str, event: Event, ticket: str | None) -> bool:
    if event.data.get("destination") == name:
        return False  # only the others learn that a destination is unreachable
    if event.name == DELIVERY_FAILED == event.data.get("event"):
        return False  # otherwise destinations that all fail would notify each other without end
    if name in ctx.policy.escalate_to and event.name in ESCALATING:
        return is_escalated(event)
    return ctx.destinations[name].wants(event.name, ticket)


def _document(
    ctx: Context,
    event: Event,
    appended: audit.Appended,
    *,
    actor: Actor,
    at: datetime,
    request: OperationRequest | None,
) -> Document:
    """Return the thin body. It has only event data that the service wrote; other data may be a user's free text."""
    account_id = event.data.get("account_id") if request is None else request.filing.account_id
    # Not by `ctx.account_name`: it may wait for AWS.
    account = ctx.accounts.known(str(account_id)) if account_id else None
    about: dict[str, Json] = {
        "account_id": account_id,
        "account_name": None if account is None else account.name,
        "request": None,
    }
    if request is not None:
        filing, until = request.filing, request.until
        about |= {
            "request": {
                "id": filing.request_id,
                "status": request.status.value,
                "operation": filing.operation.name.value,
                "effect": done(filing),
                "drill": filing.drill,
                "until": None if until is None else timestamp(until),
                "ticket": filing.ticket,
                "link": None if ctx.public_url is None else f"{ctx.public_url}/desk/requests/{filing.request_id}",
            },
        }
    if event.name in SHOWN:
        about[SHOWN[event.name]] = event.data
    return {
        "type": event.name,
        "timestamp": timestamp(at),
        "data": {
            **about,
            "actor": {"kind": actor.kind.value, "name": actor.name},
            "audit": {"sequence": appended.seq, "root": b64encode(appended.root).decode()},
        },
    }
