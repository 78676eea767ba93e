"""Waiting for another process."""

import socket
import time
from collections.abc import Callable

_PATIENCE_SECONDS = 60
_LOOK_AGAIN_SECONDS = 0.1


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    """Poll until `condition` holds. Raise TimeoutError after a minute, naming `what` was awaited."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited a minute for {what}")
        time.sleep(_LOOK_AGAIN_SECONDS)


def free_port() -> int:
    """Return a TCP port on loopback that is unused at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
