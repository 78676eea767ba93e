"""Reads from the two files with boto3's profiles what one profile needs."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.configloader import build_profile_map

from service.aws.sections import Part, read_part


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of the two files, a profile with those that it leads to, and `get` to join them as botocore does.

    Of all other profiles it has the names only.
    """

    config: str
    credentials: str
    in_config: Mapping[str, Mapping[str, Any]]
    in_credentials: Mapping[str, Mapping[str, Any]]
    config_profiles: Collection[str]
    config_sections: Collection[str]
    credentials_profiles: Collection[str]
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
    names: set[str] = set()
    missing = {session.profile or "default"}
    while missing:
        names |= missing
        in_config = read_part(config, names, profiles_of=_configured)
        in_credentials = read_part(credentials, names, profiles_of=_as_named)
        loaded = build_profile_map(in_config.sections)
        joined = _joined(loaded, in_credentials)
        found = joined["profiles"]
        sources = {str(profile["source_profile"]) for profile in found.values() if "source_profile" in profile}
        missing = sources - found.keys() - names
    session._config = joined  # type: ignore[attr-defined]  # noqa: SLF001
    return Files(
        config=config,
        credentials=credentials,
        in_config=loaded["profiles"],
        in_credentials=in_credentials.sections,
        config_profiles=in_config.profiles,
        config_sections=in_config.names,
        credentials_profiles=in_credentials.profiles,
        sso_sessions=loaded["sso_sessions"],
    )


def _configured(section: str) -> Collection[str]:
    """Return the profile of a section of the configuration file, if it is one."""
    profiles: Collection[str] = build_profile_map({section: {}})["profiles"]
    return profiles


def _as_named(section: str) -> Collection[str]:
    return (section,)


def _joined(loaded: dict[str, Any], in_credentials: Part) -> dict[str, Any]:
    """Return what `Session.full_config` returns: the values of the credentials file come first."""
    profiles = {name: dict(profile) for name, profile in loaded["profiles"].items()}
    for name, profile in in_credentials.sections.items():
        profiles.setdefault(name, {}).update(profile)
    return {**loaded, "profiles": profiles}
