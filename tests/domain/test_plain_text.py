"""Text of others becomes one line on which everything is seen."""

import pytest

from service.domain.text import plain


@pytest.mark.parametrize("text", ["Alice", "Jürgen Groß", "山田太郎", "=1+1", "אליס", "O'Brien <o@x.example>"])
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Al\nice", "Al ice"),
        ("  Al\r\n\t ice\u2028# heading\u2029\x85", "Al ice # heading"),
        ("Al\u00a0ice", "Al ice"),
        ("\x1b[31mAlice\x1b[0m", "�[31mAlice�[0m"),
        ("Al\x00\x07\x7f\x9bice", "Al����ice"),
        ("Al\u202eeci\u2066\u200f", "Al�eci��"),
        ("Al\u200b\u200d\u2060\ufeff\u00adice", "Al�����ice"),
        ("Al\u3164\ufe0f\U000e0041\u2800ice", "Al����ice"),
        ("Al\ud800ice\ue000\uffff", "Al�ice��"),
        ("", ""),
    ],
)
def test_what_is_unseen_is_seen_to_have_been_there(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_long_text_is_cut_where_an_ellipsis_says_so() -> None:
    assert plain("a" * 2000) == "a" * 2000
    assert plain("a" * 2001) == "a" * 1999 + "…"
    assert plain("abc def", longest=5) == "abc …"
