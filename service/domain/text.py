"""Makes text from others safe for people to read."""

import re
import unicodedata
from functools import lru_cache

# Invisible letters, marks and a symbol: Unicode's Default_Ignorable_Code_Point beyond the categories below, and the
# blank of Braille.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
# Control (including ANSI's escape), format (bidirectional, zero-width), surrogate, private use, unassigned.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Characters that are markup somewhere, or would end a quoted name.
_MARKUP = str.maketrans("", "", '<>"`*[]|\\\uff02\u2033\u201e\u301d\u301e\u301f')
_QUOTES = frozenset({"Pi", "Pf"})  # quotation marks that open or close
_SHOWN_AS = "\N{REPLACEMENT CHARACTER}"


def is_unseen(character: str) -> bool:
    """Return whether a character is invisible or a control, or hides or reorders the text beside it."""
    return unicodedata.category(character) in _CATEGORIES or _UNSEEN.match(character) is not None


def visible(name: str, *, longest: int = 100) -> str:
    """Clean a name that somebody else chose, so that it cannot hide or reorder the text beside it."""
    if name.isascii() and name.isprintable():  # most names are
        return name[:longest].strip()
    seen = (letter for letter in name if letter.isprintable() and not is_unseen(letter))
    return "".join(seen)[:longest].strip()


# A list names the same people again and again.
@lru_cache(maxsize=1024)
def quoted(name: str) -> str:
    """Quote a name for a sentence of ours. Its beginning and end are clear, and nothing in it is markup."""
    bare = name.translate(_MARKUP)
    if not bare.isascii():
        bare = "".join(letter for letter in bare if unicodedata.category(letter) not in _QUOTES)
    return f'"{visible(bare)}"'


def plain(text: str, longest: int = 2000) -> str:
    """Return one line of visible characters, in their order.

    Whitespace of any kind becomes single spaces. An invisible character becomes a replacement character, so that the
    reader knows of it. The line has at most `longest` characters; an ellipsis stands for the rest.
    """
    line = "".join(_SHOWN_AS if is_unseen(character) else character for character in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
