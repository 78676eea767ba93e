"""`rootquorum status`: the state for people, and as JSON; what needs attention, and what to do about it."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.installation import commanded

SETTINGS = """
[policy]
decision_requires_auth_time = false
drift_checks = false
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rootquorum.toml").write_text(SETTINGS)
    assert commanded(tmp_path, "migrate").returncode == 0
    return tmp_path


def mark(folder: Path, name: str, size: int = 0) -> None:
    """As a process of the service does."""
    with closing(sqlite3.connect(folder / "rootquorum.db")) as plain, plain:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        plain.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, 'rq-1 4711', ?)", (name, size, now))


def test_what_needs_attention_comes_with_what_to_do_and_its_runbook(folder: Path) -> None:
    done = commanded(folder, "status", COLUMNS="200")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert "open requests                   none" in lines
    assert "worker's last pass              never" in lines
    assert lines[-2:] == [
        "No worker makes passes: nothing happens by itself, and no key can be created.",
        "  Restart `rootquorum serve`, without --no-worker, or read its log. docs/runbooks/no-worker.md",
    ]


def test_when_nothing_needs_attention_it_says_so_and_ends_with_0(folder: Path) -> None:
    mark(folder, "worker")
    done = commanded(folder, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Nothing needs attention."


def test_a_host_whose_clock_is_wrong_is_named_until_it_is_right(folder: Path) -> None:
    mark(folder, "worker")
    mark(folder, "told clock rq-1", size=1)
    assert "The clock of a host is wrong, so nothing is executed there: rq-1." in commanded(folder, "status").stdout
    mark(folder, "told clock rq-1", size=0)
    assert commanded(folder, "status").returncode == 0


def test_json_has_the_concerns_and_every_metric_of_the_state(folder: Path) -> None:
    done = commanded(folder, "status", "--json")
    shown = json.loads(done.stdout)
    assert done.returncode == 1
    assert [each["runbook"] for each in shown["concerns"]] == ["no-worker"]
    metrics = shown["metrics"]
    assert metrics["rootquorum_worker_quiet_seconds"] == [{"labels": {}, "value": None}]
    assert metrics["rootquorum_audit_events"] == [{"labels": {}, "value": 0}]
    assert {"labels": {"account_id": "111122223333"}, "value": 0} in metrics["rootquorum_account_drift_findings"]
    assert "rootquorum_database_statement_seconds" not in metrics


def test_it_changes_nothing(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    commanded(folder, "status")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_without_a_database_it_says_so_and_makes_none(folder: Path) -> None:
    (folder / "rootquorum.db").unlink()
    done = commanded(folder, "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The database's file cannot be read")
    assert not (folder / "rootquorum.db").exists()
