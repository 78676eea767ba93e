"""Looking for drift: read the account, then say in one transaction what is new, what is over, and what to expect."""

from dataclasses import dataclass, replace

from sqlalchemy.exc import IntegrityError

from service.db import audit, expectations, requests
from service.db.engine import Tx, begin, read
from service.db.expectations import Finding
from service.domain.account import Account, Part
from service.domain.actor import WORKER, Actor
from service.domain.capability import plan
from service.domain.drift import Expectation, Seen, accept, adopt, differences, effects, expect
from service.domain.errors import Code, Conflict, NotFound
from service.domain.events import ACCOUNT_ADOPTED, DRIFT_ACCEPTED, DRIFT_FOUND, DRIFT_RESOLVED, Event
from service.domain.policy import check_may_operate, check_may_see_drift
from service.workflow.context import Context
from service.workflow.read import known_account


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at an account left behind. `adopted`: it was the first one."""

    expectation: Expectation
    open: tuple[Finding, ...]
    adopted: bool


def check_drift(ctx: Context, account: Account, actor: Actor = WORKER) -> Look:
    """Look at one account now.

    Raises Unavailable; Conflict when no source can read it, and `account_busy` while something is being done to it,
    or was done so lately that AWS may not show it everywhere yet: what is seen then says nothing.
    """
    began = ctx.now()
    with ctx.roots.sign_in(account, plan(account)) as root:
        observed = root.observe(began, Part.SUMMARY)
    seen = Seen(at=began, keys=observed.statuses, mfa_enabled=observed.mfa_enabled)
    try:
        with begin(ctx.engine) as tx:
            return _judge(ctx, tx, account.account_id, seen, actor)
    except IntegrityError as error:
        # Two looked for the first time at once.
        raise _busy() from error


def _judge(ctx: Context, tx: Tx, account_id: str, seen: Seen, actor: Actor) -> Look:
    before = expectations.lock(tx, account_id)
    if before is not None and before.checked_at >= seen.at:
        raise _busy()
    delay = ctx.policy.consistency_delay
    # What was done within the delay before the last look was not judged by it, or it would have been put off.
    since = before.checked_at - delay if before else None
    acted_on = requests.acted_on(tx, account_id, since)
    if requests.is_acted_on(tx, account_id) or any(request.was_touched_after(seen.at - delay) for request in acted_on):
        raise _busy()
    done = [effect for request in acted_on for effect in effects(request) if since is None or effect.at > since]
    expectation = adopt(account_id, seen, done) if before is None else expect(before, done, seen)
    if before is None:
        expectations.add(tx, expectation)
        audit.append(tx, Event(ACCOUNT_ADOPTED, expectation.document), actor=actor, at=ctx.now())
    else:
        expectations.save(tx, expectation)
    _write_down(ctx, tx, expectation, seen, actor)
    return Look(expectation, tuple(expectations.open_findings(tx, account_id)), adopted=before is None)


def _write_down(ctx: Context, tx: Tx, expectation: Expectation, seen: Seen, actor: Actor) -> None:
    """One event for what is new, one for what is over; nothing for what goes on."""
    now = ctx.now()
    findings = expectations.open_findings(tx, expectation.account_id)
    known = {(finding.drift.kind, finding.drift.access_key_id): finding for finding in findings}
    found = {(drift.kind, drift.access_key_id): drift for drift in differences(expectation, seen)}
    for what in known.keys() - found.keys():
        expectations.close(tx, known[what].id, now)
        audit.append(tx, Event(DRIFT_RESOLVED, known[what].document), actor=actor, at=now)
    for what, drift in found.items():
        if what not in known:
            finding = Finding(id=ctx.new_id(), drift=drift, found_at=now, closed_at=None, accepted_by=None)
            expectations.add_finding(tx, finding)
            audit.append(tx, Event(DRIFT_FOUND, finding.document), actor=actor, at=now)


def _busy() -> Conflict:
    return Conflict(
        Code.ACCOUNT_BUSY,
        "The account is being looked at, or something is being done to it, or was a moment ago. Try again later.",
    )


def check_drift_now(ctx: Context, actor: Actor, account_id: str) -> Look:
    """As `check_drift`, for an operator. Raises Forbidden and NotFound as well."""
    check_may_operate(actor)
    return check_drift(ctx, known_account(ctx, account_id), actor)


def open_drift(ctx: Context, actor: Actor, account_id: str | None) -> list[Finding]:
    """What is open, by account. Raises Forbidden, Unavailable."""
    check_may_see_drift(actor)
    with read(ctx.engine) as tx:
        return list(expectations.open_findings(tx, account_id))


def accept_drift(ctx: Context, actor: Actor, finding_id: str, comment: str) -> Finding:
    """Somebody looked into it: what was found is expected from now on.

    Raises Forbidden, NotFound, Conflict when it is no longer open, Unavailable.
    """
    check_may_operate(actor)
    now = ctx.now()
    with begin(ctx.engine) as tx:
        expectation = expectations.lock_for(tx, finding_id)
        finding = expectations.finding(tx, finding_id)
        if finding is None or expectation is None:
            raise NotFound(Code.NOT_FOUND, "There is no such finding.")
        if finding.closed_at is not None:
            raise Conflict(Code.WRONG_STATUS, "The finding is closed already.")
        expectations.save(tx, accept(expectation, finding.drift))
        expectations.close(tx, finding_id, now, accepted_by=actor.subject)
        event = Event(DRIFT_ACCEPTED, {**finding.document, "comment": comment})
        audit.append(tx, event, actor=actor, at=now)
    return replace(finding, closed_at=now, accepted_by=actor.subject)
