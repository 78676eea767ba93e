"""The units in `deploy/`, judged by Debian's own systemd. No unit is started: that needs a host with systemd."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.installation import every_command
from support.products import debian

UNITS = sorted((Path(__file__).parents[2] / "deploy").glob("*.service"))
# systemd calls everything below 5 "OK". An unprotected unit has 9.6.
MOST_EXPOSED = 15  # tenths


@pytest.fixture
def analyze() -> str:
    found = debian.find("systemd-analyze")
    if found is None:
        pytest.skip("there is no systemd on this machine: make systemd, as root")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_the_unit(analyze: str, unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    # systemd also wants the program to be there.
    copy.write_text(unit.read_text().replace("/opt/rootquorum/bin/rootquorum", sys.executable))
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_little_exposed(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Overall exposure level" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_unit_runs_a_command_that_exists(unit: Path) -> None:
    (command,) = re.findall(r"^ExecStart=/opt/rootquorum/bin/rootquorum (.+)$", unit.read_text(), re.MULTILINE)
    assert tuple(command.split()) in {path for path, _ in every_command()}


def test_the_units_have_the_same_sandbox() -> None:
    sandboxes = [unit.read_text().partition("\nNoNewPrivileges=")[2] for unit in UNITS]
    assert len(sandboxes) == 2
    assert len({*sandboxes}) == 1
    assert "ProtectSystem=strict" in sandboxes[0]
