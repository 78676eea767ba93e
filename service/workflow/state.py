"""Reads the state of the whole service from one snapshot of the database."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from service.db import audit, marks, outbox, state
from service.db.engine import Tx, read, retried
from service.db.marks import Mark
from service.domain.account import Account
from service.domain.actor import Actor
from service.domain.capability import is_readable
from service.domain.drift import DriftKind
from service.domain.incident import is_to_come
from service.domain.permissions import check_may_read_state
from service.domain.state import NEVER, WINDOW, AccountState, Queue, State, WitnessState
from service.workflow.context import Context
from service.workflow.cosigned import contradictions, last_cosigned

_NOW = timedelta()


@retried
def read_state(ctx: Context) -> State:
    """Return the state of the whole service. It takes the same number of statements however much there is.

    Raise Unavailable.
    """
    # The accounts are known by now, or an organization has not been listed yet: nothing here waits for AWS.
    accounts = [account for account in ctx.accounts.at_hand() if is_readable(account)]
    now = ctx.now()
    since = now - WINDOW
    with read(ctx.engine) as tx:
        requests, decisions = state.count_requests(tx, since), state.count_decisions(tx, since)
        approvals, executions = state.durations(tx, since)
        waits, keys, quarantined = state.of_open(tx, now), state.of_keys(tx, now), state.count_quarantined(tx, since)
        findings, checked = state.open_findings(tx), state.checked_at(tx)
        waiting, failed, disabled = state.waiting(tx), state.failed(tx), outbox.disabled(tx)
        witnesses = _witnesses(ctx, tx, now)
        log, marked = state.of_log(tx), marks.among(tx, marks.LOOKED, marks.ANCHORED)
    looked, anchored = marked.get(marks.LOOKED), marked.get(marks.ANCHORED)
    found = _accounts(accounts, checked, findings, now)
    oldest = {name: found.created_at for name, found in waiting.items()}
    return State(
        requests=requests,
        decisions=decisions,
        approvals=approvals,
        executions=executions,
        oldest_pending=_age(waits.pending, now),
        receipts_overdue=waits.receipts_overdue,
        receipts_unconfirmed_in_use=waits.receipts_unconfirmed_in_use,
        keys_outliving=keys.outliving,
        quarantined=quarantined,
        findings={kind: sum(n for (_, each), n in findings.items() if each is kind) for kind in DriftKind},
        accounts=found,
        oldest_check=max((each.checked for each in found.values()), default=_NOW) if ctx.policy.drift_checks else _NOW,
        queues={
            name: Queue(
                waiting[name].number if name in waiting else 0, _age(oldest.get(name), now), failed.get(name, 0)
            )
            for name in ctx.destinations
        },
        disabled=disabled & ctx.destinations.keys(),
        lags={
            "expire": _age(waits.expire, now),
            "remind": _age(waits.remind, now),
            "run": _age(waits.run, now),
            "abandon": _age(waits.abandon, now),
            "roll_back": _age(waits.roll_back, now),
            "expire_key": _age(keys.expire_key, now),
            "reconcile": _late(waits.reconcile, ctx.policy.consistency_delay, now),
            "deliver": max(
                (_age(waiting[name].due_at, now) for name in waiting.keys() & ctx.destinations), default=_NOW
            ),
            "check_drift": _drift_lag(ctx, accounts, checked, now),
        },
        worker_quiet=_since(looked, now),
        audit_events=log.size,
        is_log_consistent=log.size == log.tree == log.last,
        is_log_signed=bool(ctx.log.signers),
        anchored_size=0 if anchored is None else anchored.size,
        anchor_age=_since(anchored, now),
        witnesses=witnesses,
    )


def state_for(ctx: Context, actor: Actor) -> State:
    """Return the state to somebody who may read it. Raise Forbidden, Unavailable."""
    check_may_read_state(actor)
    return read_state(ctx)


def _witnesses(ctx: Context, tx: Tx, now: datetime) -> dict[str, WitnessState]:
    if not ctx.log.witnesses or not ctx.log.signers:
        return {}
    size, contradicting = audit.head(tx), contradictions(ctx, tx)
    last = last_cosigned(ctx, tx, size)
    found = {name: last[witness.key_id] for name, witness in ctx.log.witnesses.items()}
    return {
        name: WitnessState(
            age=NEVER if own.at is None or is_to_come(own.at, now) else _age(own.at, now),
            events=max(size - own.size, 0),
            oldest=_age(own.behind_since, now),
            contradicts=name in contradicting,
        )
        for name, own in found.items()
    }


def _since(mark: Mark | None, now: datetime) -> timedelta:
    return NEVER if mark is None or is_to_come(mark.at, now) else _age(mark.at, now)


def _age(since: datetime | None, now: datetime) -> timedelta:
    return _NOW if since is None else max(now - since, _NOW)


def _late(since: datetime | None, delay: timedelta, now: datetime) -> timedelta:
    return _NOW if since is None else _age(since + delay, now)


def _accounts(
    accounts: list[Account],
    checked: Mapping[str, datetime],
    findings: Mapping[tuple[str, DriftKind], int],
    now: datetime,
) -> dict[str, AccountState]:
    return {
        account.account_id: AccountState(
            NEVER if account.account_id not in checked else _age(checked[account.account_id], now),
            sum(count for (account_id, _), count in findings.items() if account_id == account.account_id),
        )
        for account in accounts
    }


def _drift_lag(ctx: Context, accounts: list[Account], checked: Mapping[str, datetime], now: datetime) -> timedelta:
    """Return for how long the longest overdue check has been due. An account that was never checked is due now."""
    if not ctx.policy.drift_checks:
        return _NOW
    known = [checked[account.account_id] for account in accounts if account.account_id in checked]
    return _late(min(known, default=None), ctx.policy.drift_interval, now)
