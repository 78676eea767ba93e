"""The worker: whatever has to happen by itself, in a thread of its own, pass after pass."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from service.domain.errors import ServiceError
from service.workflow.context import Context
from service.workflow.sweep import due

logger = structlog.get_logger(__name__)


class Worker:
    """Runs `run_pass` every `interval` until stopped. A pass that fails is logged; the next one tries again."""

    def __init__(self, ctx: Context, interval: timedelta) -> None:
        self._ctx = ctx
        self._interval = interval
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
            _attempt(partial(run_pass, self._ctx, self._stop), step="pass")
            self._stop.wait(self._interval.total_seconds())


def run_pass(ctx: Context, stop: threading.Event | None = None) -> None:
    """Do everything that is due now. A step that is refused, or that fails, does not hold up the others."""
    for what, request_id, step in due(ctx):
        if stop is not None and stop.is_set():
            return
        _attempt(step, step=what, request_id=request_id)


def _attempt(call: Callable[[], object], **about: str) -> None:
    """The worker outlives whatever it meets: it is logged, and the next pass tries again."""
    try:
        call()
    except ServiceError as error:
        logger.warning("worker refused", code=error.code, why=error.detail, **about)
    except Exception:
        logger.exception("worker failed", **about)
