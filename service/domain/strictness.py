"""Which of two policies allows more, value by value."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from service.domain.actor import Group, Member, Role
from service.domain.demands import SignedApprovals
from service.domain.directory import Directory
from service.domain.policy import ApprovalComment, FreshExecutions, Policy, SealedDelivery
from service.domain.rulebook import Rulebook
from service.domain.rules import Rule

_IsLooser = Callable[[Policy, Policy], bool]


@dataclass(frozen=True, slots=True)
class Change:
    """A difference in words, and whether something becomes possible by it that was not."""

    what: str
    is_looser: bool


def _longer(name: str) -> _IsLooser:
    return lambda old, new: getattr(new, name) > getattr(old, name)


def _shorter(name: str) -> _IsLooser:
    return lambda old, new: getattr(new, name) < getattr(old, name)


def _dropped(name: str) -> _IsLooser:
    """Return whether a demand is no longer made."""
    return lambda old, new: bool(getattr(old, name)) and not getattr(new, name)


def _differs(name: str) -> _IsLooser:
    """Return whether it differs at all: which of two is stricter cannot be told."""
    return lambda old, new: getattr(old, name) != getattr(new, name)


def _lives_longer(old: Policy, new: Policy) -> bool:
    return old.max_lifetime is not None and (new.max_lifetime is None or new.max_lifetime > old.max_lifetime)


def _signs_in_by_more(old: Policy, new: Policy) -> bool:
    """Return whether a sign-in is enough that was not. Any value of either is enough; without any, each sign-in is."""
    before, now = (
        {("acr", each) for each in policy.decision_acr} | {("amr", each) for each in policy.decision_amr}
        for policy in (old, new)
    )
    return bool(before) and (not now or not now <= before)


def _has_more_methods(old: Policy, new: Policy) -> bool:
    return not all(any(now <= before for now in new.methods) for before in old.methods)


def _takes_more_states(old: Policy, new: Policy) -> bool:
    return old.ticket_states is not None and (new.ticket_states is None or not new.ticket_states <= old.ticket_states)


def _takes_more_tickets(old: Policy, new: Policy) -> bool:
    return old.ticket_pattern is not None and old.ticket_pattern != new.ticket_pattern


def _drills_less(old: Policy, new: Policy) -> bool:
    return old.drill_every is not None and (new.drill_every is None or new.drill_every > old.drill_every)


def _never(_old: Policy, _new: Policy) -> bool:
    return False


# Each value of the policy. Who suffices is not told by quorum and approvals alone, so these are compared elsewhere.
LOOSER: Mapping[str, _IsLooser] = {
    "quorum": _never,
    "approvals": _never,
    "rules": _never,
    "approval_window": _longer("approval_window"),
    "execution_window": _longer("execution_window"),
    "receipt_window": _longer("receipt_window"),
    "rollback_grace": _longer("rollback_grace"),
    "consistency_delay": _differs("consistency_delay"),
    "require_root_mfa": _dropped("require_root_mfa"),
    "lifetime_required": _dropped("lifetime_required"),
    "max_lifetime": _lives_longer,
    "expiry_notice": _shorter("expiry_notice"),
    "drift_checks": _dropped("drift_checks"),
    "drift_interval": _longer("drift_interval"),
    "drill_every": _drills_less,
    "decision_max_auth_age": _longer("decision_max_auth_age"),
    "decision_requires_auth_time": _dropped("decision_requires_auth_time"),
    "decision_acr": _signs_in_by_more,
    "decision_amr": _signs_in_by_more,
    "approval_comment": lambda old, new: (
        (old.approval_comment, new.approval_comment) == (ApprovalComment.REQUIRED, ApprovalComment.OPTIONAL)
    ),
    "signed_approvals": lambda old, new: (
        SignedApprovals.strictest([old.signed_approvals, new.signed_approvals]) is not new.signed_approvals
    ),
    "execution_sign_in": lambda old, new: (
        (old.execution_sign_in, new.execution_sign_in) == (FreshExecutions.ALL, FreshExecutions.CREATES)
    ),
    "sealed_delivery": lambda old, new: (
        (old.sealed_delivery, new.sealed_delivery) == (SealedDelivery.REQUIRED, SealedDelivery.OFF)
    ),
    "ticket_required": _dropped("ticket_required"),
    "ticket_pattern": _takes_more_tickets,
    "ticket_check": _dropped("ticket_check"),
    "ticket_check_at_execution": _dropped("ticket_check_at_execution"),
    "ticket_states": _takes_more_states,
    "ticket_unchecked": lambda old, new: new.ticket_unchecked and not old.ticket_unchecked,
    "escalate_to": lambda old, new: not old.escalate_to <= new.escalate_to,
    "methods": _has_more_methods,
    "hours": lambda old, new: not set(old.hours) <= set(new.hours),
}


def policy_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Yield the values that differ, without those that say who suffices."""
    before, now = old.document(), new.document()
    for name, is_looser in LOOSER.items():
        if is_looser is not _never and before.get(name) != now.get(name):
            yield Change(name, is_looser(old, new))


