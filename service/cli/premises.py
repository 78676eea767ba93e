"""The checks of `doctor` on its host."""

import stat
from datetime import timedelta
from pathlib import Path

from service.settings import holds_secret

CLOSE_TO_WRITERS, CLOSE_TO_READERS = "Run chmod go-w on it.", "Run chmod o-rwx on it."


def settings_file(file: Path | None) -> tuple[str, str | None, str]:
    """Check who may write or read the file. Return what was checked, the fault or None, and the advice."""
    if file is None:
        return "settings: only from the environment", None, ""
    mode = stat.S_IMODE(file.stat().st_mode)
    subject = f"settings: {file}, mode {mode:04o}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return subject, "Not only its owner may write to it, and so decide who approves.", CLOSE_TO_WRITERS
    if mode & stat.S_IROTH and holds_secret(file):
        return subject, "Everybody on this host may read it, and it holds a secret.", CLOSE_TO_READERS
    return subject, None, ""


def spelled(span: timedelta) -> str:
    """Return a time span in its largest unit."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, length in {"days": 86_400, "hours": 3_600, "minutes": 60}.items():
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
