"""What `doctor` says of the host that it runs on."""

import stat
from datetime import timedelta
from pathlib import Path

from service.settings import holds_secret


def settings_file(file: Path | None) -> tuple[str, str | None, str]:
    """What was looked at; what is wrong with who may write or read it, if anything; and what to do about it."""
    if file is None:
        return "settings: of the environment alone", None, ""
    mode = stat.S_IMODE(file.stat().st_mode)
    subject = f"settings: {file}, mode {mode:04o}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return subject, "Others than its owner may write to it, and so decide who approves.", "Run chmod go-w on it."
    if mode & stat.S_IROTH and holds_secret(file):
        return subject, "Everybody on this host may read it, and it holds a secret.", "Run chmod o-rwx on it."
    return subject, None, ""


def said(span: timedelta) -> str:
    """In its largest unit."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, length in {"days": 86_400, "hours": 3_600, "minutes": 60}.items():
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
