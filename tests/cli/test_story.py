"""The story of signed approvals, with a service, terminals, a passkey, and an auditor who trusts none of them."""

import json
import os
import shlex
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.approvers import ACCOUNT, FOUNDERS, Installation, Ran, prepared
from support.bare import bare_python
from support.installation import serving
from support.products import openssh
from support.products.postgres import Postgres
from support.rule_files import following
from support.signers import ORIGIN, RP_ID, Passkey, p256_of

from service import verifier
from service.cli.waiting import free_port
from service.domain.statement import Namespace

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

_SIGNING = f'[signing]\nrp_id = "{RP_ID}"\norigins = ["{ORIGIN}"]\n'
_STRICTER = '\n[[rules]]\nname = "no key for long"\nmax_lifetime = "P14D"\n'
_DAVE = Passkey(private=p256_of(b"dave"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.new_empty_database()
    yield url
    postgres.drop(url)


def done(ran: Ran) -> str:
    assert ran.code == 0, ran.error
    return ran.out.strip()


def test_three_founders_a_fourth_a_stricter_rule_a_key_and_an_auditor(database: str | None, tmp_path: Path) -> None:
    folder, port = tmp_path / "service", free_port()
    folder.mkdir()
    at = prepared(folder, port, database=database, signing=_SIGNING, rules_file=True)

    with serving(folder, port):  # Version 1 of the rules is trusted, because it is seen first.
        registers_a_passkey(at, "dave")
        for founder in ("ann", "ben"):
            named = ("endorse", _DAVE.public.fingerprint, "--key", str(at.key(founder)))
            done(at.run(founder, "signing-key", *named))
        version_1 = done(at.run("cid", "rules", "show", str(folder / "rules.toml")))
        assert "1" in version_1

    before = folder / "before.toml"
    shutil.copy(folder / "rules.toml", before)
    (folder / "rules.toml").write_text(following(before.read_text()) + _STRICTER)
    for founder in ("ann", "cid"):
        signing = ("rules", "sign", str(folder / "rules.toml"), "--previous", str(before))
        done(at.run(founder, *signing, "--key", str(at.key(founder))))

    with serving(folder, port):  # Version 2 is in force, by the signatures of two founders.
        filing = ("request", "create-key", ACCOUNT, "--reason", "Due this quarter.", "--lifetime")
        assert "lifetime" in at.run("alice", *filing, "P30D").error
        request_id = done(at.run("alice", *filing, "P7D"))
        assert at.approve("cid", {"id": request_id}).out == "Approved. The request is pending.\n"
        assert approves_with_a_passkey(at, "dave", request_id)["status"] == "approved"
        done(at.run("alice", "execute", request_id, "--file", str(tmp_path / "key.json")))
        evidence = done(at.run("alice", "evidence", request_id))
        [key_of_log] = at.call("alice", "GET", "/v1/audit/keys")["keys"]

    with an_auditor(tmp_path / "auditor", evidence, at) as (python, home):
        told = run(python, home, "--key", key_of_log["key"], "--signers", "allowed_signers", "--extract", "out")
        commands = [line.partition(": ")[2] for line in told.splitlines() if "ssh-keygen" in line]
        assert len(commands) == 2
        for command in commands:
            accepted(command, home)


def registers_a_passkey(at: Installation, person: str) -> None:
    said = at.call(person, "POST", "/v1/me/signing-keys/statement", passkey=b64encode(_DAVE.spki).decode())
    statement = said["statement"]
    signature = _DAVE.sign(statement.encode(), Namespace.REGISTRATION)
    at.call(person, "POST", "/v1/me/signing-keys", statement=statement, signature=signature, name="phone")


def approves_with_a_passkey(at: Installation, person: str, request_id: str) -> Any:
    said = at.call(person, "GET", f"/v1/requests/{request_id}/statement?decision=approve")
    signature = _DAVE.sign(said["statement"].encode(), Namespace.DECISION)
    decision = {"decision": "approve", "digest": said["digest"], "statement": said["statement"], "signature": signature}
    return at.call(person, "POST", f"/v1/requests/{request_id}/decisions", **decision)


@contextmanager
def an_auditor(home: Path, evidence: str, at: Installation) -> Iterator[tuple[Path, Path]]:
    """Give them the evidence, the one file that checks it, and whose keys are whose; no service, and none of ours."""
    home.mkdir()
    (home / "evidence.json").write_text(evidence)
    shutil.copy(Path(verifier.__file__), home / "verifier.py")
    keys = {founder: at.key(founder).with_suffix(".pub").read_text().strip() for founder in FOUNDERS}
    keys["dave"] = _DAVE.public.text
    (home / "allowed_signers").write_text("".join(f"{person} {key}\n" for person, key in keys.items()))
    yield bare_python(home / "python"), home


def run(python: Path, home: Path, *arguments: str) -> str:
    command = [str(python), "-I", "verifier.py", *arguments, "evidence.json"]
    ran = subprocess.run(command, cwd=home, env={}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def accepted(command: str, home: Path) -> None:
    """Run what the verifier printed, with OpenSSH alone. One flipped byte is refused."""
    found = openssh.find()
    assert found is not None
    environment = {"PATH": f"{Path(found).parent}:{os.environ['PATH']}"}

    def is_good() -> bool:
        return subprocess.run(["sh", "-c", command], cwd=home, env=environment, check=False).returncode == 0

    assert is_good()
    statement = home / shlex.split(command.strip("()"))[1] / "statement"
    said = json.loads(statement.read_text())
    assert said["digest"] == json.loads((home / "evidence.json").read_text())["decisions"][0]["digest"]
    statement.write_text(statement.read_text().replace("approve", "approvf"))
    assert not is_good()
