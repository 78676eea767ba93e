"""Whoever only reads leaves SQLite's file, and what is beside it, as it was; and is told when somebody does not."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, text

from service.db.engine import begin, connect, read
from service.db.reader import connect_to_read
from service.domain.errors import Unavailable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """In WAL mode, and nobody has it open. Its folder's name means something in an address."""
    (tmp_path / "a copy?#%").mkdir()
    file = tmp_path / "a copy?#%" / "copy.db"
    write(file, "CREATE TABLE numbers (n int)")
    write(file)
    return file


@pytest.fixture
def reader(file: Path) -> Iterator[Engine]:
    engine = connect_to_read(url_of(file), connections=2)
    yield engine
    engine.dispose()


def url_of(file: Path) -> str:
    return URL.create("sqlite", database=str(file)).render_as_string()


def write(file: Path, statement: str = "INSERT INTO numbers VALUES (1)") -> None:
    """And close it, so that the write-ahead log goes into the file, if nobody else has it."""
    engine = connect(url_of(file), connections=1)
    with begin(engine) as tx:
        tx.execute(text(statement))
    engine.dispose()


def count(engine: Engine) -> int:
    with read(engine) as tx:
        return len(tx.execute(text("SELECT * FROM numbers")).all())


def condition(folder: Path) -> list[tuple[str, int, bytes]]:
    """Of the folder the time, too: so no file was in there even for a moment."""
    files = [(each.name, each.stat().st_mtime_ns, each.read_bytes()) for each in folder.iterdir()]
    return [("", folder.stat().st_mtime_ns, b""), *sorted(files)]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_nothing_is_changed_and_nothing_made(file: Path, mode: str) -> None:
    with closing(sqlite3.connect(file)) as plain:
        plain.execute(f"PRAGMA journal_mode={mode}")
    before = condition(file.parent)
    engine = connect_to_read(url_of(file), connections=2)
    assert (count(engine), count(engine)) == (1, 1)
    with pytest.raises(Unavailable), begin(engine) as tx:
        tx.execute(text("INSERT INTO numbers VALUES (1)"))
    engine.dispose()
    assert condition(file.parent) == before


def test_what_a_link_leads_to_is_read_with_what_is_beside_that(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(file)
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("SELECT * FROM numbers").fetchall()
        write(file)
        assert count(connect_to_read(url_of(tmp_path / "link.db"), connections=1)) == 2


def test_a_database_at_work_is_read_as_it_is_now(file: Path) -> None:
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("SELECT * FROM numbers").fetchall()
        engine = connect_to_read(url_of(file), connections=1)
        for expected in (1, 2, 3):
            assert count(engine) == expected
            write(file)
        engine.dispose()


def test_a_plain_copy_with_its_log_is_read_with_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("SELECT * FROM numbers").fetchall()
        write(file)
        for ending in ("", "-wal"):
            shutil.copy(f"{file}{ending}", tmp_path / f"plain.db{ending}")
    copy = url_of(tmp_path / "plain.db")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        with pytest.raises(Unavailable, match="only in a folder that it can write to"):
            connect_to_read(copy, connections=1)
    assert count(connect_to_read(copy, connections=1)) == 2


@pytest.mark.parametrize("is_open", [True, False])
def test_nothing_is_believed_of_a_copy_that_somebody_opened_meanwhile(
    file: Path, reader: Engine, *, is_open: bool
) -> None:
    """Whether they have it still, or are done with it."""
    assert count(reader) == 1
    with closing(sqlite3.connect(file)) as plain:

        def read_while_it_is_written() -> None:
            with read(reader) as tx:
                tx.execute(text("SELECT * FROM numbers")).all()
                plain.execute("INSERT INTO numbers VALUES (1)")
                plain.commit()
                if not is_open:
                    plain.close()

        with pytest.raises(Unavailable, match="Somebody opened"):
            read_while_it_is_written()
        with pytest.raises(Unavailable, match="Somebody opened"):
            count(reader)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "No such file or directory"),
        (b"[database]\nurl = 'x'\n", "not a SQLite database"),
        (b"S", "not a SQLite"),
    ],
)
def test_what_is_no_database_is_said_to_be_none(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "x.db").write_bytes(content)
    before = condition(tmp_path)
    with pytest.raises(Unavailable, match=sentence):
        connect_to_read(url_of(tmp_path / "x.db"), connections=1)
    assert condition(tmp_path) == before
