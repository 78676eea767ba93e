"""What others wrote, before it is shown."""

from service.domain.text import is_unseen

_SHOWN_AS = "\N{REPLACEMENT CHARACTER}"


def plain(text: str, longest: int = 2000) -> str:
    """One line of characters that are all seen, in the order in which they stand.

    Whitespace of any kind becomes single spaces, and what is unseen a replacement character: whoever reads shall know
    that there was something. It is no longer than `longest`; an ellipsis stands for the rest.
    """
    line = "".join(_SHOWN_AS if is_unseen(character) else character for character in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
