"""The figures of readability count what they say: sentences, long ones, passive ones, and unfamiliar words."""

import os

import pytest
import readability
from support.products import nodejs

pytestmark = pytest.mark.skipif(
    not nodejs.is_there() and "CI" not in os.environ, reason="no retext here; `make node` installs it"
)

_CODE_AND_TABLE = "```sh\nrootquorum audit verify\n```\n\n| it | is signed |\n|---|---|\n| it | is signed |\n"
_LONG = "The man and the dog and the cat and the boy and the girl and the cow and the horse went away."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The dog runs home. The cat sits.", {"words": 7, "sentences": 2}),
        (_LONG, {"sentences": 1, "long": 1}),
        ("The request is approved.", {"words": 4, "sentences": 1, "passive": 1}),
        ("A key was not written down.", {"passive": 1}),
        ("They are here. We need them.", {"sentences": 2, "passive": 0}),
        ("The quorum is here.", {"unfamiliar": 1}),
        (_CODE_AND_TABLE, {"words": 0}),
        ("The dog runs to `rootquorum` now.", {"words": 5, "unfamiliar": 0}),
    ],
)
def test_sentences_are_counted_without_code_and_tables(text: str, found: dict[str, int]) -> None:
    counts = readability.measured([text])
    assert {name: counts[name] for name in found} == found


def test_several_texts_are_counted_together() -> None:
    assert readability.measured(["The dog runs.", "The cat sits."])["sentences"] == 2


def test_shares_are_of_sentences_and_of_words() -> None:
    counts = {"words": 1200, "sentences": 100, "long": 10, "passive": 25, "unfamiliar": 300}
    assert readability.row("docs", counts) == "| docs | 1,200 | 12.0 | 10 % | 25 % | 25 % |"
