"""A fault of the database has its cause for the operator, and none for a caller."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from support.house import House
from support.logs import capture_logs
from support.products.postgres import Postgres, PostgresServer, as_service, running_server

from service.db import schema
from service.db.engine import begin, connect, read
from service.db.faults import refusal
from service.domain.errors import Unavailable

_PUBLIC = "The database is not available. Try again later."


def cause_of(url: str, *, migrated: bool = False) -> str:
    """Why it cannot be read and written, for the operator."""
    engine = connect(url, connections=1)
    try:
        with pytest.raises(Unavailable) as refused:
            _use(engine, migrated=migrated)
    finally:
        engine.dispose()
    assert refused.value.detail == _PUBLIC
    return str(refused.value.cause)


def _use(engine: Engine, *, migrated: bool) -> None:
    if not migrated:
        schema.migrate(engine)
    with begin(engine) as tx:
        tx.execute(text("INSERT INTO leases VALUES ('x', 0, 'x', '2026-01-01 00:00:00.000000')"))


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresServer]:
    """A PostgreSQL that wants to see passwords."""
    with running_server() as server:
        rules = server.data / "pg_hba.conf"
        rules.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        engine = create_engine(make_url(server.url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE ROLE locked LOGIN PASSWORD 'right'"))
            connection.execute(text("SELECT pg_reload_conf()"))
            for encoding in ("SQL_ASCII", "LATIN1"):
                options = f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
                connection.execute(text(f"CREATE DATABASE {encoding.lower()} {options}"))
        engine.dispose()
        yield server


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"port": 1}, "Connection refused"),
        ({"host": "nosuch.invalid"}, "failed to resolve host 'nosuch.invalid'"),
        ({"database": "nosuch"}, 'database "nosuch" does not exist'),
        ({"username": "locked", "password": "hunter2"}, 'password authentication failed for user "locked"'),
        ({"username": "nobody", "password": "hunter2"}, 'role "nobody" does not exist'),
        ({"database": "sql_ascii"}, "its server_encoding is SQL_ASCII, and has to be UTF8"),
        ({"database": "latin1"}, "its server_encoding is LATIN1, and has to be UTF8"),
        ({"query": {"client_encoding": "LATIN1"}}, "its client_encoding is LATIN1, and has to be UTF8"),
        ({"query": {"sslmode": "require"}}, "server does not support SSL"),
    ],
)
def test_postgresql_says_why(guarded: PostgresServer, change: dict[str, object], cause: str) -> None:
    url = make_url(guarded.url).set(**change)  # type: ignore[arg-type]  # parts of a URL
    found = cause_of(url.render_as_string(hide_password=False))
    assert cause in found
    assert "hunter2" not in found
    assert "\n" not in found


def test_a_role_without_grants_is_told_which_command_gives_them(postgres: Postgres) -> None:
    url = postgres.new_empty_database()
    owner, service = connect(url, connections=1), connect(as_service(url), connections=1)
    schema.migrate(owner)
    with pytest.raises(Unavailable) as refused, read(service) as tx:
        schema.supports(tx, schema.needed())
    assert refused.value.detail.endswith("rootquorum migrate --grant-to ROLE.")
    assert refused.value.cause == f"{refused.value.detail} permission denied for table alembic_version."
    owner.dispose()
    service.dispose()
    postgres.drop(url)


def test_a_table_that_is_gone_is_another_schema(postgres_house: House) -> None:
    with postgres_house.owner.begin() as tx:
        tx.exec_driver_sql("DROP TABLE supported_revisions")
    with pytest.raises(Unavailable) as refused, read(postgres_house.ctx.engine) as tx:
        tx.execute(text("SELECT * FROM supported_revisions"))
    assert "does not run on the database's schema" in refused.value.detail


def test_a_database_of_somebody_else_is_not_migrated(postgres: Postgres, tmp_path: Path) -> None:
    for url in (postgres.new_empty_database(), f"sqlite:///{tmp_path}/x.db"):
        engine = connect(url, connections=1)
        with begin(engine) as tx:
            tx.execute(text("CREATE TABLE requests (id int)"))
        with pytest.raises(Unavailable) as refused:
            schema.migrate(engine)
        assert "already exists" in str(refused.value.cause)
        engine.dispose()


def damaged(template: Path, file: Path) -> str:
    content = bytearray(template.read_bytes())
    content[4096:] = b"Z" * (len(content) - 4096)
    file.write_bytes(content)
    return f"sqlite:///{file}"


def test_sqlite_says_why(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "text.db").write_text("This is no database.\n" * 500)
    for name, cause in {
        "nowhere/x.db": f"unable to open database file: there is no folder {tmp_path}/nowhere",
        "": "unable to open database file: ",
        "text.db": "file is not a database",
    }.items():
        assert cause in cause_of(f"sqlite:///{tmp_path}/{name}")
    assert "malformed" in cause_of(damaged(sqlite_template, tmp_path / "damaged.db"))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("name", "cause"),
    [("new.db", "unable to open database file"), ("there.db", "attempt to write a readonly database")],
)
def test_sqlite_says_who_may_not_write(sqlite_template: Path, name: str, cause: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "there.db").write_bytes(sqlite_template.read_bytes())
        (Path(folder) / "there.db").chmod(0o444)
        Path(folder).chmod(0o555)
        with as_nobody():
            found = cause_of(f"sqlite:///{folder}/{name}", migrated=True)
        Path(folder).chmod(0o755)
    assert found.startswith(f"The database is not available: {cause}")


def test_no_password_is_told_whatever_the_driver_says() -> None:
    shown = "connect_timeout=2&sslmode=require&sslrootcert=/etc/ca.pem"
    url = make_url(f"postgresql://u:hunter2@db/rq?sslpassword=hunter3&options=hunter4&{shown}")
    said = OperationalError(None, {}, Exception("no hunter2,\n\thunter3 and hunter4 for u@192.0.2.1 by /etc/ca.pem"))
    refused = refusal(said, url)
    assert refused is not None
    assert refused.cause == "The database is not available: no ***, *** and *** for u@192.0.2.1 by /etc/ca.pem."


def test_the_cause_is_in_the_log_and_not_in_the_answer(house: House) -> None:
    house.change(engine=connect("postgresql://nobody:hunter2@127.0.0.1:1/nothing", connections=1))
    with capture_logs() as logged:
        answer = house.client().get("/readyz")
    assert answer.json()["detail"] == _PUBLIC
    assert "127.0.0.1" not in answer.text
    [line] = [line for line in logged if line["event"] == "refused"]
    assert "Connection refused" in line["why"]
    assert "hunter2" not in str(logged)
