"""All settings together, and their conversion to domain types."""

from dataclasses import replace

from pydantic import PrivateAttr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain.account import Account
from service.domain.actor import ActorKind, Grant, Group, Member, Role
from service.domain.demands import Demand, SignedApprovals
from service.domain.directory import Directory
from service.domain.hours import DAYS, Hours
from service.domain.incident import Limits
from service.domain.policy import ApprovalComment, Policy, SealedDelivery
from service.domain.roster import Holder
from service.domain.rule_file import SignedRules
from service.domain.rules import Rule, Rules
from service.domain.signed import Signing
from service.settings.account_sections import AccountSettings, AwsSettings, OrganizationSettings
from service.settings.destination_sections import (
    ChatSettings,
    HookSettings,
    MailSettings,
    NotifySettings,
    SyslogSettings,
    TrackerSettings,
    WebhookSettings,
)
from service.settings.people_sections import IssuerSettings, MachineSettings, PersonSettings
from service.settings.policy_sections import GroupSettings, HoursSettings, PolicySettings, RuleSettings
from service.settings.service_sections import (
    DatabaseSettings,
    HealthSettings,
    LogSettings,
    MetricsSettings,
    ServerSettings,
    WorkerSettings,
)
from service.settings.signing_sections import (
    AuditSettings,
    EmergencySettings,
    FounderId,
    FounderSettings,
    SigningSettings,
)
from service.settings.values import AccountId, DestinationName, PersonId, SubjectId

PREFIX = "ROOTQUORUM_"


class Settings(BaseSettings):
    """All settings, frozen. Made by `load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        defer_build=True,  # only what `load` makes of it is built
    )

    database: DatabaseSettings = DatabaseSettings()
    server: ServerSettings = ServerSettings()
    worker: WorkerSettings = WorkerSettings()
    health: HealthSettings = HealthSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    policy: PolicySettings = PolicySettings()
    rules: tuple[RuleSettings, ...] = ()
    groups: dict[SubjectId, GroupSettings] = {}
    aws: AwsSettings = AwsSettings()
    organizations: dict[SubjectId, OrganizationSettings] = {}
    accounts: dict[AccountId, AccountSettings] = {}
    issuers: dict[SubjectId, IssuerSettings] = {}
    notify: NotifySettings = NotifySettings()
    webhooks: dict[DestinationName, WebhookSettings] = {}
    chats: dict[DestinationName, ChatSettings] = {}
    trackers: dict[DestinationName, TrackerSettings] = {}
    mails: dict[DestinationName, MailSettings] = {}
    syslogs: dict[DestinationName, SyslogSettings] = {}
    hooks: dict[DestinationName, HookSettings] = {}
    audit: AuditSettings = AuditSettings()
    signing: SigningSettings = SigningSettings()
    emergency: EmergencySettings = EmergencySettings()
    founders: dict[FounderId, FounderSettings] = {}
    people: dict[PersonId, PersonSettings] = {}
    machines: dict[SubjectId, MachineSettings] = {}

    # Only `load` sets it: the file of rules and the signatures beside it, read once.
    _signed_rules: SignedRules | None = PrivateAttr(default=None)

    @property
    def signed_rules(self) -> SignedRules | None:
        return self._signed_rules

    def has_destinations(self) -> bool:
        return bool(self.webhooks or self.chats or self.trackers or self.mails or self.syslogs)

    def policy_in_force(self) -> Policy:
        quorum = max(self.policy.quorum, self.emergency.quorum or 0)
        return Policy(**{**self.policy.model_dump(), "quorum": quorum})

    def rules_in_force(self) -> Rules:
        return Rules([rule_of(rule) for rule in self.rules])

    def wants_signatures(self) -> bool:
        """Return whether an approval ever has to be signed."""
        wanted = [self.policy.signed_approvals, *(rule.signed_approvals for rule in self.rules)]
        return SignedApprovals.strictest(wanted) is not SignedApprovals.OFF

    def signing_in_force(self) -> Signing:
        return Signing(
            **self.signing.model_dump(exclude={"rules_file"}),
            founders=self.founders_keys(),
            revoked=self.emergency.revoked_keys,
        )

    def limits(self) -> Limits:
        return Limits(**self.health.model_dump())

    def founders_keys(self) -> frozenset[Holder]:
        """Return each founder with each of their keys, without comments."""
        return frozenset(
            (person, " ".join(line.split()[:2])) for person, founder in self.founders.items() for line in founder.keys
        )

    def directory(self) -> Directory:
        groups = {
            name: Group(group.people, frozenset((stated.issuer, stated.group) for stated in group.provider_groups))
            for name, group in self.groups.items()
        }
        people = {
            subject: replace(
                _member(ActorKind.PERSON, subject, person),
                groups=frozenset(name for name, group in groups.items() if subject in group.people),
                away_until=person.away_until,
                email=person.email,
            )
            for subject, person in self.people.items()
        }
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
        return Directory(people | machines, grants, groups)

    def configured_accounts(self) -> dict[str, Account]:
        unlocking = {name for name, found in self.organizations.items() if found.unlock_resources}
        return {
            account_id: Account(
                account_id=account_id,
                name=account.name,
                partition=account.partition,
                has_profile=account.profile is not None or self.aws.simulated,
                organization=account.organization,
                unlocks=account.organization in unlocking,
            )
            for account_id, account in self.accounts.items()
        }


def rule_of(rule: RuleSettings) -> Rule:
    """Return the rule of the domain."""
    demand = Demand(
        rule=rule.name,
        approvals={approval.group: approval.at_least for approval in rule.approvals},
        quorum=rule.quorum,
        max_lifetime=rule.max_lifetime,
        require_root_mfa=rule.require_root_mfa,
        ticket_required=rule.ticket_required,
        approval_comment=rule.approval_comment is ApprovalComment.REQUIRED,
        decision_amr=rule.decision_amr,
        hours=None if rule.hours is None else _hours(rule.hours),
        signed_approvals=rule.signed_approvals,
        sealed_delivery=rule.sealed_delivery is SealedDelivery.REQUIRED,
    )
    return Rule(
        demand=demand,
        accounts=rule.accounts,
        names=rule.names,
        units=rule.organizational_units,
        tags={key: frozenset({tag}) if isinstance(tag, str) else tag for key, tag in rule.tags.items()},
        operations=rule.operations,
    )


def _hours(hours: HoursSettings) -> Hours:
    return Hours(
        days=frozenset(map(DAYS.index, hours.days)),
        opens=hours.opens,
        closes=hours.closes,
        zone=hours.zone,
        closed_on=hours.closed_on,
    )


def _member(kind: ActorKind, subject: str, named: PersonSettings | MachineSettings) -> Member:
    roles = frozenset(map(Role, named.roles))
    limits = {} if named.accounts is None else dict.fromkeys(roles, named.accounts)
    return Member(kind=kind, subject=subject, name=named.name, roles=roles, limits=limits)
