"""Whatever comes from outside is text at a terminal: no markup, no control sequence, nothing that hides or turns."""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import pytest
from support.installation import commanded, every_command, rootquorum

from service.cli.terminal import shown
from service.db.engine import begin, connect
from service.simulated_aws import SimulatedAws

ACCOUNT = "111122223333"
HOSTILE = "Mallory [/x] [conceal]y[/conceal] :bomb: \x1b[2J\u202e\u200b\a\nok     database\u2028z"
VISIBLE = r"Mallory [/x] [conceal]y[/conceal] :bomb: \x1b[2J\u202e\u200b\x07\nok     database\u2028z"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Settings and a database in which every name that somebody chose is hostile."""
    with SimulatedAws([ACCOUNT]) as aws:
        key = aws.root_credential(ACCOUNT)
        (tmp_path / "aws").write_text(
            f"[profile prod]\nendpoint_url = {aws.endpoint_url}\n"
            f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
        )
        quoted = f'"{HOSTILE.encode("unicode_escape").decode()}"'.replace(r"\x", r"\u00")
        (tmp_path / "rootquorum.toml").write_text(
            f'[policy]\ndecision_requires_auth_time = false\n[accounts.{ACCOUNT}]\nname = {quoted}\nprofile = "prod"\n'
            + "".join(f'[people.{name}]\nname = {quoted}\nroles = ["approver"]\n' for name in ("bob", "carol"))
        )
        assert run(tmp_path, "migrate").returncode == 0
        yield tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return commanded(folder, *arguments, AWS_CONFIG_FILE=str(folder / "aws"))


def store_hostile_rows(folder: Path) -> None:
    engine = connect(f"sqlite:///{folder}/rootquorum.db", connections=1)
    at = "2026-01-01 00:00:00.000000"
    with begin(engine) as tx:
        tx.exec_driver_sql(
            "INSERT INTO api_tokens VALUES ('t', :hash, :name, 'person', :at, '2027-01-01 00:00:00.000000', NULL)",
            {"hash": "0" * 64, "name": HOSTILE, "at": at},
        )
        tx.exec_driver_sql(
            "INSERT INTO people (subject, name, issuer, groups, seen_at, proved_at) "
            "VALUES (:name, :name, 'corp', '[]', :at, :at)",
            {"name": HOSTILE, "at": at},
        )
        tx.exec_driver_sql("INSERT INTO leases VALUES ('worker', 0, :name, :at)", {"name": HOSTILE, "at": at})
    engine.dispose()


@pytest.mark.parametrize(
    "arguments", [("person", "list"), ("token", "list"), ("accounts", "check"), ("doctor",), ("drift",)], ids=" ".join
)
def test_every_command_shows_names_as_text(folder: Path, arguments: tuple[str, ...]) -> None:
    store_hostile_rows(folder)
    if arguments == ("drift",):
        run(folder, "drift")
        (folder / "aws").unlink()  # what cannot be read is told by its name
    done = run(folder, *arguments)
    said = done.stdout + done.stderr
    assert VISIBLE in said
    assert not {*HOSTILE} & {*said} & {"\x1b", "\u202e", "\u200b", "\a", "\u2028"}
    assert "\nok     database\\u2028" not in said


def test_what_is_seen_stays_as_it_is() -> None:
    assert shown("Zoë Müller 李 🙂 [x] \\x1b") == "Zoë Müller 李 🙂 [x] \\x1b"


def test_nothing_is_printed_but_by_what_makes_it_visible() -> None:
    for file in sorted((Path(__file__).parents[2] / "service" / "cli").glob("*.py")):
        if file.name in {"terminal.py", "demo.py", "try_it.py"}:  # the demo has no names but its own
            continue
        tree = ast.parse(file.read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not imported & {"rich", "rich.console", "rich.table", "rich.markup", "rich.text"}, file
        assert "print" not in names, file


@pytest.mark.parametrize("path", [path for path, _ in every_command()], ids=" ".join)
def test_the_help_says_nothing_of_what_a_flag_takes(tmp_path: Path, path: tuple[str, ...]) -> None:
    done = commanded(tmp_path, *path, "--help", COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    assert "<bool>" not in done.stdout


def test_the_version_is_said(tmp_path: Path) -> None:
    assert commanded(tmp_path, "--version").stdout == f"rootquorum {version('rootquorum')}\n"


def test_a_terminal_without_such_characters_gets_an_escape(folder: Path) -> None:
    done = rootquorum(folder, "person", "list", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    done = rootquorum(folder, "--config", "ü.toml", "person", "list", PYTHONIOENCODING="ascii")
    assert done.stderr == "settings: There is no settings file \\xfc.toml.\n"


def test_an_argument_that_is_not_utf_8_is_refused(folder: Path) -> None:
    for arguments in (("suspend", "bob", "--reason", "\udcff"), ("suspend", "\udcff", "--reason", "x")):
        done = run(folder, "person", *arguments)
        assert (done.returncode, done.stderr) == (1, "An argument is not UTF-8.\n")


def test_output_that_cannot_be_written_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "service", "openapi"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "Output: No space left on device.\n")


@pytest.mark.parametrize("command", ["openapi", "token list"])
def test_a_reader_who_has_gone_ends_it_without_a_word(folder: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "service", *command.split()],
        cwd=folder,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_interrupt_ends_it_without_a_word(folder: Path) -> None:
    with patch("service.cli.token.list_tokens", side_effect=KeyboardInterrupt):
        done = run(folder, "token", "list")
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")
