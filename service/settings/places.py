"""Locations in the settings: which names may be shown, and which variable a value came from.

A name may be shown if it belongs to the model, or is a valid key of a table of tables. Anything else in the place of a
name may be a secret that was put there by mistake.
"""

import json
import os
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from sqlalchemy import make_url

from service.settings.model import PREFIX, Settings

Location = tuple[int | str, ...]

_HIDDEN = "…"
DATABASE_URL = ("database", "url")


def kind_at(location: Location) -> Any:
    """Return the type of the value at a location, or None if the model has no such location."""
    kind: Any = Settings
    for part in location:
        kind = _below(kind, part)
    return kind


def named(location: Location) -> str:
    """Return the location with dots, and an ellipsis for each name that must not be shown."""
    shown: list[str] = []
    kind: Any = Settings
    for part in location:
        is_choice, kind = _choices(kind), _below(kind, part)
        if not is_choice:
            shown.append(_HIDDEN if kind is None else str(part))
    return ".".join(shown)


def names_in(location: Location) -> list[str]:
    """Return the names that a table may contain, empty if they are free."""
    kind = kind_at(location)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def is_plain(kind: Any) -> bool:
    """Return whether a variable holds the value as plain text. Lists and tables are JSON there."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return False
    return kind is not None and get_origin(kind) not in {dict, frozenset, tuple, list, set}


def variable_of(location: Location) -> str | None:
    """Return the environment variable that sets this value or a table around it, None if there is none."""
    for depth in range(len(location), 0, -1):
        wanted = variable_for(location[:depth])
        for variable, value in os.environ.items():
            if variable.upper() == wanted and _holds(value, location[depth:]):
                return variable
    return None


def variable_for(location: Location) -> str:
    return (PREFIX + "__".join(map(str, location))).upper()


def known_variables(kind: Any = Settings, path: Location = ()) -> Iterator[str]:
    """Yield every variable whose name does not depend on a name chosen by the operator."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from known_variables(_bare(field.annotation), (*path, name))
    else:
        yield variable_for(path)


def secrets_in(found: Any, path: Location = ()) -> Iterator[Location]:
    """Yield the locations of secrets in a document."""
    if isinstance(found, Mapping):
        for name, inner in found.items():
            yield from secrets_in(inner, (*path, name))
    elif SecretStr in {kind_at(path), *get_args(kind_at(path))} or (path == DATABASE_URL and _has_password(found)):
        yield path


def _has_password(url: str) -> bool:
    parsed = make_url(url)
    return parsed.password is not None or "password" in parsed.query


def _holds(value: str, location: Location) -> bool:
    try:
        found = json.loads(value) if location else None
    except (ValueError, RecursionError):
        return False
    for part in location:
        if isinstance(found, Mapping) and part in found:
            found = found[str(part)]
        elif isinstance(found, list) and isinstance(part, int) and part < len(found):
            found = found[part]
        else:
            return False
    return True


def _below(kind: Any, part: int | str) -> Any:
    """Return the type of one part of a value, or None if there is no such part or its name must not be shown."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return None if field is None else _bare(field.annotation)
    if choices := _choices(kind):
        # pydantic's location includes the member of the union that it tried, under a generated name.
        is_list = str(part).startswith(("tuple", "frozenset"))
        return next((each for each in choices if (get_origin(each) in {tuple, frozenset}) is is_list), None)
    inner = get_args(kind)
    if get_origin(kind) is dict:
        return _bare(inner[1]) if _is_a(inner[0], part) else None
    return _bare(inner[0]) if inner and isinstance(part, int) else None


def _choices(kind: Any) -> list[Any]:
    """Return the members of a union, empty for any other type."""
    return [_bare(each) for each in get_args(kind)] if get_origin(kind) in {Union, UnionType} else []


def _is_a(kind: Any, name: int | str) -> bool:
    try:
        TypeAdapter(kind).validate_python(name)
    except ValidationError:
        return False
    return True


def _bare(kind: Any) -> Any:
    """Return the type without its constraints and without None."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType} and NoneType in get_args(kind):
        # The rest is a union only if there is more than one type.
        return _bare(reduce(or_, (each for each in get_args(kind) if each is not NoneType)))
    return kind
