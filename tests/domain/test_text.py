"""Names that somebody else chose, where people read them."""

import pytest

from service.domain.text import quoted, visible

UNSEEN = [
    "\u2800",
    "\u3164",
    "\u115f",
    "\u034f",
    "\ufe0f",
    "\U000e0100",
    "\u17b4",
    "\u180b",
    "\u0378",
    "\u200b",
    "\x1b",
]


@pytest.mark.parametrize("letter", UNSEEN)
def test_nothing_unseen_is_left_in_a_name(letter: str) -> None:
    assert visible(f"Ri{letter}ta") == "Rita"


@pytest.mark.parametrize(
    "mark", ['"', "\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb", "\uff02", "\u2033", "\u2019", "`", "<"]
)
def test_no_name_ends_its_quotation(mark: str) -> None:
    assert quoted(f"Rita{mark} alone") == '"Rita alone"'


def test_an_apostrophe_stays() -> None:
    assert quoted("Miles O'Brien") == '"Miles O\'Brien"'
