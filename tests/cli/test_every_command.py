"""What holds for every command: its exit codes, JSON, the shell's completion, and no traceback, whoever answers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.approvers import ACCOUNT, Installation
from support.installation import commanded, every_command
from support.liar import lying
from support.products import openssh
from support.served import served

ID = "3f0c2b1e-0000-4000-8000-000000000000"
# How each parameter that a command needs is given.
NEEDED = {
    "request": ID,
    "account": ACCOUNT,
    "account_id": ACCOUNT,
    "access_key_id": "AKIAEXAMPLE000000001",
    "serial_number": "arn:aws:iam::111122223333:mfa/root",
    "certificate_id": "TA22TAXMPLWYQQDXSXCRMKXTSFZMCA4",
    "bucket": "example-logs",
    "queue_arn": "arn:aws:sqs:eu-central-1:111122223333:orders",
    "fingerprint": f"SHA256:{'A' * 43}",
    "justification": "Due this quarter.",
    "comment": "Not now.",
    "name": "laptop",
    "reason": "retired",
}
# They sign in, keep talking, or read files first. Each has tests of its own.
OTHERS = {("login",), ("logout",), ("mcp",), ("profiles", "add"), ("rules", "sign"), ("rules", "show")}
CALLING = {
    " ".join(path): command
    for path, command in every_command()
    if any("--server" in parameter.opts for parameter in command.params) and path not in OTHERS
}
ANSWERS = {
    "a page": (200, b"<html>Welcome to the network. Please sign in.</html>"),
    "a list": (200, b"[]"),
    "nothing": (200, b"{}"),
    "numbers": (200, b'{"items": [1, null], "next_cursor": 7, "statement": 1, "subject": 2}'),
    "nested": (200, b"[" * 100_000),
    "a crash": (500, b"\xff\x1b[2J"),
    "an odd problem": (422, b'{"detail": 7, "code": [], "errors": [1, {"location": 3}]}'),
    "a redirect": (302, b""),
}
# What is an answer to these.
TAKEN = {("a list", "accounts list"), ("nothing", "evidence"), ("numbers", "evidence")}


@contextmanager
def answering(status: int, content: bytes) -> Iterator[str]:
    """Answer everything with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("key")
    openssh.generate(folder, "ed25519")
    return folder / "ed25519"


def called(command: str, key: Path) -> list[str]:
    """Return the command with all that it needs, and without its question if it has an option for that."""
    words = command.split()
    for parameter in CALLING[command].params:
        if parameter.name == "yes":
            words.append("--yes")
        if not parameter.required:
            continue
        value = NEEDED[parameter.name] if parameter.name != "key" else str(key)
        words += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return words


@pytest.mark.parametrize("answer", ANSWERS)
def test_whoever_answers_the_exit_code_is_documented_and_the_fault_is_one_line(
    key: Path, tmp_path: Path, answer: str
) -> None:
    with answering(*ANSWERS[answer]) as url:
        for command in CALLING:
            variables = {"ROOTQUORUM_URL": url, "ROOTQUORUM_TOKEN": "rqp_x", "XDG_STATE_HOME": str(tmp_path)}
            done = commanded(tmp_path, *called(command, key), **variables)
            if (answer, command) in TAKEN:
                assert (done.returncode, done.stderr) in {(0, ""), (0, "There is none.\n")}, (command, done)
                continue
            # Of a write nobody knows what the server did if its answer is none.
            writes = command.split()[0] in {"cut-over", "receipt", "request", "withdraw"}
            assert done.returncode in ({1, 3} if writes else {1}), (command, done)
            assert len(done.stderr.splitlines()) == 1, (command, done)
            assert done.stderr.strip().isprintable(), (command, done)


def test_every_command_that_answers_has_json() -> None:
    without = {path for path, command in CALLING.items() if not any("--json" in each.opts for each in command.params)}
    assert without == {"evidence"}  # which is JSON


def test_json_has_the_problem_of_every_refusal(key: Path, tmp_path: Path) -> None:
    problem = {"code": "invalid_token", "detail": "Sign in again.", "status": 401}
    with answering(401, json.dumps(problem).encode()) as url:
        variables = {"ROOTQUORUM_URL": url, "ROOTQUORUM_TOKEN": "rqp_x", "XDG_STATE_HOME": str(tmp_path)}
        for command in CALLING.keys() - {"evidence"}:
            done = commanded(tmp_path, *called(command, key), "--json", **variables)
            assert (done.returncode, done.stderr, json.loads(done.stdout)) == (1, "Sign in again.\n", problem), command


def test_an_approval_without_an_answer_is_not_known(installed: Installation, request_: Any) -> None:
    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {} if path.endswith("/decisions") else answer

    with lying(installed.url, lie) as url:
        done = installed.approve("ann", request_, url=url)
    assert (done.code, done.error) == (3, "The server's answer has no status.\n")
    # It was done. To approve once more changes nothing, and says so.
    again = installed.approve("ann", request_, "--json")
    assert (again.code, json.loads(again.out)["quorum"]["counted"]) == (0, 1)


def test_a_registration_without_an_answer_is_not_known(installed: Installation, tmp_path: Path) -> None:
    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {} if path.endswith("/me/signing-keys") else answer

    openssh.generate(tmp_path, "ed25519")
    with lying(installed.url, lie) as url:
        done = installed.run("dave", "signing-key", "add", str(tmp_path / "ed25519"), "--name", "laptop", url=url)
    assert done.code == 3
    listed = installed.run("ann", "signing-key", "list", "--json").out.splitlines()
    assert "laptop" in {json.loads(line)["name"] for line in listed}


# --- the shell's completion ---


def completed(folder: Path, words: str) -> list[str]:
    """Return what bash offers after these words."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "_ROOTQUORUM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    program = Path(sys.executable).parent / "rootquorum"
    done = subprocess.run([program], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


def test_the_shell_completes_commands_options_values_and_profiles(tmp_path: Path) -> None:
    assert {"approve", "request", "profiles"} <= {*completed(tmp_path, "rootquorum ")}
    assert {"create-key", "deactivate-mfa"} <= {*completed(tmp_path, "rootquorum request ")}
    assert completed(tmp_path, "rootquorum list --tic") == ["--ticket"]
    assert {"pending", "in_doubt"} <= {*completed(tmp_path, "rootquorum list --status ")}
    assert completed(tmp_path, "rootquorum list --server ") == []
    for name in ("production", "staging"):
        added = commanded(tmp_path, "profiles", "add", name, "--server", "https://a", HOME=str(tmp_path))
        assert added.returncode == 0
    assert completed(tmp_path, "rootquorum list --server ") == ["production", "staging"]
