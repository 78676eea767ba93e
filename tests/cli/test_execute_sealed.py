"""A sealed key is opened where its private key is, and by nobody else: not by who answers, nor by who listens."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519
from support.age_files import behind
from support.approvers import Installation, Ran, installation
from support.liar import lying
from support.products import openssh

from service.sealing import seal

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

ACCOUNTS = [f"{number:012d}" for number in range(100000000000, 100000000030)]
AGE, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
_NUMBERS = count()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("service")
    with installation(folder, accounts=ACCOUNTS, signed_approvals="off") as found:
        yield found


def approved(at: Installation, sealed_to: str) -> Any:
    return at.approved(account_id=ACCOUNTS[next(_NUMBERS)], sealed_to=sealed_to)


def public(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text().strip()


def execute(at: Installation, request: Any, kept: Path, *arguments: str | Path, **options: str) -> Ran:
    return at.run("alice", "execute", request["id"], "--file", str(kept), *map(str, arguments), **options)


def status(at: Installation, request: Any) -> str:
    return str(at.call("alice", "GET", f"/v1/requests/{request['id']}")["status"])


def check_kept(at: Installation, request: Any, done: Ran, kept: Path) -> None:
    assert done.code == 0, done.error
    found = json.loads(kept.read_text())
    assert (found["request_id"], len(found["secret_access_key"])) == (request["id"], 40)
    assert status(at, request) == "succeeded"


def test_the_usual_ssh_key_opens_it_and_the_receipt_is_confirmed(at: Installation, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    key = openssh.generate(home / ".ssh", "ed25519").rename(home / ".ssh" / "id_ed25519")
    request = approved(at, (home / ".ssh" / "ed25519.pub").read_text().strip())
    done = execute(at, request, tmp_path / "key.json", HOME=str(home))
    check_kept(at, request, done, tmp_path / "key.json")
    assert {each.name for each in key.parent.iterdir()} == {"id_ed25519", "ed25519.pub"}


def test_an_age_identity_opens_it(at: Installation, tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_text(f"# created: today\n# public key: {AGE.to_public()}\n{AGE}\n")
    request = approved(at, str(AGE.to_public()))
    done = execute(at, request, tmp_path / "key.json", ROOTQUORUM_IDENTITY=str(file))
    check_kept(at, request, done, tmp_path / "key.json")


@pytest.mark.parametrize("form", [(), ("-m", "PEM")], ids=["OpenSSH", "PEM"])
def test_an_rsa_key_opens_it(at: Installation, tmp_path: Path, form: tuple[str, ...]) -> None:
    key = openssh.generate(tmp_path, "rsa", "-b", "2048", *form)
    request = approved(at, public(key))
    done = execute(at, request, tmp_path / "key.json", "--identity", key)
    check_kept(at, request, done, tmp_path / "key.json")


def test_a_file_that_takes_too_much_work_is_called_so_and_not_a_wrong_passphrase(
    at: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "identity"
    header = f"-> scrypt {'A' * 22} 30\n{'A' * 43}\n--- {'A' * 43}\n"
    file.write_bytes(f"age-encryption.org/v1\n{header}".encode() + bytes(32))
    request = approved(at, str(AGE.to_public()))
    done = execute(at, request, tmp_path / "key.json", "--identity", file, answer="battery")
    assert (done.code, status(at, request)) == (2, "approved")
    assert (
        done.error == f"{file} would take too long to open on this machine, by age's estimate. Nothing was executed.\n"
    )


def test_a_passphrase_is_asked_for_at_the_terminal_and_not_shown(at: Installation, tmp_path: Path) -> None:
    key, word = openssh.generate(tmp_path, "ed25519"), "correct horse"
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", word, "-f", key], check=True, stdout=subprocess.DEVNULL)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    request = approved(at, public(key))
    wrong = execute(at, request, tmp_path / "key.json", "--identity", key, answer="battery")
    assert (wrong.code, status(at, request)) == (2, "approved")
    assert wrong.error == f"{key} does not open with that passphrase. Nothing was executed.\n"
    done = execute(at, request, tmp_path / "key.json", "--identity", key, answer=word)
    check_kept(at, request, done, tmp_path / "key.json")
    assert f"Passphrase of {key}: " in done.seen
    assert word not in done.seen
    assert {each: each.read_bytes() for each in tmp_path.iterdir() if each.name != "key.json"} == before


def test_an_age_identity_may_have_a_passphrase(at: Installation, tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_bytes(behind("correct horse", f"{AGE}\n".encode()))
    request = approved(at, str(AGE.to_public()))
    done = execute(at, request, tmp_path / "key.json", "--identity", file, answer="correct horse")
    check_kept(at, request, done, tmp_path / "key.json")


def test_a_key_that_does_not_open_it_is_noticed_before_the_execution(at: Installation, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(f"{OTHER}\n")
    (tmp_path / "text").write_text("no key at all")
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    ecdsa = openssh.generate(tmp_path, "ecdsa")
    request = approved(at, str(AGE.to_public()))
    said = {
        ("--identity", tmp_path / "other"): "is not the key that the secret is sealed to",
        ("--identity", tmp_path / "text"): "is no private key of the kind",
        ("--identity", tmp_path / "large"): "is no private key.",
        ("--identity", ecdsa): "is no private key of the kind",
        ("--identity", tmp_path / "none"): "cannot be read: No such file or directory.",
        ("--identity", tmp_path): "cannot be read: Is a directory.",
        (): "Name the file of its identity",
    }
    for arguments, why in said.items():
        done = execute(at, request, tmp_path / "key.json", *arguments)
        assert (done.code, done.out, len(done.error.splitlines())) == (2, "", 1), done.error
        assert why in done.error
        assert done.error.endswith("Nothing was executed.\n")
    assert status(at, request) == "approved"
    assert not (tmp_path / "key.json").exists()


def test_without_the_usual_key_one_has_to_be_named(at: Installation, tmp_path: Path) -> None:
    request = approved(at, public(openssh.generate(tmp_path, "ed25519")))
    done = execute(at, request, tmp_path / "key.json", HOME=str(tmp_path))
    assert (done.code, "Name yours: --identity." in done.error) == (2, True)


def test_a_pipe_gets_it_opened_and_the_receipt_names_what_arrived(at: Installation, tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_text(f"{AGE}\n")
    request = approved(at, str(AGE.to_public()))
    done = subprocess.run(
        [sys.executable, "-m", "service", "execute", request["id"], "--identity", file],
        env=os.environ | at.environment("alice"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["secret_access_key"]) == 40
    [command] = re.findall(r"rootquorum (receipt \S+ --sealed-sha256 [0-9a-f]{64})\.", done.stderr)
    assert at.run("alice", *command.split()[:2]).error.startswith("The receipt does not name the sealed file")
    assert at.run("alice", *command.split()).error == "Confirmed. The request is succeeded.\n"


def test_a_file_that_somebody_replaced_is_neither_kept_nor_confirmed(at: Installation, tmp_path: Path) -> None:
    """Whoever is between can seal to the same key, and even name the right request: the receipt notices."""
    file = tmp_path / "identity"
    file.write_text(f"{AGE}\n")

    def replaced(inside: dict[str, Any]) -> Any:
        def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
            if not path.endswith("/execution") or "sealed" not in answer:
                return answer
            told = {name: answer[name] for name in ("access_key_id", "account_id", "request_id", "created_at")}
            forged = json.dumps({"secret_access_key": "f" * 40, **told, **inside})
            return answer | {"sealed": seal(str(AGE.to_public()), forged.encode())}

        return lie

    for inside in ({"request_id": "another"}, {"access_key_id": "AKIAOTHER00000000000"}, {"secret_access_key": "x\ny"}):
        request = approved(at, str(AGE.to_public()))
        with lying(at.url, replaced(inside)) as url:
            done = execute(at, request, tmp_path / "key.json", "--identity", file, url=url)
        assert (done.code, "could not be kept: What arrived is" in done.error) == (1, True), done.error
        assert (status(at, request), (tmp_path / "key.json").exists()) == ("delivered", False)

    request = approved(at, str(AGE.to_public()))
    with lying(at.url, replaced({})) as url:
        done = execute(at, request, tmp_path / "key.json", "--identity", file, url=url)
    assert (done.code, "What you hold is not what it sent." in done.error) == (1, True), done.error
    assert status(at, request) == "delivered"


def test_a_key_that_was_not_sealed_is_not_kept(at: Installation, tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_text(f"{AGE}\n")

    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "secret_access_key": "f" * 40} if path.endswith("/execution") else answer

    request = approved(at, str(AGE.to_public()))
    with lying(at.url, lie) as url:
        done = execute(at, request, tmp_path / "key.json", "--identity", file, url=url)
    assert (done.code, "did not seal the key" in done.error) == (1, True), done.error
    assert not (tmp_path / "key.json").exists()


def test_it_is_filed_from_the_command_line(at: Installation, tmp_path: Path) -> None:
    key, account = openssh.generate(tmp_path, "ed25519"), ACCOUNTS[next(_NUMBERS)]
    arguments = ["--reason", "Due this quarter.", "--sealed-to", public(key)]
    filed = at.run("alice", "request", "create-key", account, *arguments)
    assert filed.code == 0, filed.error
    assert "Ask them, by another way, for its fingerprint" in filed.error
    shown = at.run("ann", "show", filed.out.strip())
    assert openssh.fingerprint(public(key)) in shown.out
