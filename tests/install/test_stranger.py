"""A stranger's hour: the installed wheel in an empty environment, outside of the repository, and only its commands."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.approvers import ACCOUNT, ORIGIN, Installation, prepared
from support.at_terminal import Person
from support.installation import serving
from support.products import openssh
from support.products.postgres import Postgres
from support.wheel import Installed, install

from service.cli.waiting import free_port

pytestmark = pytest.mark.skipif(openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH; `make openssh`")


# `make dist-check` names each supported Python; the gate takes its own.
PYTHONS = os.environ.get("PYTHONS", sys.executable).split()


@pytest.fixture(scope="module", params=PYTHONS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param}")
    return install(tmp_path_factory.mktemp("wheel"), request.param)


@dataclass(frozen=True)
class Stranger:
    """The people of a company, each with the commands of the wheel and nothing else."""

    wheel: Installed
    at: Installation

    def run(self, person: str, *arguments: str, terminal: Path | None = None) -> subprocess.CompletedProcess[str]:
        variables = self.at.environment(person)
        done = self.wheel.run(self.at.folder, *arguments, terminal=terminal, **variables)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def approve(self, person: str, request_id: str) -> str:
        """Approve at a terminal, and return what was read there."""
        reader = Person("yes")
        try:
            self.run(person, "approve", request_id, "--key", str(self.at.key(person)), terminal=reader.terminal)
        finally:
            reader.leave()
        return reader.seen


@pytest.fixture(params=["sqlite", "postgresql"])
def stranger(request: pytest.FixtureRequest, installed: Installed, tmp_path: Path) -> Iterator[Stranger]:
    """Migrate and serve from the wheel, on either database."""
    postgres: Postgres | None = None
    database = None
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
        database = postgres.new_empty_database()
    port = free_port()
    at = prepared(tmp_path, port, database=database, run=installed.run, tokens=("alice", "ann", "ben"))
    with serving(tmp_path, port, program=[installed.program]):
        yield Stranger(installed, at)
    if postgres is not None and database is not None:
        postgres.drop(database)


def test_the_environment_is_empty_but_for_the_wheel_and_what_it_asks_for(installed: Installed, tmp_path: Path) -> None:
    asked = "import importlib.util as u, service; print(service.__file__, u.find_spec('pytest'), u.find_spec('pip'))"
    done = subprocess.run(
        [installed.python, "-c", asked], cwd=tmp_path, env=installed.variables({}), capture_output=True, check=False
    )
    where, *others = done.stdout.decode().split()
    assert Path(where).is_relative_to(installed.environment)
    assert others == ["None", "None"]


def test_a_stranger_gets_from_migrate_to_verified_evidence(stranger: Stranger, tmp_path: Path) -> None:
    filed = ("request", "create-key", ACCOUNT, "--reason", "Due this quarter.", "--lifetime", "P30D")
    request_id = stranger.run("alice", *filed).stdout.strip()
    assert "0 of 2; missing: 2 more; signatures: required" in stranger.run("ann", "show", request_id).stdout
    for person in ("ann", "ben"):
        assert request_id in stranger.approve(person, request_id)

    kept = tmp_path / "key.json"
    assert "its receipt is confirmed" in stranger.run("alice", "execute", request_id, "--file", str(kept)).stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(json.loads(kept.read_text())["secret_access_key"]) == 40
    # A receipt is confirmed once: to say it again changes nothing.
    assert stranger.run("alice", "receipt", request_id).stderr == "Confirmed. The request is succeeded.\n"

    evidence = tmp_path / "evidence.json"
    evidence.write_text(stranger.run("alice", "evidence", request_id).stdout)
    assert kept.read_text() not in evidence.read_text()
    log_key = (tmp_path / "log.key").read_text().strip()  # as `audit key` printed it
    assert log_key.startswith(f"{ORIGIN}+")
    stranger.run("alice", "audit", "verify", "--key", log_key, "evidence.json")
    _verify_alone(stranger.wheel, tmp_path, log_key)


def _verify_alone(wheel: Installed, folder: Path, log_key: str) -> None:
    """Verify the evidence with the verifier's one file, changed and unchanged."""
    [verifier] = wheel.environment.glob("lib/*/site-packages/service/verifier.py")
    (folder / "verifier.py").write_bytes(verifier.read_bytes())
    true = (folder / "evidence.json").read_text()
    (folder / "changed.json").write_text(true.replace("Due this quarter.", "Due this century."))
    for name, code in (("evidence.json", 0), ("changed.json", 1)):
        done = subprocess.run(
            [wheel.python, "verifier.py", "--key", log_key, name],
            cwd=folder,
            env=wheel.variables({}),
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
