"""The settings: a TOML file, overridden by environment variables. Unsafe or impossible settings prevent the start.

`ROOTQUORUM_POLICY__QUORUM=3` is `quorum = 3` under `[policy]`; the environment overrides the file.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from service.domain.rule_file import SignedRules
from service.settings.account_sections import OrganizationSettings
from service.settings.destination_sections import HookSettings, MailSettings, SyslogSettings, TrackerSettings
from service.settings.environment import FILE_VARIABLE, faults_of_environment, faults_of_json
from service.settings.faults import faults_of, faults_of_log, faults_of_rulebook
from service.settings.model import PREFIX, Settings
from service.settings.people_sections import IssuerSettings, path_of
from service.settings.places import secrets_in
from service.settings.service_sections import DatabaseSettings, MetricsSettings
from service.settings.signed_rules import is_ruled, merged, misplaced, read_rules, rules_named
from service.settings.signing_sections import AuditSettings, LogKeySettings
from service.settings.sources import Source, sources
from service.settings.taken import taken
from service.settings.words import Unreadable, faults_in, read_toml

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "AuditSettings",
    "DatabaseSettings",
    "FaultySettings",
    "HookSettings",
    "IssuerSettings",
    "LogKeySettings",
    "MailSettings",
    "MetricsSettings",
    "OrganizationSettings",
    "Settings",
    "Source",
    "SyslogSettings",
    "TrackerSettings",
    "Unreadable",
    "holds_secret",
    "load",
    "load_again",
    "load_for_audit",
    "load_for_policy",
    "load_values",
    "path_of",
    "settings_file",
    "sources",
]

_DEFAULT_FILE = Path("rootquorum.toml")


class FaultySettings(Exception):
    """The settings cannot be used. `faults` has one sentence for each reason, without any value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Read(Settings):
    """Settings from `document`, the content of the file. The environment overrides it, unless `file_alone`."""

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
        given = init_settings()
        of_file = InitSettingsSource(settings_cls, given["document"])
        return (of_file,) if given["file_alone"] else (env_settings, of_file)


def load(file: Path | None = None) -> Settings:
    """Read the file (`file`, else `ROOTQUORUM_CONFIG`, else `rootquorum.toml` if there) and the environment.

    Raise FaultySettings.
    """
    settings = load_values(file)
    return _without_faults(settings, file, faults_of(settings))


def load_again(old: Settings, new: Settings) -> Settings:
    """Return the old settings with what a running process takes from the new ones, which `load` has returned.

    Raise FaultySettings if they are impossible together.
    """
    wanted = taken(old, new)
    return _without_faults(wanted, None, [f"With what waits for a restart: {fault}" for fault in faults_of(wanted)])


def load_for_audit(file: Path | None = None) -> Settings:
    """Read only the settings that it takes to check the log: the database, and the log's keys, public ones if given.

    Other settings may be missing, or refer to something out of reach. A value that is wrong by itself is still refused.
    Raise FaultySettings.
    """
    settings = load_values(file, with_rules=False)
    audit = settings.audit.for_others()
    if faults := [*faults_of_environment(), *faults_of_log(audit, frozenset())]:
        raise FaultySettings(faults)
    return Settings.model_construct(database=settings.database, audit=audit)


def load_for_policy(file: Path | None = None, *, file_alone: bool = False) -> Settings:
    """Read the settings, of which only those need to be possible that say who may approve what.

    Nothing that they refer to is read. With `file_alone`, the environment overrides nothing. Raise FaultySettings.
    """
    settings = load_values(file, file_alone=file_alone)
    of_environment = () if file_alone else faults_of_environment()
    return _without_faults(settings, file, [*of_environment, *faults_of_rulebook(settings)])


def _without_faults(settings: Settings, file: Path | None, faults: Iterable[str]) -> Settings:
    """Return the settings. Raise FaultySettings if there are faults; one is that there is no file."""
    found = list(faults)
    if found and settings_file(file) is None:
        found.insert(0, f"There is no {_DEFAULT_FILE} here, and {FILE_VARIABLE} names no other file.")
    if found:
        raise FaultySettings(found)
    return settings


def settings_file(file: Path | None = None) -> Path | None:
    """Return the settings file, or None if all settings come from the environment."""
    named = _named(file)
    return named or (_DEFAULT_FILE if _DEFAULT_FILE.is_file() else None)


def holds_secret(file: Path) -> bool:
    """Return whether a readable settings file contains a secret itself, not just the path of a file with one."""
    return any(True for _ in secrets_in(read_toml(file)))


def load_values(file: Path | None = None, *, file_alone: bool = False, with_rules: bool = True) -> Settings:
    """Read settings and check each value alone; the combination may still be impossible. Raise FaultySettings.

    With `file_alone`, the environment overrides nothing. Without `with_rules`, a file of rules that they name is not
    read.
    """
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

    signed: SignedRules | None = None
    try:
        environment = {} if file_alone else EnvSettingsSource(Settings)()
        rules = rules_named(document, environment, chosen)
        if rules is not None and with_rules:
            signed = _rules_of(document, environment, chosen, rules)
            document = merged(document, signed)
        settings = _Read(document=document, file_alone=file_alone)  # type: ignore[call-arg]  # for its sources
    except ValidationError as error:
        raise FaultySettings([*_faults_in(error, chosen, signed)]) from None
    except (SettingsError, RecursionError):
        raise FaultySettings([*faults_of_json()] or ["A variable of the environment cannot be read."]) from None
    settings._signed_rules = signed  # noqa: SLF001  # only here, and from then on it is read
    return settings


def _rules_of(document: Mapping[str, Any], environment: Mapping[str, Any], file: Path, rules: Path) -> SignedRules:
    """Return the file of rules. Raise FaultySettings if it cannot be used, or if something stands beside it."""
    try:
        signed = read_rules(rules)
    except Unreadable as error:
        raise FaultySettings([str(error)]) from None
    # Now that there is such a file, its name is no secret in the wrong place.
    if faults := list(misplaced(document, environment, file, rules)):
        raise FaultySettings(faults)
    return signed


def _faults_in(error: ValidationError, file: Path, signed: SignedRules | None) -> Iterator[str]:
    """Yield the faults. Lines are those of the file that has the value."""
    if signed is None:
        yield from faults_in(error, lambda _: file)
        return
    rules = Path(signed.place)
    yield from faults_in(error, lambda location: rules if is_ruled(location) else file)


def _named(file: Path | None) -> Path | None:
    return file or (Path(os.environ[FILE_VARIABLE]) if FILE_VARIABLE in os.environ else None)
