"""Cosignatures are only added: nobody changes, replaces or deletes one, and the service's role may only add."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError
from support.products.postgres import ROLE, Postgres, as_service

from service.db import cosignatures, schema
from service.db.cosignatures import Cosignature
from service.db.engine import begin, connect, read
from service.db.faults import NotGranted
from service.domain.cosigning import Cosigned

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROOT = "a" * 64
CHANGES = ("UPDATE cosignatures SET line = 'x'", "DELETE FROM cosignatures")
NORTH, SOUTH = "witness.example/north+1f0a9c77", "witness.example/south+02d1aaaa"


def made(witness: str, size: int, minutes: int = 0) -> Cosignature:
    return Cosignature(witness, size, ROOT, AT + timedelta(minutes=minutes), f"line {size}\n")


@pytest.fixture(params=["sqlite", "postgresql"])
def owner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database at 0014 with some of everything that it needs here, upgraded."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/kept.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_empty_database()
    engine = connect(url, connections=2)
    schema.upgrade(engine, "0014")
    with begin(engine) as tx:
        tx.execute(text("UPDATE audit_head SET size = 2"))
        for seq in (1, 2, 3):
            at = f"{AT + timedelta(minutes=seq):%Y-%m-%d %H:%M:%S.%f}" + ("" if request.param == "sqlite" else "+00")
            insert = "INSERT INTO audit_events (seq, at, event, content) VALUES (:seq, :at, 'x', '{}')"
            tx.execute(text(insert), {"seq": seq, "at": at})
    schema.migrate(engine)
    yield engine
    engine.dispose()
    if request.param == "postgresql":
        server.drop(url)


def test_the_upgrade_keeps_what_there_is_and_so_does_the_way_back(owner: Engine) -> None:
    with begin(owner) as tx:
        cosignatures.add(tx, made(NORTH, 2))
    command.downgrade(schema.config_for(owner), "0014")
    assert "cosignatures" not in inspect(owner).get_table_names()
    schema.migrate(owner)
    with read(owner) as tx:
        assert tx.execute(text("SELECT count(*) FROM audit_events")).scalar_one() == 3
        assert cosignatures.latest(tx) == []
        assert set(tx.execute(text("SELECT revision FROM supported_revisions")).scalars()) == {"0014", "0015"}


def test_the_first_cosignature_of_a_size_stays(owner: Engine) -> None:
    with begin(owner) as tx:
        cosignatures.add(tx, made(NORTH, 2))
        cosignatures.add(tx, made(NORTH, 2, minutes=9))
    with read(owner) as tx:
        assert cosignatures.of_size(tx, 2, [NORTH, SOUTH]) == [made(NORTH, 2)]


def test_the_last_of_each_witness_is_found_and_since_when_the_log_has_more(owner: Engine) -> None:
    with begin(owner) as tx:
        for each in (made(NORTH, 1), made(NORTH, 2, minutes=2), made("stranger+00000000", 3)):
            cosignatures.add(tx, each)
    with read(owner) as tx:
        found = cosignatures.last(tx, [NORTH, SOUTH])
        assert [each.size for each in cosignatures.latest(tx)] == [3, 2, 1]
        assert cosignatures.last(tx, []) == {}
    minutes = [AT + timedelta(minutes=count) for count in range(4)]
    assert found == {NORTH: Cosigned(2, minutes[2], minutes[3]), SOUTH: Cosigned(0, None, minutes[1])}


def test_not_even_the_owner_changes_or_deletes_one(owner: Engine) -> None:
    with begin(owner) as tx:
        cosignatures.add(tx, made(NORTH, 2))
    emptied = "REPLACE INTO cosignatures SELECT * FROM cosignatures"
    if owner.dialect.name == "postgresql":
        emptied = "TRUNCATE cosignatures"
    for statement in (*CHANGES, emptied):
        with pytest.raises(IntegrityError, match="cosignatures are kept"), begin(owner) as tx:
            tx.execute(text(statement))


@pytest.mark.parametrize("owner", ["sqlite"], indirect=True)
def test_replacing_one_is_refused_on_any_sqlite_connection(owner: Engine) -> None:
    with begin(owner) as tx:
        cosignatures.add(tx, made(NORTH, 2))
    with closing(sqlite3.connect(str(owner.url.database))) as plain:  # noqa: SIM117
        with pytest.raises(sqlite3.IntegrityError, match="are kept"):
            plain.execute("REPLACE INTO cosignatures SELECT * FROM cosignatures")


def test_nonsense_is_refused(owner: Engine) -> None:
    row = {"witness": "'w'", "size": "1", "root": f"'{ROOT}'", "at": "'2026-03-02 12:00:00'", "line": "'x'"}
    for wrong in ({"size": "0"}, {"root": "'short'"}):
        values = ", ".join((row | wrong).values())
        with pytest.raises(IntegrityError), begin(owner) as tx:
            tx.execute(text(f"INSERT INTO cosignatures ({', '.join(row)}) VALUES ({values})"))


@pytest.mark.parametrize("owner", ["postgresql"], indirect=True)
def test_the_services_role_only_adds(owner: Engine) -> None:
    schema.grant(owner, ROLE)
    service = connect(as_service(owner.url.render_as_string(hide_password=False)), connections=1)
    with begin(service) as tx:
        cosignatures.add(tx, made(NORTH, 2))
    for statement in (*CHANGES, "TRUNCATE cosignatures"):
        with pytest.raises(NotGranted) as refused, begin(service) as tx:
            tx.execute(text(statement))
        assert "permission denied" in refused.value.cause
    service.dispose()
