"""What the service logs, before it is written."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        self.lines.append({"event": record.getMessage(), "log_level": record.levelname.lower(), **fields})


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Yield the lines of the service's own loggers as they come, at any level, but for the one of each call."""
    logger, handler = logging.getLogger("service"), _Kept()
    handler.addFilter(lambda record: record.name != "service.api.calls")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
