"""Three founders, then their auditor: the commands of both pages are run at a terminal, and their output compared."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.at_terminal import at
from support.page_blocks import same
from support.products import debian, openssh

from service import verifier
from service.cli.waiting import free_port

_DOCS = Path(__file__).parents[1] / "docs"
_QUESTION, _YES = b"Type yes or no: ", b"yes\n"
# What is another each time, and is not in the first approval.
_CHANGING = {
    r"SHA256:[A-Za-z0-9+/]{43}": "<fingerprint>",
    r"(?<=root )[A-Za-z0-9+/]{43}=": "<root>",
    r"\d{2}:\d{2} UTC": "<time of day>",
    r"(?<=at revision )\d{4}": "<revision>",
    r"(?<=seq )\d+|\d+(?= events)|(?<=the log of )\d+": "<number>",
}
_WORDS = re.compile(r"^words +.*?(?=^\S|^$|\Z)", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.skipif(
    (openssh.find() is None or debian.find("curl") is None) and "CI" not in os.environ,
    reason="no OpenSSH or curl here; `make openssh jq` installs them",
)


def blocks() -> Iterator[tuple[str, str]]:
    """Each block of both pages with its language."""
    for page in ("founders.md", "auditors.md"):
        yield from re.findall(r"^```(sh)?\n(.*?)^```$", (_DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


def alike(text: str) -> list[str]:
    for pattern, name in _CHANGING.items():
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in same(_WORDS.sub("<words>\n", text))]


def answer_each_question(terminal: int) -> None:
    """Type yes whenever a command asks, until nobody has the terminal open."""
    shown, answered = b"", 0
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # EIO
            return
        while shown.count(_QUESTION) > answered:
            answered += 1
            os.write(terminal, _YES)


def walked(folder: Path) -> list[str]:
    """Return what each block of commands printed, on stdout and stderr."""
    port = free_port()
    script = "trap 'kill $(jobs -p); wait' EXIT\n"
    script += "".join(f"echo '=== next'\n{text}" for language, text in blocks() if language == "sh")
    for ours, theirs in {
        "/path/to/rootquorum/.venv/bin": str(Path(sys.executable).parent),
        "http://127.0.0.1:8080": f"http://127.0.0.1:{port}",
    }.items():
        assert ours in script
        script = script.replace(ours, theirs)
    (folder / "walk.sh").write_text(script)
    shutil.copy(verifier.__file__, folder / "verifier.py")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROOTQUORUM_")}
    controller, terminal = os.openpty()
    answering = threading.Thread(target=answer_each_question, args=[controller])
    answering.start()
    done = subprocess.run(
        at(Path(os.ttyname(terminal)), ["/bin/bash", "walk.sh"]),
        cwd=folder,
        env=clean | {"ROOTQUORUM_SERVER__PORT": str(port), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
    )
    os.close(terminal)
    answering.join()
    os.close(controller)
    return done.stdout.split("=== next\n")[1:]


def test_founders_and_their_auditor_see_what_the_pages_say(tmp_path: Path) -> None:
    printed = iter(walked(tmp_path))
    output = ""
    for language, text in blocks():
        if language == "sh":
            output = next(printed)
            continue
        expected, found = alike(text), alike(output)
        if expected[-1] == "…":  # more of the same
            expected.pop()
            found = found[: len(expected)]
        assert found == expected
