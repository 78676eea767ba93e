"""Drift checks: read the account, then record new and resolved findings and the new expectation in one transaction."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from service.db import backlog, expectations, requests
from service.db.engine import Tx, begin, read, retried
from service.domain.account import Account, Part, RootCredentials
from service.domain.actor import WORKER, Actor
from service.domain.capability import is_readable, plan
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

# A key that AWS never lets the worker delete must not prevent drift checks.
_LONGEST_WAIT = timedelta(days=1)
_SALT_BYTES = 16
# What is only compared is not hidden.
_UNUSED_SALT = ""


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The result of a drift check. `adopted`: it was the account's first."""

    expectation: Expectation
    open: tuple[DriftFinding, ...]
    adopted: bool


@dataclass(frozen=True, slots=True)
class OpenDrift:
    """The open findings, by account, and how much they say.

    `oldest_check_at` is the oldest of the accounts' last checks, None if none was checked. `never_checked` counts the
    accounts that could be checked and never were. Accounts that the service no longer knows do not count.
    """

    findings: tuple[DriftFinding, ...]
    oldest_check_at: datetime | None
    never_checked: int


def check_drift(ctx: Context, account: Account, actor: Actor = WORKER) -> DriftCheck:
    """Check one account for drift now.

    Raise Unavailable, and Conflict if no source can read it. Raise Conflict with `account_busy` if an operation on it
    is in progress, or so recent that AWS may not show it everywhere yet.
    """
    began = ctx.now()
    with ctx.roots.sign_in(account, plan(account)) as root:
        seen = Seen.of(root.observe(began, Part.SUMMARY, Part.EMAIL), began)
    try:
        with ctx.begin() as tx:
            return _judge(ctx, tx, account.account_id, seen, actor)
    except IntegrityError as error:
        if expectations.is_there_already(error):  # two first checks ran at once
            raise account_changing() from error
        raise


def _judge(ctx: Context, tx: Tx, account_id: str, seen: Seen, actor: Actor) -> DriftCheck:
    now, delay = ctx.now(), ctx.policy.consistency_delay
    before = expectations.lock(tx, account_id)
    # A time in the future comes from a wrong clock, and must not block checks.
    if before is not None and seen.at <= before.checked_at <= now:
        raise account_changing()
    # Operations within the delay before the last check were not part of it; else it would have been postponed.
    since = min(before.checked_at, seen.at) - delay if before else None
    # Query running operations first, then done ones, so that a settlement in between is in one of the results.
    # A key that is due to be removed may already be gone without a record yet.
    taken_away = _is_recent(before, seen) and backlog.is_taken_away(tx, account_id, now)
    if requests.is_acted_on(tx, account_id) or taken_away:
        raise account_changing()
    acted_on = requests.acted_on(tx, account_id, since)
    if any(request.was_touched_between(seen.at - delay, now + delay) for request in acted_on):
        raise account_changing()
    done = [effect for request in acted_on for effect in effects(request) if since is None or effect.at > since]
    salt = secrets.token_hex(_SALT_BYTES)
    expectation = adopt(account_id, seen, done, salt) if before is None else expect(before, done, seen, salt)
    events = []
    if before is None:
        expectations.add(tx, expectation)
    else:
        expectations.save(tx, expectation)
    if before is None or (before.email is None and expectation.email is not None):
        # The log has what is expected from the first check on, and of the address since it could first be read.
        events.append(Event(ACCOUNT_ADOPTED, expectation.document))
    events += _write_down(ctx, tx, expectation, seen)
    for event in events:
        tell(ctx, tx, event, actor=actor, at=now)
    return DriftCheck(expectation, tuple(expectations.open_findings(tx, account_id)), adopted=before is None)


@retried
def unknown_to_database(ctx: Context, account_id: str, observed: RootCredentials) -> tuple[Drift, ...] | None:
    """Return how an account differs from the database's expectation; None if the database knows nothing about it.

    For use after restoring a backup. It writes nothing, and operations in progress show as differences. Without an
    earlier drift check, the state at the last filing is expected. Raise Unavailable.
    """
    seen = Seen.of(observed, ctx.now())
    with read(ctx.engine) as tx:
        before = expectations.get(tx, account_id)
        if before is None:
            newest = requests.select_page(tx, Selection(account_id=account_id), after=None, limit=1)
            if not newest:
                return None
            then = newest[0].filing.observed
            before = adopt(account_id, Seen.of(then, then.observed_at), (), _UNUSED_SALT)
        since = before.checked_at - ctx.policy.consistency_delay
        acted_on = requests.acted_on(tx, account_id, since)
    done = [effect for request in acted_on for effect in effects(request) if effect.at > since]
    return differences(expect(before, done, seen, _UNUSED_SALT), seen)


def _is_recent(before: Expectation | None, seen: Seen) -> bool:
    """Return whether the last check is recent enough for this one to wait for the worker's due work."""
    return before is not None and seen.at - before.checked_at < _LONGEST_WAIT


def _write_down(ctx: Context, tx: Tx, expectation: Expectation, seen: Seen) -> list[Event]:
    """Save findings and return an event for each new and each resolved one; none for those that persist."""
    now, events = ctx.now(), []
    known = {
        (finding.drift.kind, finding.drift.access_key_id, finding.drift.found): finding
        for finding in expectations.open_findings(tx, expectation.account_id)
    }
    found = {(drift.kind, drift.access_key_id, drift.found): drift for drift in differences(expectation, seen)}
    for what, finding in known.items():
        if what not in found and seen.tells(finding.drift.kind):
            expectations.close(tx, finding.id, now)
            events.append(Event(DRIFT_RESOLVED, finding.document(expectation.salt)))
    for what, drift in found.items():
        if what not in known:
            finding = DriftFinding(id=ctx.new_id(), drift=drift, found_at=now, closed_at=None, accepted_by=None)
            expectations.add_finding(tx, finding)
            events.append(Event(DRIFT_FOUND, finding.document(expectation.salt)))
    return events


def check_drift_now(ctx: Context, actor: Actor, account_id: str) -> DriftCheck:
    """Run `check_drift` for an operator. Also raise Forbidden and NotFound."""
    check_may_look_for_drift(actor, account_id)
    return check_drift(ctx, known_account(ctx, account_id), actor)


@retried
def open_drift(ctx: Context, actor: Actor, account_id: str | None) -> OpenDrift:
    """Return the open drift of one account, or of all. It asks AWS nothing. Raise Forbidden, Unavailable."""
    check_may_see_drift(actor, account_id)
    with read(ctx.engine) as tx:
        findings = tuple(expectations.open_findings(tx, account_id))
        checks = expectations.last_checks(tx)
    known = [each for each in ctx.accounts.at_hand() if account_id in {None, each.account_id}]
    done = [checks[each.account_id] for each in known if each.account_id in checks]
    never = sum(each.account_id not in checks and is_readable(each) for each in known)
    return OpenDrift(findings, min(done, default=None), never)


@retried
def accept_drift(ctx: Context, actor: Actor, finding_id: str, comment: str) -> DriftFinding:
    """Accept a finding after an investigation: expect the found state from now on.

    Raise Forbidden, NotFound, Conflict if it is no longer open, Unavailable.
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
        event = Event(DRIFT_ACCEPTED, {**finding.document(expectation.salt), "comment": comment})
        tell(ctx, tx, event, actor=actor, at=now)
    return replace(finding, closed_at=now, accepted_by=actor.subject)
