"""Text of others that people read."""


def visible(name: str, *, longest: int = 100) -> str:
    """A name that somebody else chose: nothing in it may hide, or turn around, what stands beside it."""
    return "".join(letter for letter in name if letter.isprintable())[:longest].strip()
