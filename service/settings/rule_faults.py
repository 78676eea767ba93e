"""Faults of groups and rules: each of them would leave a rule that never applies, or that nobody can meet."""

from collections.abc import Iterator

from service.domain.demands import Demand, Tally, listed
from service.domain.directory import Directory
from service.domain.operation import KINDS
from service.domain.rules import folded
from service.settings.model import Settings, rule_of
from service.settings.policy_sections import RuleSettings


def faults_of_rules(settings: Settings) -> Iterator[str]:
    directory = settings.directory()
    for name in sorted(settings.groups):
        yield from _faults_of_group(settings, name)
    names = [folded(rule.name) for rule in settings.rules]
    for number, rule in enumerate(settings.rules):
        place = f"rules.{number}"
        if names.index(folded(rule.name)) < number:
            yield f"{place}.name: another rule has the same name."
        yield from (f"{place}{fault}" for fault in _faults_of_rule(settings, rule))
        yield from (f"{place}.approvals: {fault}" for fault in _faults_of_approvals(settings, rule, directory))


def faults_of_readings(settings: Settings) -> Iterator[str]:
    """Yield a fault for each rule by something that no organization reads."""
    organizations = settings.organizations.values()
    for number, rule in enumerate(settings.rules):
        place = f"rules.{number}"
        if rule.organizational_units and not any(organization.read_units for organization in organizations):
            yield f"{place}.organizational_units: without read_units in an organization it would apply to all accounts."
        if rule.tags and not any(organization.read_tags for organization in organizations):
            yield f"{place}.tags: without read_tags in an organization it would apply to all accounts."


def _faults_of_group(settings: Settings, name: str) -> Iterator[str]:
    group, place = settings.groups[name], f"groups.{name}"
    if not group.people and not group.provider_groups:
        yield f"{place}: people or provider_groups is missing."
    if group.people & settings.machines.keys():
        yield f"{place}.people: one of them is a machine, which never decides."
    known = {subject.lower(): subject for subject in settings.people}
    for subject in sorted(group.people):
        if known.get(subject.lower(), subject) != subject:
            yield f"{place}.people: one of them differs from a person's name only by case."
        elif subject not in settings.people and not settings.issuers:
            yield f"{place}.people: one of them is not in people, and without an issuer nobody else can sign in."
    if any(stated.issuer not in settings.issuers for stated in group.provider_groups):
        yield f"{place}.provider_groups: one of the issuers is not configured."


def _faults_of_rule(settings: Settings, rule: RuleSettings) -> Iterator[str]:
    selectors = [rule.accounts, rule.names, rule.organizational_units, rule.tags]
    if sum(map(bool, selectors)) > 1:
        yield ": only one of accounts, names, organizational_units and tags may be set. Write a rule for each."
    organizations = settings.organizations.values()
    if (
        not any(organization.list_accounts for organization in organizations)
        and rule.accounts - settings.accounts.keys()
    ):
        yield ".accounts: one of them is not configured."
    if rule.decision_amr and not settings.issuers:
        yield ".decision_amr: without an issuer nobody can have such a sign-in."
    if rule.hours is not None and rule.operations and not any(KINDS[name].lets_somebody_in for name in rule.operations):
        yield ".hours: they have no effect on these operations, which let nobody in."
    if rule_of(rule).demand == Demand(rule=rule.name):
        yield ": it demands nothing."


def _faults_of_approvals(settings: Settings, rule: RuleSettings, directory: Directory) -> Iterator[str]:
    groups = [approval.group for approval in rule.approvals]
    if len(groups) > len(set(groups)):
        yield "a group is named twice."
    if not settings.groups.keys() >= set(groups):
        yield "there is no group of that name."
        return
    demanded = {approval.group: approval.at_least for approval in rule.approvals}
    growing = directory.growing_groups
    people = {who: directory.groups_of(who) | growing for who in directory.all_approvers}
    missing = Tally(demanded, sum(demanded.values()), people).missing
    if missing and not directory.may_grow:
        yield f"nobody could meet it. If all approvers approve, what is missing is {listed(missing)}."
