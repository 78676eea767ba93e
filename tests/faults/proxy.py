"""A TCP proxy before PostgreSQL that can lose connections, and just at a COMMIT if it is told to."""

import asyncio
import threading
from contextlib import suppress
from enum import StrEnum

# As psycopg sends it: a simple Query (https://www.postgresql.org/docs/current/protocol-message-formats.html).
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
_WRITES = (b"INSERT", b"UPDATE")


class Cut(StrEnum):
    """The COMMIT never arrives, or it does and its answer never comes back."""

    BEFORE = "before"
    AFTER = "after"


class CommitCuttingProxy:
    """Listens on `port` from `start` on. All of it runs in one thread; whoever calls is in another."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._open: set[asyncio.WriteTransport] = set()
        self._is_away = False
        self._wanted: Cut | None = None
        self.cuts: list[Cut] = []
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.port = server.sockets[0].getsockname()[1]

    def cut_next_commit(self, how: Cut) -> None:
        """Of a transaction that writes. `cuts` has one more when it happened."""
        self._wanted = how

    def go_away(self) -> None:
        """Like a server that is not there: nobody is let in, and whoever was is thrown out."""
        self._is_away = True
        self._loop.call_soon_threadsafe(self._lose_all)

    def come_back(self) -> None:
        self._is_away = False

    def _lose_all(self) -> None:
        for transport in tuple(self._open):
            transport.abort()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        ends = {to_client.transport}
        with suppress(OSError):
            if not self._is_away:
                server, to_server = await asyncio.open_connection(*self._target)
                ends.add(to_server.transport)
                self._open |= ends
                lost = asyncio.Event()
                back = asyncio.create_task(_pass_on(server, to_client, lost))
                there = asyncio.create_task(self._pass_on_but_cut(client, to_server, lost, back))
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        self._open -= ends
        for end in ends:
            end.abort()

    async def _pass_on_but_cut(
        self,
        client: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        lost: asyncio.Event,
        back: "asyncio.Task[None]",
    ) -> None:
        writes = False
        with suppress(OSError):
            while data := await client.read(1 << 16):
                writes = writes or any(word in data for word in _WRITES)
                how = None
                if _COMMIT in data:
                    if writes:
                        how, self._wanted = self._wanted, None
                    writes = False
                if how is Cut.AFTER:
                    lost.set()
                    to_server.write(data)
                    await asyncio.wait({back})  # the server has answered: it has committed
                if how is not None:
                    self.cuts.append(how)
                    return
                to_server.write(data)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, lost: asyncio.Event) -> None:
    """Until there is no more, or what comes next is to be lost."""
    with suppress(OSError):
        while data := await source.read(1 << 16):
            if lost.is_set():
                return
            target.write(data)
