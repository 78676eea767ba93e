"""What is in force, and where each value comes from. Secrets are masked here, before anything is shown."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin
from urllib.parse import quote, urlsplit, urlunsplit

from sqlalchemy import make_url

from service.settings.model import Settings
from service.settings.places import DATABASE_URL, Location, kind_at, variable_of
from service.settings.signed_rules import is_ruled, merged
from service.settings.words import read_toml

MASK = "***"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Source:
    """A value in JSON's types, without secrets. `variable` or `file` set it; if both are None, it is the default."""

    location: Location
    value: Any
    variable: str | None = None
    file: Path | None = None


def sources(settings: Settings, file: Path | None) -> Iterator[Source]:
    """Yield every value of loaded settings. `file` is where they came from, None without one. Raise Unreadable."""
    document = {} if file is None else read_toml(file)
    signed = settings.signed_rules
    if signed is not None:
        document = merged(document, signed)
    for location, value in _values(settings.model_dump(mode="json"), ()):
        is_signed = signed is not None and is_ruled(location)
        variable = None if is_signed else variable_of(location)
        found = None if variable is not None or not _has(document, location) else file
        if found is not None and signed is not None and is_signed:
            found = Path(signed.place)
        yield Source(location, _masked(location, value), variable, found)


def _values(found: Any, path: Location) -> Iterator[tuple[Location, Any]]:
    """Yield each value. A list is one value, and so is an empty table."""
    if isinstance(found, Mapping) and found:
        for name, inner in found.items():
            yield from _values(inner, (*path, name))
    else:
        is_set = isinstance(found, list) and get_origin(kind_at(path)) is frozenset
        yield path, sorted(found) if is_set else found


def _has(document: Any, location: Location) -> bool:
    for part in location:
        if not isinstance(document, Mapping) or part not in document:
            return False
        document = document[part]
    return True


def _masked(location: Location, value: Any) -> Any:
    """Return the value without what may be secret in an address. pydantic has masked what is a secret as a whole."""
    if location == DATABASE_URL:
        url = make_url(value)
        query = {name: MASK if "password" in name.lower() else said for name, said in url.query.items()}
        return url.set(query=query).render_as_string(hide_password=True).replace(quote(MASK), MASK)
    if isinstance(value, Mapping):
        return {name: _masked((*location, name), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked((*location, number), inner) for number, inner in enumerate(value)]
    if isinstance(value, str) and _URL.match(value):
        parts = urlsplit(value)
        host = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
        return urlunsplit((parts.scheme, host, parts.path, MASK if parts.query else "", ""))
    return value
