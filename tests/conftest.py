"""The two databases and the house that stands on either."""

import gc
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from _pytest.nodeid import NodeId
from hypothesis import HealthCheck, settings
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

# How the names of the service's threads begin.
_THREADS = ("worker", "watcher", "descriptions", "reloading", "metrics")

# A busy machine answers late. The service and its client name their own time-outs, so this is for tests alone.
httpx._config.DEFAULT_TIMEOUT_CONFIG.read = httpx._config.DEFAULT_TIMEOUT_CONFIG.connect = 60

# With it jsonschema would build a grammar of each part of an IRI, for two seconds. Nothing here is an IRI.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# The gate tries the same examples every time, and no slow machine makes it fail.
settings.register_profile("gate", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")


# Products of others that take seconds to start. With `--dist loadgroup` one worker has all that ask for one of them.
_COSTLY = ("provider", "roundup", "prism")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engines_by_turns: each case runs on one database, see `_has_its_turn`")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not _has_its_turn(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    if getattr(config.option, "loadgroup", False):
        for item in items:
            _put_into_its_group(item)


def pytest_collection_finish() -> None:
    """Keep the thousands of tests, and all that was imported for them, out of every later garbage collection."""
    gc.freeze()


def _group_of(item: pytest.Item) -> str:
    """Name those who run in one worker: those that say so, or share a product of others, or else a module.

    A fixture of a module is made once then. And pytest-xdist looks through all groups after each test.
    """
    if mark := item.get_closest_marker("xdist_group"):
        return str(mark.args[0])
    names = getattr(item, "fixturenames", ())
    return next((costly for costly in _COSTLY if costly in names), item.nodeid.split("::")[0])


def _put_into_its_group(item: pytest.Item) -> None:
    """Name the group in the test's id, where the scheduler of pytest-xdist looks for it.

    pytest-xdist 3.8 writes it to where pytest 9.2 no longer reads it, and no group is kept together
    (https://github.com/pytest-dev/pytest-xdist/issues/1386). Once it is mended there, a mark is enough.
    """
    item._id = NodeId.parse(f"{item.nodeid}@{_group_of(item)}")


def _has_its_turn(item: pytest.Item) -> bool:
    """Whether a test marked `engines_by_turns` runs this case on this database.

    The cases are a chessboard: each value of each parameter meets both databases. It is for what the code decides
    before it comes to the database, where every case on both would find nothing more.
    """
    if item.get_closest_marker("engines_by_turns") is None:
        return True
    values: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]  # pytest has no name for what has one
    turn = sum(_row(mark, values) for mark in item.iter_markers("parametrize")) % 2
    return bool((turn == 0) == (values["database_url"] == "sqlite"))


def _row(parametrize: pytest.Mark, values: Mapping[str, Any]) -> int:
    """Which of its rows a case has."""
    names, rows = parametrize.args
    if isinstance(names, str):
        return list(rows).index(values[names])
    return list(rows).index(tuple(values[name] for name in names))


@pytest.fixture(autouse=True)
def no_thread_of_the_service_outlives_its_test() -> Iterator[None]:
    """It would sign, log and write while the next test runs."""
    before = set(threading.enumerate())
    yield
    left = [each for each in threading.enumerate() if each.name.startswith(_THREADS) and each not in before]
    for each in left:
        each.join(60)
    assert not [each for each in left if each.is_alive()]


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
