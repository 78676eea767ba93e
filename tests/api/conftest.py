"""Most rules of HTTP do not depend on the database, so `house` is on SQLite here; `either_house` is on both."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from factories import House


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """As `service.logs` has them; structlog's own default takes seconds to paint one with all its variables."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


@pytest.fixture
def house(tmp_path: Path, sqlite_template: Path) -> Iterator[House]:
    file = tmp_path / "rootquorum.db"
    shutil.copy(sqlite_template, file)
    with House.on(f"sqlite:///{file}") as house:
        yield house


@pytest.fixture
def either_house(database_url: str) -> Iterator[House]:
    with House.on(database_url) as house:
        yield house
