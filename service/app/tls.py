"""TLS of this process's port, whose files are read again while it runs."""

import ssl
from collections.abc import Callable
from functools import partial

from service.settings.server_tls import server_tls

Files = tuple[str, str, str | None]


class _Port:
    """One port's TLS. Each handshake uses the files as they were when they were last read."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._current = server_tls(*files)
        self.context = server_tls(*files)
        self.context.sni_callback = self._choose

    def read(self) -> Callable[[], None]:
        """Read the files. Return what makes later handshakes use them. Raise OSError."""
        return partial(setattr, self, "_current", server_tls(*self._files))

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


_PORTS: list[_Port] = []


def tls_of(files: Files, *_of_uvicorn: object) -> ssl.SSLContext:
    """Return the TLS of this process's port. uvicorn calls it in each process that serves. Raise OSError."""
    port = _Port(files)
    _PORTS[:] = [port]
    return port.context


def is_served() -> bool:
    """Return whether this process's port has TLS."""
    return bool(_PORTS)


def read_again() -> Callable[[], None]:
    """Read the files of this process's port, if it has TLS. Return what makes later handshakes use them.

    Raise OSError.
    """
    return _PORTS[0].read() if _PORTS else lambda: None
