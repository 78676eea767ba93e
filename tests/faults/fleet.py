"""Three replicas and two workers as real processes, on one PostgreSQL behind a proxy, and all that can befall them."""

import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from faults.proxy import CommitCuttingProxy
from kill.processes import ForkServer, Process, furnish
from sqlalchemy import text
from support.destinations import SECRET, Siem, listening
from support.house import House
from support.products.postgres import Postgres, PostgresServer, running_server

from service.cli.waiting import free_port, wait_until
from service.db.engine import read
from service.domain.account import Account
from service.notify.webhooks import Webhook, signer
from service.outbound.guarded import new_client

REPLICAS, WORKERS = 3, 2
LEASE_SECONDS = 1
_HOLDERS = "SELECT holder FROM leases WHERE until > now() AND name LIKE '% requests'"
SETTINGS: dict[str, dict[str, object]] = {
    "database": {"connections": 8},
    "worker": {"interval": "PT0.1S", "lease": f"PT{LEASE_SECONDS}S", "parallel": 4},
}

_ALLOWED = frozenset({"127.0.0.1"})
_MANY = 10_000


@dataclass
class FleetProcess:
    """One of the fleet, through all of its lives. `port` is a replica's."""

    name: str
    command: list[str]
    port: int | None
    process: Process | None = None


class Served:
    """What a load is put on, and judged by: where it is served, its logs in `folder`, its destination, its AWS.

    `house` is the service in this process, on the same database.
    """

    def __init__(self, house: House, siem: Siem, folder: Path) -> None:
        self.house, self.siem, self.folder = house, siem, folder
        self.urls: list[str] = []
        self.secrets: set[str] = set()

    def furnish(self, database_url: str, accounts: Iterable[Account], more: Mapping[str, Mapping[str, object]]) -> None:
        """Write the settings of its processes, tell the destination all events, and keep the secrets that AWS makes."""
        webhook = Webhook("siem", self.siem.url, (signer(SECRET),), new_client(_ALLOWED))
        self.house.change(destinations={"siem": webhook})
        told: dict[str, dict[str, object]] = {
            "notify": {"allowed_hosts": sorted(_ALLOWED)},
            "webhooks.siem": {"url": self.siem.url, "secrets": [SECRET]},
        }
        self._learn_secrets()
        self.house.aws.on("CreateAccessKey", self._learn_secrets, after=True, times=_MANY)
        furnish(self.folder, database_url, self.house.aws, drift_checks=True, accounts=accounts, more={**told, **more})

    def token(self, person: str) -> str:
        return self.house.token(person)

    def _learn_secrets(self) -> None:
        """AWS forgets that of a key that is deleted, and nobody else ever knew some of them."""
        for account in self.house.ctx.accounts.configured():
            self.secrets.update(self.house.aws.secrets(account.account_id).values())


class Fleet(Served):
    """`house` goes to PostgreSQL directly; the others go through the proxy."""

    def __init__(self, server: PostgresServer, house: House, siem: Siem, folder: Path, forks: ForkServer) -> None:
        super().__init__(house, siem, folder)
        self.server, self._forks = server, forks
        self.proxy = CommitCuttingProxy("127.0.0.1", house.ctx.engine.url.port or 0)
        self.replicas = [FleetProcess(f"replica{n}", ["serve", "--no-worker"], free_port()) for n in range(REPLICAS)]
        self.workers = [FleetProcess(f"worker{n}", ["worker"], None) for n in range(WORKERS)]
        self.urls = [f"http://127.0.0.1:{replica.port}" for replica in self.replicas]

    def at_work(self) -> list[FleetProcess]:
        """The workers that hold a lease for what is due for requests."""
        with read(self.house.ctx.engine) as tx:
            holders = tx.execute(text(_HOLDERS)).scalars().all()
        pids = {int(holder.rpartition(" ")[2]) for holder in holders}
        return [worker for worker in self.workers if worker.process is not None and worker.process.pid in pids]

    def start(self, member: FleetProcess) -> None:
        environment = {} if member.port is None else {"ROOTQUORUM_SERVER__PORT": str(member.port)}
        member.process = self._forks.start(
            self.folder, command=member.command, environment=environment, log=f"{member.name}.log"
        )

    def is_serving(self) -> bool:
        try:
            return all(httpx.get(f"{url}/readyz", verify=False).is_success for url in self.urls)
        except httpx.TransportError:
            return False

    def revive(self) -> None:
        """As any supervisor does: who starts while the database is away ends, and is started again."""
        for member in (*self.replicas, *self.workers):
            if member.process is not None and member.process.is_dead:
                assert member.process.wait() == 1, f"{member.name} ended by itself"
                self.start(member)

    def _all_listen(self) -> bool:
        self.revive()
        return all(_listens(member.process) for member in (*self.replicas, *self.workers) if member.process is not None)

    def end(self) -> list[int]:
        """Tell everybody to end, and return how they did."""
        wait_until(self._all_listen, what="those that were just started")
        running = [member.process for member in (*self.replicas, *self.workers) if member.process is not None]
        for process in running:
            process.signal(signal.SIGTERM)
        wait_until(lambda: all(process.is_dead for process in running), what="the end of all processes")
        return [process.wait() for process in running]


def _listens(process: Process) -> bool:
    """Whether it has said what SIGTERM means to it: one that is still starting would just die of it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@contextmanager
def running_fleet(folder: Path, forks: ForkServer, account_ids: list[str]) -> Iterator[Fleet]:
    """All of it, serving; killed in the end, if it has not ended by then."""
    accounts = {number: Account(account_id=number, name=f"account-{number}") for number in account_ids}
    with (
        running_server() as server,
        House.on(Postgres(server.url).new_database(), accounts=accounts) as house,
        listening() as siem,
    ):
        fleet = Fleet(server, house, siem, folder, forks)
        fleet.proxy.start()
        through_proxy = house.ctx.engine.url.set(port=fleet.proxy.port).render_as_string(hide_password=False)
        fleet.furnish(through_proxy, accounts.values(), SETTINGS)
        members = (*fleet.replicas, *fleet.workers)
        try:
            for member in members:
                fleet.start(member)
            wait_until(fleet.is_serving, what="the fleet")
            yield fleet
        finally:
            for member in members:
                if member.process is not None:
                    member.process.kill()
            fleet.proxy.go_away()
