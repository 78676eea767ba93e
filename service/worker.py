"""The worker: whatever has to happen by itself. One account's steps one by one, accounts side by side.

So a slow account never delays another: it keeps one thread busy, and is left out of the passes until that is free. What
nobody waits for, looks for drift above all, is apart from that and never has the last free thread.
"""

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
from typing import NamedTuple

import structlog

from service.db.leases import Lease
from service.domain.errors import Code, ServiceError, Unavailable
from service.workflow.context import Context
from service.workflow.due import Step, due
from service.workflow.health import note_pass
from service.workflow.leases import check, release, renew, take

logger = structlog.get_logger(__name__)

# Between two notes of a pass, on which nothing but `doctor` depends.
_NOTE_SECONDS = 30.0

Subject = tuple[str, ...]


class Lane(NamedTuple):
    """An account, "" for all of them, or a destination; and whether somebody waits for what is done there."""

    account_id: str
    is_awaited: bool

    @property
    def name(self) -> str:
        """Of its lease."""
        return f"{self.account_id} {'requests' if self.is_awaited else 'drift'}"

    @property
    def is_shared(self) -> bool:
        """Whether doing it once is enough for the whole fleet; a listing is for the process that makes it."""
        return self.account_id != ""


class Patience:
    """What failed, and when it may be tried again: after two seconds, then four, up to five minutes.

    Each wait is shortened by up to a half at random, so that what failed together is not tried again together.
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
        """Whether it was not refused with the same code last time. What a rule refuses it refuses until somebody acts,
        and one line in the log says so.
        """
        with self._lock:
            is_news = self._refused.get(subject) is not code
            self._refused[subject] = code
            return is_news

    def forget_all_but(self, subjects: Container[Subject]) -> None:
        """Of a request or an account for which nothing is due any more there is nothing to remember. Of the rest, a few
        steps for each account and destination, there is until it goes well: for moments nothing is due to a destination
        that is down.
        """
        with self._lock:
            self._waits = {
                subject: wait for subject, wait in self._waits.items() if subject in subjects or not subject[-1]
            }
            self._refused = {subject: code for subject, code in self._refused.items() if subject in subjects}


class Worker:
    """Makes a pass every `interval` until stopped, `parallel` accounts at a time.

    What fails is logged and tried again, ever less often. Of several workers on one database only one at a time is at
    the same lane: it holds a lease of `lease`, which every pass renews.
    """

    def __init__(self, ctx: Context, interval: timedelta, *, lease: timedelta, parallel: int = 2) -> None:
        self._ctx = ctx
        self._interval = interval
        self._lease = lease
        self._holder = f"{socket.gethostname()[:40]} {os.getpid()}"
        self._patience = Patience()
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

    def finish(self) -> None:
        """Begin nothing new. Returns at once; what is at hand keeps its leases until it is done."""
        self._stop.set()
        self._wake.set()

    def stop(self) -> None:
        """Ends after the steps at hand, which are bounded by the AWS client's time budget."""
        self.finish()
        self._thread.join()
        self._pool.shutdown()

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._try(self._pass)
            self._wake.wait(self._interval.total_seconds())
        while self._held():
            self._wake.clear()
            self._try(self._renew)
            self._wake.wait(self._interval.total_seconds())

    def _try(self, what: Callable[[], None]) -> None:
        # The worker outlives whatever it meets.
        try:
            what()
        except ServiceError as error:
            logger.warning("worker pass refused", code=error.code, why=error.exact)
        except Exception:
            logger.exception("worker pass failed")

    def _pass(self) -> None:
        """Give every free thread an account. Nothing queues up, so that what is urgent is first in the next pass."""
        with self._lock:
            self._wake.clear()
            self._left_out = False
        self._renew()
        wanted = lanes(self._ctx, self._patience)
        self._begin([lane for lane in wanted if lane.is_awaited], spared=0)
        self._begin([lane for lane in wanted if not lane.is_awaited], spared=1)
        if time.monotonic() - self._noted >= _NOTE_SECONDS:
            note_pass(self._ctx)
            self._noted = time.monotonic()

    def _begin(self, wanted: list[Lane], *, spared: int) -> None:
        """With the first of these lanes that nobody is at: as many as threads are free but for the `spared` ones."""
        with self._lock:
            free = [lane for lane in wanted if lane not in self._busy]
            threads = max(self._parallel - spared - len(self._busy), 0)
            self._left_out |= len(free) > threads
        shared = {lane.name: lane for lane in free if lane.is_shared}
        # One's own first: it needs no lease, and there is only one.
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
        self._try(partial(self._do, lane, ctx))
        if ctx.lease is not None:
            self._try(partial(release, ctx, [ctx.lease]))
        with self._lock:
            del self._busy[lane]
            if self._left_out or self._stop.is_set():
                self._wake.set()

    def _do(self, lane: Lane, ctx: Context) -> None:
        # Looked for again: somebody else may have done it before the lease was ours.
        run_lane(ctx, lanes(ctx, self._patience).get(lane, []), self._patience, self._stop)


def run_pass(ctx: Context, patience: Patience | None = None) -> None:
    """Do everything that is due now, here. A step that is refused, or that fails, does not hold up the others.

    Without leases: they save work that would be done twice, and nothing depends on them.
    """
    patience = patience or Patience()
    for steps in lanes(ctx, patience).values():
        run_lane(ctx, steps, patience, threading.Event())


def lanes(ctx: Context, patience: Patience) -> dict[Lane, list[Step]]:
    """What is due and may be tried now; what somebody waits for comes first."""
    steps = list(due(ctx))
    patience.forget_all_but({_step(step) for step in steps} | {_account(step) for step in steps})
    found: dict[Lane, list[Step]] = {}
    for step in steps:
        if patience.allows(_step(step), _account(step)):
            found.setdefault(Lane(step.account_id, step.request_id is not None), []).append(step)
    return found


def run_lane(ctx: Context, steps: Iterable[Step], patience: Patience, stop: threading.Event) -> None:
    """One lane's steps. What makes the account unavailable to one would make it so to the others."""
    for step in steps:
        if stop.is_set() or not patience.allows(_account(step)):
            return
        try:
            check(ctx)
            step.call(ctx)
        except ServiceError as error:
            if isinstance(error, Unavailable) or patience.is_news(_step(step), error.code):
                _log_refusal(step, error)
            patience.learn(_subject_of(error, step), succeeded=False)
        except Exception:
            logger.exception("worker failed", step=step.what, request_id=step.request_id)
            patience.learn(_step(step), succeeded=False)
        else:
            patience.learn(_step(step), succeeded=True)
            patience.learn(_account(step), succeeded=True)


def _subject_of(error: ServiceError, step: Step) -> Subject:
    """What has to wait: the account if it was away from something that matters there, else the step alone."""
    is_account = isinstance(error, Unavailable) and error.code is not Code.UNAVAILABLE and step.request_id is not None
    return _account(step) if is_account else _step(step)


def _log_refusal(step: Step, error: ServiceError) -> None:
    about = {"step": step.what, "account_id": step.account_id, "request_id": step.request_id}
    logger.warning("worker refused", code=error.code, why=error.exact, **about)


def _step(step: Step) -> Subject:
    return (step.what, step.account_id, step.request_id or "")


def _account(step: Step) -> Subject:
    return (step.account_id,)
