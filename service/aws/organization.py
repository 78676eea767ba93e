"""The accounts that the service knows: from the settings, and from the listings of organizations."""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from service.aws.answers import ACCOUNT_ID, WORD, NotOfAws, every_token_page, text
from service.aws.calls import REPEATABLE
from service.aws.descriptions import Describer, Description
from service.aws.errors import asked, code_of
from service.aws.signer import REGION, UNREAD, Signer
from service.aws.sources import Source
from service.domain.account import Account, ListedAccounts, Partition, Reading
from service.domain.errors import Code, Unavailable
from service.domain.text import visible

logger = logging.getLogger(__name__)

# The pause after a failed listing. Until it ends, callers get the same refusal, or the old listing.
_PAUSE_SECONDS = 30.0
# How long other threads wait for the very first listing. AWS needs less for the largest page.
_FIRST_WAIT_SECONDS = 2.0

NOT_LISTED = "The organization's accounts cannot be listed now."

# arn:aws:organizations::{management account}:account/{organization}/{account} (API reference)
_ARN = r"arn:aws[a-z-]*:organizations::([0-9]{12}):account/o-[a-z0-9]{10,32}/"
_MANAGER = re.compile(_ARN, re.ASCII)

# By these AWS says that an organization cannot have any of the features (botocore's model of the call).
_NO_FEATURES = frozenset({"OrganizationNotInAllFeaturesMode", "ServiceAccessNotEnabled"})


