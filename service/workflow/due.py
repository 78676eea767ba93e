"""The worker's due work: one pass lists everything that is due.

Each request has its own transaction and each step is safe to repeat, so passes may overlap or stop anywhere.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from service.db import backlog, expectations, outbox
from service.db.backlog import Due
from service.db.engine import Tx, read
from service.domain.account import Account
from service.domain.actor import WORKER
from service.domain.capability import is_readable
from service.domain.request import Status
from service.workflow import drills
from service.workflow.change import touch
from service.workflow.clocks import is_clock_right
from service.workflow.context import Context
from service.workflow.cosign import cosign, to_cosign
from service.workflow.deliver import deliver, deliver_again, forget
from service.workflow.drift import check_drift
from service.workflow.execute import execute
from service.workflow.lifetime import expire_key
from service.workflow.reconcile import abandon, reconcile
from service.workflow.remind import remind
from service.workflow.rollback import roll_back
from service.workflow.rotate import rotate
from service.workflow.rules_in_force import check_rules
from service.workflow.void import with_lost_votes


class _Call(Protocol):
    __name__: str

    def __call__(self, ctx: Context, request_id: str) -> None: ...


# The limit per kind and pass; the rest follows in the next pass.
_BATCH = 1000


# All kinds of steps, in the order of docs/operations.md.
STEPS = (
    "expire",
    "void_votes",
    "remind",
    "run",
    "abandon",
    "roll_back",
    "expire_key",
    "rotate",
    "reconcile",
    "deliver",
    "deliver_again",
    "cosign",
    "forget",
    "tell_drill_due",
    "list_accounts",
    "check_drift",
)


@dataclass(frozen=True, slots=True)
class Step:
    """A due step: `what` of `STEPS`, on a request.

    If `request_id` is None nobody waits for it: it checks or lists accounts, or concerns deliveries.
    """

    what: str
    account_id: str
    request_id: str | None
    call: Callable[[Context], object]

    def __post_init__(self) -> None:
        assert self.what in STEPS, "docs/operations.md does not know this step"


class DriftChecks:
    """Remembers when accounts were last checked for drift, so that a pass asks the database only if one may be due."""

    def __init__(self) -> None:
        # Replaced as a whole, so that threads can share it.
        self._checked: dict[str, datetime] = {}

    def due(self, ctx: Context, tx: Tx, now: datetime) -> list[Account]:
        """Return the accounts whose check is due."""
        if not ctx.policy.drift_checks:
            return []
        after = now - ctx.policy.drift_interval
        found = self._without(ctx.accounts.at_hand(), after, now)
        if found:
            self._checked = expectations.checked_between(tx, after, now)
        return self._without(found, after, now)

    def _without(self, accounts: Iterable[Account], after: datetime, now: datetime) -> list[Account]:
        """Return the accounts that can be checked, without those that were checked in that time."""
        checked = self._checked
        return [
            account
            for account in accounts
            if not after < checked.get(account.account_id, after) <= now and is_readable(account)
        ]


def due(ctx: Context, drift_checks: DriftChecks | None = None) -> Iterator[Step]:
    """Yield the steps that are due now. The worker runs them, one account's steps one by one, in this order.

    Raise Unavailable if the rules of this process are not those in force: then nothing is done.
    Give the same `drift_checks` to every pass; None knows nothing yet.
    """
    now = ctx.now()
    executing_too_long = now - ctx.roots.call_budget
    in_doubt_long_enough = now - max(ctx.policy.consistency_delay, ctx.roots.call_budget)
    with read(ctx.engine) as tx:
        check_rules(ctx, tx)
        # A wrong clock would expire requests, roll back keys and end lifetimes. Deliveries alone harm nobody.
        is_clock_right_now = is_clock_right(ctx, tx)
        found: dict[_Call, list[Due]] = {
            expire: list(backlog.overdue(tx, now, _BATCH)),
            void_votes: with_lost_votes(ctx, tx),
            remind: list(backlog.to_look_at(tx, now, _BATCH)),
            _run: list(backlog.to_run(tx, _BATCH)),
            abandon: list(backlog.claimed_before(tx, Status.EXECUTING, executing_too_long, _BATCH)),
            roll_back: list(backlog.unconfirmed(tx, now, _BATCH)),
            expire_key: list(backlog.expiring(tx, now, ctx.policy.expiry_notice, _BATCH)),
            rotate: list(backlog.to_rotate(tx, now, _BATCH)),
            reconcile: list(backlog.claimed_before(tx, Status.IN_DOUBT, in_doubt_long_enough, _BATCH)),
        }
        to_check = (drift_checks or DriftChecks()).due(ctx, tx, now)
        # A destination that has left the settings keeps its pending deliveries until it is named again.
        destinations = [there for there in outbox.destinations_due(tx, now) if there.destination in ctx.destinations]
        drill_is_due = drills.is_due(ctx, tx, now)
        to_ask = to_cosign(ctx, tx, now)
        is_old = outbox.is_old(tx, now - ctx.delivery_retention, ctx.destinations.keys())
    for call, requests in found.items() if is_clock_right_now else ():
        for request in requests:
            what = call.__name__.strip("_")
            yield Step(what, request.account_id, request.request_id, partial(call, request_id=request.request_id))
    yield from _to_others(destinations, to_ask)
    if is_old and is_clock_right_now:
        yield Step("forget", "deliveries", None, forget)
    if drill_is_due and is_clock_right_now:
        yield Step("tell_drill_due", "drills", None, drills.tell_drill_due)
    if ctx.accounts.is_due():
        # In a separate lane: due work for requests must not wait for an organization's listing.
        yield Step("list_accounts", "", None, lambda ctx: ctx.accounts.every())
    for account in to_check:
        yield Step("check_drift", account.account_id, None, partial(check_drift, account=account))


def _to_others(destinations: Iterable[outbox.DueThere], witnesses: Iterable[str]) -> Iterator[Step]:
    """Yield what goes to destinations and to witnesses. It changes no account, so no wrong clock stops it."""
    for there in destinations:
        for send, is_due in ((deliver, there.new), (deliver_again, there.again)):
            if is_due:
                yield Step(send.__name__, f"to {there.destination}", None, partial(send, name=there.destination))
    for name in witnesses:
        yield Step("cosign", f"witness {name}", None, partial(cosign, name=name))


def expire(ctx: Context, request_id: str) -> None:
    """Expire an overdue request."""
    touch(ctx, request_id)


def void_votes(ctx: Context, request_id: str) -> None:
    """Void for good the votes of people who are no longer approvers."""
    touch(ctx, request_id)


def _run(ctx: Context, request_id: str) -> None:
    execute(ctx, WORKER, request_id)
