"""The migrations lead up, down and up again on both engines, and to just the tables that the code describes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, select
from support.products.postgres import Postgres

from service.db import schema
from service.db.engine import begin, connect, read
from service.db.tables import supported_revisions
from service.domain.errors import Unavailable
from service.domain.request import NEXT, TERMINAL, Status


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/empty.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_empty_database()
    engine = connect(url, connections=2)
    yield engine
    engine.dispose()


def test_migrations_lead_to_the_tables_that_the_code_describes(empty: Engine) -> None:
    schema.migrate(empty)
    command.check(schema.config_for(empty))


def test_migrations_lead_up_down_and_up_again(empty: Engine) -> None:
    for _ in range(2):
        schema.migrate(empty)
        with read(empty) as tx:
            assert schema.current(tx) == schema.needed()
        command.downgrade(schema.config_for(empty), "base")
        assert set(inspect(empty).get_table_names()) <= {"alembic_version"}


def test_migrating_twice_changes_nothing(empty: Engine) -> None:
    schema.migrate(empty)
    schema.migrate(empty)


def test_the_head_file_names_the_newest_revision() -> None:
    """Two branches that each bring a migration meet in this file, and not only in production."""
    script = ScriptDirectory.from_config(schema.config_for(create_engine("sqlite://")))
    assert schema.needed() == script.get_current_head()
    head = Path(__file__).parents[2] / "migrations" / "HEAD"
    assert head.read_text() == f"{schema.needed()}\n"


def test_alembic_reads_the_same_revision(empty: Engine) -> None:
    for revision in (None, "0001", schema.needed()):
        if revision is not None:
            schema.upgrade(empty, revision)
        with read(empty) as tx:
            assert schema.current(tx) == MigrationContext.configure(tx).get_current_revision() == revision


def test_the_newest_schema_supports_the_code_that_was_written_for_it(empty: Engine) -> None:
    schema.migrate(empty)
    with read(empty) as tx:
        assert tx.execute(select(supported_revisions.c.revision)).scalars().all()[-1] == schema.needed()


def test_an_empty_database_is_at_no_revision(empty: Engine) -> None:
    with read(empty) as tx:
        assert schema.current(tx) is None


def test_a_database_that_names_two_revisions_is_refused(empty: Engine) -> None:
    schema.migrate(empty)
    with begin(empty) as tx:
        tx.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
    with pytest.raises(Unavailable, match="unavailable") as refused:
        schema.migrate(empty)
    assert "several revisions" in refused.value.exact


def test_the_trigger_follows_the_same_table_as_the_code() -> None:
    script = ScriptDirectory.from_config(schema.config_for(create_engine("sqlite://")))
    newest_first = (revision.module for revision in script.walk_revisions())
    in_sql = next(module._NEXT for module in newest_first if hasattr(module, "_NEXT"))
    assert in_sql.keys() == NEXT.keys() - TERMINAL
    assert all(set(after) == NEXT[Status(before)] for before, after in in_sql.items())
