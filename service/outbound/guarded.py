"""HTTP to addresses from the settings, never to internal hosts: the resolved addresses are checked at connect time.

No redirects, proxies, cookies or keep-alive connections. No message and no log line contains the URL, because some
destinations have their secret in it.
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

from service.outbound.addresses import check_host, check_url, host_of, is_public

_DEADLINE_SECONDS = 15.0
# For each name resolution, connection and write; the deadline covers all of them together. A read timeout on a slow
# write is ambiguous, and the retry would look for its effect too early. So reads get the whole deadline.
_TIMEOUT_SECONDS = 5.0
_LARGEST_ANSWER_BYTES = 64 * 1024
_PIECE_BYTES = 16 * 1024

TOO_LONG = "the answer is too long"

_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


class Unsafe(Exception):
    """The service refuses to connect there. The message names no address."""


class Unreachable(Exception):
    """There was no complete answer. The request may have arrived nevertheless."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, with only the beginning of its body, not decompressed."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def new_client(
    allowed_hosts: frozenset[str], *, within: float = _DEADLINE_SECONDS, tls: ssl.SSLContext | None = None
) -> httpx.BaseTransport:
    """Return a client for `send`; threads may share it.

    `allowed_hosts` are lower-case names and addresses that are trusted, even without TLS or at a private address.
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
    """Send a request and return the answer, with at most `largest` bytes of its body. Raise Unreachable, Unsafe."""
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
    """Connect as `send` would, with TLS for https, and close without sending a request.

    `client` is one of `new_client`. Raise Unreachable, Unsafe.
    """
    assert isinstance(client, _Guarded)
    client.touch(httpx.URL(url))


def connect(host: str, port: int, allowed_hosts: frozenset[str], within: float) -> socket.socket:
    """Connect for another protocol than HTTP, by the same rules. `within` seconds are for this alone.

    Raise Unreachable, Unsafe.
    """
    check_allowed(host, allowed_hosts)
    with _unreachable_on_failure():
        connected = _Backend(allowed_hosts, within).connect_tcp(host, port, within).get_extra_info("socket")
    assert isinstance(connected, socket.socket)
    return connected


@contextmanager
def connection(
    host: str, port: int, allowed_hosts: frozenset[str], connect_within: float, within: float
) -> Iterator[socket.socket]:
    """Connect by `connect`, and cut the connection after `within` seconds, however slowly the other side speaks.

    Raise Unreachable, Unsafe.
    """
    connected = connect(host, port, allowed_hosts, connect_within)
    # A duplicate still reaches the connection when TLS has taken the original over.
    with closing(connected), closing(connected.dup()) as duplicate:
        alarm = threading.Timer(within, _cut, [duplicate])
        alarm.daemon = True
        alarm.start()
        try:
            yield connected
        finally:
            alarm.cancel()


def check_allowed(host: str, allowed_hosts: frozenset[str]) -> None:
    """Raise Unsafe for a host that is refused whatever it resolves to."""
    try:
        check_host(host, allowed_hosts)
    except ValueError as error:
        raise Unsafe(str(error)) from None


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _beginning(answer: httpx.Response, largest: int) -> bytes:
    """Return the beginning of the raw stream. It is not decompressed: a small body could expand to a huge one."""
    assert isinstance(answer.stream, httpx.SyncByteStream)
    body = bytearray()
    for piece in answer.stream:
        body += piece
        if len(body) >= largest:
            break
    return bytes(body[:largest])


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the host's addresses. Raise httpcore.ConnectError, ConnectTimeout.

    The resolver has no timeout, so it runs in a thread, and we wait for the thread.
    """
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        found: list[str] = []
        # UnicodeError means a label that is empty or too long.
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
    """The deadline of one connection, which serves one request."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """Return how long the next step may take. Raise `late` if the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection on which every step ends by the deadline."""

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
    """Resolves a name once, checks the addresses, and connects to exactly those."""

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
        # A keep-alive connection would outlive the address check and its deadline.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=self._backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request. Raise Unreachable, Unsafe."""
        self._check(request.url)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _unreachable_on_failure():
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
        """Connect and close. Raise Unreachable, Unsafe."""
        self._check(url)
        host, is_tls = host_of(url), url.scheme == "https"
        with _unreachable_on_failure():
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
        with _unreachable_on_failure():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        with _unreachable_on_failure():
            self._answer.close()


@contextmanager
def _unreachable_on_failure() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _unreachable(error) from None


def _unreachable(error: Exception) -> Unreachable:
    # Only the class name: some texts quote the URL or the answer.
    return Unreachable(f"no complete answer: {type(error).__name__}")
