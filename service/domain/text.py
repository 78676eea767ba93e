"""Text of others that people read."""

import re
import unicodedata

# Unicode's Default_Ignorable_Code_Point beyond the categories below, and the blank of Braille: letters, marks and a
# symbol that nobody sees.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
# Control (ANSI's escape too), format (bidirectional, zero-width), surrogate, private, unassigned.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# What marks text up somewhere, or would end the quotation that a name stands in.
_MARKUP = str.maketrans("", "", '<>"`*[]|\\\uff02\u2033\u201e\u301d\u301e\u301f')
_QUOTES = frozenset({"Pi", "Pf"})  # quotation marks that open or close
_SHOWN_AS = "\N{REPLACEMENT CHARACTER}"


def is_unseen(character: str) -> bool:
    """Tell a control character, or one that hides or turns around what stands beside it."""
    return unicodedata.category(character) in _CATEGORIES or _UNSEEN.match(character) is not None


def visible(name: str, *, longest: int = 100) -> str:
    """A name that somebody else chose: nothing in it may hide, or turn around, what stands beside it."""
    seen = (letter for letter in name if letter.isprintable() and not is_unseen(letter))
    return "".join(seen)[:longest].strip()


def quoted(name: str) -> str:
    """Put it into a sentence of ours: it shows where it begins and ends, and marks nothing up."""
    bare = "".join(letter for letter in name.translate(_MARKUP) if unicodedata.category(letter) not in _QUOTES)
    return f'"{visible(bare)}"'


def plain(text: str, longest: int = 2000) -> str:
    """One line of characters that are all seen, in the order in which they stand.

    Whitespace of any kind becomes single spaces, and what is unseen a replacement character: whoever reads shall know
    that there was something. It is no longer than `longest`; an ellipsis stands for the rest.
    """
    line = "".join(_SHOWN_AS if is_unseen(character) else character for character in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
