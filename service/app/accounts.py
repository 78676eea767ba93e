"""Makes the accounts, and the sign-in to them, from the settings: with AWS, or with the simulated AWS."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from service.aws.descriptions import Description
from service.aws.organization import KnownAccounts, Listing, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.aws.sources import FixedSource, ProfileSource, Source
from service.settings import OrganizationSettings, Settings

if TYPE_CHECKING:
    from service.simulated_aws import Credential, SimulatedAws

logger = logging.getLogger(__name__)

# The simulated organization's management account; no example in the docs uses this id.
_SIMULATED_MANAGEMENT = "999999999999"
_LOCKING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*"}]}'
_REGION = "eu-central-1"


@contextmanager
def reached(settings: Settings) -> Iterator[tuple[AwsRoots, KnownAccounts]]:
    """Provide the sign-in as root of every account, and the known accounts."""
    with _sources(settings) as (profiles, organizations):
        roots = AwsRoots(
            profiles,
            {name: AssumedRoot(source, settings.organizations[name].region) for name, source in organizations.items()},
            clock_tolerance=settings.health.clock_tolerance,
        )
        accounts = KnownAccounts(
            settings.configured_accounts(),
            {
                name: Organization(
                    name,
                    source,
                    _listing(settings.organizations[name]),
                    description=_description(settings, name),
                    unlocks=settings.organizations[name].unlock_resources,
                )
                for name, source in organizations.items()
            },
        )
        with closing(accounts):
            yield roots, accounts


def _listing(organization: OrganizationSettings) -> Listing | None:
    if not organization.list_accounts:
        return None
    return Listing(refresh=organization.refresh, allow=organization.allow, deny=organization.deny)


def _description(settings: Settings, name: str) -> Description | None:
    organization = settings.organizations[name]
    if not organization.read_units and not organization.read_tags:
        return None
    return Description(
        units=organization.read_units,
        tags=organization.read_tags,
        refresh=organization.refresh,
        named={account_id for account_id, account in settings.accounts.items() if account.organization == name},
    )


def _lock_resources(aws: "SimulatedAws", settings: Settings) -> None:
    """Give each simulated member account a bucket and a queue that lock everybody out, to try unlocking with."""
    for account_id, account in settings.accounts.items():
        if account.organization is not None:
            aws.add_bucket(account_id, f"locked-{account_id}", _LOCKING, region=_REGION)
            aws.add_queue(account_id, "locked", _LOCKING, region=_REGION)


@contextmanager
def _sources(settings: Settings) -> Iterator[tuple[dict[str, Source], dict[str, Source]]]:
    """Provide the AWS credentials of each account that has a profile, and of each organization.

    Either all are simulated, or none is.
    """
    if not settings.aws.simulated:
        yield (
            {name: ProfileSource(account.profile) for name, account in settings.accounts.items() if account.profile},
            {name: ProfileSource(found.profile) for name, found in settings.organizations.items() if found.profile},
        )
        return
    # Imported here: moto is an optional extra, and must not be loaded with real accounts.
    from service.simulated_aws import SimulatedAws  # noqa: PLC0415

    management = _SIMULATED_MANAGEMENT if settings.organizations else None
    with SimulatedAws(list(settings.accounts), management_account=management, port=settings.aws.simulated_port) as aws:
        logger.warning(aws.banner())
        _lock_resources(aws, settings)

        def source(credential: "Credential") -> FixedSource:
            return FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)

        yield (
            {account_id: source(aws.root_credential(account_id)) for account_id in settings.accounts},
            {name: source(aws.management_credential()) for name in settings.organizations},
        )
