"""A real process under hostile clients: whoever calls from elsewhere keeps their answers."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from support.installation import serving

from service.cli.waiting import free_port

HEAD = b"POST /v1/requests HTTP/1.1\r\nHost: rootquorum\r\n"
# More than an address may have, of each.
HEADS, BODIES, CALLS = 300, 40, 400
_SETTINGS = """
[aws]
simulated = true
[policy]
decision_requires_auth_time = false
[server]
calls_per_address = 120
[accounts.111122223333]
name = "production"
[people.bob]
name = "Bob"
roles = ["approver", "requester"]
[people.carol]
name = "Carol"
roles = ["approver"]
[people.dave]
name = "Dave"
roles = ["approver"]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("service")
    (folder / "rootquorum.toml").write_text(_SETTINGS)
    with serving(folder, found := free_port(), "--migrate", "--no-worker"):
        yield found


def others_are_answered(port: int, *, source: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=30) as client:
        statuses = Counter(client.get(f"http://127.0.0.1:{port}/v1/me").status_code for _ in range(20))
    assert statuses == {401: 20}


@contextmanager
def hanging(port: int, count: int, sent: bytes, *, source: str) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this, and nothing more."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30, (source, 0)))
            connection.sendall(sent)
            found.append(connection)
        yield found


def ended(connections: list[socket.socket]) -> list[bytes]:
    """What each of them gets, until the service closes it."""

    def of_one(connection: socket.socket) -> bytes:
        parts = []
        try:
            while part := connection.recv(4096):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(of_one, connections))


def test_slow_heads_end_and_others_keep_their_answers(port: int) -> None:
    with hanging(port, HEADS, HEAD, source="127.0.0.2") as connections:
        others_are_answered(port, source="127.0.0.3")
        assert ended(connections) == [b""] * HEADS


def test_slow_bodies_end_and_others_keep_their_answers(port: int) -> None:
    sent = HEAD + b"Content-Length: 100\r\n\r\n{"
    with hanging(port, BODIES, sent, source="127.0.0.4") as connections:
        others_are_answered(port, source="127.0.0.5")
        statuses = Counter(answer.split(b" ")[1] for answer in ended(connections))
    assert statuses == {b"408": 20, b"429": BODIES - 20}


def test_endless_heads_and_bodies_end_and_others_keep_their_answers(port: int) -> None:
    endless = b"X-Fill: " + b"a" * 1000 + b"\r\n"
    for sent in (HEAD + 100 * endless, HEAD + b"Content-Length: 999999\r\n\r\n" + b"x" * 70_000):
        with hanging(port, 10, sent, source="127.0.0.6") as connections:
            others_are_answered(port, source="127.0.0.7" if sent.endswith(b"\n") else "127.0.0.8")
            assert {answer.split(b" ")[1] if answer else b"" for answer in ended(connections)} <= {b"", b"413"}


def test_a_flood_of_calls_is_refused_and_others_keep_their_answers(port: int) -> None:
    sent = b"GET /v1/me HTTP/1.1\r\nHost: rootquorum\r\nConnection: close\r\n\r\n"
    with ThreadPoolExecutor(1) as pool, hanging(port, CALLS, sent, source="127.0.0.9") as connections:
        flood = pool.submit(ended, connections)
        others_are_answered(port, source="127.0.0.10")
        statuses = Counter(answer.split(b" ")[1] for answer in flood.result())
    assert statuses[b"401"] + statuses[b"429"] == CALLS
    assert statuses[b"429"] > CALLS / 3
