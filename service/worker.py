"""The worker: whatever has to happen by itself. One account's steps one by one, accounts side by side.

So a slow account never delays another: it keeps one thread busy, and is left out of the passes until that is free. What
nobody waits for, looks for drift above all, is apart from that and never has the last free thread.
"""

import random
import threading
import time
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog

from service.domain.errors import Code, ServiceError, Unavailable
from service.workflow.context import Context
from service.workflow.sweep import Step, due

logger = structlog.get_logger(__name__)

Subject = tuple[str, ...]
Lane = tuple[str, bool]  # an account, and whether somebody waits for what is done there


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

    def allows(self, *subjects: Subject) -> bool:
        with self._lock:
            return all(s not in self._waits or self._monotonic() >= self._waits[s][0] for s in subjects)

    def learn(self, subject: Subject, *, succeeded: bool) -> None:
        with self._lock:
            if succeeded:
                self._waits.pop(subject, None)
                return
            wait = min(2 * self._waits[subject][1], self._LONGEST) if subject in self._waits else self._FIRST
            self._waits[subject] = (self._monotonic() + wait * (1 - self._chance() / 2), wait)

    def forget_all_but(self, subjects: Container[Subject]) -> None:
        """Of what is no longer due there is nothing to remember."""
        with self._lock:
            self._waits = {subject: wait for subject, wait in self._waits.items() if subject in subjects}


class Worker:
    """Makes a pass every `interval` until stopped, `parallel` accounts at a time.

    What fails is logged and tried again, ever less often.
    """

    def __init__(self, ctx: Context, interval: timedelta, *, parallel: int = 2) -> None:
        self._ctx = ctx
        self._interval = interval
        self._patience = Patience()
        self._parallel = parallel
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="worker")
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._busy: set[Lane] = set()
        self._left_out = False
        self._thread = threading.Thread(target=self._loop, name="worker")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the steps at hand, which are bounded by the AWS client's time budget."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _loop(self) -> None:
        while not self._stop.is_set():
            # The worker outlives whatever it meets.
            try:
                self._pass()
            except ServiceError as error:
                logger.warning("worker pass refused", code=error.code, why=error.detail)
            except Exception:
                logger.exception("worker pass failed")
            self._wake.wait(self._interval.total_seconds())

    def _pass(self) -> None:
        """Give every free thread an account. Nothing queues up, so that what is urgent is first in the next pass."""
        with self._lock:
            self._wake.clear()
            self._left_out = False
        for lane, steps in lanes(self._ctx, self._patience).items():
            _, is_awaited = lane
            with self._lock:
                if lane in self._busy:
                    continue
                if len(self._busy) >= (self._parallel if is_awaited else self._parallel - 1):
                    self._left_out = True
                    continue
                self._busy.add(lane)
            self._pool.submit(self._run, lane, steps)

    def _run(self, lane: Lane, steps: Iterable[Step]) -> None:
        try:
            run_lane(steps, self._patience, self._stop)
        finally:
            with self._lock:
                self._busy.discard(lane)
                if self._left_out:
                    self._wake.set()


def run_pass(ctx: Context, patience: Patience | None = None) -> None:
    """Do everything that is due now, here. A step that is refused, or that fails, does not hold up the others."""
    patience = patience or Patience()
    for steps in lanes(ctx, patience).values():
        run_lane(steps, patience, threading.Event())


def lanes(ctx: Context, patience: Patience) -> dict[Lane, list[Step]]:
    """What is due and may be tried now; what somebody waits for comes first."""
    steps = list(due(ctx))
    patience.forget_all_but({_step(step) for step in steps} | {_account(step) for step in steps})
    found: dict[Lane, list[Step]] = {}
    for step in steps:
        if patience.allows(_step(step), _account(step)):
            found.setdefault((step.account_id, step.request_id is not None), []).append(step)
    return found


def run_lane(steps: Iterable[Step], patience: Patience, stop: threading.Event) -> None:
    """One lane's steps. What makes the account unavailable to one would make it so to the others."""
    for step in steps:
        if stop.is_set() or not patience.allows(_account(step)):
            return
        try:
            step.call()
        except ServiceError as error:
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
    logger.warning("worker refused", code=error.code, why=error.detail, **about)


def _step(step: Step) -> Subject:
    return (step.what, step.account_id, step.request_id or "")


def _account(step: Step) -> Subject:
    return (step.account_id,)
