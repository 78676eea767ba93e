"""All settings together, and their conversion to domain types."""

from dataclasses import replace

from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain.account import Account
from service.domain.actor import ActorKind, Directory, Grant, Member, Role
from service.domain.policy import Policy
from service.settings.sections import (
    AccountId,
    AccountSettings,
    AuditSettings,
    AwsSettings,
    ChatSettings,
    DatabaseSettings,
    DestinationName,
    HookSettings,
    IssuerSettings,
    LogSettings,
    MachineSettings,
    NotifySettings,
    OrganizationSettings,
    PersonId,
    PersonSettings,
    PolicySettings,
    ServerSettings,
    SubjectId,
    TrackerSettings,
    WebhookSettings,
    WorkerSettings,
)

PREFIX = "ROOTQUORUM_"


class Settings(BaseSettings):
    """All settings, frozen. Made by `load`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", hide_input_in_errors=True
    )

    database: DatabaseSettings = DatabaseSettings()
    server: ServerSettings = ServerSettings()
    worker: WorkerSettings = WorkerSettings()
    log: LogSettings = LogSettings()
    policy: PolicySettings = PolicySettings()
    aws: AwsSettings = AwsSettings()
    organizations: dict[SubjectId, OrganizationSettings] = {}
    accounts: dict[AccountId, AccountSettings] = {}
    issuers: dict[SubjectId, IssuerSettings] = {}
    notify: NotifySettings = NotifySettings()
    webhooks: dict[DestinationName, WebhookSettings] = {}
    chats: dict[DestinationName, ChatSettings] = {}
    trackers: dict[DestinationName, TrackerSettings] = {}
    hooks: dict[DestinationName, HookSettings] = {}
    audit: AuditSettings = AuditSettings()
    people: dict[PersonId, PersonSettings] = {}
    machines: dict[SubjectId, MachineSettings] = {}

    def rules(self) -> Policy:
        return Policy(**self.policy.model_dump())

    def directory(self) -> Directory:
        people = {subject: _member(ActorKind.PERSON, subject, person) for subject, person in self.people.items()}
        machines = {
            subject: replace(
                _member(ActorKind.MACHINE, subject, machine),
                login=(machine.issuer, machine.login) if machine.issuer and machine.login else None,
            )
            for subject, machine in self.machines.items()
        }
        grants = {
            name: tuple(Grant(grant.group, grant.roles, grant.accounts) for grant in issuer.grants)
            for name, issuer in self.issuers.items()
        }
        return Directory(people | machines, grants)

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


def _member(kind: ActorKind, subject: str, named: PersonSettings | MachineSettings) -> Member:
    roles = frozenset(map(Role, named.roles))
    limits = {} if named.accounts is None else dict.fromkeys(roles, named.accounts)
    return Member(kind=kind, subject=subject, name=named.name, roles=roles, limits=limits)
