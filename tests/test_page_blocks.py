"""Every block of commands in the README, in Learn and in Do is run, and prints what its page says; or says why not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.page_blocks import Block, Scene, blocks, same, scene
from support.products import openssh

_ROOT = Path(__file__).parents[1]
# Their own tests run them whole, or make them.
_ELSEWHERE = {
    "first-approval.md": "test_first_approval.py",
    "over-http.md": "test_first_approval.py",
    "founders.md": "test_founders.py",
    "auditors.md": "test_founders.py",
    "tooling.md": "client/test_tooling.py",
    "screens.md": "cli/test_screens.py",
}


def _pages() -> list[Path]:
    """The pages to learn and to do from, by the navigation, and the README."""
    navigation = (_ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    kinds = dict(part.split(":\n", 1) for part in re.split(r"^  - ", navigation, flags=re.MULTILINE) if ":\n" in part)
    listed = [page for kind in ("Learn", "Do") for page in re.findall(r"^ *- (\S+\.md)$", kinds[kind], re.MULTILINE)]
    return [_ROOT / page for page in ("README.md", *listed) if Path(page).name not in _ELSEWHERE]


_BLOCKS = {page: blocks(page) for page in _pages()}
_RUN = [page for page, found in _BLOCKS.items() if any(block.mark == "run as" for block in found)]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if openssh.find() is None:
        pytest.skip("there is no ssh-keygen on this machine: make openssh")
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


@pytest.mark.parametrize("page", _BLOCKS, ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in _BLOCKS[page]:
        assert block.mark, block.text
        if block.mark == "not run":
            assert len(block.said.split()) >= 5
            assert all((_ROOT / named).is_file() for named in re.findall(r"tests/[\w/.]+\.\w+", block.said)), block.said


def test_pages_that_are_run_elsewhere_have_such_a_test() -> None:
    for page, test in _ELSEWHERE.items():
        assert page in (_ROOT / "tests" / test).read_text()


@pytest.mark.parametrize("page", _RUN, ids=lambda page: page.name)
def test_blocks_print_what_their_page_says(page: Path, at: Scene) -> None:
    for block in filter(lambda block: block.mark == "run as", _BLOCKS[page]):
        done = at.run(block)
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        if block.printed:
            assert same(done.stdout) == same(block.printed)


def test_some_blocks_say_what_is_printed() -> None:
    printed = [block.printed for found in _BLOCKS.values() for block in found if block.mark == "run as"]
    assert {"Suspended.\nReinstated.\n", "No difference in who may approve what.\n"} <= {*printed}


def test_a_block_that_fails_is_noticed(at: Scene) -> None:
    block = Block("page.md", "sh", "rootquorum show 00000000-0000-4000-8000-000000000000\necho on\n", "run as", "carol")
    done = at.run(block)
    assert done.returncode != 0
    assert "on" not in done.stdout.split()
