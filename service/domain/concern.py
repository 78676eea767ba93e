"""What in the state of the service needs somebody's attention, and what to do about it. Each names its runbook."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from service.domain.incident import Limits
from service.domain.request import Status
from service.domain.state import State

# Longer than any step of the worker takes, with all retries of the account it waits for.
_LATE = timedelta(minutes=15)
_LONG_PENDING = timedelta(days=2)
# Three times the default of policy.drift_interval.
_LONG_UNCHECKED = timedelta(hours=18)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs attention: what it is in one sentence, what to do, and its page in `docs/runbooks`."""

    what: str
    advice: str
    runbook: str


@dataclass(frozen=True, slots=True)
class _Row:
    runbook: str
    sees: Callable[[State, Limits], object]
    what: str
    advice: str


def _no_worker(state: State, limits: Limits) -> bool:
    return limits.worker_silence is not None and state.worker_quiet > limits.worker_silence


def _late_steps(state: State, limits: Limits) -> str:
    if _no_worker(state, limits):
        return ""  # then all of them are, and the concern is another
    return ", ".join(step for step, lag in state.lags.items() if lag > _LATE)


def _troubled(state: State, _: Limits) -> str:
    names = {name for name, queue in state.queues.items() if queue.failed or queue.oldest > _LATE} | state.disabled
    return ", ".join(sorted(names))


def _not_anchored(state: State, limits: Limits) -> bool:
    is_late = limits.anchor_within is not None and state.anchor_age > limits.anchor_within
    return state.is_log_signed and is_late and state.audit_events > state.anchored_size


def _contradicting(state: State, _: Limits) -> str:
    return ", ".join(sorted(name for name, each in state.witnesses.items() if each.contradicts))


def _not_cosigned(state: State, limits: Limits) -> str:
    within = limits.cosigned_within
    late = (name for name, each in state.witnesses.items() if within is not None and each.oldest > within)
    return ", ".join(sorted(late))


# In the order of urgency. `{}` is what was seen.
_ROWS = (
    _Row(
        "log-does-not-verify",
        lambda state, _: not state.is_log_consistent,
        "The audit log's head, its tree and its last event do not agree.",
        "Stop every process, and run `rootquorum audit verify --database` with your anchors.",
    ),
    _Row(
        "witness-contradicts",
        _contradicting,
        "Witnesses know another audit log than this one: {}.",
        "Stop every process, and find out whether the log was cut or written anew.",
    ),
    _Row(
        "quarantine",
        lambda state, _: state.quarantined,
        "Executions that ended with keys that nobody can account for: {}.",
        "Look in CloudTrail who created them.",
    ),
    _Row(
        "drift",
        lambda state, _: sum(state.findings.values()),
        "Open drift findings: {}. Root credentials changed without a request.",
        "Find out who did it, and undo it by a request.",
    ),
    _Row(
        "key-outlives-lifetime",
        lambda state, _: state.keys_outliving,
        "Keys that have outlived their approved lifetime: {}.",
        "Remove the cause that the event key.expiry_failed names.",
    ),
    _Row(
        "receipt",
        lambda state, _: state.receipts_unconfirmed_in_use,
        "Keys in use that nobody confirmed to have received: {}.",
        "Ask the recipient. If they do not have it, deactivate the key.",
    ),
    _Row(
        "no-worker",
        _no_worker,
        "No worker makes passes: nothing happens by itself, and no key can be created.",
        "Start `rootquorum worker`, or read the log of the one that runs.",
    ),
    _Row(
        "worker-late",
        _late_steps,
        "Steps of the worker are late: {}.",
        "Search the service's log for `worker refused`.",
    ),
    _Row(
        "in-doubt",
        lambda state, _: state.of(Status.IN_DOUBT),
        "Executions in doubt: {}.",
        "Wait ten minutes: the worker asks AWS what happened. Execute nothing again.",
    ),
    _Row(
        "drift",
        lambda state, _: state.oldest_check > _LONG_UNCHECKED,
        "An account was not checked for drift for most of a day.",
        "Run `rootquorum accounts check`, which says why not.",
    ),
    _Row(
        "stuck-requests",
        lambda state, _: state.oldest_pending > _LONG_PENDING,
        "A request has waited for its approvals for more than two days.",
        "Tell those whose approval is missing: `rootquorum show`.",
    ),
    _Row(
        "tracker-down",
        _troubled,
        "Destinations do not take deliveries: {}.",
        "Run `rootquorum notify test NAME` for each, repair it, and send failed deliveries again.",
    ),
    _Row(
        "not-anchored",
        _not_anchored,
        "The audit log grows, and nobody anchors its head.",
        "Run `rootquorum audit anchor`, and repair the job that should.",
    ),
    _Row(
        "not-cosigned",
        _not_cosigned,
        "Witnesses have not cosigned the audit log's head for too long: {}.",
        "Search the worker's log for `cosign`, which says why.",
    ),
)

RUNBOOKS = tuple(dict.fromkeys(row.runbook for row in _ROWS))


def concerns(state: State, limits: Limits, wrong_clocks: Sequence[str]) -> list[Concern]:
    """Return what needs attention, most urgent first. `wrong_clocks` are the hosts whose clock is wrong."""
    found = []
    if wrong_clocks:
        hosts = ", ".join(wrong_clocks)
        said = f"The clock of a host is wrong, so nothing is executed there: {hosts}."
        found.append(Concern(said, "Correct the clock. The host may also be gone since.", "clock-wrong"))
    for row in _ROWS:
        seen = row.sees(state, limits)
        if seen:
            found.append(Concern(row.what.format(seen), row.advice, row.runbook))
    return found
