"""Metrics in Prometheus's text format. `docs/metrics.md` lists them.

What describes state comes from the database when somebody asks, so every process says the same. Only call counters
are a process's own.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from service.domain.drift import DriftKind
from service.domain.operation import OperationName
from service.domain.request import Status, Verdict
from service.domain.state import BUCKETS, NEVER, Durations, State, WitnessState

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_EXECUTED = (
    Status.EXECUTING,
    Status.DELIVERED,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.IN_DOUBT,
    Status.ROLLED_BACK,
)

# The values of the labels, and the value.
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Look:
    """What one process sees when somebody asks for metrics. `state` is None while the database cannot be read.

    At most `most_accounts` accounts have series of their own.
    """

    state: State | None
    accepts_writes: bool
    accepts_log: bool
    clocks_ahead: Mapping[str, timedelta]
    most_accounts: int


@dataclass(frozen=True, slots=True)
class Row:
    """A metric: its name without the prefix, its help and labels, and how to get its samples.

    `samples` is called with the state, and the number of accounts that may have series of their own.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[State, int], Iterable[Sample]]


def _one(value: Callable[[State], float]) -> Callable[[State, int], Iterable[Sample]]:
    return lambda state, _: [((), value(state))]


def _seconds(value: timedelta) -> float:
    return math.inf if value == NEVER else value.total_seconds()


def _requests(state: State, _: int) -> Iterator[Sample]:
    for status in Status:
        for operation in OperationName:
            yield (status.value, operation.value), state.requests.get((status, operation), 0)


def _by_account(value: Callable[[State, str], float]) -> Callable[[State, int], Iterable[Sample]]:
    def samples(state: State, most: int) -> Iterator[Sample]:
        for account_id in sorted(state.accounts)[:most]:
            yield (account_id,), value(state, account_id)

    return samples


def _by_destination(value: Callable[[State, str], float]) -> Callable[[State, int], Iterable[Sample]]:
    return lambda state, _: [((name,), value(state, name)) for name in sorted(state.queues)]


def _by_witness(value: Callable[[WitnessState], float]) -> Callable[[State, int], Iterable[Sample]]:
    return lambda state, _: [((name,), value(each)) for name, each in sorted(state.witnesses.items())]


_GAUGES = (
    Row(
        "requests",
        "Requests that have not ended, and those filed in the last 30 days that have.",
        ("status", "operation"),
        _requests,
    ),
    Row(
        "decisions",
        "Decisions on requests filed in the last 30 days.",
        ("decision",),
        lambda state, _: [((each.value,), state.decisions.get(each, 0)) for each in Verdict],
    ),
    Row(
        "executions",
        "Executions by their outcome so far: those not ended, and those of the last 30 days.",
        ("outcome",),
        lambda state, _: [((status.value,), state.of(status)) for status in _EXECUTED],
    ),
    Row(
        "pending_oldest_seconds",
        "Age of the oldest request that waits for approval; 0 if none does.",
        (),
        _one(lambda state: _seconds(state.oldest_pending)),
    ),
    Row("in_doubt", "Executions of which AWS is being asked what happened.", (), _one(lambda s: s.of(Status.IN_DOUBT))),
    Row(
        "quarantined",
        "Executions that ended with something unexplained, until a drift check explains it.",
        (),
        _one(lambda state: state.quarantined),
    ),
    Row(
        "receipts_overdue",
        "Delivered keys whose receipt did not come in time.",
        (),
        _one(lambda state: state.receipts_overdue),
    ),
    Row(
        "receipts_unconfirmed_in_use",
        "Those of them that are in use, and so are not rolled back.",
        (),
        _one(lambda state: state.receipts_unconfirmed_in_use),
    ),
    Row(
        "keys_outliving_lifetime",
        "Keys that the service could not take away when their lifetime ended.",
        (),
        _one(lambda state: state.keys_outliving),
    ),
    Row(
        "drift_findings",
        "Open drift findings.",
        ("kind",),
        lambda state, _: [((kind.value,), state.findings.get(kind, 0)) for kind in DriftKind],
    ),
    Row(
        "drift_check_oldest_seconds",
        "Age of the oldest last drift check of any account; +Inf if one was never checked, 0 where checks are off.",
        (),
        _one(lambda state: _seconds(state.oldest_check)),
    ),
    Row(
        "account_drift_findings",
        "Open drift findings of an account.",
        ("account_id",),
        _by_account(lambda state, account_id: state.accounts[account_id].findings),
    ),
    Row(
        "account_drift_check_age_seconds",
        "Age of an account's last drift check; +Inf if it was never checked.",
        ("account_id",),
        _by_account(lambda state, account_id: _seconds(state.accounts[account_id].checked)),
    ),
    Row(
        "accounts_without_series",
        "Accounts that have no series of their own, because of metrics.accounts.",
        (),
        lambda state, most: [((), max(len(state.accounts) - most, 0))],
    ),
    Row(
        "deliveries_waiting",
        "Deliveries that wait, first attempts and retries.",
        ("destination",),
        _by_destination(lambda state, name: state.queues[name].waiting),
    ),
    Row(
        "deliveries_oldest_seconds",
        "Age of the oldest waiting delivery; 0 if none waits.",
        ("destination",),
        _by_destination(lambda state, name: _seconds(state.queues[name].oldest)),
    ),
    Row(
        "deliveries_failed",
        "Deliveries that have failed for good and are still kept.",
        ("destination",),
        _by_destination(lambda state, name: state.queues[name].failed),
    ),
    Row(
        "destination_disabled",
        "1 if the destination asked for no more events, else 0.",
        ("destination",),
        _by_destination(lambda state, name: name in state.disabled),
    ),
    Row(
        "worker_quiet_seconds",
        "Time since any worker's last recorded pass; +Inf if no worker ever made one.",
        (),
        _one(lambda state: _seconds(state.worker_quiet)),
    ),
    Row(
        "worker_lag_seconds",
        "For how long the oldest step of its kind has been due; 0 if none is.",
        ("step",),
        lambda state, _: [((step,), _seconds(lag)) for step, lag in state.lags.items()],
    ),
    Row("audit_events", "Events in the audit log.", (), _one(lambda state: state.audit_events)),
    Row(
        "audit_log_consistent",
        "1 if the log's head, its tree and its last event agree, else 0.",
        (),
        _one(lambda state: state.is_log_consistent),
    ),
    Row(
        "audit_unanchored_events",
        "Events after the last anchor of the log's head; 0 if the log is not signed.",
        (),
        _one(lambda state: max(state.audit_events - state.anchored_size, 0) if state.is_log_signed else 0),
    ),
    Row(
        "audit_anchor_age_seconds",
        "Age of the last anchor; +Inf if there was none.",
        (),
        _one(lambda state: _seconds(state.anchor_age)),
    ),
    Row(
        "audit_cosignature_age_seconds",
        "Age of the last cosignature of a witness on the log's head; +Inf if there is none.",
        ("witness",),
        _by_witness(lambda witness: _seconds(witness.age)),
    ),
    Row(
        "audit_uncosigned_events",
        "Events after the last head that a witness has cosigned.",
        ("witness",),
        _by_witness(lambda witness: witness.events),
    ),
    Row(
        "audit_uncosigned_oldest_seconds",
        "Age of the oldest event that a witness has not cosigned; 0 if it has cosigned all.",
        ("witness",),
        _by_witness(lambda witness: _seconds(witness.oldest)),
    ),
    Row(
        "audit_witness_contradicts",
        "1 if a witness's last answer was that it knows another log than this one, else 0.",
        ("witness",),
        _by_witness(lambda witness: witness.contradicts),
    ),
)

