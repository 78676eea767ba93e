"""Two replicas behind the real HAProxy and two workers, each of which can be replaced while the others go on."""

import csv
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import httpx
import trustme
from faults.fleet import SETTINGS, Served
from kill.processes import ForkServer
from support.destinations import Siem, listening
from support.house import House
from support.products import proxies

from service.cli.waiting import free_port, wait_until
from service.domain.account import Account

# More than three of HAProxy's checks, which come ten times a second here.
DRAIN = {"ROOTQUORUM_SERVER__DRAIN": "PT1S"}
# A place for the calls of every client, even on the only replica that is there.
_SETTINGS = SETTINGS | {"database": {"connections": 32}}
_ANSWER_SECONDS = 60


class Running(Protocol):
    """A process."""

    def signal(self, number: signal.Signals) -> None: ...
    def wait(self) -> int: ...
    def kill(self) -> None: ...


@dataclass
class Member:
    """One place of the fleet. HAProxy knows a replica by its name; `port` is a replica's."""

    name: str
    command: list[str]
    port: int | None = None
    process: Running | None = None

    def end(self) -> None:
        """Tell the process to end, and wait until it has, in order."""
        assert self.process is not None
        self.process.signal(signal.SIGTERM)
        assert self.process.wait() in {0, -signal.SIGTERM}


Start = Callable[[Member], Running]


class Balancer:
    """HAProxy, by its own socket for administrators."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "admin.sock"

    def is_up(self, name: str) -> bool:
        """Return whether this replica gets new calls."""
        return self._seen(name)["status"] == "UP"

    def is_idle(self, name: str) -> bool:
        """Return whether no call is running on this replica."""
        return self._seen(name)["scur"] == "0"

    def drain(self, name: str) -> None:
        """Send this replica no new calls."""
        self._ask(f"set server rootquorum/{name} state drain")

    def resume(self, name: str) -> None:
        self._ask(f"set server rootquorum/{name} state ready")

    def _seen(self, name: str) -> dict[str, str]:
        rows = csv.DictReader(self._ask("show stat").removeprefix("# ").splitlines())
        return next(row for row in rows if (row["pxname"], row["svname"]) == ("rootquorum", name))

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self._socket))
            asking.sendall(f"{command}\n".encode())
            with asking.makefile() as answer:
                return answer.read()


class RollingFleet(Served):
    """A fleet whose calls go through HAProxy."""

    def __init__(self, house: House, siem: Siem, folder: Path) -> None:
        super().__init__(house, siem, folder)
        self.replicas = [Member(name, ["serve", "--no-worker"], free_port()) for name in ("one", "two")]
        self.workers = [Member(name, ["worker"]) for name in ("worker0", "worker1")]
        self.tokens: dict[str, str] = {}
        self.balancer: Balancer

    @property
    def members(self) -> list[Member]:
        return [*self.workers, *self.replicas]

    def token(self, person: str) -> str:
        return self.tokens[person] if person in self.tokens else super().token(person)

    def start(self, start: Start) -> None:
        """Start everybody at once."""
        for member in self.members:
            member.process = start(member)
        wait_until(lambda: all(self._is_taken(replica) for replica in self.replicas), what="the fleet")

    def replace(self, member: Member, start: Start, *, is_told: bool = False) -> None:
        """Let its process end, start another in its place, and wait until that one gets calls.

        `is_told`: HAProxy is told before, and does not find out by itself.
        """
        is_told = is_told and member.port is not None
        if is_told:
            self.balancer.drain(member.name)
            wait_until(lambda: self.balancer.is_idle(member.name), what=f"the calls of {member.name}")
        member.end()
        member.process = start(member)
        if is_told:
            self.balancer.resume(member.name)
        if member.port is not None:
            wait_until(lambda: self._is_taken(member), what=member.name)

    def client(self) -> httpx.Client:
        """Return a client that keeps its connections to HAProxy, as browsers and tools do."""
        return httpx.Client(verify=False, timeout=_ANSWER_SECONDS)

    def _is_taken(self, member: Member) -> bool:
        """Whether it is ready and HAProxy has seen that. Before, HAProxy believes in every server."""
        try:
            is_ready = httpx.get(f"http://127.0.0.1:{member.port}/readyz", verify=False).is_success
        except httpx.TransportError:
            return False
        return is_ready and self.balancer.is_up(member.name)


@contextmanager
def rolling_fleet(folder: Path, database_url: str, account_ids: list[str]) -> Iterator[RollingFleet]:
    """A fleet with nobody in it yet; whoever is in it at the end is killed."""
    accounts = {number: Account(account_id=number, name=f"account-{number}") for number in account_ids}
    with (
        House.on(database_url, accounts=accounts) as house,
        listening() as siem,
        # A path to a socket must be short.
        TemporaryDirectory(prefix="rootquorum-") as name,
    ):
        fleet = RollingFleet(house, siem, folder)
        fleet.furnish(database_url, accounts.values(), _SETTINGS)
        one, two = (replica.port or 0 for replica in fleet.replicas)
        with proxies.running("haproxy", Path(name), one, trustme.CA(), others=[two]) as port:
            fleet.balancer = Balancer(Path(name))
            fleet.urls = [f"https://127.0.0.1:{port}"]
            try:
                yield fleet
            finally:
                for member in fleet.members:
                    if member.process is not None:
                        member.process.kill()


def forked(fleet: RollingFleet, forks: ForkServer) -> Start:
    """Return how today's code starts, quickly."""

    def start(member: Member) -> Running:
        variables = _variables(member) | DRAIN
        return forks.start(fleet.folder, command=member.command, environment=variables, log=f"{member.name}.log")

    return start


def run(fleet: RollingFleet, code: Path | None, more: dict[str, str]) -> Start:
    """Return how a process starts that runs `code`, another checkout; None is today's."""

    def start(member: Member) -> Running:
        variables = os.environ | _variables(member) | more | ({} if code is None else {"PYTHONPATH": str(code)})
        command = [sys.executable, "-m", "service", *member.command]
        with (fleet.folder / f"{member.name}.log").open("ab") as log:
            return _Program(subprocess.Popen(command, cwd=fleet.folder, env=variables, stderr=log))

    return start


def _variables(member: Member) -> dict[str, str]:
    return {} if member.port is None else {"ROOTQUORUM_SERVER__PORT": str(member.port)}


class _Program:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(_ANSWER_SECONDS)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
