"""The settings: one TOML file, every value also by environment; what is unsafe or impossible refuses to start.

`ROOTQUORUM_POLICY__QUORUM=3` is `quorum = 3` under `[policy]`; the environment wins over the file.
"""

import os
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from service.settings.faults import FILE_VARIABLE, faults_of, faults_of_environment, faults_of_log
from service.settings.model import PREFIX, Settings
from service.settings.sections import (
    AuditSettings,
    HookSettings,
    IssuerSettings,
    LogKeySettings,
    OrganizationSettings,
    TrackerSettings,
    path_of,
)

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
    "load",
    "load_for_audit",
    "path_of",
]

_DEFAULT_FILE = Path("rootquorum.toml")


class FaultySettings(Exception):
    """The settings cannot be used. `faults` holds one sentence for each reason, without any value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def load(file: Path | None = None) -> Settings:
    """Read the file (`file`, else `ROOTQUORUM_CONFIG`, else `rootquorum.toml` if there) and the environment.

    Raises FaultySettings.
    """
    chosen, settings = _read(file)
    faults = list(faults_of(settings))
    if faults and not chosen.is_file():
        faults.insert(0, f"There is no {chosen} here, and ROOTQUORUM_CONFIG names no other file.")
    if faults:
        raise FaultySettings(faults)
    return settings


def load_for_audit(file: Path | None = None) -> Settings:
    """Of the same no more than it takes to check the log: the database, and the log's keys, public ones where they are
    said. All else may be missing, or lead to what is out of reach; a value that is wrong by itself is refused as ever.
    Raises FaultySettings.
    """
    _, settings = _read(file)
    audit = settings.audit.for_others()
    if faults := [*faults_of_environment(), *faults_of_log(audit, frozenset())]:
        raise FaultySettings(faults)
    return Settings.model_construct(database=settings.database, audit=audit)


def _read(file: Path | None) -> tuple[Path, Settings]:
    """Where they are, and what each value alone shows to be right. Raises FaultySettings."""
    named = file or (Path(os.environ[FILE_VARIABLE]) if FILE_VARIABLE in os.environ else None)
    if named is not None and not named.is_file():
        raise FaultySettings([f"There is no settings file {named}."])
    chosen = named or _DEFAULT_FILE

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=chosen)

    try:
        return chosen, _FromFile()
    except ValidationError as error:
        raise FaultySettings([_sentence(fault["loc"], fault["msg"]) for fault in error.errors()]) from None
    except (SettingsError, ValueError) as error:
        # A TOML error names line and column; an unreadable variable its name. Neither shows a value.
        raise FaultySettings([f"The settings cannot be read: {error}."]) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, location))}: {message}."
