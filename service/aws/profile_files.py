"""Reads the two files with boto3's profiles, and reports faults in them.

A sentence names the file and the line. It never quotes the line, which may be a misplaced secret.
"""

import codecs
import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.configloader import build_profile_map, raw_config_parse
from botocore.exceptions import BotoCoreError, ConfigNotFound

from service.domain.text import visible


class FaultyProfile(Exception):  # a statement, not an error
    """The profile cannot give a credential. `sentence` is for the operator: it names files and profiles."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of the two files, their profiles and sections, and `get` to join them as botocore does."""

    config: str
    credentials: str
    in_config: Mapping[str, Mapping[str, Any]]
    in_credentials: Mapping[str, Mapping[str, Any]]
    config_sections: Mapping[str, Any]
    sso_sessions: Mapping[str, Mapping[str, Any]]

    def get(self, name: str) -> Mapping[str, Any] | None:
        if name not in self.in_config and name not in self.in_credentials:
            return None
        return {**self.in_config.get(name, {}), **self.in_credentials.get(name, {})}

    def where(self, name: str) -> str:
        """Name the files that have the profile, or both files if none has."""
        found = [
            file
            for file, profiles in ((self.config, self.in_config), (self.credentials, self.in_credentials))
            if name in profiles
        ]
        return " and ".join(found or (self.config, self.credentials))


def read_files(session: botocore.session.Session) -> Files:
    """Read the files from AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, or the usual ones. Raise FaultyProfile.

    The session uses what was read. It would read both again, and large files take long.
    """
    config, credentials = (
        os.path.expanduser(os.path.expandvars(str(session.get_config_variable(name))))  # noqa: PTH111  # as botocore
        for name in ("config_file", "credentials_file")
    )
    sections, in_credentials = _loaded(config), _loaded(credentials)
    loaded = build_profile_map(sections)
    session._config = _joined(loaded, in_credentials)  # type: ignore[attr-defined]  # noqa: SLF001
    return Files(
        config=config,
        credentials=credentials,
        in_config=loaded["profiles"],
        in_credentials=in_credentials,
        config_sections=sections,
        sso_sessions=loaded["sso_sessions"],
    )


def _joined(loaded: dict[str, Any], in_credentials: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what `Session.full_config` returns: the values of the credentials file come first."""
    profiles = {name: dict(profile) for name, profile in loaded["profiles"].items()}
    for name, profile in in_credentials.items():
        profiles.setdefault(name, {}).update(profile)
    return {**loaded, "profiles": profiles}


def _loaded(file: str) -> dict[str, Any]:
    """Parse a file. A missing file is no fault, as for botocore. Raise FaultyProfile."""
    _check_content(file)
    try:
        return dict(raw_config_parse(file))
    except ConfigNotFound:
        return {}
    except BotoCoreError:
        _check_syntax(file)
        # All that passes that check: a malformed indented block.
        raise FaultyProfile(f"{file} cannot be read: an indented block there is not one of `name = value`.") from None


def _check_content(file: str) -> None:
    """Raise FaultyProfile for a file that cannot be read or is no UTF-8, which botocore would ignore or misread."""
    if os.path.isdir(file):  # noqa: PTH112
        raise FaultyProfile(f"{file} is a directory, not a file.")
    if not os.path.isfile(file):  # noqa: PTH113
        return
    try:
        with open(file, "rb") as opened:  # noqa: PTH123
            content = opened.read()
    except OSError as error:
        # botocore would silently ignore the file.
        raise FaultyProfile(f"{file} cannot be read ({type(error).__name__}).") from None
    if content.startswith(codecs.BOM_UTF8):
        raise FaultyProfile(f"{file} begins with a byte order mark. Save it as UTF-8 without one.")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise FaultyProfile(f"{file} is UTF-16 or no text. Save it as UTF-8.")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise FaultyProfile(f"{file} is not UTF-8.") from None


def _check_syntax(file: str) -> None:
    try:
        configparser.RawConfigParser().read(file, encoding="utf-8")
    except configparser.Error as error:
        raise FaultyProfile(_unreadable(file, error)) from None


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
