"""Waiting for another process."""

import socket
import time
from collections.abc import Callable

_PATIENCE_SECONDS = 60
_LOOK_AGAIN_SECONDS = 0.1


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    """Look until `condition` holds. Raises TimeoutError after a minute, naming `what` did not come."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited a minute for {what}")
        time.sleep(_LOOK_AGAIN_SECONDS)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
