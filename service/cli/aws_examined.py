"""Examines profiles and organizations for `rootquorum doctor`."""

from collections.abc import Iterator

from service.aws.profiles import by_login, shadowing
from service.cli.accounts import needed
from service.domain.errors import ServiceError
from service.domain.text import visible
from service.settings import OrganizationSettings, Settings
from service.workflow.accounts import FEATURE_TO_UNLOCK, NEEDED_FEATURE
from service.workflow.context import Context

# What was checked, the fault or None, the advice, and whether it is only a warning.
Examined = tuple[str, str | None, str, bool]


_NO_EMAIL = (
    "its profile may not read root e-mail addresses, so drift checks do not notice when one changes. "
    "Allow account:GetPrimaryEmail, and enable trusted access for AWS Account Management"
)


def examined(settings: Settings, context: Context) -> Iterator[Examined]:
    """Read the profiles, then ask each organization."""
    for profile in _profiles(settings):
        yield from _profile(profile)
    for name, organization in settings.organizations.items():
        yield from _organization(context, name, organization)


def _profiles(settings: Settings) -> list[str]:
    """Return all profiles that the settings name."""
    found = {account.profile for account in settings.accounts.values()}
    found |= {organization.profile for organization in settings.organizations.values()}
    found |= {key.profile for key in settings.audit.keys.values()}
    return sorted(filter(None, found))


def _profile(name: str) -> Iterator[Examined]:
    """Yield what is odd about a profile that can be used."""
    subject = f"profile {visible(name)}"
    fault, login = shadowing(name), by_login(name)
    if fault is not None:
        yield subject, fault, "Remove the one that is not intended.", False
    if login is not None:
        yield f"{subject}: {login}", None, "", True


def _organization(context: Context, name: str, organization: OrganizationSettings) -> Iterator[Examined]:
    listing = _listing(context, name) if organization.list_accounts else None
    if listing is not None:
        yield listing
    for reading in context.accounts.readings(name):
        if reading.fault is None:
            yield _well(f"organization {name}: {reading.what} of {reading.known} accounts read")
        else:
            yield f"organization {name}", reading.fault, needed(reading), False
    if listing is None or listing[1] is None:  # otherwise its profile may be at fault, which was said
        yield _central_root_access(context, name, unlocks=organization.unlock_resources)
        yield from _emails(context, name)


def _listing(context: Context, name: str) -> Examined:
    try:
        found = context.accounts.listed(name)
    except ServiceError as error:
        return f"organization {name}", error.exact, "Check the organization's profile.", False
    return _well(f"organization {name}: {len(found)} accounts; `rootquorum accounts check` checks each")


def _central_root_access(context: Context, name: str, *, unlocks: bool) -> Examined:
    """Check that AssumeRoot is possible for what the settings want: no account has to be named for it."""
    subject = f"organization {name}"
    try:
        features = context.accounts.features(name)
    except ServiceError as error:
        return subject, error.exact, "Its profile needs iam:ListOrganizationsFeatures.", False
    needed_features = [NEEDED_FEATURE, FEATURE_TO_UNLOCK] if unlocks else [NEEDED_FEATURE]
    missing = [each for each in needed_features if each not in features]
    if not missing:
        return _well(f"{subject}: central root access is on")
    is_off = "Its central root access is off" if NEEDED_FEATURE in missing else "It cannot unlock buckets and queues"
    fault = f"{is_off}: {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not enabled."
    return subject, fault, "Rootquorum does not switch it on. Somebody has to, in the management account.", False


def _emails(context: Context, name: str) -> Iterator[Examined]:
    """Try whether drift checks can read a root user's e-mail address. One member account tells for all."""
    subject = f"organization {name}"
    accounts = (each for each in context.accounts.at_hand() if each.organization == name and each.has_readable_email)
    account = next((each for each in accounts if each.state == "ACTIVE" and not each.is_management), None)
    if account is None:
        return
    try:
        email = context.roots.email(account)
    except ServiceError as error:
        yield subject, error.exact, "Drift checks cannot tell whether a root user's e-mail address changes.", False
        return
    if email is None:
        yield f"{subject}: {_NO_EMAIL}", None, "", True
    else:
        yield _well(f"{subject}: drift checks read root e-mail addresses")


def _well(subject: str) -> Examined:
    return subject, None, "", False