@dataclass(frozen=True, slots=True)
class _Failure:
    code: Code
    detail: str
    cause: str
    about: str

    def error(self) -> Unavailable:
        return Unavailable(self.code, self.detail, cause=self.cause, about=self.about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(ListedAccounts):
    """The accounts to take from an organization, and how often to list them."""

    refresh: timedelta


class Organization:
    """An organization, read with a profile of the management account or of a delegated administrator.

    With `listing` None nothing is listed, and the organization reaches only accounts that the settings name. With
    `description` None no organizational units and no tags are read. `unlocks` is that of each account that it lists.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        listing: Listing | None = None,
        *,
        description: Description | None = None,
        unlocks: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._source = source
        self._listing = listing
        self._unlocks = unlocks
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._listed: dict[str, Account] | None = None if listing else {}
        self._again_at = 0.0
        # The text of the last failure, to raise it again. An exception would keep its frames, and so a credential.
        self._failure: _Failure | None = None
        self._named = frozenset(description.named if description else ())
        self._describer = Describer(self._about, source, description, monotonic) if description else None

    def accounts(self) -> Mapping[str, Account]:
        """Return the accounts by id: at most `refresh` old while AWS answers, else the last known.

        Raise Unavailable if they were never listed.
        """
        # While one thread lists, the others use the last result, even a failure. They wait only for the very first
        # listing, and not for long: an organization that hangs must not block every thread of the API.
        first = self._listed is None and self._failure is None
        if self._listing is not None and self._lock.acquire(timeout=_FIRST_WAIT_SECONDS if first else 0):
            try:
                if self._is_listing_due():
                    self._refresh(self._listing)
            finally:
                self._lock.release()
        self.describe()
        if self._listed is None:
            if self._failure is None:
                raise Unavailable(Code.ACCOUNT_UNREACHABLE, f"{NOT_LISTED} They are being listed for the first time.")
            raise self._failure.error()
        return self.at_hand()

    def at_hand(self) -> Mapping[str, Account]:
        """Return the last listing, without asking AWS."""
        listed = self._listed or {}
        return listed if self._describer is None else self._describer.add_to_all(listed)

    def describe(self, *, wait: bool = True) -> None:
        """Begin to read units and tags, if it is time. Wait for the very first read alone, and not for long."""
        was_tried = self._listed is not None or self._failure is not None
        if self._describer is not None and was_tried:
            self._describer.begin(self._served, wait=wait)

    def described(self, account: Account) -> Account:
        """Return an account that the settings name as this organization's, with the units and tags that are known."""
        return account if self._describer is None else self._describer.add_to(account)

    def readings(self) -> Sequence[Reading]:
        """Return the results of the last read of units and tags. Wait for one that is due or going on."""
        return () if self._describer is None else self._describer.readings(self._served)

    def close(self) -> None:
        """Begin no more calls for units and tags."""
        if self._describer is not None:
            self._describer.close()

    def is_due(self) -> bool:
        """Return whether it is time to ask AWS again."""
        return self._is_listing_due() or (self._describer is not None and self._describer.is_due())

    def _is_listing_due(self) -> bool:
        return self._listing is not None and self._monotonic() >= self._again_at

    def _served(self) -> Collection[str]:
        return self._named | (self._listed or {}).keys()

    def features(self) -> frozenset[str]:
        """Return AWS's names of the enabled features of centralized root access. Raise Unavailable."""
        with (
            asked(UNREAD, "ListOrganizationsFeatures", about=self._about),
            closing(Signer.of(self._source, REGION[Partition.AWS]).iam(REPEATABLE)) as iam,
        ):
            try:
                answer: Any = iam.list_organizations_features()
            except ClientError as error:
                if code_of(error) in _NO_FEATURES:
                    return frozenset()
                raise
            found = answer.get("EnabledFeatures")
            if found is None and "OrganizationId" in answer:
                return frozenset()
            if not isinstance(found, list):
                raise NotOfAws("EnabledFeatures")
            return frozenset(text({"EnabledFeatures": each}, "EnabledFeatures", WORD) for each in found)

    @property
    def _about(self) -> str:
        return f"organization {self._name} by {self._source.name}"

    def _refresh(self, listing: Listing) -> None:
        try:
            self._listed = self._list(listing)
        except Unavailable as failure:
            logger.warning("%s", failure.exact)
            self._failure = _Failure(failure.code, failure.detail, failure.cause, failure.about)
            self._again_at = self._monotonic() + _PAUSE_SECONDS
        else:
            self._failure = None
            self._again_at = self._monotonic() + listing.refresh.total_seconds()
            if self._describer is not None:
                self._describer.expire()

    def _list(self, listing: Listing) -> dict[str, Account]:
        with (
            asked(NOT_LISTED, "ListAccounts", about=self._about),
            closing(Signer.of(self._source, REGION[Partition.AWS]).organizations()) as organizations,
        ):
            found = _every_account(organizations.list_accounts)
        accounts = [account for listed in found if (account := self._account(listed)) is not None]
        return {account.account_id: account for account in accounts if listing.takes(account.account_id)}

    def _account(self, listed: Mapping[str, Any]) -> Account | None:
        """Return an account of a listing. Return None, and so omit only this one, if AWS cannot have described it so.

        Nothing can be done in an omitted account. If it were kept, it might be the management account, or suspended.
        """
        try:
            account_id = text(listed, "Id", ACCOUNT_ID)
            manager = text(listed, "Arn", re.compile(f"{_ARN}{account_id}", re.ASCII)).split(":")[4]
            state = next((name for name in ("State", "Status") if name in listed), None)
            return Account(
                account_id=account_id,
                name=visible(str(listed.get("Name", ""))) or account_id,
                has_profile=False,
                organization=self._name,
                unlocks=self._unlocks,
                is_management=manager == account_id,
                state=text(listed, state, WORD) if state else "ACTIVE",
            )
        except NotOfAws as fault:
            named = str(listed.get("Id"))
            which = f"account {named}" if ACCOUNT_ID.fullmatch(named) else "an account without an id"
            logger.warning(
                "%s, ListAccounts: %s is left out: %s is missing, or is not what it should be",
                self._about,
                which,
                fault.field,
            )
            return None


def _every_account(list_accounts: Callable[..., Any]) -> list[Mapping[str, Any]]:
    """Return all pages. Raise NotOfAws, also if the management account, which every ARN names, is not listed."""
    found = every_token_page(list_accounts, "Accounts")
    managers = {match[1] for each in found if (match := _MANAGER.match(str(each.get("Arn"))))}
    if not managers & {str(each.get("Id")) for each in found}:
        raise NotOfAws("Accounts")
    return found


class KnownAccounts:
    """The accounts from the settings, and those that the organizations list."""

    def __init__(
        self, configured: Mapping[str, Account], organizations: Mapping[str, Organization] | None = None
    ) -> None:
        self._configured = configured
        self._organizations = organizations or {}

    def get(self, account_id: str) -> Account | None:
        """Return the account, or None. Raise Unavailable if only a never listed organization could have it."""
        configured = self._configured.get(account_id)
        for organization in self._organizations.values():
            if configured is None:
                accounts = organization.accounts()
            else:  # an account in the settings never waits for a listing
                organization.describe()
                accounts = organization.at_hand()
            if account_id in accounts:
                return _merged(configured, accounts[account_id])
        return None if configured is None else self._described(configured)

    def every(self) -> Sequence[Account]:
        """Return all accounts, sorted by id. Raise Unavailable if an organization was never listed."""
        failures: list[Unavailable] = []
        for name in self._organizations:
            try:
                self.listed(name)
            except Unavailable as failure:  # list the others first
                failures.append(failure)
        if failures:
            raise Unavailable(
                failures[0].code, failures[0].detail, cause=" ".join(failure.exact for failure in failures)
            )
        return self.at_hand()

    def listed(self, organization: str) -> Sequence[Account]:
        """Return the accounts of one organization, sorted by id. Raise Unavailable if it was never listed."""
        found = self._organizations[organization].accounts()
        return [_merged(self._configured.get(account_id), found[account_id]) for account_id in sorted(found)]

    def known(self, account_id: str) -> Account | None:
        """Return the account, or None, without waiting for AWS. A read of units and tags begins, if it is time."""
        configured = self._configured.get(account_id)
        for organization in self._organizations.values():
            organization.describe(wait=False)
            listed = organization.at_hand().get(account_id)
            if listed is not None:
                return _merged(configured, listed)
        return None if configured is None else self._described(configured)

    def at_hand(self) -> Sequence[Account]:
        """Return the accounts that are known without asking AWS, sorted by id."""
        found = {account_id: self._described(account) for account_id, account in self._configured.items()}
        for organization in self._organizations.values():
            for account_id, listed in organization.at_hand().items():
                found[account_id] = _merged(found.get(account_id), listed)
        return [found[account_id] for account_id in sorted(found)]

    def is_due(self) -> bool:
        """Return whether it is time for `every` to ask AWS again."""
        return any(organization.is_due() for organization in self._organizations.values())

    def configured(self) -> Sequence[Account]:
        """Return the accounts that the settings name, merged with what is listed of them."""
        return [account for account_id in sorted(self._configured) if (account := self.get(account_id)) is not None]

    def named(self) -> Sequence[Account]:
        """Return the accounts as the settings name them, sorted by id."""
        return [self._configured[account_id] for account_id in sorted(self._configured)]

    def features(self, organization: str) -> frozenset[str]:
        """Return the enabled features of the organization with that name. Raise Unavailable."""
        return self._organizations[organization].features()

    def readings(self, organization: str) -> Sequence[Reading]:
        """Return the results of reading units and tags of one organization, once they are there."""
        return self._organizations[organization].readings()

    def close(self) -> None:
        """Begin no more calls for units and tags."""
        for organization in self._organizations.values():
            organization.close()

    def _described(self, configured: Account) -> Account:
        reaching = self._organizations.get(configured.organization or "")
        return configured if reaching is None else reaching.described(configured)


def _merged(configured: Account | None, listed: Account) -> Account:
    """Merge: name, partition and profile from the settings, the rest from the organization."""
    if configured is None:
        return listed
    return replace(listed, name=configured.name, partition=configured.partition, has_profile=configured.has_profile)
