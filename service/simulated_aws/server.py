"""A threaded HTTP server on the loopback interface, which can also drop a connection without an answer."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from moto.core.request import Request
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

Answer = Callable[[Request], Response | Iterable[bytes] | None]
_POLL_SECONDS = 0.02  # how long stop() may take to be noticed


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the calls are recorded already. Errors are still logged."""

    def connection_dropped(self, *_: object) -> None:
        """Close: no further request can come on a connection that was reset on purpose."""
        self.close_connection = True


class _ServedRequest(Request):
    from_wsgi_server = True  # else moto adds a second Date header


class Server:
    """Serves `answer` on 127.0.0.1 until stopped. None resets the connection; pieces of bytes are sent unchanged."""

    def __init__(self, answer: Answer, port: int) -> None:
        self._answer = answer
        self._server = make_server("127.0.0.1", port, self._wsgi, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="simulated-aws", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()

    def _wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = self._answer(_ServedRequest(environ))
        if response is None:
            _reset(environ["werkzeug.socket"])
            raise ConnectionResetError  # werkzeug then writes nothing more
        if isinstance(response, Response):
            return response(environ, start_response)
        _send(environ["werkzeug.socket"], response)
        raise ConnectionResetError  # as above


def as_bytes(response: Response) -> bytes:
    """Return the answer as bytes on the wire."""
    body = response.get_data()
    headers = [*response.headers.items(), ("Connection", "close")]
    if "Content-Length" not in response.headers:
        headers.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _send(connection: socket.socket, pieces: Iterable[bytes]) -> None:
    """Send them, and shut the connection down gracefully so that all of it arrives."""
    with contextlib.suppress(OSError):  # the client may have gone
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    """Send RST rather than FIN: with a linger time of 0, close discards and resets."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Detached, so that the descriptor closes now and not only with the handler's file objects.
    socket.close(connection.detach())
