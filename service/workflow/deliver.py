"""Delivering: send, then write down what became of it. Killed in between, it is sent once more: at least once."""

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
from service.workflow.tell import tell

_BATCH = 50
_FORGOTTEN_AT_ONCE = 1000
# For how long each of the two may keep a thread of the worker: other destinations wait for it, and so does whoever ends
# the worker.
_AT_A_TIME = timedelta(seconds=15)


def deliver(ctx: Context, name: str) -> None:
    """Send what one destination was never sent, and what waited behind it; the rest is for the next pass.

    What it does not take is tried again later, and holds up nothing but what is behind it in its stream. Raises
    Unavailable when it took nothing at all: it is away, and is left alone for a while; Conflict when another process
    has taken over.
    """
    _deliver(ctx, name, is_new=True)


def deliver_again(ctx: Context, name: str) -> None:
    """The same with what it did not take before. As a step of its own it never comes behind what is new, nor does the
    new wait while all of it is in vain.
    """
    _deliver(ctx, name, is_new=False)


def _deliver(ctx: Context, name: str, *, is_new: bool) -> None:
    """In rounds: of each stream the first, then of those streams that went on the next, up to a batch in all."""
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
        # The clock may have been set back: then there are fewer answers.
        answered = zip(found, made, strict=False)
        went_on = {delivery.stream for delivery, attempt in answered if attempt.answer is not Answer.AGAIN}
        with read(ctx.engine) as tx:
            # As it was when the pass began: what came since, or is to be tried again since, is for the next one.
            found = outbox.following(tx, name, went_on, began, _BATCH - len(answers))
    if answers and all(attempt.answer is Answer.AGAIN for attempt in answers):
        raise Unavailable(Code.UNAVAILABLE, f"The destination did not take a delivery. {answers[0].detail}")


def _round(ctx: Context, name: str, found: Sequence[Delivery], until: datetime) -> Iterator[Attempt]:
    """Try each and write it down. Ends early when the time is over, or where the destination wants no more."""
    for delivery in found:
        attempt = _attempt(ctx, name, delivery)
        _record(ctx, delivery.id, attempt)
        yield attempt
        if attempt.answer is Answer.GONE or ctx.now() >= until:
            return


def _attempt(ctx: Context, name: str, delivery: Delivery) -> Attempt:
    """One try. Whatever escaped here would be tried for ever, before everything else, and never be given up."""
    try:
        notice = Notice(
            id=delivery.id,
            event=delivery.event,
            ticket=delivery.ticket,
            document=json.loads(delivery.body),
            is_repeat=delivery.is_repeat,
        )
        return ctx.destinations[name].deliver(notice)
    except Exception as error:  # noqa: BLE001  # see above
        return Attempt(Answer.AGAIN, f"it failed: {type(error).__name__}")


def _record(ctx: Context, delivery_id: str, attempt: Attempt) -> None:
    now = ctx.now()
    with ctx.begin() as tx:
        before = outbox.lock(tx, delivery_id)
        if before is None or before.ended_at is not None:
            return  # sent by two processes at once, and written down by the other
        tried = replace(before, attempts=before.attempts + 1, detail=attempt.detail)
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
    """Delete deliveries that ended long ago; the audit log keeps what happened. Raises Conflict, Unavailable.

    A disabled destination that has left the settings, and of which nothing is left, begins anew once it is named again.
    """
    with ctx.begin() as tx:
        outbox.delete_ended(tx, ctx.now() - ctx.delivery_retention, ctx.destinations.keys(), _FORGOTTEN_AT_ONCE)
        outbox.enable_forgotten(tx)


@retried
def list_deliveries(ctx: Context, actor: Actor, wanted: Wanted, *, after: Place | None, limit: int) -> list[Delivery]:
    """Newest first. Raises Forbidden, Unavailable."""
    check_may_see_deliveries(actor)
    with read(ctx.engine) as tx:
        return outbox.page(tx, wanted, after=after, limit=limit)


@retried
def redeliver(ctx: Context, actor: Actor, delivery_id: str) -> Delivery:
    """Send it once more, with the same id and body; a disabled destination is told again from now on.

    Raises Forbidden, NotFound, Conflict while it is being sent.
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
        after = replace(
            before,
            status=DeliveryStatus.PENDING,
            attempts=0,
            detail=None,
            due_at=now,
            give_up_at=now + GIVE_UP_AFTER,
            ended_at=None,
            is_repeat=before.is_repeat or before.status is DeliveryStatus.DELIVERED,
        )
        outbox.save(tx, after)
        outbox.enable(tx, after.destination)
        tell(ctx, tx, delivery_repeated(before), actor=actor, at=now)
    return after


def disabled(ctx: Context) -> frozenset[str]:
    """Names of the destinations that want no more deliveries."""
    with read(ctx.engine) as tx:
        return outbox.disabled(tx)
