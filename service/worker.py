"""The worker: everything that happens without a caller. One account's steps run in order, accounts in parallel.

A slow account never delays another: it occupies one thread, and passes skip it until that thread is free. Work that
nobody waits for, mostly drift checks, has its own lanes and never gets the last free thread.
"""

import logging
import math
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple, Self

from service import call_id, spans
from service.db.leases import Lease
from service.domain.errors import Code, ServiceError, Unavailable
from service.workflow.context import Context
from service.workflow.due import DriftChecks, Step, due
from service.workflow.health import check_log, note_pass
from service.workflow.leases import check, release, renew, take
from service.workflow.watch import watch

logger = logging.getLogger(__name__)

# Minimum time between two records of a pass; only `doctor` reads them.
_NOTE_SECONDS = 30.0

Subject = tuple[str, ...]


class Lane(NamedTuple):
    """An account ("" means all of them) or a destination, and whether somebody waits for the work."""

    account_id: str
    is_awaited: bool

    @property
    def name(self) -> str:
        """The name of its lease."""
        return f"{self.account_id} {'requests' if self.is_awaited else 'drift'}"

    @property
    def is_shared(self) -> bool:
        """Return whether one process does it for the whole fleet. Each process needs its own account listings."""
        return self.account_id != ""


class Backoff:
    """Back-off state: what failed, and when to retry it. The wait is two seconds, then four, up to five minutes.

    Each wait is randomly shortened by up to half, so that failures at the same time are not retried at the same time.
    """

    _FIRST, _LONGEST = 2.0, 300.0  # seconds

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._monotonic = monotonic
        self._chance = chance
        self._lock = threading.Lock()
        self._waits: dict[Subject, tuple[float, float]] = {}
        self._refused: dict[Subject, Code] = {}

    def allows(self, *subjects: Subject) -> bool:
        with self._lock:
            return all(s not in self._waits or self._monotonic() >= self._waits[s][0] for s in subjects)

    def learn(self, subject: Subject, *, succeeded: bool) -> None:
        with self._lock:
            if succeeded:
                self._waits.pop(subject, None)
                self._refused.pop(subject, None)
                return
            wait = min(2 * self._waits[subject][1], self._LONGEST) if subject in self._waits else self._FIRST
            self._waits[subject] = (self._monotonic() + wait * (1 - self._chance() / 2), wait)

    def is_news(self, subject: Subject, code: Code) -> bool:
        """Return whether the last refusal had another code.

        A rule refuses the same step until somebody acts; one line in the log is enough.
        """
        with self._lock:
            is_news = self._refused.get(subject) is not code
            self._refused[subject] = code
            return is_news

    def forget_all_but(self, subjects: Container[Subject]) -> None:
        """Drop back-off state for requests and accounts with no due work.

        Keep the state of steps without a request until they succeed: a destination that is down has moments with
        nothing due. There are only a few of these per account and destination.
        """
        with self._lock:
            self._waits = {
                subject: wait for subject, wait in self._waits.items() if subject in subjects or not subject[-1]
            }
            self._refused = {subject: code for subject, code in self._refused.items() if subject in subjects}


class Worker:
    """Makes a pass every `interval` until stopped, with `parallel` accounts at a time.

    Failures are logged and retried with back-off. Several workers can share one database: each lane has a lease of
    length `lease`, which its holder renews at every pass.
    """

    def __init__(self, ctx: Context, interval: timedelta, *, lease: timedelta, parallel: int = 2) -> None:
        self._ctx = ctx
        self._interval = interval
        self._lease = lease
        self._holder = f"{socket.gethostname()[:40]} {os.getpid()}"
        self._backoff = Backoff()
        self._drift_checks = DriftChecks()
        self._parallel = parallel
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="worker")
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[Lane, Lease | None] = {}
        self._left_out = False
        self._noted = -math.inf
        self._thread = threading.Thread(target=self._loop, name="worker")

    def start(self) -> None:
        self._thread.start()

    def use(self, ctx: Context) -> None:
        """Use another Context from the next step on."""
        self._ctx = ctx

    def finish(self) -> None:
        """Begin nothing new. Return at once; running work keeps its leases until it is done."""
        self._stop.set()
        self._wake.set()

    def stop(self) -> None:
        """Finish, and wait for the running steps, which are bounded by the AWS client's time budget."""
        self.finish()
        self._thread.join()
        self._pool.shutdown()

    def _loop(self) -> None:
        while not self._stop.is_set():
            attempt(self._pass)
            self._wake.wait(self._interval.total_seconds())
        while self._held():
            self._wake.clear()
            attempt(self._renew)
            self._wake.wait(self._interval.total_seconds())

    def _pass(self) -> None:
        """Give every free thread an account. Nothing is queued, so urgent work comes first in the next pass."""
        with self._lock:
            self._wake.clear()
            self._left_out = False
        self._renew()
        wanted = lanes(self._ctx, self._backoff, self._drift_checks)
        self._begin([lane for lane in wanted if lane.is_awaited], spared=0)
        self._begin([lane for lane in wanted if not lane.is_awaited], spared=1)
        if time.monotonic() - self._noted >= _NOTE_SECONDS:
            self._noted = time.monotonic()
            note_pass(self._ctx)
            check_log(self._ctx)

    def _begin(self, wanted: list[Lane], *, spared: int) -> None:
        """Start the first idle lanes, as many as there are free threads minus `spared`."""
        with self._lock:
            free = [lane for lane in wanted if lane not in self._busy]
            threads = max(self._parallel - spared - len(self._busy), 0)
            self._left_out |= len(free) > threads
        shared = {lane.name: lane for lane in free if lane.is_shared}
        # The lane of this process first: it needs no lease, and there is only one.
        taken: dict[Lane, Lease | None] = dict.fromkeys([lane for lane in free if not lane.is_shared][:threads])
        leases = take(self._ctx, list(shared), self._holder, self._lease, threads - len(taken))
        taken |= {shared[name]: lease for name, lease in leases.items()}
        with self._lock:
            self._busy |= taken
        for lane, lease in taken.items():
            self._pool.submit(self._run, lane, replace(self._ctx, lease=lease))

    def _held(self) -> dict[Lane, Lease | None]:
        with self._lock:
            return dict(self._busy)

    def _renew(self) -> None:
        renew(self._ctx, [lease for lease in self._held().values() if lease is not None], self._lease)

    def _run(self, lane: Lane, ctx: Context) -> None:
        attempt(partial(self._do, lane, ctx))
        if ctx.lease is not None:
            attempt(partial(release, ctx, [ctx.lease]))
        with self._lock:
            del self._busy[lane]
            if self._left_out or self._stop.is_set():
                self._wake.set()

    def _do(self, lane: Lane, ctx: Context) -> None:
        # Read again what is due: another worker may have done it before we got the lease.
        run_lane(ctx, lanes(ctx, self._backoff, self._drift_checks).get(lane, []), self._backoff, self._stop)


