"""Deliveries: send, then record the result. A kill in between repeats the delivery, so it is sent at least once."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from service.db import outbox
from service.db.engine import begin, read, retried
from service.db.outbox import Place, Wanted
from service.domain.actor import WORKER, Actor
from service.domain.delivery import (
    GIVE_UP_AFTER,
    Answer,
    Attempt,
    Delivery,
    DeliveryStatus,
    Notice,
    delivery_pending,
    no_such_delivery,
    wait_after,
)
from service.domain.errors import Code, Conflict, Unavailable
from service.domain.events import delivery_failed, delivery_repeated, destination_disabled
from service.domain.permissions import check_may_redeliver, check_may_see_deliveries
from service.workflow.context import Context
from service.workflow.in_person import addressees
from service.workflow.tell import tell

_BATCH = 50
_FORGOTTEN_AT_ONCE = 1000
# How long each of the two steps may keep a worker thread: other destinations, and the worker's shutdown, wait for it.
_AT_A_TIME = timedelta(seconds=15)


def deliver(ctx: Context, name: str) -> None:
    """Send a batch of one destination's new deliveries, and those that waited behind them in their streams.

    A failed delivery is retried later, and blocks only what is behind it in its stream. Raise Unavailable if the
    destination accepted nothing at all, so that it gets a back-off; Conflict if another process has taken over.
    """
    _deliver(ctx, name, is_new=True)


def deliver_again(ctx: Context, name: str) -> None:
    """Retry a batch of failed deliveries.

    This is a separate step, so new deliveries and retries cannot starve each other.
    """
    _deliver(ctx, name, is_new=False)


def _deliver(ctx: Context, name: str, *, is_new: bool) -> None:
    """Send in rounds: first the head of each stream, then the next of each stream that advanced, up to a batch."""
    began = ctx.now()
    until = began + _AT_A_TIME
    with read(ctx.engine) as tx:
        found = outbox.due(tx, name, began, _BATCH, is_new=is_new)
    answers: list[Attempt] = []
    while found:
        made = list(_round(ctx, name, found, until))
        answers += made
        if made[-1].answer is Answer.GONE or len(answers) >= _BATCH or ctx.now() >= until:
            break
        # If the clock was set back, a round that ended early arrives here with fewer answers.
        answered = zip(found, made, strict=False)
        went_on = {delivery.stream for delivery, attempt in answered if attempt.answer is not Answer.AGAIN}
        with read(ctx.engine) as tx:
            # Use the time of the pass's begin: newer deliveries and retries are for the next pass.
            found = outbox.following(tx, name, went_on, began, _BATCH - len(answers))
    if answers and all(attempt.answer is Answer.AGAIN and not attempt.reached for attempt in answers):
        raise Unavailable(Code.UNAVAILABLE, f"The destination did not take a delivery. {answers[0].detail}")


def _round(ctx: Context, name: str, found: Sequence[Delivery], until: datetime) -> Iterator[Attempt]:
    """Try each delivery and record the result. Stop early when the time is up, or the destination wants no more."""
    for delivery in found:
        attempt = _attempt(ctx, name, delivery)
        _record(ctx, delivery.id, attempt)
        yield attempt
        if attempt.answer is Answer.GONE or ctx.now() >= until:
            return


def _attempt(ctx: Context, name: str, delivery: Delivery) -> Attempt:
    """Try once. An exception from here would be retried for ever, before everything else, and never given up."""
    try:
        notice = Notice(
            id=delivery.id,
            event=delivery.event,
            ticket=delivery.ticket,
            document=json.loads(delivery.body),
            is_repeat=delivery.is_repeat,
            people=addressees(ctx, delivery) if name in ctx.in_person else (),
        )
        return ctx.destinations[name].deliver(notice)
    except Exception as error:  # noqa: BLE001  # see above
        return Attempt(Answer.AGAIN, f"it failed: {type(error).__name__}")


def _record(ctx: Context, delivery_id: str, attempt: Attempt) -> None:
    now = ctx.now()
    with ctx.begin() as tx:
        before = outbox.lock(tx, delivery_id)
        if before is None or before.ended_at is not None:
            return  # two processes sent it at once, and the other recorded it
        reached = None if before.reached is None else before.reached | attempt.reached
        tried = replace(before, attempts=before.attempts + 1, detail=attempt.detail, reached=reached)
        after = _after(tried, attempt, ctx)
        outbox.save(tx, after)
        if attempt.answer is Answer.GONE:
            failed = outbox.disable(tx, after.destination, now, attempt.detail)
            tell(ctx, tx, destination_disabled(after.destination, failed + 1), actor=WORKER, at=now)
        elif after.status is DeliveryStatus.FAILED:
            tell(ctx, tx, delivery_failed(after), actor=WORKER, at=now)


def _after(tried: Delivery, attempt: Attempt, ctx: Context) -> Delivery:
    now = ctx.now()
    if attempt.answer is Answer.DELIVERED:
        return replace(tried, status=DeliveryStatus.DELIVERED, ended_at=now)
    if attempt.answer is not Answer.AGAIN or now >= tried.give_up_at:
        return replace(tried, status=DeliveryStatus.FAILED, ended_at=now)
    wait = wait_after(tried.attempts, random.random())  # noqa: S311  # no secret depends on it
    return replace(tried, due_at=min(now + wait, tried.give_up_at))


def forget(ctx: Context) -> None:
    """Delete deliveries that ended long ago; the audit log keeps the events. Raise Conflict, Unavailable.

    A disabled destination that has left the settings, and has no deliveries left, is enabled if it is named again.
    """
    with ctx.begin() as tx:
        outbox.delete_ended(tx, ctx.now() - ctx.delivery_retention, ctx.destinations.keys(), _FORGOTTEN_AT_ONCE)
        outbox.enable_forgotten(tx)


@retried
def list_deliveries(ctx: Context, actor: Actor, wanted: Wanted, *, after: Place | None, limit: int) -> list[Delivery]:
    """Return deliveries, newest first. Raise Forbidden, Unavailable."""
    check_may_see_deliveries(actor)
    with read(ctx.engine) as tx:
        return outbox.page(tx, wanted, after=after, limit=limit)


@retried
def redeliver(ctx: Context, actor: Actor, delivery_id: str) -> Delivery:
    """Send it again, with the same id and body. A disabled destination is enabled again.

    Raise Forbidden, NotFound, Conflict while it is pending.
    """
    check_may_redeliver(actor)
    now = ctx.now()
    with begin(ctx.engine) as tx:
        before = outbox.lock(tx, delivery_id)
        if before is None:
            raise no_such_delivery()
        if before.ended_at is None:
            raise delivery_pending()
        if before.destination not in ctx.destinations:
            raise Conflict(Code.WRONG_STATUS, "The settings no longer name its destination.")
        was_delivered = before.status is DeliveryStatus.DELIVERED
        after = replace(
            before,
            status=DeliveryStatus.PENDING,
            attempts=0,
            detail=None,
            due_at=now,
            give_up_at=now + GIVE_UP_AFTER,
            ended_at=None,
            is_repeat=before.is_repeat or was_delivered,
            # If some were told already, only the others are told.
            reached=frozenset() if was_delivered and before.reached is not None else before.reached,
        )
        outbox.save(tx, after)
        outbox.enable(tx, after.destination)
        tell(ctx, tx, delivery_repeated(before), actor=actor, at=now)
    return after


def disabled(ctx: Context) -> frozenset[str]:
    """Return the names of destinations that want no more deliveries."""
    with read(ctx.engine) as tx:
        return outbox.disabled(tx)
