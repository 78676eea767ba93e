"""The settings: one TOML file, every value also by environment; what is unsafe or impossible refuses to start.

`ROOTQUORUM_POLICY__QUORUM=3` is `quorum = 3` under `[policy]`; the environment wins over the file.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from service.domain.account import Account, Partition
from service.domain.actor import WORKER, ActorKind, Directory, Member, Role
from service.domain.policy import SMALLEST_QUORUM, Policy

_PREFIX = "ROOTQUORUM_"
_FILE_VARIABLE = f"{_PREFIX}CONFIG"
_RULES = Policy()
_DEFAULT_FILE = Path("rootquorum.toml")

AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
# Lower case only: two spellings of one name would be two people.
SubjectId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Window = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=366))]
Lifetime = Annotated[timedelta, Field(ge=timedelta(minutes=5), le=timedelta(days=3660))]


class FaultySettings(Exception):
    """The settings cannot be used. `faults` holds one sentence for each reason, without any value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_database(url: str) -> str:
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError:
        backend = None
    if backend not in {"sqlite", "postgresql"}:
        raise ValueError("not the URL of a SQLite or PostgreSQL database")
    return url


class DatabaseSettings(_Section):
    """`url` is SQLAlchemy's: `sqlite:///rootquorum.db` or `postgresql://user:password@host/name`."""

    url: Annotated[str, AfterValidator(_check_database)] = "sqlite:///rootquorum.db"
    # One per thread that serves, and one for the worker; PostgreSQL must allow them for every replica.
    connections: int = Field(default=20, ge=2, le=200)


