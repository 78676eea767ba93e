"""The worker: whatever has to happen by itself, in a thread of its own, pass after pass."""

import threading
from collections.abc import Callable, Container
from datetime import datetime, timedelta
from functools import partial

import structlog

from service.domain.errors import ServiceError
from service.workflow.context import Context
from service.workflow.sweep import due

logger = structlog.get_logger(__name__)


class Worker:
    """Makes a pass every `interval` until stopped. What fails is logged and tried again, ever less often."""

    def __init__(self, ctx: Context, interval: timedelta) -> None:
        self._ctx = ctx
        self._interval = interval
        self._patience = Patience(ctx.now)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="worker")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step at hand, which is bounded by the AWS client's time budget."""
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stop.is_set():
            _attempt(partial(run_pass, self._ctx, self._stop, self._patience), step="pass")
            self._stop.wait(self._interval.total_seconds())


class Patience:
    """Which steps failed, and when each may be tried again: after two seconds, then four, up to five minutes."""

    _FIRST = timedelta(seconds=2)
    _LONGEST = timedelta(minutes=5)

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waits: dict[tuple[str, str], tuple[datetime, timedelta]] = {}

    def allows(self, step: tuple[str, str]) -> bool:
        return step not in self._waits or self._now() >= self._waits[step][0]

    def learn(self, step: tuple[str, str], *, succeeded: bool) -> None:
        if succeeded:
            self._waits.pop(step, None)
            return
        wait = min(2 * self._waits[step][1], self._LONGEST) if step in self._waits else self._FIRST
        self._waits[step] = (self._now() + wait, wait)

    def forget_all_but(self, steps: Container[tuple[str, str]]) -> None:
        """Of what is no longer due there is nothing to remember."""
        self._waits = {step: wait for step, wait in self._waits.items() if step in steps}


def run_pass(ctx: Context, stop: threading.Event | None = None, patience: Patience | None = None) -> None:
    """Do everything that is due now. A step that is refused, or that fails, does not hold up the others."""
    patience = patience or Patience(ctx.now)
    steps = {(what, request_id): step for what, request_id, step in due(ctx)}
    patience.forget_all_but(steps)
    for (what, request_id), step in steps.items():
        if stop is not None and stop.is_set():
            return
        if patience.allows((what, request_id)):
            patience.learn((what, request_id), succeeded=_attempt(step, step=what, request_id=request_id))


def _attempt(call: Callable[[], object], **about: str) -> bool:
    """Whether it was done. The worker outlives whatever it meets, which is logged."""
    try:
        call()
    except ServiceError as error:
        logger.warning("worker refused", code=error.code, why=error.detail, **about)
    except Exception:
        logger.exception("worker failed", **about)
    else:
        return True
    return False
