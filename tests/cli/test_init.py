"""`rootquorum init`: a first settings file that can be used, and nothing else."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.installation import commanded

from service.cli.init import migration
from service.domain.actor import Role
from service.settings import load

PEOPLE = ("--approver", "ann", "--approver", "ben", "--requester", "carol")
OPTIONS = ("--account", "111122223333=production", *PEOPLE)


def test_the_file_can_be_used_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    done = commanded(
        tmp_path, "init", *OPTIONS, "--database", "postgresql://u@db/d", "--public-url", "https://r.example"
    )
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "rootquorum.toml"
    assert [*tmp_path.iterdir()] == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load(file)
    assert settings.accounts["111122223333"].profile == "root-production"
    assert settings.people["ann"].roles == {Role.APPROVER}
    assert settings.people["carol"].roles == {Role.REQUESTER}
    assert settings.database.url == "postgresql://u@db/d"
    assert settings.server.public_url == "https://r.example"
    assert "# Whoever can write to this file decides who approves." in file.read_text()


def test_the_next_steps_lead_to_a_service_without_faults(tmp_path: Path) -> None:
    done = commanded(tmp_path, "--config", "my settings.toml", "init", *OPTIONS, "--simulated")
    steps = [shlex.split(step) for step in done.stdout.partition("Next:\n")[2].splitlines()]
    (_, exported), *commands, (_, last) = steps
    name, _, value = exported.partition("=")
    assert last == "serve"
    for command in commands:
        step = commanded(tmp_path, *command[1:], **{name: value})
        assert step.returncode == 0, (command, step)
    assert [command[1] for command in commands] == ["migrate", "token", "token", "token", "doctor"]


@pytest.mark.parametrize(
    ("url", "step"),
    [
        (
            "postgresql://rq@db/d?sslmode=verify-full",
            "ROOTQUORUM_DATABASE__URL='postgresql://OWNER@db/d?sslmode=verify-full' rootquorum migrate --grant-to rq",
        ),
        (
            "postgresql://rq:secret@db/d",
            "ROOTQUORUM_DATABASE__URL=postgresql://OWNER@db/d rootquorum migrate --grant-to rq",
        ),
        (
            "postgresql:///d?user=rq&password=secret",
            "ROOTQUORUM_DATABASE__URL=postgresql://OWNER@/d rootquorum migrate --grant-to rq",
        ),
        ("sqlite:///rootquorum.db", "rootquorum migrate"),
    ],
)
def test_on_postgresql_the_owner_of_the_tables_migrates(url: str, step: str) -> None:
    assert migration(url) == step


@pytest.mark.parametrize("there", ["a file", "a link to nothing"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    file = tmp_path / "rootquorum.toml"
    if there == "a file":
        file.write_text("# mine")
    else:
        file.symlink_to(tmp_path / "elsewhere")
    done = commanded(tmp_path, "init", *OPTIONS)
    assert done.returncode == 1
    assert "rootquorum.toml is there already, and was not changed." in done.stderr
    assert [*tmp_path.iterdir()] == [file]
    assert there != "a file" or file.read_text() == "# mine"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--account", "1111=production", *PEOPLE), "12 digits"),
        (("--account", "111122223333", *PEOPLE), "accounts.111122223333.name"),
        (("--account", "111122223333=a", "--account", "111122223333=b", *PEOPLE), "rootquorum.toml"),
        ((*OPTIONS[:4], "--requester", "carol"), "quorum"),
        ((*OPTIONS, "--database", "mysql://db/d"), "database.url"),
        ((*OPTIONS, "--public-url", "ftp://r.example"), "server.public_url"),
        ((*OPTIONS, "--approver", 'x"]\n[policy]\nquorum = 1\n#'), "people"),
    ],
)
def test_a_file_with_faults_is_not_written(tmp_path: Path, options: tuple[str, ...], fault: str) -> None:
    done = commanded(tmp_path, "init", *options)
    assert done.returncode == 1
    assert fault in done.stderr
    assert done.stderr.endswith("Nothing was written.\n")
    assert ".rootquorum-" not in done.stderr
    assert not [*tmp_path.iterdir()]


def test_names_stay_names(tmp_path: Path) -> None:
    odd = """x"y'$(reboot).z"""
    done = commanded(tmp_path, "init", *OPTIONS, "--approver", odd)
    assert load(tmp_path / "rootquorum.toml").people[odd].roles == {Role.APPROVER}
    assert ["rootquorum", "token", "create", odd] in [shlex.split(line) for line in done.stdout.splitlines()[2:6]]


def test_who_cannot_be_asked_is_told_the_option(tmp_path: Path) -> None:
    done = commanded(tmp_path, "init", *PEOPLE)
    assert done.returncode == 1
    assert "Give --account, such as --account 111122223333=production." in done.stderr
    assert not [*tmp_path.iterdir()]


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    master, terminal = os.openpty()
    os.write(master, b"111122223333=production\nann, ben dave\ncarol\n")
    command = [sys.executable, "-m", "service", "init", "--simulated"]
    done = subprocess.run(command, cwd=tmp_path, stdin=terminal, capture_output=True, text=True, check=False)
    os.close(terminal)
    os.close(master)
    assert done.returncode == 0, done.stderr
    assert "Who approves" in done.stderr
    assert {*load(tmp_path / "rootquorum.toml").people} == {"ann", "ben", "carol", "dave"}
