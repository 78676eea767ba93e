"""The head of a request has a bound in size and in time; a call at work is always answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.api import connection
from service.api.connection import Connection

HEAD = b"GET / HTTP/1.1\r\nHost: rootquorum\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served(
    answer: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    """How to connect to an application that answers `ok` when `answer` says so."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if answer is not None:
            await answer()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(app, http=Connection, lifespan="off", log_config=None)
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config, ServerState(), {}), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield lambda: asyncio.open_connection("127.0.0.1", port)


async def sent(streams: Streams, *parts: bytes) -> bytes:
    """All that comes until the connection is closed."""
    reader, writer = streams
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HT", HEAD, HEAD + b"\r\n" + HEAD])
def test_a_head_that_does_not_end_closes_the_connection(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_SLOWEST_HEAD_SECONDS", 0.2)

    async def run() -> bytes:
        async with served() as connect, asyncio.timeout(30):
            return await sent(await connect(), begun)

    assert asyncio.run(run()).count(b"200 OK") == begun.count(b"\r\n\r\n")


def test_a_head_that_is_too_large_closes_the_connection() -> None:
    async def run() -> bytes:
        async with served() as connect, asyncio.timeout(30):
            return await sent(await connect(), HEAD, *[b"X-Fill: " + b"a" * 1000 + b"\r\n"] * 1000, b"\r\n")

    assert asyncio.run(run()) == b""


def test_a_head_of_many_parts_is_answered() -> None:
    async def run() -> bytes:
        async with served() as connect, asyncio.timeout(30):
            return await sent(await connect(), HEAD, b"X-Fill: " + b"a" * 20_000, b"\r\nConnection: close\r\n\r\n")

    assert b"200 OK" in asyncio.run(run())


def test_a_call_at_work_is_answered_whatever_its_client_sends_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_SLOWEST_HEAD_SECONDS", 0.1)

    async def run() -> bytes:
        refused = asyncio.Event()
        refuse = Connection._refuse

        def noticed(self: Connection) -> None:
            refuse(self)
            refused.set()

        monkeypatch.setattr(Connection, "_refuse", noticed)

        async def answer() -> None:
            await refused.wait()

        async with served(answer) as connect, asyncio.timeout(30):
            return await sent(await connect(), HEAD + b"\r\n", HEAD)

    answered = asyncio.run(run())
    assert answered.count(b"200 OK") == 1
    assert answered.endswith(b"ok")


def test_one_address_has_so_many_unfinished_heads_and_the_others_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST_UNFINISHED_HEADS", 3)

    async def run() -> None:
        async with served() as connect, asyncio.timeout(30):
            slow = [await connect() for _ in range(3)]
            for _, writer in slow:
                writer.write(HEAD)
            assert await sent(await connect()) == b""
            assert b"200 OK" in await sent(slow[0], b"Connection: close\r\n\r\n")
            assert b"200 OK" in await sent(await connect(), HEAD, b"Connection: close\r\n\r\n")
            for _, writer in slow:
                writer.close()

    asyncio.run(run())
