"""Prepares `serve` and `worker`, the two commands that keep running."""

import os
from pathlib import Path

from service import logs
from service.cli.common import fail
from service.cli.prepared import load_settings
from service.settings import FILE_VARIABLE, Settings


def staying_settings(file: Path | None) -> Settings:
    """Load the settings. Put the file into the environment too, which is all that uvicorn's processes get."""
    if file is not None:
        os.environ[FILE_VARIABLE] = str(file)
    settings = load_settings(file)
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    return settings


def check_may_be_several(settings: Settings) -> None:
    if settings.database.url.startswith("sqlite"):
        fail("SQLite is for one process, which is `serve`. Several need PostgreSQL.")
    if settings.aws.simulated:
        fail("Each process would have its own simulated AWS.")
