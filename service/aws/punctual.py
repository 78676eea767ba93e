"""Bounds the time of a whole answer of AWS. botocore's own read timeout is for each piece of one.

Without this, an answer that comes a byte at a time would hold a thread without end. And an execution would outlast the
time after which the worker settles it.
"""

import io
import time
from http.client import HTTPResponse
from socket import socket
from typing import Any

import botocore.session
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool


def be_punctual(session: botocore.session.Session) -> None:
    """Let each answer that clients of this session wait for come whole within their `read_timeout`.

    A later one is a ReadTimeoutError, like one that never comes.
    """
    session.register("creating-client-class", _add)


def _add(**event: Any) -> None:
    event["base_classes"].insert(0, _PunctualClient)


class _PunctualClient:
    """The part of a client that chooses its connections."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # botocore has no option for it. Its managers, also those of proxies, share this table.
        http = self._endpoint.http_session  # type: ignore[attr-defined]  # of botocore's BaseClient
        http._pool_classes_by_scheme.update(http=_Pool, https=_TlsPool)  # noqa: SLF001


class _Punctual(io.RawIOBase):
    """Reads from a socket for as long as its timeout, however many pieces come in that time."""

    def __init__(self, source: io.RawIOBase, connected: socket) -> None:
        self._source, self._connected = source, connected
        timeout = connected.gettimeout()
        self._until = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connected.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, connected: socket, *arguments: Any, **options: Any) -> None:
        super().__init__(connected, *arguments, **options)
        self.fp = io.BufferedReader(_Punctual(self.fp.detach(), connected))


class _Connection(AWSHTTPConnection):
    response_class = _Answer  # type: ignore[assignment]  # the stubs name only one of the two that botocore uses


class _TlsConnection(AWSHTTPSConnection):
    response_class = _Answer  # type: ignore[assignment]  # the stubs name only one of the two that botocore uses


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection
