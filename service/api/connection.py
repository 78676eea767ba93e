"""A uvicorn connection that limits a request's head. Middleware sees a request only once its head is complete."""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.sign_ins import neighbourhood

# As much as the proxies in `deploy/` pass on. The size is checked after each read.
_LARGEST_HEAD_BYTES = 64 * 1024
# From the opening of the connection, or from the first byte of a later request, to the end of the head.
_SLOWEST_HEAD_SECONDS = 10.0
# Connections of one address whose next head is incomplete. Each takes a file descriptor, of which there are about 1000.
_MOST_UNFINISHED_HEADS = 200
# By event loop and address.
_UNFINISHED: WeakKeyDictionary[AbstractEventLoop, Counter[str]] = WeakKeyDictionary()


class Connection(HttpToolsProtocol):
    """Closes a connection whose next head is too large or too slow, or one of too many.

    It never closes one while a call is running: the response may be the only copy of a secret.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0
        self._in_body = False
        self._timer: TimerHandle | None = None
        self._address = ""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        waited = not self._in_body
        if waited:
            self._expect_head()
            self._head_bytes += len(data)
        super().data_received(data)
        if waited and self._timer is not None and self._head_bytes > _LARGEST_HEAD_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._cancel_timer()
        self._in_body, self._head_bytes = True, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def _expect_head(self) -> None:
        if self._timer is not None:
            return
        unfinished = _UNFINISHED.setdefault(self.loop, Counter())
        # Behind a proxy, this is the proxy. A proxy sends a whole head at once.
        self._address = neighbourhood({"client": self.client})
        if unfinished[self._address] >= _MOST_UNFINISHED_HEADS:
            self._refuse()
            return
        unfinished[self._address] += 1
        self._timer = self.loop.call_later(_SLOWEST_HEAD_SECONDS, self._refuse)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            _UNFINISHED[self.loop] -= Counter([self._address])  # drops addresses with none left

    def _refuse(self) -> None:
        self._cancel_timer()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False  # closes once the running call is answered
            self.flow.pause_reading()
