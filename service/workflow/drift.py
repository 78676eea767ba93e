"""Looking for drift: read the account, then say in one transaction what is new, what is over, and what to expect."""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from service.db import backlog, expectations, requests
from service.db.engine import Tx, begin, read, retried
from service.domain.account import Account, Part, RootCredentials
from service.domain.actor import WORKER, Actor
from service.domain.capability import plan
from service.domain.drift import (
    Drift,
    DriftFinding,
    Expectation,
    Seen,
    accept,
    account_changing,
    adopt,
    differences,
    effects,
    expect,
    finding_closed,
    no_such_finding,
)
from service.domain.event_table import ACCOUNT_ADOPTED, DRIFT_ACCEPTED, DRIFT_FOUND, DRIFT_RESOLVED
from service.domain.events import Event
from service.domain.permissions import check_may_accept_drift, check_may_look_for_drift, check_may_see_drift
from service.domain.selection import Selection
from service.workflow.context import Context
from service.workflow.read import known_account
from service.workflow.tell import tell

# A key that AWS never lets the worker take away must not keep drift from being seen.
_LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """What a look at an account left behind. `adopted`: it was the first one."""

    expectation: Expectation
    open: tuple[DriftFinding, ...]
    adopted: bool


def check_drift(ctx: Context, account: Account, actor: Actor = WORKER) -> DriftCheck:
    """Look at one account now.

    Raises Unavailable; Conflict when no source can read it, and `account_busy` while something is being done to it,
    or was done so lately that AWS may not show it everywhere yet: what is seen then says nothing.
    """
    began = ctx.now()
    with ctx.roots.sign_in(account, plan(account)) as root:
        observed = root.observe(began, Part.SUMMARY)
    seen = Seen(at=began, keys=observed.statuses, mfa_enabled=observed.mfa_enabled)
    try:
        with ctx.begin() as tx:
            return _judge(ctx, tx, account.account_id, seen, actor)
    except IntegrityError as error:
        if expectations.is_there_already(error):  # two looked for the first time at once
            raise account_changing() from error
        raise


def _judge(ctx: Context, tx: Tx, account_id: str, seen: Seen, actor: Actor) -> DriftCheck:
    now, delay = ctx.now(), ctx.policy.consistency_delay
    before = expectations.lock(tx, account_id)
    # A time in the future is that of a clock that was wrong: it must not keep anybody from looking.
    if before is not None and seen.at <= before.checked_at <= now:
        raise account_changing()
    # What was done within the delay before the last look was not judged by it, or it would have been put off.
    since = min(before.checked_at, seen.at) - delay if before else None
    # First what is under way, and then what is done: a settlement in between is in one of them.
    # A key that is due to be taken away may be gone already, and that not be written down yet.
    taken_away = _is_recent(before, seen) and backlog.is_taken_away(tx, account_id, now)
    if requests.is_acted_on(tx, account_id) or taken_away:
        raise account_changing()
    acted_on = requests.acted_on(tx, account_id, since)
    if any(request.was_touched_between(seen.at - delay, now + delay) for request in acted_on):
        raise account_changing()
    done = [effect for request in acted_on for effect in effects(request) if since is None or effect.at > since]
    expectation = adopt(account_id, seen, done) if before is None else expect(before, done, seen)
    events = []
    if before is None:
        expectations.add(tx, expectation)
        events.append(Event(ACCOUNT_ADOPTED, expectation.document))
    else:
        expectations.save(tx, expectation)
    events += _write_down(ctx, tx, expectation, seen)
    for event in events:
        tell(ctx, tx, event, actor=actor, at=now)
    return DriftCheck(expectation, tuple(expectations.open_findings(tx, account_id)), adopted=before is None)


@retried
def unknown_to_database(ctx: Context, account_id: str, observed: RootCredentials) -> tuple[Drift, ...] | None:
    """Where an account differs from what the database would make of it; None when that knows nothing of it yet.

    For whoever has restored a backup: nothing is written, and what is just being done shows as well. Where drift was
    never looked for, the state at the last filing is what is known. Raises Unavailable.
    """
    seen = Seen(at=ctx.now(), keys=observed.statuses, mfa_enabled=observed.mfa_enabled)
    with read(ctx.engine) as tx:
        before = expectations.get(tx, account_id)
        if before is None:
            newest = requests.select_page(tx, Selection(account_id=account_id), after=None, limit=1)
            if not newest:
                return None
            then = newest[0].filing.observed
            before = adopt(account_id, Seen(at=then.observed_at, keys=then.statuses, mfa_enabled=then.mfa_enabled), ())
        since = before.checked_at - ctx.policy.consistency_delay
        acted_on = requests.acted_on(tx, account_id, since)
    done = [effect for request in acted_on for effect in effects(request) if effect.at > since]
    return differences(expect(before, done, seen), seen)


def _is_recent(before: Expectation | None, seen: Seen) -> bool:
    """Whether the last look is so near that this one can wait for what the worker has to do."""
    return before is not None and seen.at - before.checked_at < _LONGEST_WAIT


def _write_down(ctx: Context, tx: Tx, expectation: Expectation, seen: Seen) -> list[Event]:
    """One event for what is new, one for what is over; nothing for what goes on."""
    now, events = ctx.now(), []
    known = {
        (finding.drift.kind, finding.drift.access_key_id, finding.drift.found): finding
        for finding in expectations.open_findings(tx, expectation.account_id)
    }
    found = {(drift.kind, drift.access_key_id, drift.found): drift for drift in differences(expectation, seen)}
    for what, finding in known.items():
        if what not in found:
            expectations.close(tx, finding.id, now)
            events.append(Event(DRIFT_RESOLVED, finding.document))
    for what, drift in found.items():
        if what not in known:
            finding = DriftFinding(id=ctx.new_id(), drift=drift, found_at=now, closed_at=None, accepted_by=None)
            expectations.add_finding(tx, finding)
            events.append(Event(DRIFT_FOUND, finding.document))
    return events


def check_drift_now(ctx: Context, actor: Actor, account_id: str) -> DriftCheck:
    """As `check_drift`, for an operator. Raises Forbidden and NotFound as well."""
    check_may_look_for_drift(actor, account_id)
    return check_drift(ctx, known_account(ctx, account_id), actor)


@retried
def open_drift(ctx: Context, actor: Actor, account_id: str | None) -> list[DriftFinding]:
    """What is open, by account. Raises Forbidden, Unavailable."""
    check_may_see_drift(actor, account_id)
    with read(ctx.engine) as tx:
        return list(expectations.open_findings(tx, account_id))


@retried
def accept_drift(ctx: Context, actor: Actor, finding_id: str, comment: str) -> DriftFinding:
    """Somebody looked into it: what was found is expected from now on.

    Raises Forbidden, NotFound, Conflict when it is no longer open, Unavailable.
    """
    now = ctx.now()
    with begin(ctx.engine) as tx:
        expectation = expectations.lock_for(tx, finding_id)
        finding = expectations.finding(tx, finding_id)
        check_may_accept_drift(actor, None if finding is None else finding.drift.account_id)
        if finding is None or expectation is None:
            raise no_such_finding()
        if finding.closed_at is not None:
            raise finding_closed()
        expectations.save(tx, accept(expectation, finding.drift))
        expectations.close(tx, finding_id, now, accepted_by=actor.subject)
        event = Event(DRIFT_ACCEPTED, {**finding.document, "comment": comment})
        tell(ctx, tx, event, actor=actor, at=now)
    return replace(finding, closed_at=now, accepted_by=actor.subject)