# Time to approval and to execution. A gauge histogram: its buckets can fall when old requests leave the window.
_DURATIONS: Sequence[tuple[str, str, Callable[[State], Durations]]] = (
    (
        "approval_seconds",
        "Time from filing to approval, of requests filed in the last 30 days.",
        lambda state: state.approvals,
    ),
    (
        "execution_wait_seconds",
        "Time from approval to the begin of the execution, of requests filed in the last 30 days.",
        lambda state: state.executions,
    ),
)

# What a process finds out by itself when it is asked.
_CHECKS: Sequence[tuple[str, str, Callable[[Look], float]]] = (
    (
        "database_available",
        "1 if the database could be read for these metrics, else 0.",
        lambda look: look.state is not None,
    ),
    (
        "database_writable",
        "1 if the database accepted a write in the last ten seconds, else 0.",
        lambda look: look.accepts_writes,
    ),
    (
        "audit_log_accepted",
        "1 if the log is the one that this process has read, and its signed rules are in force, else 0.",
        lambda look: look.accepts_log,
    ),
)


class Exposed(Collector):
    """Collects the metrics of one look, and those of `others`."""

    def __init__(self, look: Look, *others: Collector) -> None:
        self._look = look
        self._others = others

    def collect(self) -> Iterator[Metric]:
        yield from _families(self._look)
        for other in self._others:
            yield from other.collect()


def render(look: Look, *others: Collector) -> bytes:
    """Return the metrics of one look, and those of `others`, in `MEDIA_TYPE`."""
    return generate_latest(Exposed(look, *others))


def refused_sign_ins(refused: Mapping[str, int]) -> Metric:
    """Return the counter of failed sign-ins by the check that failed."""
    name = "rootquorum_sign_ins_refused"
    counter = CounterMetricFamily(name, "Sign-ins of this process that failed, by the check.", labels=["reason"])
    for reason, count in sorted(refused.items()):
        counter.add_metric([reason], count)
    return counter


def _families(look: Look) -> Iterator[Metric]:
    build = GaugeMetricFamily("rootquorum_build_info", "The version of this process; always 1.", labels=["version"])
    build.add_metric([version("rootquorum")], 1)
    yield build
    for name, text, value in _CHECKS:
        yield GaugeMetricFamily(f"rootquorum_{name}", text, value=value(look))
    clocks = GaugeMetricFamily(
        "rootquorum_clock_ahead_seconds",
        "By how much another clock, the database's or AWS's, is ahead of this process's host.",
        labels=["clock"],
    )
    for clock, ahead in look.clocks_ahead.items():
        clocks.add_metric([clock], ahead.total_seconds())
    yield clocks
    if look.state is not None:
        yield from state_families(look.state, look.most_accounts)


def state_families(state: State, most_accounts: int) -> Iterator[Metric]:
    """Yield the metrics that describe state. At most `most_accounts` accounts have series of their own."""
    for row in _GAUGES:
        family = GaugeMetricFamily(f"rootquorum_{row.name}", row.help, labels=row.labels)
        for labels, number in row.samples(state, most_accounts):
            family.add_metric(labels, float(number))
        yield family
    for name, text, durations in _DURATIONS:
        found = durations(state)
        buckets = [(str(float(bound)), float(count)) for bound, count in zip(BUCKETS, found.up_to, strict=True)]
        yield GaugeHistogramMetricFamily(
            f"rootquorum_{name}", text, buckets=[*buckets, ("+Inf", float(found.count))], gsum_value=found.seconds
        )
