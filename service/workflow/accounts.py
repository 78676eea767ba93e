"""Checks accounts: sign in with each source, and only read."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.account import Account, Part, RootCredentials, SourceKind
from service.domain.capability import Plan, incapable_because, plan, unreadable_because
from service.domain.errors import Conflict, ServiceError
from service.domain.operation import ON_POLICIES, Operation, OperationName, check_can_run
from service.domain.policy import check_root_mfa
from service.workflow.context import Context

# AssumeRoot into member accounts requires it (AWS documentation of centralized root access).
NEEDED_FEATURE = "RootCredentialsManagement"
# The policies of buckets and queues require this one too.
FEATURE_TO_UNLOCK = "RootSessions"

Features = Mapping[str, frozenset[str] | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """The result of checking one source of one account.

    `fault` says why it does not work, `set_aside` why AWS's own rules forbid it; `observed` is None for either.
    `features` are the organization's, or None if it was not queried. `refused` maps each operation that would be
    refused today to the reason.
    """

    account: Account
    source: SourceKind
    observed: RootCredentials | None = None
    fault: str | None = None
    set_aside: str | None = None
    features: frozenset[str] | None = None
    refused: Mapping[OperationName, str]


def organization_features(ctx: Context, accounts: list[Account]) -> Features:
    """Return the enabled features of each organization of these accounts, or a sentence if they cannot be read."""
    found: dict[str, frozenset[str] | str] = {}
    for name in sorted({account.organization for account in accounts if account.organization}):
        try:
            found[name] = ctx.accounts.features(name)
        except ServiceError as error:
            found[name] = error.exact
    return found


def check_account(ctx: Context, account: Account, features: Features) -> tuple[SourceCheck, ...]:
    """Check each source, the least powerful first. Problems with the account are in the result, never raised."""
    return tuple(_check(ctx, account, source, features) for source in account.sources)


def is_hopeless(account: Account) -> str | None:
    """Return why AWS's own rules forbid every operation in the account; None if one is possible."""
    try:
        plan(account)
    except Conflict as refusal:
        return refusal.detail
    return None


def _check(ctx: Context, account: Account, source: SourceKind, features: Features) -> SourceCheck:
    refused = {
        name: reason for name in OperationName if (reason := incapable_because(account, source, name)) is not None
    }
    set_aside = unreadable_because(account, source)
    if set_aside is not None:
        return SourceCheck(account=account, source=source, set_aside=set_aside, refused=refused)
    enabled = features[str(account.organization)] if source is SourceKind.ASSUME_ROOT else None
    if isinstance(enabled, str):
        return SourceCheck(account=account, source=source, fault=enabled, refused=refused)
    if enabled is not None and NEEDED_FEATURE not in enabled:
        return SourceCheck(
            account=account, source=source, fault=_lacks(NEEDED_FEATURE), features=enabled, refused=refused
        )
    if enabled is not None and FEATURE_TO_UNLOCK not in enabled:
        refused |= {name: _lacks(FEATURE_TO_UNLOCK) for name in OperationName if name in ON_POLICIES - refused.keys()}
    try:
        with ctx.roots.sign_in(account, Plan(source)) as root:
            observed = root.observe(ctx.now(), Part.SUMMARY, Part.EMAIL)
    except ServiceError as error:
        return SourceCheck(account=account, source=source, fault=error.cause, features=enabled, refused=refused)
    if OperationName.CREATE_ACCESS_KEY not in refused:
        refused |= _create_refused(ctx, account, observed)
    return SourceCheck(account=account, source=source, observed=observed, features=enabled, refused=refused)


def _lacks(feature: str) -> str:
    return f"{feature} is not enabled in the organization."


def _create_refused(ctx: Context, account: Account, observed: RootCredentials) -> dict[OperationName, str]:
    create = Operation(OperationName.CREATE_ACCESS_KEY)
    try:
        check_can_run(create, observed, accept_lockout=False)
        check_root_mfa(ctx.policy_for(account.account_id, create.name), create, observed)
    except Conflict as refusal:
        return {create.name: refusal.detail}
    return {}
