"""The service and the floor as processes, with the same people and accounts."""

import hashlib
import os
import secrets
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import floor_app
from kill.processes import furnish
from measure import Connection, Server
from sqlalchemy import insert
from support.installation import serving
from support.products.postgres import Postgres, running_server

from service.auth.api_tokens import fingerprint, mint
from service.cli.waiting import free_port, wait_until
from service.db import marks, tokens
from service.db.engine import begin, connect
from service.db.schema import migrate
from service.domain.account import Account
from service.domain.actor import ActorKind
from service.simulated_aws import Credential

if TYPE_CHECKING:
    from service.simulated_aws import SimulatedAws

HERE = Path(__file__).parent
REQUESTER, APPROVERS = "alice", ("bob", "carol")
PEOPLE = (REQUESTER, *APPROVERS)
# One person may have an eighth of as many calls waiting for AWS: one on each connection of the load, and one more.
_THREADS = 40
DATABASES = ("PostgreSQL", "SQLite")
_NOW = datetime.now(UTC)


def accounts_of(size: int) -> list[Account]:
    return [Account(account_id=str(200_000_000_000 + number), name=f"account-{number}") for number in range(size)]


@contextmanager
def running(
    *command: str | Path, port: int, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a server until the end of the block, and yield its process id once it listens."""
    process = subprocess.Popen(command, cwd=folder, env=os.environ | (environment or {}))
    try:
        wait_until(lambda: _listens(port, process), what="a server")
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server stopped"
    try:
        Connection(port).close()
    except ConnectionRefusedError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class InstantAws:
    """`instant_aws.py` as a process, from here."""

    endpoint_url: str
    pid: int

    def management_credential(self) -> Credential:
        return self.root_credential("0" * 12)

    def root_credential(self, account_id: str) -> Credential:
        return Credential(f"AKIA{account_id}", "s" * 40)


@contextmanager
def instant_aws() -> Iterator[InstantAws]:
    port = free_port()
    with running(sys.executable, HERE / "instant_aws.py", str(port), port=port) as pid:
        yield InstantAws(f"http://127.0.0.1:{port}", pid)


@dataclass(frozen=True, slots=True)
class Database:
    """A database and the process that serves it. PostgreSQL has a server for each, so that its time is known."""

    url: str
    pid: int | None


@contextmanager
def database(kind: str, *, migrated: bool) -> Iterator[Database]:
    """Make a database for the service's role, migrated; or an empty one for its owner."""
    if kind == "SQLite":
        with tempfile.TemporaryDirectory() as name:
            url = f"sqlite:///{name}/bench.db"
            if migrated:
                engine = connect(url, connections=1)
                migrate(engine)
                engine.dispose()
            yield Database(url, None)
        return
    with running_server() as server:
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        made = Postgres(server.url)
        yield Database(made.new_database() if migrated else made.new_empty_database(), pid)


@dataclass(frozen=True, slots=True)
class Site:
    """A server with people, each with a token, and with accounts."""

    server: Server
    tokens: Mapping[str, str]
    accounts: Sequence[Account]


def with_tokens(url: str) -> dict[str, str]:
    """Give everybody a token in the service's database. It is not audited, as if it had been long ago."""
    engine = connect(url, connections=1)
    made = {subject: mint(ActorKind.PERSON).reveal() for subject in PEOPLE}
    with begin(engine) as tx:
        for subject, secret in made.items():
            token = tokens.Token(
                id=str(uuid.uuid4()),
                token_hash=str(fingerprint(secret)),
                subject=subject,
                kind=ActorKind.PERSON,
                created_at=_NOW - timedelta(days=1),
                expires_at=_NOW + timedelta(days=30),
            )
            tokens.add(tx, token)
        # There is no worker beside the service, and without one no key is created.
        marks.put(tx, marks.LOOKED, marks.Mark(_NOW, "bench"))
    engine.dispose()
    return made


@contextmanager
def served(
    on: Database,
    aws: InstantAws,
    accounts: Sequence[Account],
    more: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    toml: str = "",
) -> Iterator[Site]:
    """Serve the service without a worker; `more` and `toml` are more settings."""
    given = with_tokens(on.url)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AWS_CONFIG_FILE"] = str(folder / "aws-config")
        # All calls come from one address, as fast as they are answered.
        for limit in ("CALLS_PER_ADDRESS", "CALLS_PER_PERSON"):
            os.environ[f"ROOTQUORUM_SERVER__{limit}"] = "1000000"
        # Whatever answers to AWS need only be like the simulated AWS in what is written down here.
        simulated = cast("SimulatedAws", aws)
        settings: dict[str, Mapping[str, object]] = {
            "log": {"level": "INFO"},
            "database": {"connections": _THREADS},
            "health": {"worker_silence": timedelta(days=366).total_seconds()},
        }
        settings |= more
        url = furnish(folder, on.url, simulated, drift_checks=False, accounts=accounts, more=settings)
        with (folder / "rootquorum.toml").open("a") as file:
            file.write(toml)
        port = int(url.rpartition(":")[2])
        with serving(folder, port, "--no-worker") as process:
            yield Site(Server(port, process.pid, on.pid), given, accounts)


@contextmanager
def floor(
    on: Database, accounts: Sequence[Account], mode: str = "none", aws: InstantAws | None = None
) -> Iterator[Site]:
    """Serve the floor. For `mode` see there."""
    engine = floor_app.connect(on.url)
    floor_app.metadata.create_all(engine)
    given = {subject: secrets.token_urlsafe(32) for subject in PEOPLE}
    with engine.begin() as tx:
        for subject, secret in given.items():
            hashed = hashlib.sha256(secret.encode()).hexdigest()
            times = {"created_at": _NOW, "expires_at": _NOW}
            row = {"id": subject, "token_hash": hashed, "subject": subject, "kind": "person"} | times
            tx.execute(insert(floor_app.tokens).values(row))
    engine.dispose()
    port = free_port()
    app = (sys.executable, HERE / "floor_app.py", on.url, str(port), mode, aws.endpoint_url if aws else "")
    # Beside floor_app.py is no package of the service's.
    with running(*app, port=port, environment={"PYTHONPATH": str(HERE.parent)}) as pid:
        yield Site(Server(port, pid, on.pid), given, accounts)
