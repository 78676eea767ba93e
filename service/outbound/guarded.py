"""HTTP to where settings say, and to nowhere inside: a name's addresses are judged when the connection is made.

No redirects, proxies, cookies or connections that are kept. What is asked for stands in no message and no log line:
some destinations have their secret in the URL.
"""

import contextlib
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from service.outbound.addresses import check_url, host_of, is_public

_DEADLINE_SECONDS = 15.0
# For each name, connection and write; the deadline is for all of them together. An answer may take all of it: who hangs
# up on a slow write does not know that it was done, and looks for it too early.
_TIMEOUT_SECONDS = 5.0
_LARGEST_ANSWER_BYTES = 64 * 1024
_PIECE_BYTES = 16 * 1024

_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


class Unsafe(Exception):
    """We do not connect there. The message names no address."""


class Unreachable(Exception):
    """There was no whole answer. What was sent may have arrived all the same."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; of the body no more than its beginning, as it came."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def new_client(
    allowed_hosts: frozenset[str], *, within: float = _DEADLINE_SECONDS, tls: ssl.SSLContext | None = None
) -> httpx.BaseTransport:
    """What `send` sends with; threads may share it. `allowed_hosts` are lower-case names and addresses that are
    trusted wherever they lead, even without TLS.
    """
    return _Guarded(allowed_hosts, within, tls or httpx.create_ssl_context())


def send(
    client: httpx.BaseTransport,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    largest: int = _LARGEST_ANSWER_BYTES,
) -> Reply:
    """The answer, with no more than `largest` bytes of its body. Raises Unreachable, Unsafe."""
    ours = httpx.Headers({"User-Agent": "Rootquorum", "Accept-Encoding": "identity", "Connection": "close"})
    ours.update(headers)
    try:
        request = httpx.Request(
            method,
            url,
            headers=ours,
            content=content,
            extensions={"timeout": httpx.Timeout(_TIMEOUT_SECONDS, read=_DEADLINE_SECONDS).as_dict()},
        )
        with closing(client.handle_request(request)) as answer:
            return Reply(answer.status_code, answer.headers, _beginning(answer, largest))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(error) from None


def touch(client: httpx.BaseTransport, url: str) -> None:
    """Connect as `send` would, with TLS where the URL has it, and hang up: nothing is asked and nothing is sent.

    `client` is one of `new_client`. Raises Unreachable, Unsafe.
    """
    assert isinstance(client, _Guarded)
    client.touch(httpx.URL(url))


def _beginning(answer: httpx.Response, largest: int) -> bytes:
    """The stream as it comes: unpacking could make much of little."""
    assert isinstance(answer.stream, httpx.SyncByteStream)
    body = bytearray()
    for piece in answer.stream:
        body += piece
        if len(body) >= largest:
            break
    return bytes(body[:largest])


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Its addresses. Raises httpcore.ConnectError, ConnectTimeout.

    The resolver knows no timeout: a thread waits for it, and we for the thread.
    """
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        found: list[str] = []
        # UnicodeError: a label that is empty or too long.
        with contextlib.suppress(OSError, UnicodeError):
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        answers.put(found)

    threading.Thread(target=ask, daemon=True).start()
    try:
        addresses = list(dict.fromkeys(answers.get(timeout=seconds)))
    except queue.Empty:
        raise httpcore.ConnectTimeout from None
    if not addresses:
        raise httpcore.ConnectError
    return addresses


class _Deadline:
    """For one connection, which is for one request."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """How long the next step may take. Raises `late` when the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE_BYTES):
            piece = buffer[start : start + _PIECE_BYTES]
            self._stream.write(piece, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Resolves a name once, judges what it got, and connects to just that."""

    def __init__(self, allowed_hosts: frozenset[str], within: float) -> None:
        self._allowed_hosts = allowed_hosts
        self._within = within
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        deadline = _Deadline(self._within)
        addresses = _resolve(host, port, deadline.left(timeout, httpcore.ConnectTimeout))
        if host.lower() not in self._allowed_hosts and not all(is_public(ipaddress.ip_address(a)) for a in addresses):
            raise Unsafe("the host has an address that is not public")
        failure: Exception = httpcore.ConnectError()
        for address in addresses:
            left = deadline.left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, deadline)
        raise failure


class _Guarded(httpx.BaseTransport):
    def __init__(self, allowed_hosts: frozenset[str], within: float, tls: ssl.SSLContext) -> None:
        self._allowed_hosts = allowed_hosts
        self._tls = tls
        self._backend = _Backend(allowed_hosts, within)
        # A connection that is kept would outlive the judgement, and its deadline.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=self._backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises Unreachable, Unsafe."""
        self._check(request.url)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _told():
            answer = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.read(),
                    extensions=request.extensions,
                )
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def touch(self, url: httpx.URL) -> None:
        """Raises Unreachable, Unsafe."""
        self._check(url)
        host, is_tls = host_of(url), url.scheme == "https"
        with _told():
            stream = self._backend.connect_tcp(host, url.port or (443 if is_tls else 80), _TIMEOUT_SECONDS)
            if is_tls:
                stream = stream.start_tls(self._tls, host, _TIMEOUT_SECONDS)
            stream.close()

    def _check(self, url: httpx.URL) -> None:
        try:
            check_url(str(url), self._allowed_hosts)
        except ValueError as error:
            raise Unsafe(str(error)) from None

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _told():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        with _told():
            self._answer.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _unreachable(error) from None


def _unreachable(error: Exception) -> Unreachable:
    # Its name is enough: the text of some quotes the URL, or what was answered.
    return Unreachable(f"no whole answer: {type(error).__name__}")
