"""Prints how well the documents read, before the README became one page and now: `make readability`.

The README and the pages of `docs` are measured, without code, tables and generated pages. retext finds the sentences
and words. The plain vocabulary is Dale and Chall's: 3,000 words that children know, in all their forms. Terms of the
field are not among them. `--pages` adds a row for each page.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.products import nodejs

_PROJECT = Path(__file__).parents[1]
# The last commit before the README became one page.
_BEFORE = "b5e03092e8c0c3d3e3182b376953772850e7caee"
_GENERATED = ("docs/events.md", "docs/life-of-a-request.md", "docs/commands.md", "docs/screens.md")
_COLUMNS = ("words", "words per sentence", "sentences over 20 words", "passive sentences", "words not plain")


def measured(texts: Iterable[str]) -> Mapping[str, int]:
    """Return the number of `words` and `sentences`, of `long` and `passive` sentences, and of `unfamiliar` words."""
    program = (Path(__file__).parent / "readability.js").read_text()
    counts: Mapping[str, int] = json.loads(nodejs.node(program, stdin=json.dumps([*texts])))
    return counts


def pages(commit: str | None = None) -> dict[str, str]:
    """Return the text of each page by its path: those of a commit, or those of the work tree."""
    listing = ("ls-tree", "-r", "--name-only", commit) if commit else ("ls-files",)
    names = [name for name in _git(*listing, "--", "README.md", "docs").split() if name.endswith(".md")]
    return {
        name: _git("show", f"{commit}:{name}") if commit else (_PROJECT / name).read_text()
        for name in names
        if name not in _GENERATED
    }


def row(name: str, counts: Mapping[str, int]) -> str:
    """Return a row of the table."""
    sentences, words = counts["sentences"], counts["words"]
    if not sentences:
        return f"| {name} | 0 | | | | |"
    parts = ((counts["long"], sentences), (counts["passive"], sentences), (counts["unfamiliar"], words))
    shares = " | ".join(f"{100 * part / whole:.0f} %" for part, whole in parts)
    return f"| {name} | {words:,} | {words / sentences:.1f} | {shares} |"


def _git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=_PROJECT, capture_output=True, text=True, check=True).stdout


def table(*, of_each_page: bool = False) -> str:
    """Return the whole table."""
    rows = [f"| | {' | '.join(_COLUMNS)} |", f"|{'---|' * (len(_COLUMNS) + 1)}"]
    for when, commit in (("before", _BEFORE), ("now", None)):
        found = pages(commit)
        rows.append(row(f"README, {when}", measured([found.pop("README.md")])))
        rows.append(row(f"docs, {when}", measured(found.values())))
    if of_each_page:
        rows += [row(name, measured([text])) for name, text in pages().items()]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(f"{table(of_each_page='--pages' in sys.argv)}\n")
