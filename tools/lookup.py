"""Keeps the pages for looking things up true: their tables are made of what the service itself follows.

A page is prose with marks such as `<!-- settings: database server -->`. What comes after a mark, up to the next blank
line, is made anew by `make lookup`. `make check` runs this with `--check`, which writes nothing and shows what differs.
"""

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import lookup_commands
import lookup_settings

from service.api.contract.refusals import example
from service.api.statuses import STATUSES
from service.domain.briefing import CAUTIONS, CautionCode
from service.domain.errors import Code
from service.domain.events import EVENT_OF
from service.domain.request import MEANINGS, NEXT, TERMINAL, Status

_CODES = {code.value: code for code in Code}
DOCS = Path(__file__).parents[1] / "docs"

_COMMANDS = re.compile(r"^<!-- all commands -->\n.*", re.MULTILINE | re.DOTALL)


def _settings(prefixes: Sequence[str], _rows: Sequence[list[str]]) -> list[str]:
    return lookup_settings.table(prefixes)


def _refusals(_: Sequence[str], rows: Sequence[list[str]]) -> list[str]:
    """Return the table with the status and the sentence of each code. The last two cells are the page's own prose."""
    return [
        "| code | status | what it says | when | what to do |",
        "|---|---|---|---|---|",
        *(_row(code, STATUSES[code], example(code).detail, *prose) for code, *prose in _read(rows)),
    ]


def _read(rows: Sequence[list[str]]) -> Iterator[tuple[Code, str, str]]:
    for name, *_, when, what_to_do in rows:
        yield _CODES[name.strip("`")], when, what_to_do


def _warnings(_: Sequence[str], rows: Sequence[list[str]]) -> list[str]:
    """Return the table of all warnings. The last cell is the page's own prose."""
    prose = {name.strip("`"): rest[-1] for name, *rest in rows}
    return [
        "| code | when | what to weigh |",
        "|---|---|---|",
        *(_row(code, _sentence(CAUTIONS[code]), prose[code.value]) for code in CautionCode),
    ]


def _statuses(_: Sequence[str], _rows: Sequence[list[str]]) -> list[str]:
    return [
        "| status | meaning | what can follow | ended |",
        "|---|---|---|---|",
        *(_row(status, MEANINGS[status], _following(status), "yes" if status in TERMINAL else "no") for status in NEXT),
    ]


def _following(status: Status) -> str:
    following = [each for each in Status if each in NEXT[status]]
    return ", ".join(f"`{each}` (`{EVENT_OF[status, each]}`)" for each in following) or "nothing"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _row(code: str, *cells: object) -> str:
    return " | ".join([f"| `{code}`", *(str(cell) for cell in cells)]) + " |"


_MADE: dict[str, Callable[[Sequence[str], Sequence[list[str]]], list[str]]] = {
    "settings": _settings,
    "refusals": _refusals,
    "warnings": _warnings,
    "statuses": _statuses,
}


_TABLE = re.compile(rf"^<!-- ({'|'.join(_MADE)})(?:: ([^>]+))? -->\n\n((?:\|.*\n)*)", re.MULTILINE)


def renewed(page: str) -> str:
    """Return the page with what follows each mark made anew. Raise KeyError or ValueError for an unknown name."""

    def table(mark: re.Match[str]) -> str:
        kind, names, old = mark.groups()
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in old.splitlines()[2:]]
        lines = _MADE[kind]((names or "").split(), rows)
        return mark[0].removesuffix(old) + "".join(f"{line}\n" for line in lines)

    made = _TABLE.sub(table, page)
    commands = "\n".join(["<!-- all commands -->", "", *lookup_commands.sections()]).rstrip() + "\n"
    return _COMMANDS.sub(lambda _: commands, made)


def pages() -> list[Path]:
    """Return the pages that have a mark."""
    return [
        page for page in sorted(DOCS.glob("*.md")) if _TABLE.search(text := page.read_text()) or _COMMANDS.search(text)
    ]


def main() -> None:
    stale = False
    for page in pages():
        old, new = page.read_text(), renewed(page.read_text())
        if "--check" not in sys.argv:
            page.write_text(new)
        elif old != new:
            stale = True
            lines = difflib.unified_diff(
                old.splitlines(), new.splitlines(), page.name, "as the code has it", lineterm=""
            )
            sys.stdout.write("\n".join(lines) + "\n")
    if stale:
        sys.exit("A page for looking things up is stale: make lookup")


if __name__ == "__main__":
    main()
