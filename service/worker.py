"""The worker: whatever has to happen by itself, in a thread of its own, pass after pass."""

import threading
from datetime import timedelta

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
            try:
                run_pass(self._ctx, self._stop)
            except Exception:
                # The worker's loop: it must outlive whatever a pass meets.
                logger.exception("worker pass failed")
            self._stop.wait(self._interval.total_seconds())


def run_pass(ctx: Context, stop: threading.Event | None = None) -> None:
    """Do everything that is due now. A step that is refused or cannot be done yet does not hold up the others."""
    for what, request_id, step in due(ctx):
        if stop is not None and stop.is_set():
            return
        try:
            step()
        except ServiceError as error:
            logger.warning("worker step refused", step=what, request_id=request_id, code=error.code, why=error.detail)