_Rights = dict[tuple[str, Role], frozenset[str] | None]


def role_changes(old: Directory, new: Directory) -> Iterator[Change]:
    """Yield who has a role in more or fewer accounts, by name or by a provider's group, and who signs in otherwise."""
    before, now = _rights(old), _rights(new)
    for who, role in sorted(before.keys() | now.keys()):
        had, has = before.get((who, role), frozenset()), now.get((who, role), frozenset())
        if had != has:
            is_looser = had is not None and (has is None or not has <= had)
            yield Change(f"{who} is {role} {_in(had)}, then {_in(has)}", is_looser)
    for subject, member in old.members.items():
        other = new.members.get(subject)
        if other is None:
            granted = ((grant, role) for grants in new.grants.values() for grant in grants for role in grant.roles)
            for role in sorted({role for grant, role in granted if _adds(grant.accounts, member, role)}):
                yield Change(
                    f"{subject} is no longer named, so a provider's groups may make them {role}", is_looser=True
                )
        elif other is not None and (other.kind, other.login) != (member.kind, member.login):
            yield Change(f"{subject} signs in otherwise", is_looser=True)


def _adds(accounts: frozenset[str] | None, member: Member, role: Role) -> bool:
    """Return whether a role in these accounts, or in all, is more than the member had."""
    if role not in member.roles:
        return True
    limit = member.limits.get(role)
    return limit is not None and (accounts is None or not accounts <= limit)


def _rights(directory: Directory) -> _Rights:
    found: _Rights = {}
    for subject, member in directory.members.items():
        for role in member.roles:
            found[subject, role] = member.limits.get(role)
    for issuer, grants in directory.grants.items():
        for grant in grants:
            who = f"group {grant.group} of issuer {issuer}"
            for role in grant.roles:
                had = found.get((who, role), frozenset())
                found[who, role] = None if had is None or grant.accounts is None else had | grant.accounts
    return found


def _in(accounts: frozenset[str] | None) -> str:
    if accounts is None:
        return "in all accounts"
    return f"in {', '.join(sorted(accounts))}" if accounts else "in none"


def is_plainly_no_looser(old: Rulebook, new: Rulebook) -> bool:
    """Return whether each part of the new rulebook is at least as strict as its part in the old one.

    Then nothing becomes possible, in whatever account. If not, something may.
    """
    before, now = old.directory, new.directory
    none = Group()
    return (
        new.policy.quorum >= old.policy.quorum
        and new.signing == old.signing
        and not any(change.is_looser for change in policy_changes(old.policy, new.policy))
        and not any(change.is_looser for change in role_changes(before, now))
        and now.grants.keys() <= before.grants.keys()
        and all(_is_within(group, before.groups.get(name, none)) for name, group in now.groups.items())
        and all(any(_covers(wide, rule) for wide in new.rules.rules) for rule in old.rules.rules)
    )


def _is_within(group: Group, other: Group) -> bool:
    return group.people <= other.people and group.provider_groups <= other.provider_groups


def _covers(wide: Rule, rule: Rule) -> bool:
    """Return whether a rule demands as much of everything that another one is for."""
    demanded, asked = rule.demand, wide.demand
    return (
        _takes(wide.accounts, rule.accounts)
        and _takes(wide.operations, rule.operations)
        and _takes(frozenset(wide.names), frozenset(rule.names))
        and _takes(wide.units, rule.units)
        and all(key in rule.tags and rule.tags[key] <= values for key, values in wide.tags.items())
        and all(asked.approvals.get(group, 0) >= number for group, number in demanded.approvals.items())
        and (asked.quorum or 0) >= (demanded.quorum or 0)
        and not any(change.is_looser for change in policy_changes(Policy().under([demanded]), Policy().under([asked])))
    )


def _takes(wide: Collection[str], narrow: Collection[str]) -> bool:
    """Return whether a selector takes all that another one does. Empty takes everything."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