class ServerSettings(_Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class WorkerSettings(_Section):
    enabled: bool = True
    # How many accounts are worked on at a time; each takes one of the database's connections.
    parallel: int = Field(default=4, ge=2, le=64)
    interval: Annotated[timedelta, Field(ge=timedelta(milliseconds=100))] = timedelta(seconds=2)


class LogSettings(_Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class PolicySettings(_Section):
    """Durations are ISO 8601, such as `PT8H`."""

    quorum: int = Field(default=SMALLEST_QUORUM, ge=SMALLEST_QUORUM)
    approval_window: Window = _RULES.approval_window
    execution_window: Window = _RULES.execution_window
    receipt_window: Window = _RULES.receipt_window
    rollback_grace: Window = _RULES.rollback_grace
    consistency_delay: Window = _RULES.consistency_delay
    require_root_mfa: bool = _RULES.require_root_mfa
    lifetime_required: bool = _RULES.lifetime_required
    max_lifetime: Lifetime | None = _RULES.max_lifetime
    expiry_notice: Window = _RULES.expiry_notice
    drift_checks: bool = _RULES.drift_checks
    drift_interval: Window = _RULES.drift_interval


class AwsSettings(_Section):
    """`simulated`: no AWS at all, for trying things out."""

    simulated: bool = False
    simulated_port: int = Field(default=0, ge=0, le=65535)


Profile = Annotated[str, StringConstraints(min_length=1)]


class OrganizationSettings(_Section):
    """`profile` names a boto3 profile in the management account, or in the delegated administrator's for IAM.

    With `list_accounts` its accounts are served without being named: those of `allow`, all where it is empty, but
    never those of `deny`.
    """

    profile: Profile | None = None
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")] = "us-east-1"
    list_accounts: bool = False
    allow: frozenset[AccountId] = frozenset()
    deny: frozenset[AccountId] = frozenset()
    refresh: Window = timedelta(minutes=15)


class AccountSettings(_Section):
    """`profile` names the boto3 profile that holds this account's root credential; `organization` the table of the
    organization that reaches it by sts:AssumeRoot.
    """

    name: Name
    partition: Partition = Partition.AWS
    profile: Profile | None = None
    organization: str | None = None


class PersonSettings(_Section):
    name: Name
    roles: frozenset[Role] = frozenset()


class MachineSettings(_Section):
    name: Name
    # No `approver`: a machine never decides.
    roles: frozenset[Literal["requester", "auditor", "operator"]] = frozenset()


class Settings(BaseSettings):
    """All of it, frozen. Made by `load`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_PREFIX, env_nested_delimiter="__", hide_input_in_errors=True
    )

    database: DatabaseSettings = DatabaseSettings()
    server: ServerSettings = ServerSettings()
    worker: WorkerSettings = WorkerSettings()
    log: LogSettings = LogSettings()
    policy: PolicySettings = PolicySettings()
    aws: AwsSettings = AwsSettings()
    organizations: dict[SubjectId, OrganizationSettings] = {}
    accounts: dict[AccountId, AccountSettings] = {}
    people: dict[SubjectId, PersonSettings] = {}
    machines: dict[SubjectId, MachineSettings] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del init_settings, dotenv_settings, file_secret_settings
        return env_settings, TomlConfigSettingsSource(settings_cls)

    def rules(self) -> Policy:
        return Policy(**self.policy.model_dump())

    def directory(self) -> Directory:
        people = {
            subject: Member(kind=ActorKind.PERSON, subject=subject, name=person.name, roles=person.roles)
            for subject, person in self.people.items()
        }
        machines = {
            subject: Member(
                kind=ActorKind.MACHINE,
                subject=subject,
                name=machine.name,
                roles=frozenset(map(Role, machine.roles)),
            )
            for subject, machine in self.machines.items()
        }
        return Directory(people | machines)

    def configured_accounts(self) -> dict[str, Account]:
        return {
            account_id: Account(
                account_id=account_id,
                name=account.name,
                partition=account.partition,
                has_profile=account.profile is not None or self.aws.simulated,
                organization=account.organization,
            )
            for account_id, account in self.accounts.items()
        }


def load(file: Path | None = None) -> Settings:
    """Read the file (`file`, else `ROOTQUORUM_CONFIG`, else `rootquorum.toml` if there) and the environment.

    Raises FaultySettings.
    """
    named = file or (Path(os.environ[_FILE_VARIABLE]) if _FILE_VARIABLE in os.environ else None)
    if named is not None and not named.is_file():
        raise FaultySettings([f"There is no settings file {named}."])
    chosen = named or _DEFAULT_FILE

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=chosen)

    try:
        settings = _FromFile()
    except ValidationError as error:
        raise FaultySettings([_sentence(fault["loc"], fault["msg"]) for fault in error.errors()]) from None
    except (SettingsError, ValueError) as error:
        # A TOML error names line and column; an unreadable variable its name. Neither shows a value.
        raise FaultySettings([f"The settings cannot be read: {error}."]) from None
    faults = list(_faults(settings))
    if faults and not chosen.is_file():
        faults.insert(0, f"There is no {chosen} here, and ROOTQUORUM_CONFIG names no other file.")
    if faults:
        raise FaultySettings(faults)
    return settings


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, location))}: {message}."


def _faults(settings: Settings) -> Iterator[str]:
    """What each value alone cannot show: one sentence per fault."""
    yield from _faults_of_environment()
    yield from _faults_of_people(settings)
    yield from _faults_of_accounts(settings)
    yield from _faults_of_organizations(settings)
    if settings.worker.enabled and settings.database.connections < settings.worker.parallel + 2:
        yield (
            f"database.connections: {settings.database.connections} are too few; "
            f"the worker takes {settings.worker.parallel + 1}, and the API needs one at least."
        )


def _faults_of_environment() -> Iterator[str]:
    for variable in sorted(os.environ):
        name = variable.upper()  # pydantic-settings reads them in any case
        section = name.removeprefix(_PREFIX).split("__")[0].lower()
        if name.startswith(_PREFIX) and name != _FILE_VARIABLE and section not in Settings.model_fields:
            yield f"The environment variable {variable} names no setting."


def _faults_of_people(settings: Settings) -> Iterator[str]:
    approvers = settings.directory().approvers
    if len(approvers) < settings.policy.quorum:
        yield (
            f"people: {len(approvers)} approvers for a quorum of {settings.policy.quorum}; "
            "nothing could ever be approved."
        )
    for subject in sorted(settings.people.keys() & settings.machines.keys()):
        yield f"machines.{subject}: a person has the same name."
    if WORKER.subject in settings.people.keys() | settings.machines.keys():
        yield f"{WORKER.subject} is the service's own name; nobody else can have it."


def _faults_of_accounts(settings: Settings) -> Iterator[str]:
    if not settings.accounts and not any(o.list_accounts for o in settings.organizations.values()):
        yield "accounts: no account is configured."
    if settings.aws.simulated and find_spec("moto") is None:
        yield "aws.simulated: the simulated AWS needs the extra `demo` of this package."
    for account_id, account in settings.accounts.items():
        organization = settings.organizations.get(account.organization or "")
        if account.organization is not None and organization is None:
            yield f"accounts.{account_id}: there is no organization of that name."
        if organization is not None and account_id in organization.deny:
            yield f"accounts.{account_id}: its organization denies this account."
        if settings.aws.simulated and account.profile is not None:
            yield f"accounts.{account_id}: a real account (profile) cannot stand beside the simulated AWS."
        elif settings.aws.simulated and account.partition is not Partition.AWS:
            yield f"accounts.{account_id}: only the partition aws is simulated."
        elif not settings.aws.simulated and account.profile is None and account.organization is None:
            yield f"accounts.{account_id}: profile or organization is missing: where the root credential comes from."


def _faults_of_organizations(settings: Settings) -> Iterator[str]:
    if settings.aws.simulated and len(settings.organizations) > 1:
        yield "organizations: only one organization is simulated."
    for name, organization in settings.organizations.items():
        if settings.aws.simulated and organization.profile is not None:
            yield f"organizations.{name}: a real organization (profile) cannot stand beside the simulated AWS."
        elif not settings.aws.simulated and organization.profile is None:
            yield f"organizations.{name}: profile is missing: who may call sts:AssumeRoot."
        if not organization.list_accounts and organization.allow | organization.deny:
            yield f"organizations.{name}: allow and deny are for list_accounts."
