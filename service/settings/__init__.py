"""The settings: one TOML file, every value also by environment; what is unsafe or impossible refuses to start.

`ROOTQUORUM_POLICY__QUORUM=3` is `quorum = 3` under `[policy]`; the environment wins over the file.
"""

import os
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from service.settings.environment import FILE_VARIABLE, faults_of_environment, faults_of_json
from service.settings.faults import faults_of, faults_of_log
from service.settings.model import PREFIX, Settings
from service.settings.places import secrets_in
from service.settings.sections import (
    AuditSettings,
    HookSettings,
    IssuerSettings,
    LogKeySettings,
    OrganizationSettings,
    TrackerSettings,
    path_of,
)
from service.settings.words import Unreadable, faults_in, read_toml

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "AuditSettings",
    "FaultySettings",
    "HookSettings",
    "IssuerSettings",
    "LogKeySettings",
    "OrganizationSettings",
    "Settings",
    "TrackerSettings",
    "holds_secret",
    "load",
    "load_for_audit",
    "load_values",
    "path_of",
    "settings_file",
]

_DEFAULT_FILE = Path("rootquorum.toml")


class FaultySettings(Exception):
    """The settings cannot be used. `faults` holds one sentence for each reason, without any value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Read(Settings):
    """From the environment, which wins, and from `document`, which is what the file says."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return env_settings, InitSettingsSource(settings_cls, init_settings()["document"])


def load(file: Path | None = None) -> Settings:
    """Read the file (`file`, else `ROOTQUORUM_CONFIG`, else `rootquorum.toml` if there) and the environment.

    Raises FaultySettings.
    """
    settings = load_values(file)
    faults = list(faults_of(settings))
    if faults and settings_file(file) is None:
        faults.insert(0, f"There is no {_DEFAULT_FILE} here, and {FILE_VARIABLE} names no other file.")
    if faults:
        raise FaultySettings(faults)
    return settings


def load_for_audit(file: Path | None = None) -> Settings:
    """Of the same no more than it takes to check the log: the database, and the log's keys, public ones where they are
    said. All else may be missing, or lead to what is out of reach; a value that is wrong by itself is refused as ever.
    Raises FaultySettings.
    """
    settings = load_values(file)
    audit = settings.audit.for_others()
    if faults := [*faults_of_environment(), *faults_of_log(audit, frozenset())]:
        raise FaultySettings(faults)
    return Settings.model_construct(database=settings.database, audit=audit)


def settings_file(file: Path | None = None) -> Path | None:
    """The file that is read; None where there is none, so that the environment says everything."""
    named = _named(file)
    return named or (_DEFAULT_FILE if _DEFAULT_FILE.is_file() else None)


def holds_secret(file: Path) -> bool:
    """Whether a settings file that was read holds a secret itself, and not the path of a file that does."""
    return any(True for _ in secrets_in(read_toml(file)))


def load_values(file: Path | None = None) -> Settings:
    """Settings of which each value alone is right; together they may still be impossible. Raises FaultySettings."""
    named = _named(file)
    chosen = named or _DEFAULT_FILE
    try:
        document = read_toml(chosen)
    except FileNotFoundError:
        if named is not None:
            raise FaultySettings([f"There is no settings file {named}."]) from None
        document = {}
    except Unreadable as error:
        raise FaultySettings([str(error)]) from None

    try:
        return _Read(document=document)  # type: ignore[call-arg]  # for its sources alone
    except ValidationError as error:
        raise FaultySettings([*faults_in(error, chosen)]) from None
    except (SettingsError, RecursionError):
        raise FaultySettings([*faults_of_json()] or ["A variable of the environment cannot be read."]) from None


def _named(file: Path | None) -> Path | None:
    return file or (Path(os.environ[FILE_VARIABLE]) if FILE_VARIABLE in os.environ else None)
