"""People who sign in a terminal, against a service that is served: what they see, and what is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.approvers import ACCOUNT, ORIGIN, Installation
from support.at_terminal import Person
from support.installation import commanded, piped
from support.products import openssh

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

# --- the story ---


def test_three_founders_approve_from_a_terminal_and_endorse_a_fourth(installed: Installation, request_: Any) -> None:
    refused = installed.approve("dave", request_)
    assert (refused.code, refused.seen) == (1, "")
    assert refused.error == (
        f"Your key {installed.fingerprint('dave')} does not count for dave here. See `rootquorum signing-key list`.\n"
    )

    added = installed.run("dave", "signing-key", "add", str(installed.key("dave")), "--name", "laptop")
    assert added.out == "Registered. The key does not count yet: 0 of 2 have endorsed it.\n"
    for founder, said in (("ann", "The key does not count yet: 1 of 2 have endorsed it."), ("ben", "The key counts.")):
        arguments = ("endorse", installed.fingerprint("dave"), "--key", str(installed.key(founder)))
        endorsed = installed.run(founder, "signing-key", *arguments)
        assert (endorsed.code, endorsed.out) == (0, f"Endorsed. {said}\n")
    listed = installed.run("cid", "signing-key", "list").out
    fingerprint = re.escape(installed.fingerprint("dave"))
    rows = ("person +dave", "name +laptop", "counts +yes", "endorsed by +ann, ben", f"fingerprint +{fingerprint}")
    words = re.search("".join(rf"{row} *\n" for row in rows) + r"words +(.*)\n", listed)
    assert words is not None
    assert words[1].strip() in " ".join(endorsed.seen.split())

    first = installed.approve("dave", request_, "--comment", "I know of it.")
    second = installed.approve("cid", request_)
    assert (first.out, second.out) == ("Approved. The request is pending.\n", "Approved. The request is approved.\n")


def test_what_is_sent_verifies_with_openssh_alone(installed: Installation, request_: Any, tmp_path: Path) -> None:
    assert installed.approve("ann", request_).code == 0
    evidence = installed.call("ann", "GET", f"/v1/requests/{request_['id']}/evidence")
    [decision] = evidence["decisions"]
    verifier = openssh.Verifier(tmp_path, installed.key("ann").with_suffix(".pub").read_text())
    assert verifier.accepts(decision["signature"], decision["statement"].encode(), "decision@rootquorum")
    said = json.loads(decision["statement"])
    assert (said["person"], said["digest"], said["service"]) == ("ann", request_["digest"], ORIGIN)


def test_a_key_in_an_agent_signs(installed: Installation, request_: Any, tmp_path: Path) -> None:
    key = Path(shutil.copy(installed.key("ann"), tmp_path / "key"))
    public = Path(shutil.copy(installed.key("ann").with_suffix(".pub"), tmp_path / "only.pub"))
    with openssh.agent(key) as environment:
        key.unlink()
        socket = environment["SSH_AUTH_SOCK"]
        done = installed.run("ann", "approve", request_["id"], "--key", str(public), SSH_AUTH_SOCK=socket)
    assert (done.code, done.out) == (0, "Approved. The request is pending.\n")


def test_without_its_private_key_a_public_one_signs_nothing(
    installed: Installation, request_: Any, tmp_path: Path
) -> None:
    public = Path(shutil.copy(installed.key("ann").with_suffix(".pub"), tmp_path / "only.pub"))
    done = installed.run("ann", "approve", request_["id"], "--key", str(public), SSH_AUTH_SOCK="")
    assert (done.code, done.error) == (1, "ssh-keygen did not sign.\n")


def test_a_key_can_be_revoked_by_its_person_and_by_an_operator(installed: Installation, tmp_path: Path) -> None:
    def add(name: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        key = openssh.generate(folder, "ed25519")
        key.with_suffix(".pub").unlink()  # then it is derived
        assert installed.run("cid", "signing-key", "add", str(key), "--name", name).code == 0
        derived = subprocess.run(
            [str(openssh.find()), "-y", "-f", key], capture_output=True, text=True, check=True
        ).stdout
        return openssh.fingerprint(derived)

    own, stolen = add("own"), add("stolen")
    kept = installed.run("cid", "signing-key", "revoke", own, "--reason", "retired", answer="no")
    assert (kept.code, kept.error) == (1, "Nothing was revoked.\n")
    assert "a key of yours" in kept.seen
    assert installed.run("cid", "signing-key", "revoke", own, "--reason", "retired").out == "Revoked.\n"
    by_operator = ("revoke", stolen, "--reason", "compromised", "--since", "3", "--yes")
    assert installed.run("olga", "signing-key", *by_operator).out == "Revoked.\n"
    revocations = {
        key["fingerprint"]: key["revocations"] for key in installed.call("cid", "GET", "/v1/me/signing-keys")["items"]
    }
    assert [(each["reason"], each["by"]) for each in revocations[own]] == [("retired", "person")]
    assert [(each["reason"], each["since"], each["by"]) for each in revocations[stolen]] == [
        ("compromised", 3, "operator")
    ]


# --- what is shown, and the answer ---


def test_the_screen_shows_what_was_filed_and_who_signs_what(installed: Installation, request_: Any) -> None:
    done = installed.approve("ann", request_, answer="no")
    seen = " ".join(done.seen.split())
    for text in (
        f"service {ORIGIN}",
        "you ann",
        f"your key {installed.fingerprint('ann')} (ssh-ed25519)",
        f"request {request_['id']}",
        f"digest {request_['digest']}",
        "ticket OPS-4711",
        "justification Due this quarter.",
        "requester alice (person)",
        "recipient alice",
        f"account {ACCOUNT}",
        "effect The root user gets a new access key that can do anything in the account.",
    ):
        assert text in seen, text
    assert seen.index("effect") > seen.index("justification")
    assert all(warning["detail"] in seen for warning in request_["warnings"])
    assert request_["warnings"]


@pytest.mark.parametrize("answer", ["no", "", "y", "YES", "yes please", "y\nyes"])
def test_only_yes_in_full_is_a_yes(installed: Installation, request_: Any, answer: str) -> None:
    before = installed.signings
    done = installed.approve("ann", request_, answer=answer)
    assert (done.code, done.error, installed.signings - before) == (1, "Nothing was approved.\n", 0)


def test_a_justification_cannot_pass_for_another_row(installed: Installation) -> None:
    request = installed.file(justification="Due. " + "x" * 300 + "\neffect  " * 40 + "Nothing happens.")
    done = installed.approve("ann", request, answer="no")
    installed.withdraw(request)
    assert len([line for line in done.seen.splitlines() if line.startswith("effect")]) == 1


def test_without_a_terminal_nobody_approves(installed: Installation, request_: Any) -> None:
    before = installed.signings
    done = _in_a_process(installed, request_, stdin="yes\nyes\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "There is no terminal. A person has to read this and to answer.\n"
    assert installed.signings == before


def test_the_answer_comes_from_the_terminal_and_not_from_stdin(installed: Installation, request_: Any) -> None:
    person = Person("no")
    done = _in_a_process(installed, request_, stdin="yes\nyes\n", terminal=person.terminal)
    person.leave()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Nothing was approved.\n")
    assert "The root user gets a new access key" in " ".join(person.seen.split())

    person = Person("yes")
    done = _in_a_process(installed, request_, stdin="no\nno\n", terminal=person.terminal)
    person.leave()
    assert (done.returncode, done.stdout) == (0, "Approved. The request is pending.\n")


def _in_a_process(
    installed: Installation, request: Any, *, stdin: str, terminal: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a session of its own, whose terminal is this one or none."""
    opens = "" if terminal is None else f"os.open({str(terminal)!r}, os.O_RDWR); "
    command = [sys.executable, "-m", "service", "approve", request["id"], "--key", str(installed.key("ann"))]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROOTQUORUM_")}
    return subprocess.run(
        [sys.executable, "-c", f"import os; {opens}os.execv({sys.executable!r}, {command!r})"],
        input=stdin,
        env=clean | installed.environment("ann"),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


# --- misuse ---


@pytest.mark.parametrize(
    "url",
    [
        "http://rootquorum.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://user:password@127.0.0.1",
        "https://rootquorum.example.com/?x",
        "https://rootquorum.example.com#x",
        "http://[::1",
        "http://0.0.0.0:1",
        "127.0.0.1:8080",
    ],
)
def test_the_token_goes_only_where_nobody_listens(installed: Installation, url: str) -> None:
    done = installed.run("ann", "signing-key", "list", url=url)
    assert (done.code, done.error) == (
        2,
        "The server is an https URL, or an http URL on loopback, without user, query and fragment.\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("approve", "no-uuid", "--key", "ann/ed25519"),
        ("approve", "--key", "ann/ed25519"),
        ("signing-key", "endorse", "SHA256:short", "--key", "ann/ed25519"),
        ("signing-key", "revoke", "SHA256:" + "A" * 43, "--reason", "retired", "--since", "1", "--yes"),
        ("signing-key", "revoke", "SHA256:" + "A" * 43, "--reason", "bored"),
    ],
    ids=" ".join,
)
def test_misuse_ends_with_2(installed: Installation, arguments: tuple[str, ...]) -> None:
    done = installed.run("ann", *arguments)
    assert (done.code, done.seen) == (2, "")


