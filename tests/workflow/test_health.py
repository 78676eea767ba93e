"""`readyz` writes: a disk that is full or read-only is not ready. Nobody makes it write often."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from support.house import House

from service.db.engine import connect, read
from service.domain.errors import Unavailable
from service.workflow.context import Pulse
from service.workflow.health import check_writes, last_pass, note_pass, try_to_write


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Each statement that writes."""
    written: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            written.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    yield written
    event.remove(engine, "before_cursor_execute", count)


def rows(house: House, table: str) -> int:
    with read(house.ctx.engine) as tx:
        found: int = tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return found


def cause_of(house: House) -> str:
    with pytest.raises(Unavailable) as refused:
        check_writes(house.ctx)
    assert refused.value.detail == "The database is not available. Try again later."
    return str(refused.value.cause).removeprefix("The database is not available: ")


def test_a_flood_of_probes_writes_once_in_ten_seconds(house: House) -> None:
    with counted(house.ctx.engine) as written:
        for _ in range(50):
            check_writes(house.ctx)
        assert len(written) == 1
        house.clock.advance(timedelta(seconds=10))
        check_writes(house.ctx)
        assert len(written) == 2


def test_a_clock_that_was_set_back_does_not_keep_an_old_result(house: House) -> None:
    with counted(house.ctx.engine) as written:
        check_writes(house.ctx)
        house.clock.advance(timedelta(hours=-1))
        check_writes(house.ctx)
        assert len(written) == 2


def test_whoever_asks_while_another_tries_has_the_result_before(house: House) -> None:
    check_writes(house.ctx)
    house.clock.advance(timedelta(hours=1))
    with house.ctx.pulse.lock, counted(house.ctx.engine) as written:
        check_writes(house.ctx)
        assert not written


def test_a_probe_leaves_one_row_and_nothing_in_the_log(house: House) -> None:
    before = rows(house, "audit_events")
    for _ in range(3):
        check_writes(house.ctx)
        house.clock.advance(timedelta(minutes=1))
    assert rows(house, "audit_events") == before
    assert rows(house, "leases") == 1


def test_a_try_that_is_not_kept_leaves_nothing(house: House) -> None:
    try_to_write(house.ctx, keep=False)
    assert rows(house, "leases") == 0


def test_a_postgresql_that_only_reads_is_not_ready(postgres_house: House) -> None:
    engine = postgres_house.ctx.engine
    with postgres_house.owner.begin() as tx:
        tx.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET default_transaction_read_only = on')
    engine.dispose()
    assert cause_of(postgres_house) == "cannot execute INSERT in a read-only transaction."


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of two megabytes, where one can be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(options, capture_output=True, check=False).returncode != 0:
            pytest.skip("nothing can be mounted here; the next test fills a disk in another way")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as opened:
        try:
            while opened.write(bytes(4096)):
                pass
        except OSError:
            return file
    raise AssertionError("the disk is never full")


def test_a_full_disk_is_not_ready_until_there_is_room_again(
    small_disk: Path, sqlite_house: House, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, small_disk / "rootquorum.db")
    sqlite_house.change(engine=connect(f"sqlite:///{small_disk}/rootquorum.db", connections=2), pulse=Pulse())
    check_writes(sqlite_house.ctx)

    filler = fill(small_disk)
    sqlite_house.clock.advance(timedelta(seconds=10))
    assert "full" in cause_of(sqlite_house) or "No space left" in cause_of(sqlite_house)
    assert sqlite_house.client().get("/readyz").status_code == 503

    filler.unlink()
    sqlite_house.clock.advance(timedelta(seconds=10))
    check_writes(sqlite_house.ctx)
    sqlite_house.ctx.engine.dispose()


def test_a_full_disk_is_seen_though_small_commits_still_fit_into_the_write_ahead_log(
    small_disk: Path, sqlite_house: House, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, small_disk / "rootquorum.db")
    engine = connect(f"sqlite:///{small_disk}/rootquorum.db", connections=1)
    sqlite_house.change(engine=engine, pulse=Pulse())
    for _ in range(20):
        check_writes(replace(sqlite_house.ctx, pulse=Pulse()))
    with engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(RESTART)")
    fill(small_disk)
    assert "SQLite needs to write beside its file" in cause_of(sqlite_house)
    engine.dispose()


def test_what_may_grow_no_more_is_not_ready(sqlite_house: House) -> None:
    check_writes(sqlite_house.ctx)
    sqlite_house.clock.advance(timedelta(seconds=10))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        assert cause_of(sqlite_house) == "SQLite needs to write beside its file, and cannot: File too large."
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("file", "folder"), [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)])
def test_a_file_or_a_folder_that_is_read_only_is_not_ready(
    sqlite_house: House, sqlite_template: Path, file: int, folder: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        database = Path(name) / "rootquorum.db"
        shutil.copy(sqlite_template, database)
        database.chmod(file)
        Path(name).chmod(folder)
        sqlite_house.change(engine=connect(f"sqlite:///{database}", connections=1), pulse=Pulse())
        user = os.geteuid()
        os.seteuid(65534 if user == 0 else user)
        try:
            assert cause_of(sqlite_house)
        finally:
            os.seteuid(user)
            sqlite_house.ctx.engine.dispose()
            Path(name).chmod(0o755)


def test_the_last_pass_of_any_worker_is_known(house: House) -> None:
    assert last_pass(house.ctx) is None
    note_pass(house.ctx)
    house.clock.advance(timedelta(minutes=1))
    note_pass(house.ctx)
    mark = last_pass(house.ctx)
    assert mark is not None
    assert mark.at == house.clock()
    assert mark.by.endswith(f" {os.getpid()}")
