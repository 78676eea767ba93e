"""Text of others that people read."""

# What marks text up somewhere, or would end the quotation that a name stands in.
_MARKUP = str.maketrans("", "", '<>"`*[]|\\')


def visible(name: str, *, longest: int = 100) -> str:
    """A name that somebody else chose: nothing in it may hide, or turn around, what stands beside it."""
    return "".join(letter for letter in name if letter.isprintable())[:longest].strip()


def quoted(name: str) -> str:
    """Put it into a sentence of ours: it shows where it begins and ends, and marks nothing up."""
    return f'"{visible(name.translate(_MARKUP))}"'
