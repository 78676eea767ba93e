"""What was stored at 0001 is all there after the upgrade, and as well kept as before. On both engines."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from support.products.postgres import Postgres

from service.db import requests, schema, tree
from service.db.engine import begin, connect, read
from service.db.tables import metadata
from service.domain.canonical import canonical, sha256, timestamp
from service.domain.errors import Unavailable
from service.domain.merkle import EMPTY, leaf_hash

Row = dict[str, Any]
NewDatabase = Callable[[], Engine]

ACCOUNT = "111122223333"
AT = datetime(2026, 1, 2, 12, 30, 0, 123456, tzinfo=UTC)
LATER = AT + timedelta(days=1)

OBSERVED: Row = {
    "observed_at": timestamp(AT),
    "signer_key_id": "AKIASIGNER",
    "keys": [],
    "mfa_enabled": True,
    "password_present": None,
    "signing_certificates_present": None,
}
APPROVED = {"approved_at": AT, "execute_by": LATER}
CLAIMED = APPROVED | {"claimed_at": AT, "claimed_by": "carol", "known_key_ids": '["AKIA1"]'}
ANSWERED = CLAIMED | {"result_code": "done", "result_detail": "Done."}
SETTLED = ANSWERED | {"settled_at": AT}
TAKEN_BACK = {"receipt_by": LATER, "unconfirmed_at": LATER, "deactivated_at": LATER}

NEW_COLUMNS = ("lifetime_seconds", "source", "expires_at", "expiry_announced_at", "expiry_failed_at", "retired_at")
SINCE_0006 = ("look_at", "reminded_at", "stuck_at")
SINCE_0010 = ("demands", "placement")
SINCE_0011 = ("signed_approvals",)
SINCE_0012 = ("rules",)
SINCE_0014 = ("terms", "result_sealed_sha256", "released_at", "cut_over_at", "acting_at", "stopped_at")


def filed(name: str, status: str, operation: str, access_key_id: str, **life: object) -> Row:
    """A row as 0001 has it, with the digest that was computed then."""
    document = {
        "id": name,
        "account_id": ACCOUNT,
        "operation": operation,
        "access_key_id": access_key_id or None,
        "requester": "alice",
        "requester_kind": "person",
        "recipient": "rita",
        "justification": "Because.",
        "ticket": None,
        "run_on_approval": False,
        "accept_lockout": False,
        "quorum": 2,
        "filed_at": timestamp(AT),
        "approve_by": timestamp(LATER),
        "execution_window_seconds": 60,
        "receipt_window_seconds": 60,
        "rollback_grace_seconds": 60,
        "observed": OBSERVED,
    }
    stored = {
        "access_key_id": access_key_id,
        "filed_at": AT,
        "approve_by": LATER,
        "observed": canonical(OBSERVED).decode(),
        "digest": sha256(document),
        "status": status,
        "version": 1,
    }
    return document | stored | life


FILED = (
    filed("approved", "approved", "delete_access_key", "AKIA2", **APPROVED),
    filed("delivered", "delivered", "create_access_key", "", **SETTLED | TAKEN_BACK),
    filed("in doubt", "in_doubt", "activate_access_key", "AKIA3", **ANSWERED),
    filed("pending", "pending", "create_access_key", "", idempotency_key="k", idempotency_hash="h"),
    filed("rejected", "rejected", "delete_access_key", "AKIA4", ended_at=AT),
    filed("succeeded", "succeeded", "deactivate_access_key", "AKIA5", **SETTLED, ended_at=AT),
)


def insert(tx: Connection, table: str, row: Row) -> None:
    tx.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"), row)


def decision(of: Row, person: str, verdict: str = "approve", **changed: object) -> Row:
    copied = {name: of[name] for name in ("requester", "recipient", "digest")}
    given = {"decision": verdict, "comment": "Seen.", "credential": "token", "decided_at": AT}
    return {"request_id": of["id"], "person": person} | copied | given | changed


def audit_event(seq: int, request_id: str) -> Row:
    return {"seq": seq, "at": AT, "event": "request.filed", "request_id": request_id, "content": "{}"}


def later(name: str, operation: str, **columns: object) -> Row:
    """A row as 0001 has no room for."""
    row = filed(name, "succeeded", operation, "", **SETTLED, ended_at=AT)
    del row["access_key_id"]
    return row | {"target": ""} | columns


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewDatabase]:
    """Makes empty databases, each with a pool of one connection."""
    engines: list[Engine] = []

    def new() -> Engine:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('database')}/rootquorum.db"
        else:
            server: Postgres = request.getfixturevalue("postgres")
            url = server.new_empty_database()
        engines.append(connect(url, connections=1))
        return engines[-1]

    yield new
    for engine in engines:
        engine.dispose()


def at_0001(engine: Engine) -> Engine:
    command.upgrade(schema.config_for(engine), "0001")
    with begin(engine) as tx:
        for seq, row in enumerate(FILED, start=1):
            insert(tx, "requests", row)
            insert(tx, "audit_events", audit_event(seq, row["id"]))
            tx.execute(text("UPDATE audit_head SET size = size + 1"))
        insert(tx, "decisions", decision(FILED[0], "bob"))
        insert(tx, "decisions", decision(FILED[0], "carol", comment=None))
        insert(tx, "decisions", decision(FILED[4], "bob", "reject"))
    return engine


@pytest.fixture
def old(new_database: NewDatabase) -> Engine:
    """A database at revision 0001 with rows in it."""
    return at_0001(new_database())


@pytest.fixture(scope="module")
def upgraded(new_database: NewDatabase) -> Engine:
    """The same after the upgrade, with rows that are new as well; for tests that leave it as it is."""
    engine = at_0001(new_database())
    schema.migrate(engine)
    expiry = {"expires_at": LATER, "expiry_announced_at": AT, "expiry_failed_at": AT, "retired_at": LATER}
    retired = later("retired", "create_access_key", lifetime_seconds=60, source="profile", **expiry)
    drift = {"account_id": ACCOUNT, "kind": "unexplained_key", "access_key_id": "AKIA7", "found_at": AT}
    with begin(engine) as tx:
        insert(tx, "requests", retired)
        insert(tx, "expectations", {"account_id": ACCOUNT, "checked_at": AT, "keys": "{}", "mfa_enabled": True})
        insert(tx, "drifts", drift | {"id": "open"})
        insert(tx, "drifts", drift | {"id": "closed", "closed_at": AT, "accepted_by": "olga"})
    return engine


def rows(engine: Engine) -> dict[str, list[Row]]:
    order = {"requests": "id", "decisions": "request_id, person", "audit_events": "seq", "audit_head": "id"}
    with read(engine) as tx:
        return {
            table: [dict(row) for row in tx.execute(text(f"SELECT * FROM {table} ORDER BY {by}")).mappings()]
            for table, by in order.items()
        }


def selected(engine: Engine, *queries: str) -> set[str]:
    with read(engine) as tx:
        return {" ".join(map(str, row)) for query in queries for row in tx.execute(text(query))}


def tables(engine: Engine) -> set[str]:
    """Every column, constraint and index, in the words of the database itself."""
    if engine.dialect.name == "postgresql":
        return selected(
            engine,
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace AND contype <> 'n' "
            "AND conrelid <> coalesce(to_regclass('alembic_version'), 0)",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable "
            "FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
        )
    with read(engine) as tx:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
        created = tx.execute(text(query)).all()
    # Added columns stand behind the last one, on its line.
    broken = [
        (
            name,
            re.sub(
                r"( DATETIME| NOT NULL| NOT NULL\)| TEXT| DEFAULT ''|\)\)|\((?:254|64)\)|= 64\)), ", r"\1,\n", sql
            ).splitlines()[1:],
        )
        for name, sql in created
    ]
    lines = {f"{name}: {line.strip().rstrip(', ')}" for name, sql in broken for line in sql if line.strip()}
    return lines | selected(engine, "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")


def triggers(engine: Engine) -> set[str]:
    if engine.dialect.name == "postgresql":
        return selected(engine, "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal")
    return selected(engine, "SELECT name FROM sqlite_master WHERE type = 'trigger'")


def everything(engine: Engine) -> tuple[object, ...]:
    with read(engine) as tx:
        revision = schema.current(tx)
    return revision, tables(engine), triggers(engine), rows(engine)


def enforces_foreign_keys(engine: Engine) -> bool:
    with read(engine) as tx:
        return engine.dialect.name != "sqlite" or tx.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_what_was_stored_is_all_there(old: Engine) -> None:
    expected = rows(old)
    for row in expected["requests"]:
        added = NEW_COLUMNS + SINCE_0006 + SINCE_0010 + SINCE_0011 + SINCE_0012 + SINCE_0014
        row.update(target=row.pop("access_key_id"), **dict.fromkeys(added))
    for row in expected["decisions"]:
        row.update(statement=None, signature=None)
    schema.migrate(old)
    assert rows(old) == expected


def test_what_was_filed_keeps_its_digest(old: Engine) -> None:
    schema.migrate(old)
    with read(old) as tx:
        found = [requests.get(tx, row["id"]) for row in FILED]
    assert all(request is not None and request.is_intact for request in found)


def test_the_upgraded_tables_are_in_every_word_those_of_the_code(old: Engine, new_database: NewDatabase) -> None:
    created = new_database()
    metadata.create_all(created)
    schema.migrate(old)
    assert tables(old) == tables(created)


def test_the_way_there_and_back_leaves_0001_as_it_was(old: Engine) -> None:
    before = everything(old)
    command.upgrade(schema.config_for(old), "0002")
    assert everything(old) != before
    command.downgrade(schema.config_for(old), "0001")
    assert everything(old) == before
    assert enforces_foreign_keys(old)


def test_a_failed_upgrade_leaves_0001_whole(old: Engine) -> None:
    with begin(old) as tx:
        tx.execute(text("CREATE TABLE drifts (in_the_way INTEGER)"))
    before = everything(old)
    with pytest.raises((DatabaseError, Unavailable)):
        schema.migrate(old)
    assert everything(old) == before
    assert enforces_foreign_keys(old)
    with begin(old) as tx:
        tx.execute(text("DROP TABLE drifts"))
    schema.migrate(old)


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)
def test_a_failed_commit_leaves_0001_whole_and_a_sound_connection(old: Engine) -> None:
    def fail(_: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    before = everything(old)
    event.listen(old, "commit", fail)
    with pytest.raises(Unavailable):
        schema.migrate(old)
    event.remove(old, "commit", fail)
    assert everything(old) == before
    assert enforces_foreign_keys(old)


@pytest.mark.parametrize(
    "row",
    [
        later("new operation", "delete_login_profile"),
        later("lifetime", "create_access_key", lifetime_seconds=60, expires_at=AT),
    ],
    ids=lambda row: row["id"],
)
def test_there_is_no_way_back_with_a_request_that_0001_cannot_hold(old: Engine, row: Row) -> None:
    command.upgrade(schema.config_for(old), "0002")
    with begin(old) as tx:
        insert(tx, "requests", row)
    before = everything(old)
    with pytest.raises(CommandError, match="1 requests"):
        command.downgrade(schema.config_for(old), "0001")
    assert everything(old) == before


def test_the_way_from_0013_and_back_leaves_it_as_it_was(old: Engine) -> None:
    command.upgrade(schema.config_for(old), "0013")
    before = everything(old)
    command.upgrade(schema.config_for(old), "0014")
    assert everything(old) != before
    command.downgrade(schema.config_for(old), "0013")
    assert everything(old) == before


def test_there_is_no_way_back_to_0013_with_a_drift_that_it_cannot_read(old: Engine) -> None:
    command.upgrade(schema.config_for(old), "0014")
    with begin(old) as tx:
        about = {"account_id": ACCOUNT, "checked_at": AT, "keys": "{}", "mfa_enabled": True}
        insert(tx, "expectations", about | {"email": "root@example.com", "salt": "5a17"})
        found = {"kind": "email_changed", "access_key_id": "", "expected": "root@example.com", "found": "a@b.example"}
        insert(tx, "drifts", {"id": "drift", "account_id": ACCOUNT, "found_at": AT} | found)
    before = everything(old)
    with pytest.raises(CommandError, match="1 drifts"):
        command.downgrade(schema.config_for(old), "0013")
    assert everything(old) == before


def test_there_is_no_way_back_to_0013_with_a_request_that_it_would_take_for_another(old: Engine) -> None:
    command.upgrade(schema.config_for(old), "0014")
    with begin(old) as tx:
        insert(tx, "requests", later("drill", "create_access_key", terms='{"drill":true}'))
    before = everything(old)
    with pytest.raises(CommandError, match="1 requests"):
        command.downgrade(schema.config_for(old), "0013")
    assert everything(old) == before


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)
def test_a_row_that_refers_to_nothing_is_noticed(old: Engine) -> None:
    """Written by a connection that did not check; SQLite checks nothing by itself while a table is replaced."""
    with closing(sqlite3.connect(str(old.url.database))) as plain, plain:
        plain.execute("INSERT INTO audit_events VALUES (99, '2026-01-02 00:00:00.000000', 'x', 'nobody', '{}')")
    before = everything(old)
    with pytest.raises(Unavailable, match="audit_events"):
        schema.migrate(old)
    assert everything(old) == before
    assert enforces_foreign_keys(old)


def test_what_the_log_had_before_is_in_the_tree(old: Engine) -> None:
    schema.migrate(old)
    grown = EMPTY
    for _ in FILED:
        grown, _nodes = grown.append(leaf_hash(b"{}"))
    with read(old) as tx:
        now = tree.over(tx, 6)
        assert (now.frontier, tree.head(tx)) == (grown, (6, grown.root().hex()))
        assert now.root(5) != now.root(6) == grown.root()


FILED_ONCE = "what was filed cannot be changed"
RUN_ONCE = "what has happened to a request cannot be changed"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE requests SET target = 'AKIA9' WHERE id = 'approved'", FILED_ONCE),
        ("UPDATE requests SET lifetime_seconds = 9 WHERE id = 'pending'", FILED_ONCE),
        ("UPDATE requests SET justification = 'x' WHERE id = 'approved'", FILED_ONCE),
        ("UPDATE requests SET status = 'pending', ended_at = NULL WHERE id = 'rejected'", "goes forward only"),
        ("UPDATE requests SET claimed_by = 'x' WHERE id = 'succeeded'", RUN_ONCE),
        ("UPDATE requests SET deactivated_at = NULL WHERE id = 'delivered'", RUN_ONCE),
        ("UPDATE requests SET source = 'assume_root' WHERE id = 'retired'", RUN_ONCE),
        ("UPDATE requests SET source = NULL WHERE id = 'retired'", RUN_ONCE),
        *(
            (f"UPDATE requests SET {name} = {value} WHERE id = 'retired'", RUN_ONCE)
            for name in ("expires_at", "expiry_announced_at", "expiry_failed_at", "retired_at")
            for value in ("NULL", "filed_at + interval '1 hour'")
        ),
        ("DELETE FROM requests", "requests are kept"),
        ("UPDATE decisions SET person = 'dave' WHERE person = 'carol'", "only an approval can be replaced"),
        ("DELETE FROM decisions", "decisions are kept"),
        ("UPDATE audit_events SET content = 'x'", "append-only"),
        ("DELETE FROM audit_events", "append-only"),
        ("UPDATE audit_head SET size = size", "the audit head grows"),
        ("UPDATE audit_head SET size = size - 1", "the audit head grows"),
        ("DELETE FROM audit_head", "the audit head stays"),
        ("UPDATE audit_nodes SET hash = hash", "append-only"),
        ("DELETE FROM audit_nodes", "append-only"),
        ("UPDATE audit_tree SET size = size", "the audit tree grows"),
        ("DELETE FROM audit_tree", "the audit tree stays"),
        ("UPDATE drifts SET found = 'Active' WHERE id = 'open'", "what was found cannot be changed"),
        ("UPDATE drifts SET closed_at = NULL, accepted_by = NULL WHERE id = 'closed'", "a closed drift"),
        ("UPDATE drifts SET accepted_by = 'mallory' WHERE id = 'closed'", "a closed drift"),
        ("DELETE FROM drifts", "drifts are kept"),
        ("UPDATE expectations SET account_id = '444455556666'", "stays with its account"),
        ("DELETE FROM expectations", "expectations are kept"),
    ],
)
def test_history_cannot_be_changed(upgraded: Engine, statement: str, why: str) -> None:
    if upgraded.dialect.name == "sqlite":
        statement = statement.replace("filed_at + interval '1 hour'", "'2030-01-01 00:00:00.000000'")
    with pytest.raises(IntegrityError, match=why), begin(upgraded) as tx:
        tx.execute(text(statement))


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("decisions", decision(FILED[3], "bob", digest="0" * 64)),
        ("decisions", decision(FILED[3], "bob", recipient="mallory")),
        ("audit_events", audit_event(100, "nobody")),
        (
            "drifts",
            {"id": "x", "account_id": "4" * 12, "kind": "mfa_lost", "access_key_id": "", "found_at": AT},
        ),
    ],
)
def test_a_row_about_nothing_is_refused(upgraded: Engine, table: str, row: Row) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), begin(upgraded) as tx:
        insert(tx, table, row)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE drifts SET closed_at = found_at, accepted_by = 'olga' WHERE id = 'open'",
        "UPDATE expectations SET checked_at = checked_at, keys = '{}', mfa_enabled = false",
        "UPDATE requests SET status = 'succeeded', ended_at = filed_at, settled_at = filed_at WHERE id = 'in doubt'",
    ],
)
def test_life_goes_on(upgraded: Engine, statement: str) -> None:
    with upgraded.connect() as connection:  # closed without a commit
        assert connection.execute(text(statement)).rowcount == 1


KEPT = ("audit_events", "audit_head", "audit_nodes", "audit_tree", "decisions", "drifts", "expectations", "requests")


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", KEPT)
def test_replacing_a_row_is_refused_on_any_sqlite_connection(upgraded: Engine, table: str) -> None:
    with closing(sqlite3.connect(str(upgraded.url.database))) as plain:  # noqa: SIM117
        with pytest.raises(sqlite3.IntegrityError, match="are kept"):
            plain.execute(f"REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)
def test_an_open_drift_is_not_replaced_by_another_like_it(upgraded: Engine) -> None:
    with closing(sqlite3.connect(str(upgraded.url.database))) as plain:
        again = "REPLACE INTO drifts SELECT 'x', account_id, kind, access_key_id, expected, found, found_at, NULL, NULL"
        with pytest.raises(sqlite3.IntegrityError, match="drifts are kept"):
            plain.execute(f"{again} FROM drifts WHERE id = 'open'")


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", KEPT)
def test_emptying_a_table_is_refused_on_postgresql(upgraded: Engine, table: str) -> None:
    with pytest.raises(IntegrityError, match="kept"), begin(upgraded) as tx:
        tx.execute(text(f"TRUNCATE {table} CASCADE"))
