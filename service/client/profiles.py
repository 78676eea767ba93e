"""The servers that a person uses, each by a name: `rootquorum/profiles.toml` in their folder for configuration.

    [production]
    server = "https://rootquorum.example.com"
    issuer = "https://login.example.com"
    client_id = "rootquorum-cli"
    port = 8765

It has no secret. Whoever writes to it decides where tokens go, so it has to be its owner's alone to write.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rootquorum_client import NotAllowed
from rootquorum_client.transport import Transport
from service.client.files import folder, locked, replace
from service.client.refused import Refused

# What TOML takes as a bare key. No URL is one.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_KINDS = {"server": str, "issuer": str, "client_id": str, "port": int, "scope": str, "id_token": bool}
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A server, and how a person signs in for it. Members that are None were not given."""

    name: str
    server: str
    issuer: str | None = None
    client_id: str | None = None
    port: int | None = None
    scope: str | None = None
    id_token: bool | None = None

    def table(self) -> dict[str, str | int | bool]:
        """Return what the file says under the name."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "name"}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Profiles:
    """The file. Every call raises Refused if it is damaged, or if others may write to it; OSError."""

    file: Path

    def every(self) -> list[Profile]:
        """Return all profiles, by name."""
        return self._parsed(self._content())

    def find(self, name: str) -> Profile | None:
        return next((each for each in self.every() if each.name == name), None)

    def add(self, profile: Profile) -> None:
        """Write a new profile after what is there. Raise Refused if there is one of this name, or if it is wrong."""
        check(profile)
        with locked(self.file):
            content = self._content()
            if any(each.name == profile.name for each in self._parsed(content)):
                raise Refused(f"There is a profile {profile.name} already. Remove it first.")
            lines = [f"[{profile.name}]", *(f"{key} = {json.dumps(value)}" for key, value in profile.table().items())]
            self._replace("\n".join([*([content.rstrip("\n"), ""] if content.strip() else []), *lines, ""]))

    def remove(self, name: str) -> None:
        """Take a profile out, and leave all else as it is.

        Raise Refused if there is none, or if it is written in another way.
        """
        with locked(self.file):
            content = self._content()
            kept = [each for each in self._parsed(content) if each.name != name]
            shorter = _without(content, name)
            if len(kept) == len(self._parsed(content)):
                raise Refused(f"There is no profile {name}.")
            try:
                is_right = self._parsed(shorter) == kept
            except Refused:
                is_right = False
            if not is_right:
                raise Refused(f"{self.file} is written in another way than by this command. Remove it there by hand.")
            self._replace(shorter)

    def _content(self) -> str:
        try:
            with self.file.open("rb") as opened:
                found = os.fstat(opened.fileno())
                if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    raise Refused(f"{self.file}: only you may own it and write to it, since tokens go where it says.")
                return opened.read().decode()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError:
            raise self._damaged("it is not UTF-8") from None

    def _parsed(self, content: str) -> list[Profile]:
        try:
            document = tomllib.loads(content)
        except (tomllib.TOMLDecodeError, RecursionError):
            raise self._damaged("it is no TOML") from None
        return sorted((self._profile(name, table) for name, table in document.items()), key=lambda each: each.name)

    def _profile(self, name: str, table: Any) -> Profile:
        # A bool is an int to Python, and none here.
        is_known = isinstance(table, Mapping) and all(type(value) is _KINDS.get(key) for key, value in table.items())
        if not is_known or "server" not in table:
            raise self._damaged(f"{name} is no profile")
        profile = Profile(name=name, **table)
        _check_texts(profile)
        return profile

    def _damaged(self, why: str) -> Refused:
        return Refused(f"{self.file} cannot be used: {why}.")

    def _replace(self, content: str) -> None:
        # A link stays one, as people have who keep such files elsewhere.
        replace(self.file.resolve(), content.encode())


def usual() -> Profiles:
    """Return the file where it usually is."""
    return Profiles(folder("XDG_CONFIG_HOME", ".config") / "profiles.toml")


def is_name(text: str) -> bool:
    """Return whether it can be the name of a profile. No URL can."""
    return _NAME.fullmatch(text) is not None


def check(profile: Profile) -> None:
    """Raise Refused unless the profile can be used: https, or http on loopback, for the server and the provider."""
    _check_texts(profile)
    for url in (profile.server, profile.issuer):
        try:
            if url is not None:
                Transport(url, None).close()
        except NotAllowed as error:
            raise Refused(str(error)) from None


def _check_texts(profile: Profile) -> None:
    if not is_name(profile.name):
        raise Refused("The name of a profile is of letters, digits, - and _, at most 40.")
    if (profile.issuer is None) != (profile.client_id is None):
        raise Refused(f"The profile {profile.name} needs both the issuer and the client's id, or neither.")
    for text in (profile.server, profile.issuer, profile.client_id, profile.scope):
        if text is not None and not (text.isascii() and text.isprintable() and text.strip()):
            raise Refused(f"The profile {profile.name} has a text that is empty, or not of ASCII's visible characters.")
    if profile.port is not None and not 0 <= profile.port <= _HIGHEST_PORT:
        raise Refused(f"The profile {profile.name} has a port that is none.")


def _without(content: str, name: str) -> str:
    """Return the text without the table of this name: from its header to the next."""
    kept, is_inside = [], False
    for line in content.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            is_inside = re.fullmatch(rf"\s*\[\s*{re.escape(name)}\s*\]\s*(#.*)?\n?", line) is not None
        if not is_inside:
            kept.append(line)
    return "".join(kept)
