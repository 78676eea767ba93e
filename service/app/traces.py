"""Sends traces if OpenTelemetry's own environment variables name a receiver. Only then its SDK is loaded."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

_RECEIVERS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


@contextmanager
def traced() -> Iterator[None]:
    """Send traces of this process during this block, if the environment wants them.

    A wish that cannot be met is a warning in the log: a service for emergencies starts without traces, too.
    """
    if not _is_wanted():
        yield
        return
    try:
        from service.app.tracing import sent
    except ImportError:
        logger.warning("no traces are sent: the extra `tracing` is not installed")
        yield
        return
    with sent():
        yield


def _is_wanted() -> bool:
    """Return whether the variables name a receiver, and do not turn traces off."""
    is_off = _said("OTEL_SDK_DISABLED").lower() == "true" or _said("OTEL_TRACES_EXPORTER") not in {"", "otlp"}
    if is_off or not any(map(_said, _RECEIVERS)):
        return False
    is_ours = next(filter(None, map(_said, _PROTOCOLS)), _PROTOCOL) == _PROTOCOL
    if not is_ours:
        logger.warning("no traces are sent: of OTLP, only %s is supported", _PROTOCOL)
    return is_ours


def _said(name: str) -> str:
    return os.environ.get(name, "").strip()
