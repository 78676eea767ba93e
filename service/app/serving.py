"""Makes the API from the settings, and the worker in the same process if they enable it."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from types import FrameType

import anyio.to_thread
from fastapi import FastAPI

from service import logs
from service.api.build import build
from service.api.rates import Rates
from service.api.sign_ins import FailedSignIns, SignIns
from service.api.waiting import Places
from service.app.context import compose, hooks
from service.app.reloading import Reloading, Use, note_signals, reloaded_by_signal
from service.app.traces import traced
from service.app.working import new_worker
from service.settings import Settings, load
from service.worker import Watcher, Worker
from service.workflow.announce import announce

# How many calls of one address may run or wait for a thread, for each thread of the API.
_SHARE = 4


def create_app(settings: Settings, metrics: socket.socket | None = None) -> FastAPI:
    """Return the service: the API, and the worker in the same process if the settings enable it.

    `metrics` is the socket where metrics are served to anybody, if there is one.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # The worker has a thread for each account that it works on, and one that finds what is due.
        working = settings.worker.parallel + 1 if settings.worker.enabled else 0
        # As many threads as connections, so that threads never wait for each other's connections.
        threads = settings.database.connections - working - (metrics is not None)
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        with traced(), compose(settings) as ctx, ExitStack() as more:
            app.state.ctx, app.state.sign_ins = ctx, _sign_ins(settings, more)
            app.state.hooks, app.state.places = hooks(settings), Places(threads)
            # What was created up to here stays. Each search for garbage in it takes a tenth of a second.
            gc.freeze()
            server = settings.server
            app.state.transport_headers = _transport_headers(server.hsts)
            app.state.rates = Rates(server.calls_per_address, server.calls_per_person, at_once=_SHARE * threads)
            await anyio.to_thread.run_sync(announce, ctx)
            uses: list[Use] = [partial(setattr, app.state, "ctx"), *_serve_metrics(app, settings, metrics, more)]
            uses.append(more.enter_context(Watcher(ctx)).use)
            if not settings.worker.enabled:
                with ended_by_signals(app, None, server.drain), reloaded_by_signal(Reloading(settings, ctx, *uses)):
                    yield
                return
            worker = new_worker(ctx, settings)
            worker.start()
            reloading = Reloading(settings, ctx, *uses, worker.use)
            try:
                with ended_by_signals(app, worker, server.drain), reloaded_by_signal(reloading):
                    yield
            finally:
                await anyio.to_thread.run_sync(worker.stop)

    return build(None, lifespan)


def one_of_several() -> FastAPI:
    """Create the app in one of uvicorn's own processes, which get only the environment."""
    note_signals()
    settings = load()
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    return create_app(settings)


def _transport_headers(hsts: timedelta | None) -> list[tuple[bytes, bytes]]:
    """Return Strict-Transport-Security (RFC 6797) if it is wanted. Browsers heed it only over https."""
    if hsts is None:
        return []
    return [(b"strict-transport-security", f"max-age={int(hsts.total_seconds())}".encode())]


def _serve_metrics(app: FastAPI, settings: Settings, listener: socket.socket | None, more: ExitStack) -> list[Use]:
    """Serve metrics where the settings say so, until `more` is closed. Return what gives them another Context."""
    if listener is None and not settings.metrics.behind_role:
        return []
    from service.app.metering import metered

    failures = app.state.sign_ins.failures
    found = more.enter_context(metered(app.state.ctx, settings.metrics, listener, failures.refused))
    if settings.metrics.behind_role:
        app.state.metrics = found.answer
    return [found.use]


@contextmanager
def ended_by_signals(app: FastAPI, worker: Worker | None, drain: timedelta) -> Iterator[None]:
    """End this process in order once a signal has arrived.

    At once it is no longer ready, and its worker begins nothing new. uvicorn ends the lifespan only after the running
    requests, and an execution can take its whole time budget. After SIGTERM calls are accepted for another `drain`, so
    that a load balancer has noticed before the first one is refused. SIGINT ends accepting at once. Another SIGTERM
    changes nothing: a supervisor sends it to a whole group of processes, and `serve --workers` forwards its own.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loop, seconds = asyncio.get_running_loop(), drain.total_seconds()

    def stop_accepting(number: int, frame: FrameType | None = None) -> None:
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def end(number: int, frame: FrameType | None) -> None:
        is_draining, app.state.is_ending = app.state.is_ending, True
        if worker is not None:
            worker.finish()
        if number == signal.SIGINT or not seconds:
            stop_accepting(number, frame)
        elif not is_draining:
            loop.call_soon_threadsafe(lambda: loop.call_later(seconds, stop_accepting, number))

    for number in handlers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _sign_ins(settings: Settings, more: ExitStack) -> SignIns:
    """Return the ways to sign in. What asks providers takes 80 ms and 6 MiB: without issuers it is not loaded."""
    failures = FailedSignIns(settings.server.failed_sign_ins)
    if not settings.issuers:
        return SignIns(failures=failures)
    from service.app.issuers import sign_ins
    from service.auth.provider import new_client

    return sign_ins(settings, more.enter_context(new_client()), failures)
