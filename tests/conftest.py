"""The two databases and the house that stands on either."""

import gc
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings
from support.house import House
from support.products.postgres import Postgres, running_postgres
from support.sdk import keep_what_never_changes

from service.db.engine import connect
from service.db.schema import migrate

if TYPE_CHECKING:
    from support.products.canaille import Canaille

# The tests start hundreds of processes. Each would compile the service anew if none may keep what it compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

keep_what_never_changes()

# The gate tries the same examples every time, and no slow machine makes it fail.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate")


# Products of others that take seconds to start. With `--dist loadgroup` one worker has all that ask for one of them.
_COSTLY = ("provider", "roundup", "prism")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in _COSTLY:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))
                break


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """As `service.logs` has them; structlog's own default takes seconds to paint one with all its variables."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's tries follow each other at once."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.fixture(scope="module")
def torn_connections() -> Iterator[None]:
    """The SDK leaves the socket of an answer that it could not read to the collector: here, not in another's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def provider() -> "Iterator[Canaille]":
    """A real OpenID Connect provider; what a test changes in it, it changes back."""
    from support.products.canaille import running_provider  # noqa: PLC0415  # the half of all tests that need none shall not wait for it

    with running_provider() as running:
        yield running


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that every test copies."""
    file = tmp_path_factory.mktemp("template") / "rootquorum.db"
    engine = connect(f"sqlite:///{file}", connections=1)
    migrate(engine)
    engine.dispose()  # with the last connection goes the write-ahead log, into the file
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of the test's own, on either engine."""
    if request.param == "sqlite":
        file = tmp_path / "rootquorum.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    """The service on a database, with a simulated AWS and a clock that the test moves."""
    with House.on(database_url) as house:
        yield house


@pytest.fixture
def postgres_house(postgres: "Postgres") -> Iterator[House]:
    """The same for what only PostgreSQL does."""
    url = postgres.new_database()
    with House.on(url) as house:
        yield house
    postgres.drop(url)


@pytest.fixture
def sqlite_house(tmp_path: Path, sqlite_template: Path) -> Iterator[House]:
    """The same for what does not depend on the database."""
    file = tmp_path / "rootquorum.db"
    shutil.copy(sqlite_template, file)
    with House.on(f"sqlite:///{file}") as house:
        yield house
