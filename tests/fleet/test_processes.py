"""The processes of a fleet: several on one port, the worker alone, migrations at once, and how each of them ends."""

import ctypes
import os
import signal
import socket
import ssl
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from kill.processes import furnish, once_it_works
from sqlalchemy import text
from support.builders import ACCOUNT, CREATE, DEACTIVATE
from support.house import House
from support.installation import is_ready, rootquorum, serving, working
from support.products.postgres import Postgres
from support.tls_files import TlsFiles

from service.cli.waiting import wait_until
from service.db import schema
from service.db.engine import connect, read

_LONG = 60


@dataclass(frozen=True)
class Site:
    """A folder with settings, the same house as its processes serve, and where they serve it."""

    folder: Path
    house: House
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def site(house: House, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    served_at = furnish(tmp_path, database_url, house.aws, drift_checks=False)
    return Site(tmp_path, house, httpx.URL(served_at).port or 0)


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """Those that serve, which are the ones that multiprocessing has spawned."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(pid) for pid in listed if b"spawn_main" in command_of(pid)}


def command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:  # it has just ended
        return b""


def test_several_processes_serve_one_port_and_one_that_dies_is_replaced(site: Site) -> None:
    with serving(site.folder, site.port, "--workers", "2") as process:
        wait_until(lambda: len(children(process)) == 2, what="two processes")
        before = children(process)
        victim = min(before)
        subprocess.run(["kill", "-KILL", str(victim)], check=True)
        wait_until(lambda: len(children(process) - {victim}) == 2, what="another process")
        wait_until(lambda: is_ready(site.port, process), what="the service")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_LONG) in {0, -signal.SIGTERM}
    with pytest.raises(httpx.ConnectError):
        httpx.get(site.url)


def edit(site: Site, before: str, now: str) -> None:
    """Edit the settings."""
    file = site.folder / "rootquorum.toml"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, now))


def catches(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Return whether the process has a handler for this signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) & 1 << (number - 1))


def said(log: Path, what: str) -> int:
    return sum(what in line for line in log.read_text().splitlines())


@pytest.mark.parametrize(("options", "processes"), [((), 1), (("--workers", "2"), 2)], ids=["alone", "several"])
def test_sighup_takes_a_role_away_in_each_process_and_ends_none(
    site: Site, options: tuple[str, ...], processes: int
) -> None:
    log, bob = site.folder / "service.log", {"Authorization": f"Bearer {site.house.token('bob')}"}
    with serving(site.folder, site.port, *options) as process:
        # One that still starts may read the new settings at once, and would then have nothing to reload.
        wait_until(lambda: said(log, "Application startup complete") == processes, what="the processes")
        before = children(process)
        assert len(before) == (processes if options else 0)
        assert "approver" in httpx.get(f"{site.url}/v1/me", headers=bob).text
        edit(
            site, '[people.bob]\nname = "Bob"\nroles = ["approver"', '[people.bob]\nname = "Bob"\nroles = ["requester"'
        )
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: said(log, "now in force: people") == processes, what="the reload")
        for _ in range(5):
            assert "approver" not in httpx.get(f"{site.url}/v1/me", headers=bob).json()["roles"]
        edit(site, "[people.bob]", "[people.bob")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: said(log, "all stay as they were") == processes, what="the refusal")
        assert httpx.get(f"{site.url}/readyz").is_success
        assert children(process) == before
        process.send_signal(signal.SIGTERM)  # which ends the children as well
        assert process.wait(timeout=_LONG) in {0, -signal.SIGTERM}


def test_each_process_has_tls_and_renews_its_certificate_at_sighup(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    files, log = TlsFiles(site.folder), site.folder / "service.log"
    for name, path in zip(("CERTIFICATE_FILE", "KEY_FILE", "CLIENT_CA_FILE"), files.paths, strict=True):
        monkeypatch.setenv(f"ROOTQUORUM_SERVER__{name}", path)
    known = files.caller(files.theirs)
    with serving(site.folder, site.port, "--workers", "2", tls=known) as process:
        wait_until(lambda: said(log, "Application startup complete") == 2, what="two processes")
        before = {serial_of(site.port, known) for _ in range(20)}
        files.issue()
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: said(log, "certificate read again") == 2, what="the reload")
        after = {serial_of(site.port, known) for _ in range(20)}
        with pytest.raises(httpx.TransportError):
            httpx.get(f"https://127.0.0.1:{site.port}/livez", verify=files.caller())
    assert (len(before), len(after), before & after) == (1, 1, set())


def serial_of(port: int, tls: ssl.SSLContext) -> str:
    """Return the number of the certificate that a new connection is shown."""
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        tls.wrap_socket(plain, server_hostname="127.0.0.1") as s,
    ):
        return str((s.getpeercert() or {})["serialNumber"])


def test_a_process_that_still_starts_is_not_ended_by_sighup(site: Site) -> None:
    log = site.folder / "service.log"
    with serving(site.folder, site.port, "--workers", "2") as process:
        wait_until(lambda: said(log, "Application startup complete") == 2, what="two processes")
        before = children(process)
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: bool(children(process) - before), what="another process")
        [starting] = children(process) - before
        os.kill(starting, signal.SIGHUP)
        wait_until(lambda: said(log, "Application startup complete") == 3, what="the service")
        assert starting in children(process)
        assert said(log, "died") == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_LONG) in {0, -signal.SIGTERM}


def test_sighup_gives_the_worker_its_new_rules_and_does_not_end_it(site: Site) -> None:
    with working(site.folder) as process:
        log = site.folder / "worker.log"
        wait_until(lambda: catches(process, signal.SIGHUP), what="the worker")
        edit(site, "[people.bob]", '[people.zoe]\nname = "Zoe"\nroles = ["approver"]\n[people.bob]')
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: said(log, "now in force: people") == 1, what="the reload")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_LONG) == 0


def test_several_processes_are_refused_where_they_would_not_share(site: Site) -> None:
    for command in (["serve", "--workers", "2"], ["worker"]):
        sqlite = rootquorum(site.folder, *command, ROOTQUORUM_DATABASE__URL="sqlite:///x.db")
        assert (sqlite.returncode, "SQLite is for one process" in sqlite.stderr) == (1, True)


def test_sigterm_ends_accepting_but_the_execution_at_hand_is_answered(site: Site) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        assert go_on.wait(_LONG)

    request = site.house.approved(CREATE)
    site.house.aws.on("CreateAccessKey", hang)
    with serving(site.folder, site.port) as process, ThreadPoolExecutor(1) as pool:
        url = f"{site.url}/v1/requests/{request.filing.request_id}/execution"
        headers = {"Authorization": f"Bearer {site.house.token('alice')}"}
        execute = partial(httpx.post, url, headers=headers, timeout=_LONG)
        answer: Future[httpx.Response] = pool.submit(once_it_works, execute)
        assert arrived.wait(_LONG)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(site.url), what="the end of accepting")
        assert process.poll() is None
        go_on.set()
        assert answer.result().json()["secret_access_key"] in site.house.aws.secrets(ACCOUNT).values()
        assert process.wait(timeout=_LONG) in {0, -signal.SIGTERM}
    assert site.house.now(request).status == "delivered"


def test_a_process_that_drains_is_not_ready_but_answers_until_sigint(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOTQUORUM_SERVER__DRAIN", "PT1M")
    headers = {"Authorization": f"Bearer {site.house.token('alice')}"}
    with serving(site.folder, site.port) as process:
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{site.url}/readyz").status_code == 503, what="the end of readiness")
        process.send_signal(signal.SIGTERM)  # as a supervisor sends to all of a group
        answers = [httpx.get(f"{site.url}{path}", headers=headers) for path in ("/livez", "/v1/me")]
        assert [answer.status_code for answer in answers] == [200, 200]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_LONG / 2)


def refuses(url: str) -> bool:
    """Nobody listens; a connection that was still waiting as the listener closed is reset, and tells nothing."""
    try:
        httpx.get(f"{url}/livez")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False
    return False


def test_the_worker_alone_does_what_is_due_and_releases_it_at_its_end(site: Site) -> None:
    request = site.house.approved(DEACTIVATE, site.house.spare_key(), run_on_approval=True)
    with working(site.folder) as process:
        wait_until(lambda: site.house.now(request).status == "succeeded", what="the execution")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_LONG) == 0
    with read(site.house.ctx.engine) as tx:
        held = tx.execute(text("SELECT count(*) FILTER (WHERE until > now()), max(fence) FROM leases")).one()
    assert tuple(held) == (0, 1)


def test_the_worker_ends_even_if_another_of_its_threads_gets_the_signal(site: Site) -> None:
    """As happens to a process that is woken from a freeze just then."""
    with working(site.folder) as process:
        threads = Path(f"/proc/{process.pid}/task")
        wait_until(lambda: len(list(threads.iterdir())) > 1, what="its threads")
        newest = max(int(thread.name) for thread in threads.iterdir())
        assert ctypes.CDLL(None).tgkill(process.pid, newest, signal.SIGTERM) == 0
        assert process.wait(timeout=_LONG) == 0


def test_processes_that_migrate_at_once_migrate_once(postgres: Postgres, site: Site) -> None:
    url = postgres.new_empty_database()
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: rootquorum(site.folder, "migrate", ROOTQUORUM_DATABASE__URL=url), range(3)))
    assert [process.returncode for process in done] == [0, 0, 0], [process.stderr for process in done]
    engine = connect(url, connections=1)
    with read(engine) as tx:
        assert schema.current(tx) == schema.needed()
    engine.dispose()
    postgres.drop(url)
