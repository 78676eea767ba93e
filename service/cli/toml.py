"""Text as TOML writes it."""

import json
import re

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def quoted(text: str) -> str:
    """Return the text in quotes. A text of JSON is one of TOML, except that TOML wants DEL escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(text: str) -> str:
    """Return the text as a part of a key, in quotes only if it needs them."""
    return text if _BARE.fullmatch(text) else quoted(text)
