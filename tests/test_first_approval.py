"""The first approval, step by step: its commands are run, and what its pages say they print is compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.page_blocks import AT_A_TERMINAL, same
from support.products import debian

from service.cli.waiting import free_port

_ROOT = Path(__file__).parents[1]
_BIN = Path(sys.executable).parent


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks of a page: their language, and their text."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (_ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


_FIRST, _HTTP = blocks("first-approval.md"), blocks("over-http.md")
# Who approves has a terminal of their own, and types yes.
_COMMAND = f"""#!/bin/sh
if [ "$1" = approve ]; then exec {sys.executable} at_a_terminal.py {_BIN}/rootquorum "$@"; fi
exec {_BIN}/rootquorum "$@"
"""


def walked(folder: Path, commands: list[str]) -> list[str]:
    """What each block of commands printed, on stdout and stderr, as the blocks follow each other."""
    port = free_port()
    script = "".join(f"echo '=== next'\n{text}" for text in commands)
    for ours, theirs in {
        "/path/to/rootquorum/.venv/bin": str(folder / "bin"),
        "http://127.0.0.1:8080": f"http://127.0.0.1:{port}",
    }.items():
        assert ours in script
        script = script.replace(ours, theirs)
    (folder / "at_a_terminal.py").write_text(AT_A_TERMINAL)
    command = folder / "bin" / "rootquorum"
    command.parent.mkdir()
    command.write_text(_COMMAND)
    command.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROOTQUORUM_")}
    done = subprocess.run(
        ["bash", "-c", f"trap 'kill $(jobs -p); wait' EXIT\n{script}"],
        cwd=folder,
        env=clean | {"ROOTQUORUM_SERVER__PORT": str(port), "PYTHONPATH": str(_ROOT / "tests")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.split("=== next\n")[1:]


# Over HTTP, the first block of the first page has started the service.
@pytest.mark.parametrize("walk", [_FIRST, [*_FIRST[:1], *_HTTP]], ids=["commands", "http"])
def test_the_walk_prints_what_the_page_says(tmp_path: Path, walk: list[tuple[str, str]]) -> None:
    if debian.find("jq") is None or debian.find("curl") is None:
        pytest.skip("there is no curl or jq on this machine: make jq, as root")
    printed = iter(walked(tmp_path, [text for language, text in walk if language == "sh"]))
    output = ""
    for language, text in walk:
        if language == "sh":
            output = next(printed)
            continue
        expected, found = same(text), same(output)
        if expected[-1] == "…":  # more of the same
            expected.pop()
            found = found[: len(expected)]
        assert found == expected
