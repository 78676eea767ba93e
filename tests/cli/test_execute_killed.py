"""A kill between the answer and the receipt: a confirmed key is whole on disk, and any other is taken back."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
from support.approvers import Installation, installation
from support.products import openssh

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

ACCOUNTS = [f"{number:012d}" for number in range(100000000000, 100000000030)]
OTHERS = b"# mine\n[other]\naws_access_key_id = AKIAOTHER00000000000\naws_secret_access_key = x"  # no end of the line


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("service")
    with installation(folder, accounts=ACCOUNTS, signed_approvals="off") as found:
        yield found


@pytest.fixture(scope="module")
def accounts() -> Iterator[str]:
    """Each account has room for one more key."""
    return iter(ACCOUNTS)


@pytest.fixture
def killed(at: Installation) -> Iterator[Callable[[int, list[str]], int]]:
    """Run a command, and kill it at a step. Return how it ended."""
    environment = os.environ | at.environment("alice")
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killed.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:

        def run(step: int, arguments: list[str]) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"step": step, "arguments": arguments}) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run


def in_file(folder: Path) -> list[str]:
    return ["--file", str(folder / "key")]


def in_profile(folder: Path) -> list[str]:
    (folder / "credentials").write_bytes(OTHERS)
    return ["--profile", "root", "--credentials", str(folder / "credentials")]


def in_command(folder: Path) -> list[str]:
    return ["--exec", shlex.join(["tee", str(folder / "key")])]


def found_in_json(folder: Path) -> Mapping[str, str]:
    found: dict[str, str] = json.loads((folder / "key").read_text())
    return found


def found_in_profile(folder: Path) -> Mapping[str, str]:
    parser = RawConfigParser(default_section="")
    parser.read(folder / "credentials")
    section = parser["root"]
    return {name: section[f"aws_{name}"] for name in ("access_key_id", "secret_access_key")}


# How each place is asked for and read, and the steps there: see `killed.py`.
PLACES = {
    "file": (in_file, found_in_json, "answer half whole cut disk name receipt"),
    "profile": (in_profile, found_in_profile, "answer half whole cut disk replaced name receipt"),
    "command": (in_command, found_in_json, "answer ended receipt"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_confirmed_key_is_whole_on_disk(
    at: Installation, accounts: Iterator[str], killed: Callable[[int, list[str]], int], tmp_path: Path, name: str
) -> None:
    place, found, steps = PLACES[name]
    ends: list[tuple[int, str]] = []
    while not ends or ends[-1][0] != 0:
        folder = tmp_path / str(len(ends))
        folder.mkdir()
        request = at.approved(account_id=next(accounts))
        ended = killed(len(ends) + 1, ["execute", request["id"], *place(folder)])
        now: Any = at.call("alice", "GET", f"/v1/requests/{request['id']}")
        ends.append((ended, now["status"]))
        assert ended in {0, -9}, ends
        if now["status"] == "succeeded":
            key = found(folder)
            assert key["access_key_id"] == now["result"]["access_key_id"]
            assert len(key["secret_access_key"]) == 40
        else:
            assert now["status"] == "delivered"  # without a receipt the worker takes it back
        if place is in_profile:
            assert (folder / "credentials").read_bytes().startswith(OTHERS)
    # All died before the receipt, but the one that died just after it, and the one that did not die.
    count = len(steps.split())
    assert [status for _, status in ends] == ["delivered"] * (count - 1) + ["succeeded"] * 2
