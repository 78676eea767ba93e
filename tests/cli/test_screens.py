"""The screens of a person's commands in a real terminal, narrow and wide. `make screens` writes docs/screens.md."""

import os
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.approvers import Installation, installation
from support.products import openssh
from support.products.debian import find
from support.products.tmux import Window, window

DOCUMENT = Path(__file__).parents[2] / "docs" / "screens.md"
TOLD = """\
# Screens

What a person sees of a request in a terminal of 80 columns. `make screens` makes this page: a test runs the commands in
tmux, and writes moments, ids and keys anew. See [the command line](command-line.md).
"""
REASON = "The old GovCloud integration signs with a root key. The key is due for rotation this quarter."
# What changes with each run, and what the page has instead, of the same length.
SAME = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "3f0c2b1e-5d8a-4c4f-9a57-0d3c8e7b6a10",
    r"\b[0-9a-f]{64}\b": "9ca495b7e95f141281da4b6876e5c2728af0983fd2c11a1d3b72dfa405c42370",
    r"\bAKIA[A-Z0-9]{16}\b": "AKIAIOSFODNN7EXAMPLE",
    r"SHA256:[A-Za-z0-9+/]{43}": "SHA256:bUOBWHGwEU7AELlveetSglT0Tyratb4bsEUmsJ6TLYw",
    r"http://127\.0\.0\.1:\d+": "http://127.0.0.1:8080",
    r":\d\d\.\d{6}Z": ":07.204915Z",
}
FIRST = datetime.fromisoformat("2026-03-02 09:15")
MOMENT = r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d"

pytestmark = pytest.mark.skipif(
    (openssh.find() is None or find("tmux") is None) and "CI" not in os.environ,
    reason="no OpenSSH or tmux here; `make openssh tmux` installs them",
)


class Desk:
    """A person at a terminal of so many columns. `screens` is what each command showed there."""

    def __init__(self, at: Installation, folder: Path, columns: int) -> None:
        self.request = at.file(ticket="OPS-4711", justification=REASON, lifetime="P30D")
        self.screens: dict[str, str] = {}
        self._at, self._folder, self._columns = at, folder, columns

    def see(self, command: str, *, meanwhile: str = "") -> None:
        """Run the command as ann, and keep its screen. `meanwhile` is what she waits for before something happens."""
        words = [word.format(id=self.request["id"], key=self._at.key("ann")) for word in command.split()]
        environment = {name: value for name, value in self._at.environment("ann").items() if name != "COLUMNS"}
        folder = self._folder / f"{len(self.screens)}"
        with window(folder, self._columns, [sys.executable, "-m", "service", *words], environment) as found:
            if meanwhile:
                found.wait_for(meanwhile)
                self._happen(found, words[0])
            found.wait_for_the_end()
            self.screens[command.format(id="ID", key="KEY")] = found.screen()

    def _happen(self, found: Window, command: str) -> None:
        if command == "approve":
            found.type("yes")
        else:
            assert self._at.approve("ben", self.request).code == 0


@pytest.fixture(scope="module", params=[80, 140])
def columns(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, columns: int) -> Iterator[Desk]:
    """Ann, who looks at a request, approves it, and watches until another approval has come."""
    with installation(tmp_path_factory.mktemp("service")) as at:
        desk = Desk(at, tmp_path_factory.mktemp("terminal"), columns)
        desk.see("list --awaiting-me")
        desk.see("show {id}")
        desk.see("approve {id} --key {key}", meanwhile="Type yes or no:")
        desk.see("watch {id} --until approved", meanwhile="1 of 2")
        yield desk


def test_what_people_compare_and_copy_is_whole(desk: Desk, columns: int) -> None:
    request = desk.request
    listed, shown, approved, watched = desk.screens.values()
    assert all(len(line) <= columns for screen in desk.screens.values() for line in screen.splitlines())
    assert request["id"] in listed
    for screen in (shown, approved):
        assert {request["id"], request["digest"]} <= {*screen.split()}
        assert request["observed"]["keys"][0]["access_key_id"] in screen
    assert f"rootquorum approve {request['id']} --key KEY" in shown
    assert "\nShall this happen? Type yes or no: yes\n" in approved
    assert approved.endswith("\nApproved. The request is pending.")
    assert [line.partition(",")[0] for line in watched.splitlines()] == ["pending", "approved"]


@pytest.mark.parametrize("columns", [80], indirect=True)
def test_the_page_of_screens_is_what_is_seen(desk: Desk) -> None:
    parts = [f"## `rootquorum {command}`\n\n```\n{screen}\n```\n" for command, screen in desk.screens.items()]
    page = TOLD + "\n" + same("\n".join(parts))
    if "SCREENS" in os.environ:
        DOCUMENT.write_text(page)
    assert DOCUMENT.read_text() == page, "docs/screens.md is stale: make screens"


def same(screens: str) -> str:
    """Replace what changes with each run. Moments stay as many hours apart as they are."""
    for pattern, other in SAME.items():
        screens = re.sub(pattern, other, screens)
    first = min(datetime.fromisoformat(found) for found in re.findall(MOMENT, screens))

    def moved(found: re.Match[str]) -> str:
        hours = round((datetime.fromisoformat(found[0]) - first) / timedelta(hours=1))
        return (FIRST + timedelta(hours=hours)).isoformat(found[0][10], "minutes")

    return re.sub(MOMENT, moved, screens)


@pytest.mark.parametrize("filed", ["2027-12-30 15:58 UTC", "2027-12-30 23:58 UTC"])
def test_the_time_of_day_of_a_run_is_not_seen(filed: str) -> None:
    later = datetime.fromisoformat(filed.removesuffix(" UTC")) + timedelta(hours=8, minutes=3)
    assert same(f"{filed}, {later:%Y-%m-%d %H:%M} UTC") == "2026-03-02 09:15 UTC, 2026-03-02 17:15 UTC"
