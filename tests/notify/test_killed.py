"""A worker that is killed for good while a real tracker answers: the next one goes on, and each event is told once."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

import pytest
from kill.processes import furnish
from support.builders import DEACTIVATE
from support.house import House
from support.installation import working
from support.products.roundup import PASSWORD, USER, RoundupServer, is_there
from support.served import served

from service.app.destinations import destinations
from service.cli.waiting import wait_until
from service.db import outbox
from service.db.engine import read
from service.db.outbox import Wanted
from service.settings import load

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no Roundup here; `make roundup` installs one"
)


class WithholdingProxy(ThreadingTCPServer):
    """Before the tracker. Of the first request by `method` the answer is taken, and never given."""

    daemon_threads = True

    def __init__(self, target: str, method: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _WithholdingHandler)
        self.target = urlsplit(target)
        self.method: bytes | None = method
        self.is_held, self.let_go = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.target.path}"


class _WithholdingHandler(StreamRequestHandler):
    server: WithholdingProxy

    def handle(self) -> None:
        """One request, for its connection closes. The tracker is told its own address, as by any proxy."""
        head, length, answer = b"", 0, b""
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        ours, theirs = f":{self.server.server_address[1]}".encode(), f":{self.server.target.port}".encode()
        with socket.create_connection(("127.0.0.1", self.server.target.port or 0)) as tracker:
            tracker.sendall(head.replace(ours, theirs) + b"\r\n" + self.rfile.read(length))
            while piece := tracker.recv(65536):
                answer += piece
        if head.split(b" ")[0] == self.server.method:
            self.server.method = None
            self.server.is_held.set()
            self.server.let_go.wait()
            return
        self.wfile.write(answer)


@contextmanager
def between(server: RoundupServer, method: bytes) -> Iterator[WithholdingProxy]:
    with served(WithholdingProxy(server.url, method)) as proxy:
        try:
            yield proxy
        finally:
            proxy.let_go.set()


def settings_of(folder: Path, database_url: str, house: House, proxy: WithholdingProxy) -> None:
    """Leases are short: what the killed worker held is free soon."""
    more: dict[str, dict[str, object]] = {
        "worker": {"interval": 0.3, "lease": 1},
        "notify": {"allowed_hosts": ["127.0.0.1"]},
        "trackers.desk": {"kind": "roundup", "url": proxy.url, "user": USER, "password": PASSWORD},
    }
    furnish(folder, database_url, house.aws, drift_checks=False, more=more)


def statuses(house: House) -> list[str]:
    with read(house.ctx.engine) as tx:
        return [delivery.status for delivery in outbox.page(tx, Wanted(), after=None, limit=50)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("method", [b"POST", b"PATCH"], ids=["message made", "message on the issue"])
def test_a_worker_that_is_killed_before_it_has_the_answer_comments_once_and_in_order(
    house: House,
    roundup: RoundupServer,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    method: bytes,
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    issue, before = roundup.new_issue(), roundup.messages()
    with between(roundup, method) as proxy:
        settings_of(tmp_path, database_url, house, proxy)
        house.change(destinations=destinations(load(tmp_path / "rootquorum.toml")))
        house.approved(DEACTIVATE, house.spare_key(), ticket=issue)

        with working(tmp_path) as first:
            wait_until(proxy.is_held.is_set, what="the tracker's answer")
        assert first.returncode == -signal.SIGKILL
        assert statuses(house) == ["pending"] * 4
        assert roundup.messages() == before + 1

        with working(tmp_path):
            wait_until(lambda: statuses(house) == ["delivered"] * 4, what="all of it to be told")
        titles = [comment.splitlines()[0] for comment in roundup.comments(issue)]
        assert titles == ["Request filed", "Decision recorded", "Decision recorded", "Request approved"]
        assert roundup.messages() == before + 4
