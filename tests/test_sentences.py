"""Each sentence of the program stands in one place."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import service

ROOT = Path(service.__file__).parents[1]
# The verifier imports nothing of the service, so the two share some words.
FILES = sorted(
    file
    for package in ("service", "rootquorum_client")
    for file in (ROOT / package).rglob("*.py")
    if file.name != "verifier.py"
)
FEWEST_WORDS = 5


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield every text of the program, with `{}` for what is filled in; no docstrings."""
    if isinstance(tree, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in tree.values)
        yield "".join(str(part) for part in parts)
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    for child in ast.iter_child_nodes(tree):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not is_docstring:
            yield from texts(child)


def without_rows(file: Path) -> ast.AST:
    """Parse a file. What describes a setting is left out: it is a row of a page, and people read a row alone."""
    tree = ast.parse(file.read_text())
    if file.name.endswith("_sections.py"):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            call.keywords = [each for each in call.keywords if each.arg not in {"title", "description"}]
    return tree


def sentences(text: str) -> Iterator[str]:
    for sentence in re.split(r"(?<=[.!?:;])\s+", " ".join(text.split())):
        words = [word for word in sentence.split() if re.search(r"[a-z]{2}", word)]
        is_code = len(sentence.split()) >= 2 * len(words)
        if len(words) >= FEWEST_WORDS and not is_code:
            yield sentence


def test_no_sentence_stands_twice() -> None:
    places = defaultdict[str, list[str]](list)
    for file in FILES:
        for text in texts(without_rows(file)):
            for sentence in sentences(text):
                places[sentence].append(str(file.relative_to(ROOT)))
    assert {sentence: where for sentence, where in places.items() if len(where) > 1} == {}
