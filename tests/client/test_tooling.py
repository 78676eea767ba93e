"""The programs of docs/tooling.md run against the service, and print what the page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import commanded, serving
from support.products import debian

from service.cli.waiting import free_port

_PAGE = (Path(__file__).parents[2] / "docs/tooling.md").read_text()
_PEOPLE = {"rita": "requester", "ann": "approver", "ben": "approver"}


def block(language: str) -> str:
    """The one block of that language on the page."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Serve in `tmp_path`, where the machine of the page has its token."""
    people = "".join(f'[people.{name}]\nname = "{name}"\nroles = ["{role}"]\n' for name, role in _PEOPLE.items())
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/rootquorum.db"\n[aws]\nsimulated = true\n'
        f'[policy]\ndecision_requires_auth_time = false\n[accounts.111122223333]\nname = "x"\n{people}{block("toml")}'
    )
    assert commanded(tmp_path, "migrate").returncode == 0
    (tmp_path / "cleaner.token").write_text(commanded(tmp_path, "token", "create", "cleaner").stdout)
    port = free_port()
    with serving(tmp_path, port):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.skipif(
    (debian.find("jq") is None or debian.find("curl") is None) and "CI" not in os.environ,
    reason="no curl or jq here; `make jq` installs them",
)
def test_the_pipeline_files_once_and_withdraws_as_the_page_says(url: str, tmp_path: Path) -> None:
    filed = subprocess.run(
        ["bash", "-c", block("sh")],
        cwd=tmp_path,
        env=os.environ | {"api": url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert filed.stdout in _PAGE.partition("```sh\n")[2].partition("```\n")[2]
    assert filed.stdout.startswith("the same request\n")

    token = (tmp_path / "cleaner.token").read_text().strip()
    withdrawn = subprocess.run(
        [sys.executable, "-c", block("python")],
        env=os.environ | {"ROOTQUORUM_URL": url, "ROOTQUORUM_TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
    )
    assert withdrawn.stdout == "withdrawn\n"
