"""Serves metrics: on a port of its own with this process's counters of calls, or behind a role without them.

Behind a role a load balancer may ask another process each time, which would mix their counters.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, event
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.connection import Connection
from service.api.exposition import MEDIA_TYPE, Look, refused_sign_ins, render
from service.aws import observed
from service.aws.observed import Call
from service.domain.errors import ServiceError, Unavailable
from service.settings import MetricsSettings
from service.workflow.clocks import read_clocks
from service.workflow.context import Context
from service.workflow.health import check_log, check_writes
from service.workflow.rules_in_force import check_current
from service.workflow.state import read_state

# When a counter began says nothing that Prometheus needs.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types

_DATABASE_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10)
_AWS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MOST_CALLERS = 20


class Metrics:
    """Renders the metrics, one caller at a time: a flood of scrapes must not take the database's connections."""

    def __init__(self, ctx: Context, settings: MetricsSettings) -> None:
        self._ctx = ctx
        self._settings = settings
        self._lock = threading.Lock()

    def use(self, ctx: Context) -> None:
        """Use another Context from the next scrape on."""
        self._ctx = ctx

    def render(self, *own: Collector) -> bytes:
        """Return the state of the service, and what `own` collects."""
        with self._lock:
            return render(self._look(), *own)

    def answer(self) -> Response:
        """Return the state of the service alone."""
        return Response(self.render(), media_type=MEDIA_TYPE)

    def _look(self) -> Look:
        try:
            state = read_state(self._ctx)
        except Unavailable:
            state = None
        return Look(
            state=state,
            accepts_writes=self._passes(check_writes),
            clocks_ahead=self._clocks_ahead(),
            accepts_log=self._passes(check_log) and self._passes(check_current),
            most_accounts=self._settings.accounts,
        )

    def _clocks_ahead(self) -> Mapping[str, timedelta]:
        try:
            return read_clocks(self._ctx)
        except Unavailable:
            return {}

    def _passes(self, check: Callable[[Context], None]) -> bool:
        try:
            check(self._ctx)
        except ServiceError:
            return False
        return True


class Meters(Collector):
    """Counts this process's calls to the database and to AWS, and its failed sign-ins."""

    def __init__(self, refused: Callable[[], Mapping[str, int]]) -> None:
        self._refused = refused
        self._registry = registry = CollectorRegistry()
        self._statements = Histogram(
            "rootquorum_database_statement_seconds",
            "How long SQL statements of this process took.",
            buckets=_DATABASE_SECONDS,
            registry=registry,
        )
        self._database_errors = Counter(
            "rootquorum_database_errors", "SQL statements of this process that failed.", registry=registry
        )
        self._calls = Histogram(
            "rootquorum_aws_call_seconds",
            "How long calls of this process to AWS took, with their retries.",
            ["call"],
            buckets=_AWS_SECONDS,
            registry=registry,
        )
        self._aws_errors = Counter(
            "rootquorum_aws_errors",
            "Calls of this process to AWS that failed.",
            ["call", "reason"],
            registry=registry,
        )

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        yield refused_sign_ins(self._refused())

    @contextmanager
    def attached(self, engine: Engine) -> Iterator[None]:
        """Count what happens in this block."""
        listeners: dict[str, Callable[..., Any]] = {
            "before_cursor_execute": self._begin,
            "after_cursor_execute": self._end,
            "handle_error": self._note_error,
        }
        for name, listener in listeners.items():
            event.listen(engine, name, listener)
        observed.add_observer(self._note_call)
        try:
            yield
        finally:
            observed.remove_observer(self._note_call)
            for name, listener in listeners.items():
                event.remove(engine, name, listener)

    def _begin(self, connection: Any, *_: object) -> None:
        connection.info["rootquorum_began"] = time.perf_counter()

    def _end(self, connection: Any, *_: object) -> None:
        self._statements.observe(time.perf_counter() - connection.info["rootquorum_began"])

    def _note_error(self, _context: object) -> None:
        self._database_errors.inc()

    def _note_call(self, call: Call) -> None:
        self._calls.labels(call.name).observe(call.seconds)
        if call.fault is not None:
            self._aws_errors.labels(call.name, call.fault).inc()


@contextmanager
def metered(
    ctx: Context,
    settings: MetricsSettings,
    listener: socket.socket | None,
    refused: Callable[[], Mapping[str, int]] = dict,
) -> Iterator[Metrics]:
    """Serve metrics at the socket, if there is one, during this block. `refused` counts failed sign-ins by check."""
    metrics = Metrics(ctx, settings)
    if listener is None:
        yield metrics
        return
    meters = Meters(refused)
    with meters.attached(ctx.engine), _listening(_app(lambda: metrics.render(meters)), listener):
        yield metrics


@contextmanager
def _listening(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            http=Connection,
            ws="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CALLERS,
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _app(rendered: Callable[[], bytes]) -> ASGIApp:
    """Return the application behind the port. It has one page, and answers nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.url.path != "/metrics":
            answer = Response(status_code=404)
        elif request.method not in {"GET", "HEAD"}:
            answer = Response(status_code=405, headers={"Allow": "GET, HEAD"})
        else:
            answer = Response(await run_in_threadpool(rendered), media_type=MEDIA_TYPE)
        answer.headers["Cache-Control"] = "no-store"
        await answer(scope, receive, send)

    return app
