"""`rootquorum serve`: the API, with the worker beside it."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Annotated

import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from service.api.connection import Connection
from service.app import compose
from service.app.serving import create_app, one_of_several
from service.app.tls import tls_of
from service.aws.root import AwsRoots
from service.cli.ending import fail, plainly
from service.cli.staying import check_may_be_several, metrics_listener, staying_settings
from service.db import schema
from service.settings import PREFIX
from service.workflow.health import check_ready, check_writes
from service.workflow.rules_in_force import adopt

logger = logging.getLogger(__name__)

# uvicorn replaces a child that does not answer for this long; starting one takes seconds on a small machine.
_SILENCE_SECONDS = 60


def serve(
    ctx: typer.Context,
    *,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database up to date first.")] = False,
    worker: Annotated[bool, typer.Option(help="Run the worker beside the API.")] = True,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes serve the port.")] = 1,
) -> None:
    """Serve the API. An outdated database is an error, unless --migrate is given."""
    if not worker:
        os.environ[f"{PREFIX}WORKER__ENABLED"] = "false"
    settings = staying_settings(ctx.obj)
    if workers > 1:
        check_may_be_several(settings)
        if settings.metrics.port is not None:
            fail("metrics.port: several processes cannot share it. Use metrics.behind_role, or run replicas instead.")
    if settings.database.is_for_one_process and not settings.worker.enabled:
        logger.warning("no worker runs, and none can beside this process: SQLite is for one. Nothing happens by itself")
    metrics = metrics_listener(settings)
    with plainly(), compose(settings, with_aws=False) as context:
        if migrate:
            schema.migrate(context.engine)
        check_ready(context)
        check_writes(context)
        adopt(context)
    # uvicorn re-raises the signal after the running requests; then everything here is closed in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    tls = settings.server.tls_files()
    several = f"{one_of_several.__module__}:{one_of_several.__name__}"
    config = uvicorn.Config(
        several if workers > 1 else create_app(settings, metrics),
        factory=workers > 1,
        workers=workers,
        timeout_worker_healthcheck=_SILENCE_SECONDS,
        host=settings.server.host,
        port=settings.server.port,
        root_path=settings.server.root_path,
        ssl_context_factory=None if tls is None else partial(tls_of, tls),
        proxy_headers=True,
        forwarded_allow_ips=list(settings.server.trusted_proxies),
        log_config=None,
        access_log=False,  # the API logs each call itself, with its id
        http=Connection,
        server_header=False,
        ws="none",  # not used, and at DEBUG uvicorn would log the headers of an upgrade
        # The longest execution: two sign-ins by AssumeRoot of two calls each and three reads before its claim, then
        # three calls. A call takes a third of the budget.
        timeout_graceful_shutdown=int(10 / 3 * AwsRoots.call_budget.total_seconds()),
    )
    with suppress(KeyboardInterrupt):
        if workers > 1:
            _Processes(config, [config.bind_socket()]).run()
            return
        server = uvicorn.Server(config)
        server.run()
        if not server.started:
            raise typer.Exit(STARTUP_FAILURE)


class _Processes(Multiprocess):
    """Passes SIGHUP on, and notices at once that a process has died.

    uvicorn would replace one process after the other at SIGHUP, each after its running requests. That can take minutes,
    in which somebody who has lost a role could still use it.
    """

    def init_processes(self) -> None:
        with _without_hup():
            super().init_processes()
        self._let_go()

    def keep_subprocess_alive(self) -> None:
        with _without_hup():
            super().keep_subprocess_alive()
        self._let_go()

    def _let_go(self) -> None:
        """Close the children's ends of their pipes.

        Else the end of one that dies while it is asked whether it lives is not seen, and its answer is awaited.
        """
        for process in self.processes:
            process.child_conn.close()

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, signal.SIGHUP)


@contextmanager
def _without_hup() -> Iterator[None]:
    """Block SIGHUP here, and in the processes that begin here until they note it: by default it would end them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
