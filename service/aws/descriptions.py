"""The organizational units and the tags of an organization's accounts, which take many calls more than their listing.

Each read has a thread of its own, so that no caller waits for thousands of calls. What could not be read is None, that
is, not known: an earlier value is never kept in its place.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from service.aws.answers import (
    ACCOUNT_ID,
    ROOT_ID,
    TAG_KEY,
    TAG_VALUE,
    UNIT_ID,
    NotOfAws,
    every_token_page,
    text,
)
from service.aws.calls import PATIENT
from service.aws.errors import asked
from service.aws.signer import REGION, Signer
from service.aws.sources import Source
from service.domain.account import Account, Partition, Reading
from service.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_organizations import OrganizationsClient

logger = logging.getLogger(__name__)

UNITS, TAGS = "organizational units", "tags"
_UNREAD = "The {} of the accounts cannot be read now."
_LIST_ROOTS, _LIST_UNITS = "ListRoots", "ListOrganizationalUnitsForParent"
_LIST_MEMBERS, _LIST_TAGS = "ListAccountsForParent", "ListTagsForResource"
_CALLS = {UNITS: (_LIST_ROOTS, _LIST_UNITS, _LIST_MEMBERS), TAGS: (_LIST_TAGS,)}

# How long callers wait for the very first read, from its start. It is enough for a small organization.
_FIRST_WAIT_SECONDS = 2.0
# Far more than AWS allows. It only ends a walk that goes on for ever.
_MOST_UNITS = 10_000
# A right that is missing fails for every account. So many are asked for before the rest is left alone.
_MOST_FAILURES_IN_A_ROW = 20
# The longest read of tags. The largest organizations have ten thousand accounts (AWS documentation of its quotas), and
# ten calls a second need a quarter of an hour for them.
_LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The parts to read about each account: every `refresh`, and after each listing.

    `named` are the accounts that the settings name as the organization's. They need not be in its listing.
    """

    units: bool
    tags: bool
    refresh: timedelta
    named: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The units and tags that were read, by account id. An account that is missing is not known."""

    units: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    units_reading: Reading | None = None
    tags_reading: Reading | None = None

    @property
    def readings(self) -> tuple[Reading, ...]:
        return tuple(each for each in (self.units_reading, self.tags_reading) if each is not None)

    def add_to(self, account: Account) -> Account:
        return replace(account, units=self.units.get(account.account_id), tags=self.tags.get(account.account_id))


_NOTHING = _Found()


class Describer:
    """Reads units and tags, and adds them to accounts. Thread-safe."""

    def __init__(
        self, about: str, source: Source, wanted: Description, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._about = about
        self._source = source
        self._wanted = wanted
        self._monotonic = monotonic
        self._reading = threading.Lock()  # held during a read
        self._first = threading.Event()  # set after the first read
        self._closed = threading.Event()
        self._began_at = 0.0
        self._again_at = 0.0
        self._is_expired = False
        self._found = _Found()
        self._added: tuple[Mapping[str, Account], _Found, Mapping[str, Account]] = {}, self._found, {}

    def add_to(self, account: Account) -> Account:
        """Return the account with what is known. Ask nobody."""
        return self._known().add_to(account)

    def _known(self) -> _Found:
        """Return what was read, unless it is so old that several reads must have been missed."""
        oldest = self._again_at + self._wanted.refresh.total_seconds() + _LONGEST_SECONDS
        return self._found if self._monotonic() < oldest else _NOTHING

    def add_to_all(self, listed: Mapping[str, Account]) -> Mapping[str, Account]:
        """Return a listing with what is known. Ask nobody. Thousands of accounts are made only after a change."""
        added_to, added, result = self._added
        found = self._known()
        if added_to is not listed or added is not found:
            result = {account_id: found.add_to(account) for account_id, account in listed.items()}
            self._added = listed, found, result
        return result

    def is_due(self) -> bool:
        """Return whether it is time for a read, and none is going on."""
        is_time = self._is_expired or self._monotonic() >= self._again_at
        return is_time and not self._closed.is_set() and not self._reading.locked()

    def expire(self) -> None:
        """Make a read due now, or as soon as the present one is over."""
        self._is_expired = True

    def begin(self, account_ids: Callable[[], Collection[str]], *, wait: bool = True) -> None:
        """Begin a read if it is due. Wait only for the very first one, and not for long."""
        if self.is_due() and self._reading.acquire(blocking=False):
            self._began_at = self._monotonic()
            self._is_expired = False
            try:
                threading.Thread(target=self._run, args=(account_ids(),), name="descriptions", daemon=True).start()
            except BaseException:
                self._again_at = self._began_at + self._wanted.refresh.total_seconds()
                self._reading.release()
                raise
        if wait and not self._first.is_set():
            self._first.wait(max(0.0, self._began_at + _FIRST_WAIT_SECONDS - self._monotonic()))

    def readings(self, account_ids: Callable[[], Collection[str]]) -> tuple[Reading, ...]:
        """Return the results of the last read. Wait for one that is due or going on, until it is over."""
        self.begin(account_ids)
        with self._reading:
            return self._found.readings

    def close(self) -> None:
        """Begin no more calls."""
        self._closed.set()

    def _run(self, account_ids: Collection[str]) -> None:
        try:
            if self._wanted.units:
                self._note_units(account_ids, *self._units())
            if self._wanted.tags:
                self._note_tags(account_ids, *self._tags(account_ids))
        except BaseException:
            self._found = _Found()
            raise
        finally:
            self._again_at = self._monotonic() + self._wanted.refresh.total_seconds()
            self._reading.release()
            self._first.set()

    def _note_units(self, account_ids: Collection[str], units: Mapping[str, frozenset[str]], fault: str | None) -> None:
        if not self._closed.is_set():
            reading = self._judged(UNITS, account_ids, units, fault)
            self._found = replace(self._found, units=units, units_reading=reading)

    def _note_tags(
        self, account_ids: Collection[str], tags: Mapping[str, Mapping[str, str]], fault: str | None
    ) -> None:
        if not self._closed.is_set():
            reading = self._judged(TAGS, account_ids, tags, fault)
            self._found = replace(self._found, tags=tags, tags_reading=reading)

    def _judged(self, what: str, account_ids: Collection[str], found: Collection[str], fault: str | None) -> Reading:
        """Return how well a read went, with one line in the log, however many accounts it failed for."""
        known = sum(account_id in found for account_id in account_ids)
        missing = len(account_ids) - known
        if missing:
            why = fault or f"{self._about}: {_UNREAD.format(what)} AWS does not show each of them in one place."
            fault = f"{why} They are not known of {missing} of {len(account_ids)} accounts."
            logger.warning("%s", fault)
        permissions = tuple(f"organizations:{call}" for call in _CALLS[what])
        return Reading(
            what=what,
            known=known,
            accounts=len(account_ids),
            fault=fault if missing else None,
            permissions=permissions,
        )

    def _units(self) -> tuple[Mapping[str, frozenset[str]], str | None]:
        """Return the units above each account, or none of any account with the reason."""
        try:
            with self._client(UNITS) as client:
                return self._walk(client), None
        except Unavailable as failure:
            return {}, failure.exact

    def _walk(self, client: "OrganizationsClient") -> dict[str, frozenset[str]]:
        """Walk the tree: two calls a unit, if none needs a second page. Raise Unavailable.

        An account that is shown in two units was moved meanwhile. Its units are not known.
        """
        found: dict[str, frozenset[str]] = {}
        moved: set[str] = set()
        seen: set[str] = set()
        roots = self._ids(_LIST_ROOTS, client.list_roots, "Roots", ROOT_ID)
        waiting = [(root, frozenset({root})) for root in roots]
        while waiting and not self._closed.is_set():
            parent, above = waiting.pop()
            with asked(_UNREAD.format(UNITS), _LIST_UNITS, about=self._about):
                if parent in seen or len(seen) == _MOST_UNITS:  # a tree without an end
                    raise NotOfAws("Id")
            seen.add(parent)
            units = self._ids(
                _LIST_UNITS, client.list_organizational_units_for_parent, "OrganizationalUnits", UNIT_ID, parent
            )
            # A unit can be on two pages, if somebody adds another one between them.
            waiting += [(unit, above | {unit}) for unit in dict.fromkeys(units)]
            accounts = self._ids(_LIST_MEMBERS, client.list_accounts_for_parent, "Accounts", ACCOUNT_ID, parent)
            moved |= found.keys() & set(accounts)
            found |= dict.fromkeys(accounts, above)
        return {account: above for account, above in found.items() if account not in moved}

    def _ids(
        self, name: str, call: Callable[..., Any], items: str, form: re.Pattern[str], parent: str | None = None
    ) -> list[str]:
        with asked(_UNREAD.format(UNITS), name, about=self._about):
            below = {} if parent is None else {"ParentId": parent}
            return [text(each, "Id", form) for each in every_token_page(call, items, **below)]

    def _tags(self, account_ids: Collection[str]) -> tuple[Mapping[str, Mapping[str, str]], str | None]:
        """Return the tags of each account that could be read, and the first reason why one could not be."""
        found: dict[str, Mapping[str, str]] = {}
        reasons: list[str] = []
        end, failures = self._monotonic() + _LONGEST_SECONDS, 0
        try:
            with self._client(TAGS) as client:
                for account_id in sorted(account_ids):
                    if self._monotonic() >= end:
                        reasons.append(f"{self._about}: {_UNREAD.format(TAGS)} The read took too long.")
                        break
                    if failures == _MOST_FAILURES_IN_A_ROW or self._closed.is_set():
                        break
                    try:
                        found[account_id] = self._tags_of(client, account_id)
                        failures = 0
                    except Unavailable as failure:
                        reasons.append(failure.exact)
                        failures += 1
        except Unavailable as failure:
            reasons.append(failure.exact)
        return found, reasons[0] if reasons else None

    def _tags_of(self, client: "OrganizationsClient", account_id: str) -> dict[str, str]:
        """Return all tags of one account. Raise Unavailable, also if one key has two values."""
        with asked(_UNREAD.format(TAGS), _LIST_TAGS, about=self._about):
            listed = every_token_page(client.list_tags_for_resource, "Tags", ResourceId=account_id)
            found = {text(tag, "Key", TAG_KEY): text(tag, "Value", TAG_VALUE) for tag in listed}
            if len(found) != len(listed):
                raise NotOfAws("Key")
            return found

    @contextmanager
    def _client(self, what: str) -> Iterator["OrganizationsClient"]:
        with asked(_UNREAD.format(what), about=self._about):
            client = Signer.of(self._source, REGION[Partition.AWS]).organizations(PATIENT)
        with closing(client):
            yield client
