"""The service as a process that can be killed: forked from a warm one, with settings and profiles of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

import httpx
from support.builders import ACCOUNT, ACCOUNTS, MEMBER, MEMBERS

from service.cli.waiting import free_port
from service.domain.account import Account
from service.domain.actor import ActorKind
from service.domain.errors import Code
from service.simulated_aws import Credential, SimulatedAws

SERVED = (ACCOUNT, MEMBER)
SERVED_ACCOUNTS = tuple(ACCOUNTS[account_id] for account_id in SERVED)
# Something is wrong after so long; no machine is that slow.
PATIENCE_SECONDS = 600
_LOOK_AGAIN_SECONDS = 0.005
_FORK_SERVER = Path(__file__).with_name("forkserver.py")


class Process:
    """A child of the fork server."""

    def __init__(self, forks: "ForkServer", pid: int) -> None:
        self.pid = pid
        self._forks = forks
        self._lock = threading.Lock()
        self._ended: int | None = None

    @property
    def is_dead(self) -> bool:
        """Whether it has ended; its parent need not have asked how."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:  # somebody has asked
            return True

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """It is dead when this returns. Until somebody has waited for it, its pid is nobody else's."""
        if self._ended is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """How it ended: its exit code, or the signal as a negative number."""
        with self._lock:
            if self._ended is None:
                self._ended = self._forks.ask({"wait": self.pid})
            return self._ended


class ForkServer:
    """The warm process, from here."""

    def __init__(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ROOTQUORUM_"))}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(_FORK_SERVER)],
            env=clean | {"AWS_EC2_METADATA_DISABLED": "true"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, order: dict[str, object]) -> int:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def start(self, folder: Path, **order: object) -> Process:
        """See the fork server for what an order can say."""
        return Process(self, self.ask({"folder": str(folder)} | order))

    @contextmanager
    def started(self, folder: Path, now: datetime | None = None) -> Iterator[Process]:
        """`rootquorum serve` with the settings in `folder`; with `now` one pass of the worker. Dead in the end."""
        process = self.start(folder, now=None if now is None else now.isoformat())
        try:
            yield process
        finally:
            process.kill()

    def stop(self) -> None:
        self._process.communicate()


def furnish(
    folder: Path,
    database_url: str,
    aws: SimulatedAws,
    *,
    drift_checks: bool,
    accounts: Iterable[Account] = SERVED_ACCOUNTS,
    credentials: Mapping[str, Credential] = MappingProxyType({}),
    more: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> str:
    """Write the settings of a service with real profiles, which lead to `aws`. The URL where it will be served.

    A profile has the account's first root key, or that of `credentials`.
    """
    port = free_port()
    people = [member for member in MEMBERS.values() if member.kind is ActorKind.PERSON]
    sections: dict[str, Mapping[str, object]] = {
        "database": {"url": database_url},
        "server": {"port": port},
        "log": {"level": "DEBUG"},
        "policy": {"drift_checks": drift_checks, "decision_requires_auth_time": False},
        "organizations.main": {"profile": "management"},
    }
    sections |= {f"people.{person.subject}": {"name": person.name, "roles": sorted(person.roles)} for person in people}
    profiles = {"management": aws.management_credential()}
    for account in accounts:
        source = {"organization": account.organization} if account.organization else {"profile": account.name}
        sections[f"accounts.{account.account_id}"] = {"name": account.name, **source}
        if account.has_profile:
            profiles[account.name] = credentials.get(account.account_id) or aws.root_credential(account.account_id)
    sections |= {name: {**sections.get(name, {}), **values} for name, values in more.items()}
    (folder / "rootquorum.toml").write_text("".join(_section(name, values) for name, values in sections.items()))
    (folder / "aws-config").write_text("".join(_profile(name, key, aws.endpoint_url) for name, key in profiles.items()))
    return f"http://127.0.0.1:{port}"


def _section(name: str, values: Mapping[str, object]) -> str:
    # Of strings, numbers, booleans and lists the JSON is TOML.
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _profile(name: str, key: Credential, endpoint_url: str) -> str:
    return (
        f"[profile {name}]\nendpoint_url = {endpoint_url}\n"
        f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    )


def post(url: str, token: str, process: Process) -> httpx.Response | None:
    """Ask a service that may still be starting, however long that takes. None if it dies before it has answered."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    headers = {"Authorization": f"Bearer {token}"}
    # There is no TLS here, and certificates to verify it with take long to read.
    with httpx.Client(headers=headers, timeout=PATIENCE_SECONDS, verify=False) as client:
        while time.monotonic() < deadline:
            try:
                if not has_just_started(answer := client.post(url)):
                    return answer
            except httpx.ConnectError:  # refused: nothing was sent
                if process.is_dead:
                    return None
            except httpx.TransportError:
                return None
            time.sleep(_LOOK_AGAIN_SECONDS)
    raise TimeoutError(url)


def once_it_works(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask until the service's worker has made its first pass, and return the answer."""
    while has_just_started(answer := ask()):
        pass
    return answer


def has_just_started(answer: httpx.Response) -> bool:
    """Whether a service refuses to create a key only because its worker has made no pass yet."""
    return answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and answer.json()["code"] == Code.NO_WORKER
