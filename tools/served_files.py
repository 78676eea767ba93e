"""Writes `service/desk/served`: what browsers get of `service/desk/files`, without comments and needless space.

`make evidence` runs it. Nothing is renamed, moved or joined: what runs is what stands in `files`, file for file. Tests
read both with the parsers of Node.js and of Chromium, and compare.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

_DESK = Path(__file__).parents[1] / "service/desk"
SOURCE, SERVED = _DESK / "files", _DESK / "served"

_TOKEN = re.compile(
    r"""(?P<space>[ ]+|\n|//[^\n]*|/\*.*?\*/)
    | (?P<text>(?P<quote>["'])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote))
    | (?P<word>[\w$#]+)
    | (?P<sign>\+\+|--|[^`"'])""",
    re.DOTALL | re.VERBOSE,
)
_PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
# A slash begins a regular expression where no value stands before it.
_END_OF_A_VALUE = re.compile(r"""[\w$)\]}"`]$""")
_BEFORE_A_VALUE = {"return", "case", "typeof", "in", "of"}


def script(source: str) -> str:
    """Return a module without comments and needless space. Raise ValueError for what cannot be read here."""
    made, between = [""], ""
    for piece in _tokens(source):
        if piece.isspace() or piece.startswith(("//", "/*")):
            between += piece
            continue
        if piece in "}])" and made[-1] in {",", ";" if piece == "}" else ","}:
            made.pop()  # what stands between others is not needed behind the last
        if between.endswith("\n") and piece not in "}])":
            made.append("\n")  # statements of the module keep their lines
        elif between and _are_apart(made[-1], piece):
            made.append(" ")
        made.append(piece)
        between = ""
    return "".join(made).strip() + "\n"


def _are_apart(before: str, piece: str) -> bool:
    """Return whether two tokens would be another one without the space between them."""
    last, first = before[-1:], piece[0]
    return last + first in {"++", "--", "//"} or bool(re.match(r"[\w$]{2}", last + first.replace("#", "_")))


def _tokens(source: str, at: int = 0, *, is_part: bool = False) -> Iterator[str]:
    """Yield the tokens of a script, or of a part of a template up to the brace that ends it."""
    before, depth = "", 0
    while at < len(source):
        if source[at] == "`":
            piece = _template(source, at)
        elif source[at] == "/" and (before in _BEFORE_A_VALUE or not _END_OF_A_VALUE.search(before)):
            found = _PATTERN.match(source, at)
            piece = found[0] if found and source[at + 1] not in "/*" else ""
        else:
            piece = ""
        if not piece:
            found = _TOKEN.match(source, at)
            if found is None:
                raise ValueError(f"this form is not known here: {source[at : at + 40]}")
            piece = found[0]
            before = before if found["space"] else piece
        else:
            before = piece
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if is_part and depth < 0:
            return
        yield piece
        at += len(piece)


def _template(source: str, start: int) -> str:
    """Return the template that begins here, as it stands."""
    at = start + 1
    while source[at] != "`":
        if source.startswith("${", at):
            at += 2 + sum(map(len, _tokens(source, at + 2, is_part=True)))
        at += 2 if source[at] == "\\" else 1
    return source[start : at + 1]


def style(source: str) -> str:
    """Return a style sheet without comments and needless space."""
    found = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL))
    found = re.sub(r" ?([{};]) ?|([,:]) ", r"\1\2", found)
    return found.replace(";}", "}").strip() + "\n"


_WAYS = {".js": script, ".css": style}


def files() -> dict[str, str]:
    """Return the content of each file by its path."""
    return {
        file.relative_to(SOURCE).as_posix(): _WAYS.get(file.suffix, str)(file.read_text())
        for file in sorted(SOURCE.rglob("*.*"))
    }


def current() -> dict[str, str]:
    """Return what stands in `served`."""
    return {file.relative_to(SERVED).as_posix(): file.read_text() for file in sorted(SERVED.rglob("*.*"))}


def write() -> None:
    shutil.rmtree(SERVED, ignore_errors=True)
    for path, content in files().items():
        file = SERVED / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(None if files() == current() else "service/desk/served is stale: make evidence")
    write()
