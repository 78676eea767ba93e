"""Faults in the settings, in our words: the location, and what is valid there. Never the value itself.

Messages of pydantic, tomllib or the standard library are never passed on, because some quote their input.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.domain.actor import SUBJECT_PATTERN
from service.settings.places import Location, named, names_in, variable_of

# By pydantic's error type. Numbers and choices come from the rule.
_CHOICE = "it has to be one of {choices}"
_LIST, _TABLE = "it has to be a list", "it has to be a table"
_WANTED = {
    "missing": "it is missing",
    "greater_than_equal": "it has to be {ge} or more",
    "less_than_equal": "it has to be {le} or less",
    "too_short": "it has to hold {min_length} or more",
    "string_too_short": "it has to have {min_length} characters or more",
    "string_too_long": "it has to have {max_length} characters or fewer",
    "string_pattern_mismatch": "it has to be {form}",
    "literal_error": _CHOICE,
    "enum": _CHOICE,
    "timezone_aware": "the time needs a time zone, such as the Z in 2026-01-31T12:00:00Z",
}
# For all other error types, by prefix.
_WANTED_KINDS = {
    "int_": "it has to be a whole number",
    "bool_": "it has to be true or false",
    "string_": "it has to be a text",
    "time_delta_": "it has to be a duration, such as PT8H",
    "time_": "it has to be a time of day, such as 08:30",
    "datetime_": "it has to be a time, such as 2026-01-31T12:00:00Z",
    "path_": "it has to be a path",
    "frozen_set_": _LIST,
    "tuple_": _LIST,
    "dict_": _TABLE,
    "model_": _TABLE,
}
_UNSAID = "it cannot be used"
_OF_A_NAME = "of a-z 0-9 . _ @ -, the first a letter or a digit"
# Descriptions of regular expressions that are easier to read.
_FORMS = {
    r"^[0-9]{12}$": "the 12 digits of an AWS account",
    r"^[a-z0-9][a-z0-9._@-]{0,63}$": f"1 to 64 {_OF_A_NAME}",
    r"^[a-z0-9][a-z0-9._@-]{0,39}$": f"1 to 40 {_OF_A_NAME}",
    rf"^{SUBJECT_PATTERN}$": "1 to 255 visible ASCII characters without #",
    r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$": "an owner, a slash and a name",
    r"^(/[A-Za-z0-9._~-]+)*$": "a path that begins with a slash and ends with none",
    r"^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32})$": "the id of an organizational unit or root, such as "
    "ou-abcd-12345678",
    r"^[a-z]{2}(-[a-z]+)+-[0-9]$": "an AWS region, such as us-east-1",
}
_CLOSE = 0.75
_MOST_LINES = 3

# Messages of tomllib that never quote the file.
_TOML = {
    "Cannot overwrite a value",
    "Expected '=' after a key in a key/value pair",
    "Expected ']' at the end of a table declaration",
    "Expected ']]' at the end of an array declaration",
    "Expected newline or end of document after a statement",
    "Invalid date or datetime",
    "Invalid initial character for a key part",
    "Invalid statement",
    "Invalid value",
    "Unclosed array",
    "Unclosed inline table",
    "Unterminated string",
}
_TOML_PLACE = re.compile(r"(?P<what>.*) \(at (?P<place>line \d+, column \d+|end of document)\)", re.DOTALL)


class Unreadable(Exception):
    """The file cannot be read; the text is the sentence that says why."""


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file. Raise FileNotFoundError, Unreadable."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"{file} cannot be read: {error.strerror}.") from None
    return parse_toml(file, data)


def parse_toml(file: Path, data: bytes) -> dict[str, Any]:
    """Parse the content of a TOML file. Raise Unreadable."""
    try:
        # Editors on Windows add a byte order mark.
        return tomllib.loads(data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        line = bytes(error.object)[: error.start].count(b"\n") + 1
        raise Unreadable(f"{file}, line {line}: the file is not UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(_toml_fault(file, str(error))) from None
    except RecursionError:
        raise Unreadable(f"{file}: it is nested too deeply.") from None
    except ValueError:
        raise Unreadable(f"{file}: a number in it is too long.") from None


def _toml_fault(file: Path, said: str) -> str:
    found = _TOML_PLACE.fullmatch(said)
    what, place = (found["what"], found["place"]) if found else ("", "somewhere")
    if what.startswith("Cannot declare"):
        what = "A table is declared twice"
    return f"{file}, {place}: {what if what in _TOML or what.endswith('twice') else 'This is not TOML'}."


def faults_in(error: ValidationError, file_of: Callable[[Location], Path]) -> Iterator[str]:
    """Yield one sentence for each value that is wrong by itself. `file_of` is searched for line numbers."""
    wanted: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False, include_input=False):
        location = fault["loc"]
        file = file_of(location)
        if fault["type"] == "extra_forbidden":
            yield _unknown(location, file)
        elif location[-1:] == ("[key]",):
            yield f"{_place(location[:-2])}: a name{_lines(location[-2], file)}: {requirement(fault)}."
        else:
            # A value with a union type has a fault for each member.
            wanted.setdefault(_place(location), []).append(requirement(fault))
    for place, all_wanted in wanted.items():
        yield f"{place}: {', or '.join(dict.fromkeys(all_wanted))}."


def _place(location: Location) -> str:
    variable = variable_of(location)
    return named(location) if variable is None else f"{named(location)} ({variable})"


def requirement(fault: ErrorDetails) -> str:
    """Return what a value has to be, in our words and without the value."""
    context = fault.get("ctx", {})
    if fault["type"] == "rule":
        return fault["msg"]
    of_kind = (words for kind, words in _WANTED_KINDS.items() if fault["type"].startswith(kind))
    wanted = _WANTED.get(fault["type"]) or next(of_kind, _UNSAID)
    return wanted.format(
        **context,
        choices=str(context.get("expected")).replace("'", "").replace(" or ", ", "),
        form=_FORMS.get(str(context.get("pattern")), f"of the form {context.get('pattern')}"),
    )


def _unknown(location: Location, file: Path) -> str:
    """Return the sentence for an unknown name. The name is shown only if it is close to a known one."""
    *table, name = location
    names, variable = names_in(tuple(table)), variable_of(location)
    close = get_close_matches(str(name), names, n=1, cutoff=_CLOSE)
    where = f"{named(tuple(table))}: " if table else ""
    origin = f" ({variable})" if variable else _lines(name, file)
    if close:
        return f"{where}unknown setting `{name}`{origin}; did you mean `{close[0]}`?"
    return f"{where}unknown setting{origin}; there are {', '.join(names)}."


def _lines(name: int | str, file: Path) -> str:
    """Return the lines of the file that contain a name that must not be shown."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeError):
        return ""
    as_a_key = re.compile(rf"(?<![\w-]){re.escape(str(name))}[\"']?\s*[=.\]]")
    found = [str(number) for number, line in enumerate(lines, 1) if as_a_key.search(line)]
    if not 0 < len(found) <= _MOST_LINES:
        return ""
    return f" in line {' and '.join(found)} of {file}"
