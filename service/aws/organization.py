"""The accounts that the service knows: those of the settings, and those that organizations list."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from service.aws.calls import REPEATABLE
from service.aws.signer import REGION, Signer, translated
from service.aws.sources import Source
from service.domain.account import Account, Partition
from service.domain.errors import Code, Unavailable
from service.domain.text import visible

logger = logging.getLogger(__name__)

# After a listing that failed: everybody who asks within this time gets the same refusal, or the old listing.
_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which of an organization's accounts to take: those of `allow`, all where it is empty, without those of `deny`."""

    refresh: timedelta
    allow: Collection[str] = ()
    deny: Collection[str] = ()

    def takes(self, account_id: str) -> bool:
        return account_id not in self.deny and (not self.allow or account_id in self.allow)


class Organization:
    """What a profile in the management account, or a delegated administrator's, says of an organization.

    `listing` None: nothing is listed, and only accounts that the settings name are reached through it.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        listing: Listing | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._source = source
        self._listing = listing
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._listed: dict[str, Account] | None = None if listing else {}
        self._again_at = 0.0
        # The code and the sentence: an exception would keep its frames, and with them a credential.
        self._failure: tuple[Code, str] | None = None

    def accounts(self) -> Mapping[str, Account]:
        """The accounts by id, at most `refresh` old while AWS answers, and the last known while it does not.

        Raises Unavailable when they were never listed.
        """
        # While one thread lists, the others take what is there, a failure as well; only the very first time they wait.
        first = self._listed is None and self._failure is None
        if self._listing is not None and self._lock.acquire(blocking=first):
            try:
                if self.is_due():
                    self._refresh(self._listing)
            finally:
                self._lock.release()
        if self._listed is None:
            assert self._failure is not None  # the one who listed left either
            raise Unavailable(*self._failure)
        return self._listed

    def at_hand(self) -> Mapping[str, Account]:
        """What was listed last; AWS is not asked."""
        return self._listed or {}

    def is_due(self) -> bool:
        """Whether it is time to list again."""
        return self._listing is not None and self._monotonic() >= self._again_at

    def features(self) -> frozenset[str]:
        """AWS's names of the centralized root access features that are on. Raises Unavailable."""
        with translated(), closing(Signer.of(self._source, REGION[Partition.AWS]).iam(REPEATABLE)) as iam:
            return frozenset(iam.list_organizations_features()["EnabledFeatures"])

    def _refresh(self, listing: Listing) -> None:
        try:
            self._listed = self._list(listing)
        except Unavailable as failure:
            logger.warning("organization %s was not listed: %s", self._name, failure.detail)
            self._failure = failure.code, failure.detail
            self._again_at = self._monotonic() + _PAUSE_SECONDS
        else:
            self._failure = None
            self._again_at = self._monotonic() + listing.refresh.total_seconds()

    def _list(self, listing: Listing) -> dict[str, Account]:
        with (
            translated("The organization's accounts cannot be listed now."),
            closing(Signer.of(self._source, REGION[Partition.AWS]).organizations()) as organizations,
        ):
            pages = organizations.get_paginator("list_accounts").paginate()
            found = [account for page in pages for account in page["Accounts"]]
        return {
            account["Id"]: Account(
                account_id=account["Id"],
                name=visible(account.get("Name", "")) or account["Id"],
                has_profile=False,
                organization=self._name,
                # arn:aws:organizations::{management account}:account/{organization}/{account} (API reference)
                is_management=account["Arn"].split(":")[4] == account["Id"],
                state=str(account.get("State") or account.get("Status") or "ACTIVE"),
            )
            for account in found
            if listing.takes(account["Id"])
        }


class KnownAccounts:
    """The settings' accounts, and beside them whatever the organizations list."""

    def __init__(
        self, configured: Mapping[str, Account], organizations: Mapping[str, Organization] | None = None
    ) -> None:
        self._configured = configured
        self._organizations = organizations or {}

    def get(self, account_id: str) -> Account | None:
        """Raises Unavailable when the settings do not name it and an organization, never listed yet, might."""
        configured = self._configured.get(account_id)
        for organization in self._organizations.values():
            # One that the settings name never waits for a listing.
            accounts = organization.accounts() if configured is None else organization.at_hand()
            if account_id in accounts:
                return _merged(configured, accounts[account_id])
        return configured

    def every(self) -> Sequence[Account]:
        """All of them, by id. Raises Unavailable when an organization was never listed."""
        failures: list[Unavailable] = []
        for organization in self._organizations.values():
            try:
                organization.accounts()
            except Unavailable as failure:  # the others are listed all the same
                failures.append(failure)
        if failures:
            raise failures[0]
        return self.at_hand()

    def at_hand(self) -> Sequence[Account]:
        """As many of them as are known without asking AWS."""
        found = dict(self._configured)
        for organization in self._organizations.values():
            for account_id, listed in organization.at_hand().items():
                found[account_id] = _merged(found.get(account_id), listed)
        return [found[account_id] for account_id in sorted(found)]

    def is_due(self) -> bool:
        """Whether it is time for `every` to ask AWS again."""
        return any(organization.is_due() for organization in self._organizations.values())

    def configured(self) -> Sequence[Account]:
        """Those that the settings name, as far as the organizations were listed."""
        return [account for account_id in sorted(self._configured) if (account := self.get(account_id)) is not None]

    def features(self, organization: str) -> frozenset[str]:
        """What is on in the organization of that name. Raises Unavailable."""
        return self._organizations[organization].features()


def _merged(configured: Account | None, listed: Account) -> Account:
    """The settings' name and profile, the organization's way in and what it says of the account."""
    if configured is None:
        return listed
    return replace(listed, name=configured.name, partition=configured.partition, has_profile=configured.has_profile)
