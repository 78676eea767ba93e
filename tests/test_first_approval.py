"""The first approval, step by step: its commands are run, and what the page says they print is compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.page_blocks import same
from support.products import debian

from service.cli.waiting import free_port

_ROOT = Path(__file__).parents[1]
_WALK = (
    (_ROOT / "docs/first-approval.md").read_text().partition("## The main job, step by step")[2].partition("\n## ")[0]
)
_BLOCKS = re.findall(r"```(sh)?\n(.*?)```", _WALK, re.DOTALL)


def walked(folder: Path) -> list[str]:
    """What each block of commands printed, on stdout and stderr, as the page's blocks follow each other."""
    port = free_port()
    commands = [text for language, text in _BLOCKS if language == "sh"]
    script = "".join(f"echo '=== next'\n{text}" for text in commands)
    for ours, theirs in {
        "/path/to/rootquorum/.venv/bin": str(Path(sys.executable).parent),
        "http://127.0.0.1:8080": f"http://127.0.0.1:{port}",
    }.items():
        assert ours in script
        script = script.replace(ours, theirs)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROOTQUORUM_")}
    done = subprocess.run(
        ["bash", "-c", f"trap 'kill $(jobs -p); wait' EXIT\n{script}"],
        cwd=folder,
        env=clean | {"ROOTQUORUM_SERVER__PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.split("=== next\n")[1:]


def test_the_walk_prints_what_the_page_says(tmp_path: Path) -> None:
    if debian.find("jq") is None or debian.find("curl") is None:
        pytest.skip("there is no curl or jq on this machine: make jq, as root")
    printed = iter(walked(tmp_path))
    output = ""
    for language, text in _BLOCKS:
        if language == "sh":
            output = next(printed)
            continue
        expected, found = same(text), same(output)
        if expected[-1] == "…":  # more of the same
            expected.pop()
            found = found[: len(expected)]
        assert found == expected
