"""Prepares `serve` and `worker`, the two commands that keep running."""

import os
import socket
from pathlib import Path

from service import logs
from service.app.reloading import note_signals
from service.cli.ending import fail
from service.cli.prepared import load_settings
from service.settings import FILE_VARIABLE, Settings


def staying_settings(file: Path | None) -> Settings:
    """Load the settings. Put the file into the environment too, which is all that uvicorn's processes get.

    A SIGHUP from here on reads them again, as soon as the process has started.
    """
    note_signals()
    if file is not None:
        os.environ[FILE_VARIABLE] = str(file)
    settings = load_settings(file)
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    return settings


def metrics_listener(settings: Settings) -> socket.socket | None:
    """Return the socket where metrics are served, None if the settings name no port. Exit 1 if it is not free."""
    if settings.metrics.port is None:
        return None
    try:
        return socket.create_server(
            (settings.metrics.host, settings.metrics.port), family=_family(settings.metrics.host)
        )
    except OSError as error:
        fail(f"metrics.port: nobody can listen there: {error.strerror}. Each process needs a port of its own.")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def check_may_be_several(settings: Settings) -> None:
    if settings.database.is_for_one_process:
        fail("SQLite is for one process, which is `serve`. Several need PostgreSQL.")
    if settings.aws.simulated:
        fail("Each process would have its own simulated AWS.")
