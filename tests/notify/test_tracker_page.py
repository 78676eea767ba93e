"""The settings of each tracker in docs/trackers.md load, and every kind of tracker has a section."""

import re
from pathlib import Path

import pytest

from service.notify.products import PRODUCTS
from service.settings import Settings, load

_INTRODUCTION, *_SECTIONS = (Path(__file__).parents[2] / "docs/trackers.md").read_text().split("\n## ")
_BASE = """
decision_requires_auth_time = false
[server]
public_url = "https://rootquorum.example.com"
[aws]
simulated = true
[accounts.111122223333]
name = "production"
"""
_PEOPLE = "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("ann", "ben", "cid"))


def blocks(text: str) -> str:
    return "".join(re.findall(r"^```toml\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))


def settings_of(section: str, folder: Path) -> Settings:
    """Load what the page has for one tracker, with the policy of its introduction."""
    for secret in ("tracker.token", "hook.secret"):
        (folder / secret).write_text("whsec_bW9yZSB0aGFuIHR3ZW50eSBmb3VyIGJ5dGVz")
    policy = blocks(_INTRODUCTION)
    if '"github"' in section:
        policy = policy.replace('["Open", "In Progress"]', '["open"]')
    file = folder / "rootquorum.toml"
    file.write_text(policy + _BASE + _PEOPLE + blocks(section))
    return load(file)


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def title(section: str) -> str:
    return section.partition("\n")[0]


@pytest.mark.parametrize("section", [each for each in _SECTIONS if blocks(each)], ids=title)
def test_settings_on_the_page_load(section: str, tmp_path: Path) -> None:
    assert "desk" in settings_of(section, tmp_path).trackers


def test_every_kind_of_tracker_has_a_section(tmp_path: Path) -> None:
    loaded = [settings_of(each, tmp_path) for each in _SECTIONS if blocks(each)]

    assert {each.trackers["desk"].kind for each in loaded} == {*PRODUCTS}
