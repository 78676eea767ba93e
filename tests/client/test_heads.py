"""The file of kept heads never goes back, and never loses what another command wrote."""

from pathlib import Path

import pytest

from service.client.heads import KeptHeads
from service.client.refused import Refused
from service.domain.statement import LogHead

_URL, _SERVICE = "https://rootquorum.example.com", "rootquorum.example.com/log"
_FIRST, _SECOND, _THIRD = (LogHead(size, f"{size:064x}") for size in (1, 2, 3))


@pytest.fixture
def kept(tmp_path: Path) -> KeptHeads:
    return KeptHeads(tmp_path / "heads.json")


def test_a_head_replaces_only_the_one_that_it_was_compared_with(kept: KeptHeads) -> None:
    kept.keep(_URL, _SERVICE, _FIRST, compared_with=None)
    kept.keep(_URL, _SERVICE, _THIRD, compared_with=_FIRST)
    for compared_with in (None, _FIRST):
        with pytest.raises(Refused):
            kept.keep(_URL, _SERVICE, _SECOND, compared_with=compared_with)
    assert kept.of(_SERVICE) == _THIRD


def test_each_service_has_its_own_head_whatever_the_url(kept: KeptHeads) -> None:
    kept.keep(_URL, _SERVICE, _FIRST, compared_with=None)
    kept.keep("https://other.example.com", "other.example.com/log", _SECOND, compared_with=None)
    assert (kept.of(_SERVICE), kept.of("other.example.com/log"), kept.of("x")) == (_FIRST, _SECOND, None)
    assert (kept.service_at(_URL), kept.service_at("https://x.example.com")) == (_SERVICE, None)


def test_a_file_that_cannot_be_replaced_stays_as_it_was(kept: KeptHeads, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep(_URL, _SERVICE, _FIRST, compared_with=None)
    before = kept.file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError):  # noqa: PT011  # it has no text
        kept.keep(_URL, _SERVICE, _SECOND, compared_with=_FIRST)
    assert kept.file.read_bytes() == before
    assert sorted(file.name for file in kept.file.parent.iterdir()) == ["heads.json", "heads.json.lock"]
