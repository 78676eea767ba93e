"""`rootquorum worker`: the worker without the API."""

import gc
import signal
import socket
import sys
import threading
from contextlib import ExitStack

import typer

from service.app import compose
from service.app.reloading import Reloading, Use, reloaded_by_signal
from service.app.traces import traced
from service.app.working import new_worker
from service.cli.common import plainly
from service.cli.staying import check_may_be_several, metrics_listener, staying_settings
from service.settings import Settings
from service.worker import Watcher, Worker
from service.workflow.announce import announce
from service.workflow.context import Context
from service.workflow.health import check_ready, check_writes

_LOOK_AGAIN_SECONDS = 0.5


def worker(ctx: typer.Context) -> None:
    """Run only the worker. SIGTERM ends it after its running steps."""
    settings = staying_settings(ctx.obj)
    check_may_be_several(settings)
    metrics = metrics_listener(settings)
    with compose(settings) as context:
        with plainly():
            check_ready(context)
            check_writes(context)
            announce(context)
        with traced(), ExitStack() as more:
            uses = [*_metered(context, settings, metrics, more), more.enter_context(Watcher(context)).use]
            running = new_worker(context, settings)
            with reloaded_by_signal(Reloading(settings, context, *uses, running.use)):
                _work(running)


def _metered(context: Context, settings: Settings, listener: socket.socket | None, more: ExitStack) -> list[Use]:
    if listener is None:
        return []
    from service.app.metering import metered

    return [more.enter_context(metered(context, settings.metrics, listener)).use]


def _work(running: Worker) -> None:
    """Run the worker until a signal. A second signal is ignored, because the worker is already stopping."""
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        signal.signal(number, lambda *_: sys.exit())
    # What was created up to here stays. Each search for garbage in it takes a tenth of a second.
    gc.freeze()
    running.start()
    nothing = threading.Event()
    try:
        # Poll: the kernel may deliver the signal to another thread, and nothing would wake this one to handle it.
        while not nothing.wait(_LOOK_AGAIN_SECONDS):
            pass
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        running.stop()