def test_a_refusal_of_the_service_is_one_line(installed: Installation, request_: Any) -> None:
    assert installed.approve("ann", request_).code == 0
    installed.withdraw(request_)
    for done in (
        installed.approve("ben", request_),
        installed.run("alice", "signing-key", "list"),
        installed.run("ann", "signing-key", "list", ROOTQUORUM_TOKEN="rqp_" + "0" * 46),
        installed.run("ann", "signing-key", "list", url="http://127.0.0.1:1"),
        installed.run("ann", "approve", request_["id"], "--key", "no-such-file"),
        installed.run("ann", "signing-key", "add", "rootquorum.toml", "--name", "x"),
    ):
        assert done.code == 1
        assert len(done.error.splitlines()) == 1, done.error


def test_a_token_comes_from_a_file_or_from_stdin_and_is_never_shown(installed: Installation) -> None:
    token, environment = installed.token("ann"), installed.environment("ann")
    del environment["ROOTQUORUM_TOKEN"]
    by_file = commanded(installed.folder, "signing-key", "list", "--token-file", "ann.token", **environment)
    by_stdin = piped(f"{token}\n".encode(), installed.folder, "signing-key", "list", **environment)
    assert by_file.stdout == by_stdin.stdout
    assert "ann" in by_file.stdout
    for wrong in (b"", b"two words", b"\xff", b"x" * 20_000):
        done = piped(wrong, installed.folder, "signing-key", "list", **environment)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "The token is empty, or no token.\n")
