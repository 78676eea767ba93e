"""Parses the sections of a file with boto3's profiles, and reports faults in it.

A sentence names the file and the line. It never quotes the line, which may be a misplaced secret. Between two readings
this process keeps the names of the sections and their places in the file, but never a value.
"""

import codecs
import configparser
import io
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from service.domain.text import visible


class FaultyProfile(Exception):  # a statement, not an error
    """The profile cannot give a credential. `sentence` is for the operator: it names files and profiles."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


Sections = dict[str, dict[str, Any]]
ProfilesOf = Callable[[str], Collection[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """The parsed sections of a file; the names of all its sections, and of the profiles among them."""

    sections: Sections
    names: Collection[str]
    profiles: Collection[str]


# Device, inode, size, and the times of the last change in nanoseconds.
_State = tuple[int, int, int, int, int]
# The first byte of a section's header, and the first one after the section.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Index:
    """The places of the sections in a file without faults, as long as the file is in this state."""

    state: _State
    names: Collection[str]
    profiles: dict[str, list[_Place]]
    others: list[_Place]


_INDEXES: dict[str, _Index] = {}
# A file that changed twice within its clock's tick looks the same. So it must have been at rest for a while.
_AT_REST_NS = 2_000_000_000

_MAY_BE_HEADER = re.compile(rb"^\[.*", re.MULTILINE)


def read_part(file: str, profiles: Collection[str], *, profiles_of: ProfilesOf) -> Part:
    """Parse the sections of these profiles, and those that are no profiles. Raise FaultyProfile.

    A missing file is no fault, as for botocore. `profiles_of` maps the name of a section to the names of its profiles:
    to one, or to none. All sections are parsed of a file that is new, or that changed since it was last read.
    """
    if os.path.isdir(file):  # noqa: PTH112
        raise FaultyProfile(f"{file} is a directory, not a file.")
    if not os.path.isfile(file):  # noqa: PTH113
        return Part({}, (), ())
    try:
        with open(file, "rb") as opened:  # noqa: PTH123
            index = _INDEXES.get(file)
            if index is not None and index.state == _state(opened):
                found = _at_places(opened, index, profiles)
                if found is not None:
                    return Part(found, index.names, index.profiles.keys())
            opened.seek(0)
            state, content = _state(opened), opened.read()
    except OSError as error:
        # botocore would silently ignore the file.
        raise FaultyProfile(f"{file} cannot be read ({type(error).__name__}).") from None
    return _whole(file, state, content, profiles_of)


def _whole(file: str, state: _State, content: bytes, profiles_of: ProfilesOf) -> Part:
    """Parse all of a file, and keep where its sections are."""
    _INDEXES.pop(file, None)
    _check_content(file, content)
    try:
        sections = _parsed(content)
    except configparser.Error as error:
        raise FaultyProfile(_unreadable(file, error)) from None
    except ValueError:
        raise FaultyProfile(f"{file} cannot be read: an indented block there is not one of `name = value`.") from None
    named = {section: profiles_of(section) for section in sections}
    places = list(_places(content))
    # A header that is not at the beginning of its line, or that continues an option, makes these differ.
    if [name for name, _ in places if name != configparser.DEFAULTSECT] == list(sections) and _is_at_rest(state):
        _INDEXES[file] = _indexed(state, places, named)
    return Part(sections, sections.keys(), {profile for profiles in named.values() for profile in profiles})


def _indexed(state: _State, places: Iterable[tuple[str, _Place]], named: dict[str, Collection[str]]) -> _Index:
    index = _Index(state, list(named), {}, [])
    for name, place in places:
        profiles = named.get(name, ())
        for profile in profiles:
            index.profiles.setdefault(profile, []).append(place)
        if not profiles:
            index.others.append(place)
    return index


def _at_places(opened: BinaryIO, index: _Index, profiles: Collection[str]) -> Sections | None:
    """Parse the sections at their places; None if they are not there, because somebody is writing the file."""
    wanted = [place for profile in profiles for place in index.profiles.get(profile, ())]
    parts = []
    for first, end in sorted([*index.others, *wanted]):
        opened.seek(first)
        parts.append(opened.read(end - first))
    try:
        found = _parsed(b"".join(parts))
    except (ValueError, configparser.Error):
        return None
    return found if _state(opened) == index.state else None


def _places(content: bytes) -> Iterator[tuple[str, _Place]]:
    """Yield name and place of each section whose header begins its line."""
    found = [
        (header["header"], match.start())
        for match in _MAY_BE_HEADER.finditer(content)
        if (header := configparser.RawConfigParser.SECTCRE.match(match[0].decode().rstrip()))
    ]
    for (name, first), (_, end) in pairwise([*found, ("", len(content))]):
        yield name, (first, end)


def _state(opened: BinaryIO) -> _State:
    found = os.fstat(opened.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_at_rest(state: _State) -> bool:
    return max(state[-2:]) + _AT_REST_NS < time.time_ns()


def _parsed(content: bytes) -> Sections:
    """Parse sections as botocore's `raw_config_parse` does. Raise configparser.Error; ValueError for a nested block."""
    parser = configparser.RawConfigParser()
    parser.read_file(io.TextIOWrapper(io.BytesIO(content)))
    return {
        section: {option: _value(parser.get(section, option)) for option in parser.options(section)}
        for section in parser.sections()
    }


def _value(text: str) -> str | dict[str, str]:
    """Return a value; an indented block is a dictionary."""
    if not text.startswith("\n"):
        return text
    pairs = [line.split("=", 1) for line in map(str.strip, text.splitlines()) if line]
    return {name.strip(): value.strip() for name, value in pairs}


def _check_content(file: str, content: bytes) -> None:
    """Raise FaultyProfile for a file that is no UTF-8, which botocore would misread."""
    if content.startswith(codecs.BOM_UTF8):
        raise FaultyProfile(f"{file} begins with a byte order mark. Save it as UTF-8 without one.")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise FaultyProfile(f"{file} is UTF-16 or no text. Save it as UTF-8.")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise FaultyProfile(f"{file} is not UTF-8.") from None


def _unreadable(file: str, error: configparser.Error) -> str:
    match error:
        case configparser.DuplicateSectionError(section=section, lineno=line):
            return f"{file}, line {line}: the section [{visible(section)}] is there twice."
        case configparser.DuplicateOptionError(section=section, lineno=line):
            return f"{file}, line {line}: an option of the section [{visible(section)}] is there twice."
        case configparser.MissingSectionHeaderError(lineno=line):
            return f"{file}, line {line}: something stands before the first [section]."
        case configparser.ParsingError(errors=[(line, _), *_]):
            return f"{file}, line {line}: this is no `name = value`."
        case _:
            return f"{file} is no configuration file."
