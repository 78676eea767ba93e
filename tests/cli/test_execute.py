"""Where a new key goes, what is refused before anything is executed, and that its secret is nowhere else."""

import fcntl
import json
import os
import pty
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.approvers import Installation, Ran, installation
from support.liar import lying
from support.products import openssh

from rootquorum_client.models import created_key
from service.cli.keeping import as_profile

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

ACCOUNTS = [f"{number:012d}" for number in range(100000000000, 100000000030)]
_NUMBERS = count()
_RUN = "service.cli.app()"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("service")
    with installation(folder, accounts=ACCOUNTS, signed_approvals="off") as found:
        yield found


@pytest.fixture
def approved(at: Installation) -> Any:
    """A create that can be executed, on an account of its own."""
    return at.approved(account_id=ACCOUNTS[next(_NUMBERS)])


def execute(at: Installation, request: Any, *arguments: str, **environment: str) -> Ran:
    return at.run("alice", "execute", request["id"], *arguments, **environment)


def status(at: Installation, request: Any) -> str:
    return str(at.call("alice", "GET", f"/v1/requests/{request['id']}")["status"])


def executed_into(at: Installation, request: Any, stdout: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Execute in a process of its own, with this stdout."""
    return subprocess.run(
        [sys.executable, "-m", "service", "execute", request["id"], *arguments],
        env=os.environ | at.environment("alice"),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


# --- places ---


def test_a_profile_joins_the_others_which_stay_as_they_are(at: Installation, approved: Any, tmp_path: Path) -> None:
    file = tmp_path / "dotfiles"
    before = b"# mine: keep\r\n[default]\naws_access_key_id=AKIAOTHER00000000000\naws_secret_access_key = a%b ; c"
    file.write_bytes(before)
    link = tmp_path / "credentials"
    link.symlink_to(file)

    done = execute(at, approved, "--profile", "root-production", AWS_SHARED_CREDENTIALS_FILE=str(link))

    assert done.code == 0, done.error
    assert (link.is_symlink(), stat.S_IMODE(file.stat().st_mode)) == (True, 0o600)
    assert file.read_bytes().startswith(before + b"\n[root-production]\naws_access_key_id = AKIA")
    parser = RawConfigParser(default_section="")
    parser.read(file)
    assert parser["default"]["aws_secret_access_key"] == "a%b ; c"
    assert len(parser["root-production"]["aws_secret_access_key"]) == 40
    assert {each.name for each in tmp_path.iterdir()} == {"dotfiles", "credentials", ".dotfiles.lock"}
    assert status(at, approved) == "succeeded"


def test_without_a_credentials_file_one_is_made_for_its_owner(at: Installation, approved: Any) -> None:
    done = execute(at, approved, "--profile", "root")
    assert done.code == 0, done.error
    file = at.folder / "alice" / ".aws" / "credentials"  # the home of the test
    assert file.read_text().startswith("[root]\naws_access_key_id = AKIA")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent)] == [0o600, 0o700]


def test_a_command_gets_the_key_and_not_the_token(at: Installation, approved: Any, tmp_path: Path) -> None:
    script = f"cat > {tmp_path}/key; env > {tmp_path}/env"
    done = execute(at, approved, "--exec", shlex.join(["sh", "-c", script]))
    assert done.code == 0, done.error
    assert json.loads((tmp_path / "key").read_text())["request_id"] == approved["id"]
    assert at.token("alice") not in (tmp_path / "env").read_text()
    assert status(at, approved) == "succeeded"


def test_a_command_that_fails_confirms_nothing(at: Installation, approved: Any) -> None:
    done = execute(at, approved, "--exec", "sh -c 'cat > /dev/null; exit 3'")
    assert done.code == 1
    assert "could not be kept: The command ended with 3. Without a receipt by " in done.error
    assert status(at, approved) == "delivered"


def test_a_pipe_gets_the_key_and_its_reader_confirms(at: Installation, approved: Any) -> None:
    done = executed_into(at, approved, subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["secret_access_key"]) == 40
    assert f"rootquorum receipt {approved['id']}" in done.stderr
    assert status(at, approved) == "delivered"
    assert at.run("alice", "receipt", approved["id"]).error == "Confirmed. The request is succeeded.\n"


def test_a_file_as_stdout_is_only_for_its_owner(at: Installation, approved: Any, tmp_path: Path) -> None:
    with (tmp_path / "key").open("w") as file:
        (tmp_path / "key").chmod(0o644)
        refused = executed_into(at, approved, file.fileno())
        assert (refused.returncode, status(at, approved)) == (2, "approved")
        assert refused.stderr == "Others may read the file that stdout is. Use --file. Nothing was executed.\n"
        (tmp_path / "key").chmod(0o600)
        done = executed_into(at, approved, file.fileno())
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "key").read_text())["request_id"] == approved["id"]
    assert status(at, approved) == "succeeded"


def test_a_terminal_shows_a_secret_only_if_told(at: Installation, approved: Any) -> None:
    terminal, inner = pty.openpty()
    refused = executed_into(at, approved, inner)
    assert (refused.returncode, status(at, approved)) == (2, "approved")
    assert "A secret is not shown on a terminal." in refused.stderr
    done = executed_into(at, approved, inner, "--show")
    assert done.returncode == 0, done.stderr
    assert "secret_access_key" in os.read(terminal, 4096).decode()
    os.close(terminal)
    os.close(inner)
    assert status(at, approved) == "delivered"


# --- what is refused before ---


def test_what_cannot_keep_a_key_is_refused_before_the_execution(
    at: Installation, approved: Any, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").write_text("no section")
    (tmp_path / "known").write_text("[root]\naws_access_key_id = x\n")
    before = {each.name for each in tmp_path.iterdir()}
    for code, *arguments in (
        (2, "--file", str(tmp_path / "there")),
        (2, "--file", str(tmp_path / "dangling")),
        (1, "--file", str(tmp_path / "none" / "key")),
        (1, "--file", str(tmp_path / "there" / "key")),
        (2, "--profile", "root", "--credentials", str(tmp_path / "broken")),
        (2, "--profile", "root", "--credentials", str(tmp_path / "known")),
        (2, "--profile", "ro]\n[ot", "--credentials", str(tmp_path / "new")),
        (2, "--profile", "", "--credentials", str(tmp_path / "new")),
        (1, "--profile", "root", "--credentials", "/dev/null/credentials"),
        (2, "--profile", "root", "--credentials", str(tmp_path / "loop")),
        (2, "--profile", "root", "--credentials", str(tmp_path / "pipe")),
        (2, "--exec", "no-such-command-anywhere"),
        (2, "--exec", "'"),
        (2, "--exec", ""),
        (2, "--file", str(tmp_path / "new"), "--show"),
        (2, "--file", str(tmp_path / "new"), "--credentials", str(tmp_path / "known")),
    ):
        done = execute(at, approved, *map(str, arguments))
        assert (done.code, done.out, len(done.error.splitlines())) == (code, "", 1), (arguments, done.error)
    assert status(at, approved) == "approved"
    assert (tmp_path / "there").read_text() == "mine"
    assert {each.name for each in tmp_path.iterdir() if not each.name.endswith(".lock")} == before


def test_only_one_command_at_a_time_writes_credentials(at: Installation, approved: Any, tmp_path: Path) -> None:
    with (tmp_path / ".credentials.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = execute(at, approved, "--profile", "root", "--credentials", str(tmp_path / "credentials"))
    assert (done.code, status(at, approved)) == (2, "approved")
    assert "Another command is about to write" in done.error


@pytest.mark.parametrize("stdout", ["/dev/null", "/dev/full", "-"])
def test_a_stdout_that_keeps_nothing_is_refused(at: Installation, approved: Any, stdout: str) -> None:
    command = [sys.executable, "-m", "service", "execute", approved["id"]]
    redirected = f"{shlex.join(command)} >{'&-' if stdout == '-' else stdout}"
    environment = os.environ | at.environment("alice")
    done = subprocess.run(["sh", "-c", redirected], env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, status(at, approved)) == (2, "approved")
    assert done.stderr == "The key would be lost in what stdout is. Nothing was executed.\n"


def test_a_full_disk_is_noticed_before_the_execution(at: Installation, approved: Any, tmp_path: Path) -> None:
    limited = f"import resource, service.cli; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); {_RUN}"
    done = subprocess.run(
        [sys.executable, "-c", limited, "execute", approved["id"], "--file", str(tmp_path / "key")],
        env=os.environ | at.environment("alice"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, status(at, approved)) == (1, "approved")
    assert done.stderr == "Output: File too large.\n"
    assert [*tmp_path.iterdir()] == []


def test_a_reader_of_the_pipe_who_has_gone_keeps_nothing(at: Installation, approved: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = executed_into(at, approved, writing)
    os.close(writing)
    assert (done.returncode, status(at, approved)) == (1, "delivered")
    assert "could not be kept: Broken pipe. Without a receipt" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_refusal_leaves_no_file(at: Installation, tmp_path: Path) -> None:
    request = at.file(account_id=ACCOUNTS[next(_NUMBERS)])
    done = execute(at, request, "--file", str(tmp_path / "key"))
    assert (done.code, done.error) == (1, "The request is pending, which does not allow this.\n")
    assert [*tmp_path.iterdir()] == []


def test_what_makes_no_key_keeps_none(at: Installation, tmp_path: Path) -> None:
    account = ACCOUNTS[next(_NUMBERS)]
    state = at.call("alice", "GET", f"/v1/accounts/{account}/root-credentials")["root_credentials"]
    target = {"access_key_id": state["keys"][0]["access_key_id"], "accept_lockout": True}
    request = at.approved(operation="deactivate_access_key", account_id=account, **target)
    refused = execute(at, request, "--file", str(tmp_path / "key"))
    assert (refused.code, refused.error) == (2, "This request makes no key that could be kept.\n")
    assert json.loads(execute(at, request, "--json").out)["status"] == "succeeded"


# --- who answers ---


def test_the_key_of_another_request_is_not_kept(at: Installation, approved: Any, tmp_path: Path) -> None:
    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"account_id": "999999999999"} if path.endswith("/execution") else answer

    with lying(at.url, lie) as url:
        done = at.run("alice", "execute", approved["id"], "--file", str(tmp_path / "key"), url=url)
    assert (done.code, "the key of another request" in done.error) == (1, True)
    assert [*tmp_path.iterdir()] == []
    assert status(at, approved) == "delivered"


def test_a_lost_answer_is_not_known_to_be_nothing(at: Installation, approved: Any, tmp_path: Path) -> None:
    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {} if path.endswith("/execution") else answer

    with lying(at.url, lie) as url:
        done = at.run("alice", "execute", approved["id"], "--file", str(tmp_path / "key"), url=url)
    assert done.code == 3
    assert [*tmp_path.iterdir()] == []


def test_a_receipt_that_fails_keeps_the_file_and_says_what_to_do(
    at: Installation, approved: Any, tmp_path: Path
) -> None:
    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {} if path.endswith("/receipt") else answer

    with lying(at.url, lie) as url:
        done = at.run("alice", "execute", approved["id"], "--file", str(tmp_path / "key"), url=url)
    assert done.code == 3
    assert "its receipt is not confirmed: The server's answer is not that of this service" in done.error
    assert f"Run: rootquorum receipt {approved['id']}." in done.error
    assert json.loads((tmp_path / "key").read_text())["request_id"] == approved["id"]


def test_a_profile_has_two_lines_whatever_the_secret_is() -> None:
    key = {
        "access_key_id": "AKIAEXAMPLE000000000",
        "secret_access_key": "%(x)s;#=:[a]'\"\\,$!+/0",
        "created_at": "2026-01-01T00:00:00Z",
        "account_id": ACCOUNTS[0],
        "request_id": "x",
        "receipt_by": None,
    }
    parser = RawConfigParser(default_section="")
    parser.read_string(as_profile(created_key(key), "root").decode())
    assert dict(parser["root"]) == {
        "aws_access_key_id": key["access_key_id"],
        "aws_secret_access_key": key["secret_access_key"],
    }


# --- the canary ---


@pytest.mark.parametrize("place", ["--file", "--profile", "--exec"])
def test_the_secret_is_only_where_it_was_asked_for(at: Installation, approved: Any, tmp_path: Path, place: str) -> None:
    kept = tmp_path / "kept"
    where = {
        "--file": ["--file", str(kept)],
        "--profile": ["--profile", "root", "--credentials", str(kept)],
        "--exec": ["--exec", shlex.join(["tee", str(kept)])],
    }[place]
    loudly = f"import logging, service.cli; logging.basicConfig(level=1); {_RUN}"
    done = subprocess.run(
        [sys.executable, "-c", loudly, "execute", approved["id"], *where, "--json"],
        cwd=at.folder,
        env=os.environ | at.environment("alice") | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = kept.read_text()
    secret = (
        text.rpartition("= ")[2].strip() if place == "--profile" else json.loads(text)["secret_access_key"]
    ).encode()
    assert len(secret) == 40
    said = done.stderr + (done.stdout.replace(text, "", 1) if place == "--exec" else done.stdout)
    assert "receive_response_body" in done.stderr  # what libraries log at most
    assert not [each for each in (secret.decode(), at.token("alice")) if each in said]
    files = [each for folder in (tmp_path, at.folder) for each in folder.rglob("*") if each.is_file()]
    assert [each for each in files if secret in each.read_bytes()] == [kept]
    assert status(at, approved) == "succeeded"


# --- drills ---


def test_a_drill_of_a_key_makes_no_file_and_confirms_its_receipt(at: Installation, tmp_path: Path) -> None:
    drill, file = at.approved(account_id=ACCOUNTS[next(_NUMBERS)], drill=True), tmp_path / "key.json"
    done = execute(at, drill, "--file", str(file))
    assert (done.code, status(at, drill)) == (0, "succeeded")
    assert "This was a DRILL: nothing changed in AWS. The request is succeeded." in done.error
    assert (done.out, file.exists()) == ("", False)


def test_a_key_that_comes_from_a_drill_is_not_kept(at: Installation, approved: Any, tmp_path: Path) -> None:
    """A server that calls a real request a drill does not get its receipt confirmed."""

    def called_a_drill(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"drill": True} if path.endswith(approved["id"]) else answer

    file = tmp_path / "key.json"
    with lying(at.url, called_a_drill) as url:
        done = execute(at, approved, "--file", str(file), ROOTQUORUM_URL=url)
    assert (done.code, status(at, approved), file.exists()) == (1, "delivered", False)
    assert "answered a drill with a key" in done.error


def test_a_drill_is_marked_on_the_terminal(at: Installation) -> None:
    account = ACCOUNTS[next(_NUMBERS)]
    filed = at.run("alice", "request", "create-key", account, "--drill", "--reason", "Drill of this quarter.")
    assert "Filed as a DRILL: nothing changes in AWS." in filed.error
    request_id = filed.out.strip()
    for command in (["show", request_id], ["list", "--account", account]):
        assert re.search(r"^ *DRILL +Nothing changes in AWS\. *$", at.run("alice", *command).out, re.MULTILINE)
    assert at.run("alice", "watch", request_id, "--until", "pending").out.startswith("DRILL: pending")
    assert "The DRILL is withdrawn." in at.run("alice", "withdraw", request_id).error
