"""The settings in words, for `docs/settings.md`: name, kind of value, default, meaning and variable of each."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from service.settings import PREFIX, Settings

# Tables of tables, and how the page writes the name of one. "<account id>" is "<ID>" in a variable.
_NAMED = dict.fromkeys(("organizations", "issuers", "webhooks", "chats", "trackers", "mails", "syslogs"), "<name>")
_NAMED |= dict.fromkeys(("hooks", "keys", "witnesses", "people", "machines", "groups", "founders"), "<name>")
_NAMED["accounts"] = "<account id>"
# Lists of tables whose settings have rows of their own. A variable holds the whole list.
_LISTS = {"rules"}

_KINDS: dict[object, str] = {
    bool: "boolean",
    int: "integer",
    timedelta: "duration",
    Path: "path",
    date: "date",
    time: "time of day",
    AwareDatetime: "time with an offset",
    str: "text",
    SecretStr: "text",
}
_UNITS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}


def settings(model: type[BaseModel] = Settings, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted name of every setting with its field, those of tables of tables included."""
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        is_list = get_origin(field.annotation) is tuple and name not in _LISTS
        sections = [kind for kind in kinds if issubclass(kind, BaseModel) and not is_list]
        if not sections:
            yield f"{path}{name}", field
            continue
        table = f".{_NAMED[name]}" if name in _NAMED else ""
        yield from settings(sections[0], f"{path}{name}{table}.")


def table(prefixes: Iterable[str]) -> list[str]:
    """Return the rows of the settings below these tables. Those that must be set come first."""
    wanted = tuple(f"{prefix}." for prefix in prefixes)
    found = [(name, field) for name, field in settings() if name.startswith(wanted)]
    found.sort(key=lambda row: (wanted.index(_longest(row[0], wanted)), not row[1].is_required()))
    return [
        "| setting | type | default | meaning | variable |",
        "|---|---|---|---|---|",
        *(
            f"| `{name}` | {kind_of(field)} | {default_of(field)} | {field.description} | `{variable(name)}` |"
            for name, field in found
        ),
    ]


def _longest(name: str, prefixes: Iterable[str]) -> str:
    return max((each for each in prefixes if name.startswith(each)), key=len)


def variable(setting: str) -> str:
    """Return the variable of the environment that sets it."""
    section = setting.partition(".")[0]
    named = section if section in _LISTS else re.sub(r"<(?:.* )?(\w+)>", r"<\1>", setting)
    return PREFIX + named.upper().replace(".", "__")


def kind_of(field: FieldInfo) -> str:
    """Return what a setting takes: the title of its field, else what its type and its limits say."""
    return field.title or _kind(field.annotation, [*field.metadata])


def default_of(field: FieldInfo) -> str:
    """Return what holds if nobody sets it, as a file would have it."""
    if isinstance(extra := field.json_schema_extra, dict) and "default" in extra:
        return str(extra["default"])
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "none" if value is None else "empty"
    return f"`{_written(value)}`"


def _written(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return str(TypeAdapter(timedelta).dump_python(value, mode="json"))
    if isinstance(value, tuple | frozenset):
        return json.dumps(sorted(value) if isinstance(value, frozenset) else value)
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*more, *metadata]
    if arguments := get_args(annotation):
        return _kind_of_several(get_origin(annotation), arguments, metadata)
    if issubclass(annotation, Enum):
        return _choices([each.value for each in annotation])
    return "table" if issubclass(annotation, BaseModel) else _KINDS[annotation] + _limits(metadata)


def _kind_of_several(origin: Any, arguments: tuple[Any, ...], metadata: list[Any]) -> str:
    if origin in {Union, UnionType}:
        return _kind(arguments[0], metadata)
    if origin in {tuple, frozenset}:
        return f"list of {_many(_kind(arguments[0], []))}"
    if origin is dict:
        return f"table of {_many(_kind(arguments[1], []))}"
    assert origin is Literal  # nothing else stands in the settings
    return _choices(arguments)


def _many(kind: str) -> str:
    """Return the plural, without limits of each one."""
    return kind if kind.startswith("`") else f"{kind.partition(',')[0]}s"


def _choices(values: Iterable[object]) -> str:
    *most, last = (f"`{value}`" for value in values)
    return f"{', '.join(most)} or {last}" if most else last


def _limits(metadata: list[Any]) -> str:
    flat = [each for found in metadata for each in (found.metadata if isinstance(found, FieldInfo) else [found])]
    low, high, shortest, longest = (
        next((limit for each in flat if (limit := getattr(each, name, None)) is not None), None)
        for name in ("ge", "le", "min_length", "max_length")
    )
    if longest is not None:
        return f", {shortest or 0}–{longest} characters"  # noqa: RUF001  # the dash of a range
    if low is None:
        return ""
    if high is None:
        return f", at least {_limit(low)}"
    dash = " – " if isinstance(low, timedelta) else "–"  # noqa: RUF001  # the dash of a range
    return f", {_limit(low)}{dash}{_limit(high)}"


def _limit(value: object) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    for name, unit in _UNITS.items():
        if not value % unit:
            count = value // unit
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    return f"{value.total_seconds():g} seconds"
