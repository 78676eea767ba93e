"""The two commands that keep running: the API, and the worker."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from service import logs
from service.api.connection import Connection
from service.app import compose, create_app, new_worker, one_of_several
from service.cli.common import fail, plainly
from service.cli.prepared import load_settings
from service.db import schema
from service.settings import FILE_VARIABLE, PREFIX, Settings
from service.workflow.context import Context
from service.workflow.health import check_ready, check_writes

# uvicorn replaces a child that does not answer for this long; starting one takes seconds on a small machine.
_SILENCE_SECONDS = 60
_LOOK_AGAIN_SECONDS = 0.5


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
    settings = _settings(ctx.obj)
    if workers > 1:
        _check_may_be_several(settings)
    with plainly(), compose(settings, with_aws=False) as context:
        if migrate:
            schema.migrate(context.engine)
        check_ready(context)
        check_writes(context)
        budget = context.roots.call_budget.total_seconds()
    # uvicorn re-raises the signal after the running requests; then everything here is closed in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    several = f"{one_of_several.__module__}:{one_of_several.__name__}"
    uvicorn.run(
        several if workers > 1 else create_app(settings),
        factory=workers > 1,
        workers=workers,
        timeout_worker_healthcheck=_SILENCE_SECONDS,
        host=settings.server.host,
        port=settings.server.port,
        root_path=settings.server.root_path,
        proxy_headers=True,
        forwarded_allow_ips=list(settings.server.trusted_proxies),
        log_config=None,
        http=Connection,
        server_header=False,
        ws="none",  # not used, and at DEBUG uvicorn would log the headers of an upgrade
        # The longest execution: two sign-ins by AssumeRoot of two calls each and three reads before its claim, then
        # three calls. A call takes a third of the budget.
        timeout_graceful_shutdown=int(10 / 3 * budget),
    )


def worker(ctx: typer.Context) -> None:
    """Run only the worker. SIGTERM ends it after its running steps."""
    settings = _settings(ctx.obj)
    _check_may_be_several(settings)
    with compose(settings) as context:
        with plainly():
            check_ready(context)
            check_writes(context)
        _work(context, settings)


def _work(context: Context, settings: Settings) -> None:
    """Run the worker until a signal. A second signal is ignored, because the worker is already stopping."""
    running = new_worker(context, settings)
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        signal.signal(number, lambda *_: sys.exit())
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


def _settings(file: Path | None) -> Settings:
    """Load the settings. Put the file into the environment too, which is all that uvicorn's processes get."""
    if file is not None:
        os.environ[FILE_VARIABLE] = str(file)
    settings = load_settings(file)
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    return settings


def _check_may_be_several(settings: Settings) -> None:
    if settings.database.url.startswith("sqlite"):
        fail("SQLite is for one process, which is `serve`. Several need PostgreSQL.")
    if settings.aws.simulated:
        fail("Each process would have its own simulated AWS.")
