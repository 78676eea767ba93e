"""What the service's role on PostgreSQL cannot do, even if there were no trigger.

That the grants are enough is shown by every other test on PostgreSQL: they all run as that role.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from support.products.postgres import ROLE, Postgres, as_service

from service.db import schema
from service.db.engine import begin, connect, read
from service.db.faults import NotGranted
from service.domain.errors import Invalid

LOG = ("audit_nodes", "audit_tree")
TABLES = ("requests", "decisions", "audit_events", "audit_head", "api_tokens", "people", "expectations", "drifts", *LOG)


@pytest.fixture
def owner(postgres: Postgres) -> Iterator[Engine]:
    """A database without triggers, for the owner of its tables."""
    url = postgres.new_empty_database()
    engine = connect(url, connections=1)
    schema.migrate(engine)
    schema.grant(engine, ROLE)
    with begin(engine) as tx:
        for table in TABLES:
            tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    yield engine
    engine.dispose()
    postgres.drop(url)


@pytest.fixture
def service(owner: Engine) -> Iterator[Engine]:
    """The same for the service's role."""
    engine = connect(as_service(owner.url.render_as_string(hide_password=False)), connections=1)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET content = 'x'",
        "UPDATE requests SET justification = 'x'",
        "UPDATE requests SET digest = 'x'",
        "UPDATE decisions SET person = 'x'",
        "UPDATE api_tokens SET subject = 'x'",
        "UPDATE people SET subject = 'x'",
        "UPDATE drifts SET found = 'x'",
        "UPDATE supported_revisions SET revision = 'x'",
        "UPDATE alembic_version SET version_num = 'x'",
        "ALTER TABLE audit_events ENABLE TRIGGER USER",
        "CREATE TRIGGER x BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION rootquorum_refuse('x')",
        "INSERT INTO audit_head VALUES (2, 0)",
        "UPDATE audit_nodes SET hash = 'x'",
        "INSERT INTO audit_tree VALUES (2, 0, '00')",
        "INSERT INTO person_groups VALUES ('x', 'corp', 'approvers')",
        # It runs as the owner, but only where the owner has put it.
        """
        CREATE TEMP TABLE t (subject text, words text);
        CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION rootquorum_list_groups()
        """,
        *(f"{verb} {table}" for table in TABLES for verb in ("DELETE FROM", "TRUNCATE", "DROP TABLE")),
    ],
)
def test_the_services_role_cannot(service: Engine, statement: str) -> None:
    with pytest.raises(NotGranted) as refused, begin(service) as tx:
        tx.execute(text(statement))
    assert re.search(r"permission denied|must be owner", refused.value.cause)


def test_whoever_could_rewrite_history_is_known(owner: Engine, service: Engine) -> None:
    with read(owner) as tx:
        assert schema.may_rewrite_history(tx)
    with read(service) as tx:
        assert not schema.may_rewrite_history(tx)


def test_grants_that_were_too_many_are_taken_back(owner: Engine, service: Engine) -> None:
    with begin(owner) as tx:
        tx.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}"))
    schema.grant(owner, ROLE)
    with read(service) as tx:
        assert not schema.may_rewrite_history(tx)


def test_the_owner_and_a_stranger_get_nothing(owner: Engine) -> None:
    for role, why in ((str(owner.url.username), "The owner"), ('nobody"; DROP TABLE requests; --', "no such role")):
        with pytest.raises(Invalid, match=why):
            schema.grant(owner, role)


def test_who_is_not_the_owner_is_told_so(service: Engine, postgres: Postgres) -> None:
    with pytest.raises(Invalid, match="the owner of the tables may"):
        schema.grant(service, "pg_monitor")
    empty = connect(as_service(postgres.new_empty_database()), connections=1)
    with pytest.raises(Invalid, match="the owner of the tables may"):
        schema.migrate(empty)
    empty.dispose()


def test_sqlite_has_no_roles(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="SQLite"):
        schema.grant(connect(f"sqlite:///{tmp_path}/x.db", connections=1), ROLE)
