"""`rootquorum rules init`: writes a first file of rules from the settings, as their lines stand there."""

import json
import os
import re
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from service.cli.common import console, fail
from service.domain.rule_file import GRANTS, ISSUERS, TABLES, NotRules, parse_rules
from service.settings import PREFIX, settings_file
from service.settings.signed_rules import is_ruled, rules_named
from service.settings.words import Unreadable, parse_toml, read_toml

_HEADER = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_GRANTS = re.compile(rf"{ISSUERS}\s*\..*\.\s*{GRANTS}")


def init(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there.")] = Path("rules.toml"),
) -> None:
    """Write a first file of rules from the settings, and say what to remove.

    Nothing is changed in the settings.
    """
    source = settings_file(ctx.obj)
    if source is None:
        fail("There is no settings file. Write the rules by hand: docs/signed-approvals.md says what they have.")
    try:
        document = read_toml(source)
    except Unreadable as error:
        fail(str(error))
    if rules_named(document, {}, source) is not None:
        fail("The settings name a file of rules already.")
    lines = source.read_text(encoding="utf-8-sig").splitlines()
    moved = _moved(lines)
    rules = "\n".join(["version = 1", "", *(lines[number] for number in moved)]).rstrip("\n") + "\n"
    _check(document, rules, "\n".join(line for number, line in enumerate(lines) if number not in moved), source)
    with file.open("x", encoding="utf-8") as new:
        new.write(rules)
    console.print(f"{file} is written. Remove these lines from {source}:", soft_wrap=True)
    for first, last in _ranges(sorted(moved)):
        console.print(f"  {first + 1}-{last + 1}: {lines[first]}", soft_wrap=True)
    # The settings name it from their own folder; a text of JSON is one of TOML.
    named = json.dumps(os.path.relpath(file.resolve(), source.resolve().parent), ensure_ascii=False)
    console.print(f"Then set rules_file = {named} in [signing] there.", soft_wrap=True)
    for variable in sorted(os.environ):
        place = tuple(variable.upper().removeprefix(PREFIX).lower().split("__"))
        if variable.upper().startswith(PREFIX) and is_ruled(place):
            console.print(f"Write what {variable} sets into {file}, and unset it.", soft_wrap=True)


def _moved(lines: list[str]) -> dict[int, None]:
    """Return the numbers of the lines of tables that belong into the rules."""
    moved, is_of_rules = dict[int, None](), False
    for number, line in enumerate(lines):
        header = _HEADER.fullmatch(line)
        if header is not None:
            is_of_rules = header[1].split(".")[0].strip() in TABLES or _GRANTS.fullmatch(header[1]) is not None
        if is_of_rules:
            moved[number] = None
    return moved


def _check(document: dict[str, object], rules: str, rest: str, source: Path) -> None:
    """Fail unless the two texts have all that the settings have, each in its place."""
    try:
        parsed = dict(parse_rules(rules.encode()).tables)
        left = parse_toml(source, rest.encode())
    except (NotRules, Unreadable):
        _refuse(source)
    issuers = left.get(ISSUERS, {})
    if (TABLES and left.keys() & set(TABLES)) or any(GRANTS in each for each in issuers.values()):
        _refuse(source)
    for name, granted in parsed.pop(ISSUERS, {}).items():
        issuers.setdefault(name, {}).update(granted)
    if left | parsed != document:
        _refuse(source)


def _refuse(source: Path) -> None:
    fail(
        f"The tables of {source} cannot be told apart by their lines. Write each as [people.ann], and grants as "
        "[[issuers.NAME.grants]]."
    )


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of numbers."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return [(run[0], run[-1]) for run in runs]