class Watcher:
    """Watches the service itself, every half minute, in each process: a fleet without a worker must be noticed, too."""

    def __init__(self, ctx: Context, seconds: float = _NOTE_SECONDS) -> None:
        self._ctx = ctx
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="watcher", daemon=True)

    def use(self, ctx: Context) -> None:
        """Use another Context from the next look on."""
        self._ctx = ctx

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        since = self._ctx.now()
        while not self._stop.wait(self._seconds):
            attempt(partial(watch, self._ctx, since), "watch refused", "watch failed")


def attempt(what: Callable[[], None], refused: str = "worker pass refused", failed: str = "worker pass failed") -> None:
    """Call it, and log any error: the worker and the watcher must survive every one."""
    try:
        what()
    except ServiceError as error:
        logger.warning(refused, extra={"fields": {"code": error.code, "why": error.exact}})
    except Exception:
        logger.exception(failed)


def run_pass(ctx: Context, backoff: Backoff | None = None) -> None:
    """Do everything that is due now, in this thread. A step that is refused or fails does not stop the others.

    It takes no leases. They only save duplicate work; correctness does not depend on them.
    """
    backoff = backoff or Backoff()
    for steps in lanes(ctx, backoff).values():
        run_lane(ctx, steps, backoff, threading.Event())


def lanes(ctx: Context, backoff: Backoff, drift_checks: DriftChecks | None = None) -> dict[Lane, list[Step]]:
    """Return the steps that are due and not backed off, by lane; those that somebody waits for come first."""
    steps = list(due(ctx, drift_checks))
    backoff.forget_all_but({_step(step) for step in steps} | {_account(step) for step in steps})
    found: dict[Lane, list[Step]] = {}
    for step in steps:
        if backoff.allows(_step(step), _account(step)):
            found.setdefault(Lane(step.account_id, step.request_id is not None), []).append(step)
    return found


def run_lane(ctx: Context, steps: Iterable[Step], backoff: Backoff, stop: threading.Event) -> None:
    """Run one lane's steps. Stop when the account is unavailable, as it would be for the other steps too."""
    for step in steps:
        if stop.is_set() or not backoff.allows(_account(step)):
            return
        with call_id.working(), spans.top(f"worker {step.what}") as span:
            _run_step(ctx, step, backoff, span)


def _run_step(ctx: Context, step: Step, backoff: Backoff, span: spans.Span) -> None:
    """Run it, log one line about it, and remember whether to back off."""
    fields: dict[str, object] = {"step": step.what, "account_id": step.account_id, "request_id": step.request_id}
    begun = time.monotonic()
    try:
        check(ctx)
        step.call(ctx)
    except ServiceError as error:
        span.fail(error.code.value)
        if isinstance(error, Unavailable) or backoff.is_news(_step(step), error.code):
            logger.warning("worker refused", extra={"fields": fields | {"code": error.code, "why": error.exact}})
        backoff.learn(_subject_of(error, step), succeeded=False)
    except Exception as error:
        span.fail(type(error).__name__)
        logger.exception("worker failed", extra={"fields": fields})
        backoff.learn(_step(step), succeeded=False)
    else:
        milliseconds = round(1000 * (time.monotonic() - begun))
        logger.info("worker did", extra={"fields": fields | {"milliseconds": milliseconds}})
        backoff.learn(_step(step), succeeded=True)
        backoff.learn(_account(step), succeeded=True)


def _subject_of(error: ServiceError, step: Step) -> Subject:
    """Return what to back off: the account if it, or something it needs, is unavailable; else only the step."""
    is_account = isinstance(error, Unavailable) and error.code is not Code.UNAVAILABLE and step.request_id is not None
    return _account(step) if is_account else _step(step)


def _step(step: Step) -> Subject:
    return (step.what, step.account_id, step.request_id or "")


def _account(step: Step) -> Subject:
    return (step.account_id,)
