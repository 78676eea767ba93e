"""What the service's state is now, in numbers. Metrics and `rootquorum status` show the same values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from service.domain.drift import DriftKind
from service.domain.operation import OperationName
from service.domain.request import Status, Verdict

# What has ended is counted for this long, by the time of filing. So the rate bounds the cost, not the history.
WINDOW = timedelta(days=30)

# Upper bounds of the buckets of durations, in seconds: a minute to a week.
BUCKETS = (60, 300, 900, 3_600, 14_400, 28_800, 86_400, 259_200, 604_800)

# An age that is not known, because it has never happened.
NEVER = timedelta.max


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took: the number of cases up to each bound of `BUCKETS`, of all, and their sum in seconds."""

    up_to: tuple[int, ...]
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Queue:
    """The deliveries of a destination: how many wait and since when, and how many have failed for good."""

    waiting: int = 0
    oldest: timedelta = timedelta()
    failed: int = 0


@dataclass(frozen=True, slots=True)
class AccountState:
    """The age of an account's last drift check, `NEVER` if there was none, and its open findings."""

    checked: timedelta
    findings: int


@dataclass(frozen=True, slots=True)
class WitnessState:
    """The age of a witness's last cosignature, `NEVER` if there is none, and how much of the log it has not cosigned:
    the number of events, and the age of the oldest. `contradicts`: its last answer was that it knows another log.
    """

    age: timedelta
    events: int
    oldest: timedelta
    contradicts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of the whole service, from one snapshot of the database. Every process would say the same.

    `requests` are those that have not ended, and those filed within `WINDOW` that have. `lags` says for each kind of
    the worker's steps for how long the oldest has been due. `oldest_check` is zero where drift checks are off. `queues`
    and `accounts` have what the settings know.
    """

    requests: Mapping[tuple[Status, OperationName], int]
    decisions: Mapping[Verdict, int]
    approvals: Durations
    executions: Durations
    oldest_pending: timedelta
    receipts_overdue: int
    receipts_unconfirmed_in_use: int
    keys_outliving: int
    quarantined: int
    findings: Mapping[DriftKind, int]
    accounts: Mapping[str, AccountState]
    oldest_check: timedelta
    queues: Mapping[str, Queue]
    disabled: frozenset[str]
    lags: Mapping[str, timedelta]
    worker_quiet: timedelta
    audit_events: int
    is_log_consistent: bool
    is_log_signed: bool
    anchored_size: int
    anchor_age: timedelta
    witnesses: Mapping[str, WitnessState]

    def of(self, status: Status) -> int:
        """Return the number of requests in this status."""
        return sum(count for (found, _), count in self.requests.items() if found is status)
