"""The program of docs/postgresql.md moves a database with its whole history."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, make_url, select
from support.builders import OTHER_ACCOUNT
from support.house import House, connected
from support.products.postgres import Postgres, as_owner

from service.db import tree
from service.db.engine import read
from service.db.tables import metadata
from service.workflow.verify import verify

_PAGE = (Path(__file__).parents[2] / "docs/postgresql.md").read_text()


@pytest.fixture
def new(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def moved(old: str, new: str) -> subprocess.CompletedProcess[str]:
    [program] = re.findall(r"^ *```python\n(.*?)^ *```$", _PAGE, flags=re.DOTALL | re.MULTILINE)
    owner = make_url(as_owner(make_url(new))).set(drivername="postgresql+psycopg")
    command = [sys.executable, "-c", textwrap.dedent(program), old, owner.render_as_string(hide_password=False)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def counted(tx: Connection) -> dict[str, int]:
    return {table.name: tx.scalar(select(func.count()).select_from(table)) or 0 for table in metadata.sorted_tables}


def test_moved_database_has_every_row_and_the_same_log_and_goes_on(sqlite_house: House, new: str) -> None:
    sqlite_house.execute(sqlite_house.approved())
    sqlite_house.by_provider("00u1", "root-approvers")
    pending = sqlite_house.file(account_id=OTHER_ACCOUNT)
    with read(sqlite_house.ctx.engine) as tx:
        before, head = counted(tx), tree.head(tx)
    assert {"requests", "decisions", "audit_nodes", "person_groups", "people"} <= {
        name for name in before if before[name]
    }

    done = moved(str(sqlite_house.ctx.engine.url), new)
    assert done.returncode == 0, done.stderr

    engine = connected(new, connections=4)
    with read(engine) as tx:
        assert counted(tx) == before
        assert tree.head(tx) == head
    sqlite_house.ctx = replace(sqlite_house.ctx, engine=engine)
    assert list(verify(sqlite_house.ctx, ())) == []
    assert sqlite_house.approve(pending).status == "approved"
    engine.dispose()


def test_nothing_is_moved_into_a_database_in_use(sqlite_house: House, postgres_house: House) -> None:
    postgres_house.file()
    done = moved(str(sqlite_house.ctx.engine.url), postgres_house.ctx.engine.url.render_as_string(hide_password=False))
    assert (done.returncode, "is not empty" in done.stderr) == (1, True)
