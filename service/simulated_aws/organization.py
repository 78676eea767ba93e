"""The organization: who manages it, its accounts, their states, units and tags, and who may assume root."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.simulated_aws.answers import AwsError
from service.simulated_aws.keys import Signer
from service.simulated_aws.partition import Partition
from service.simulated_aws.primary_email import PrimaryEmails
from service.simulated_aws.root import Account
from service.simulated_aws.sessions import Grant
from service.simulated_aws.wire import Incoming

ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
ROOT_SESSIONS = "RootSessions"
_ID = "o-simulated00"
_ROOT_ID = "r-sim0"
_LARGEST_PAGE = 20  # botocore's model of all lists but that of tags, which has no MaxResults
_MOST_TAGS = 50  # on one account (AWS documentation of tags)
_TOKEN = re.compile(r"(empty|from)-(\d{1,9})")
_NO_MEMBER = "Your account is not a member of an organization."


@dataclass(frozen=True)
class _Unit:
    id: str
    name: str
    parent_id: str


class Organization:
    """An organization; without a management account, the accounts are standalone.

    `features` are the enabled features of AWS's centralized root access; none in a partition without AssumeRoot.
    """

    def __init__(
        self,
        partition: Partition,
        accounts: Mapping[str, Account],
        management_account: str | None,
        delegated_administrator: str | None,
    ) -> None:
        self.features = frozenset((ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS) if partition.has_assume_root else ())
        self._partition = partition
        self._accounts = accounts
        self._management_account = management_account
        self._administrators = frozenset(filter(None, (management_account, delegated_administrator)))
        self.units: dict[str, _Unit] = {}
        self.parents = dict.fromkeys(accounts, _ROOT_ID)
        self.tags: dict[str, dict[str, str]] = {account_id: {} for account_id in accounts}
        self.emails = PrimaryEmails(accounts, management_account, self._administrators)

    @property
    def root_id(self) -> str:
        return _ROOT_ID

    def add_unit(self, name: str, parent_id: str) -> str:
        """Add an organizational unit and return its id."""
        unit_id = f"ou-{_ROOT_ID.removeprefix('r-')}-{len(self.units):08}"
        self.units[unit_id] = _Unit(unit_id, name, parent_id)
        return unit_id

    def enabled_features(self, signer: Signer) -> dict[str, Any]:
        """Answer ListOrganizationsFeatures.

        Raise AwsError, by the API reference: OrganizationNotFoundException,
        AccountNotManagementOrDelegatedAdministratorException.
        """
        if self._management_account is None:
            raise AwsError("OrganizationNotFoundException", _NO_MEMBER, 400)
        if signer.account_id not in self._administrators:
            code = "AccountNotManagementOrDelegatedAdministratorException"
            raise AwsError(code, "Only the management account or a delegated administrator may ask.", 400)
        return {"OrganizationId": _ID, "EnabledFeatures": sorted(self.features)}

    def check_may_assume_root(self, grant: Grant, signer: Signer) -> None:
        """Check AssumeRoot. The caller's own policy has been checked before.

        Raise AwsError AccessDenied (403) if the caller is root or not in an administrating account, the target
        is not an active member, the feature is not enabled, or the partition has no AssumeRoot.
        """
        needed = ROOT_CREDENTIALS_MANAGEMENT if "/IAM" in grant.task_policy else ROOT_SESSIONS
        target = self._accounts.get(grant.account_id)
        permitted = (
            self._partition.has_assume_root
            and not signer.is_root
            and signer.account_id in self._administrators
            and grant.account_id != self._management_account
            and target is not None
            and target.state == "ACTIVE"
            and needed in self.features
        )
        if not permitted:
            arn = f"arn:{self._partition.name}:iam::{grant.account_id}:root"
            raise AwsError("AccessDenied", f"Access denied to sts:AssumeRoot on resource: {arn}", 403)

    def list_page(self, incoming: Incoming, signer: Signer, largest: int | None) -> dict[str, Any] | None:
        """Answer one page of a list, of at most `largest` items. Return None for an unknown action.

        AWS documents that a page can be empty although more follow. Here the second page always is.

        Raise AwsError: AWSOrganizationsNotInUseException; AccessDenied for a caller that is root or not in an
        administrating account; InvalidInputException for a bad MaxResults or NextToken; ParentNotFoundException;
        TargetNotFoundException.
        """
        read = {
            "ListAccounts": self._list_accounts,
            "ListAccountsForParent": self._list_accounts_for_parent,
            "ListOrganizationalUnitsForParent": self._list_units_for_parent,
            "ListRoots": self._list_roots,
            "ListTagsForResource": self._list_tags,
        }.get(incoming.action)
        if read is None:
            return None
        self._check_may_read(signer)
        wanted = _MOST_TAGS if incoming.action == "ListTagsForResource" else _page_size(incoming)
        name, items = read(incoming)
        return _page(name, items, min(wanted, largest or wanted), incoming)

    def describe(self, incoming: Incoming, signer: Signer) -> dict[str, Any]:
        """Answer DescribeAccount.

        Raise AwsError: what `list_page` raises for the caller; AccountNotFoundException.
        """
        self._check_may_read(signer)
        account = self._accounts.get(incoming.parameters.get("AccountId", ""))
        if account is None:
            raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.", 400)
        return {"Account": self._describe(account)}

    def _check_may_read(self, signer: Signer) -> None:
        if self._management_account is None:
            raise AwsError("AWSOrganizationsNotInUseException", _NO_MEMBER, 400)
        if signer.is_root or signer.account_id not in self._administrators:
            raise AwsError("AccessDenied", "You don't have permissions to access this resource.", 403)

    def _list_accounts(self, _incoming: Incoming) -> tuple[str, list[dict[str, Any]]]:
        return "Accounts", [self._describe(account) for account in self._accounts.values()]

    def _list_accounts_for_parent(self, incoming: Incoming) -> tuple[str, list[dict[str, Any]]]:
        parent = self._parent(incoming)
        return "Accounts", [self._describe(each) for id_, each in self._accounts.items() if self.parents[id_] == parent]

    def _list_units_for_parent(self, incoming: Incoming) -> tuple[str, list[dict[str, Any]]]:
        parent = self._parent(incoming)
        return "OrganizationalUnits", [
            {"Id": unit.id, "Arn": self._arn("ou", unit.id), "Name": unit.name}
            for unit in self.units.values()
            if unit.parent_id == parent
        ]

    def _list_roots(self, _incoming: Incoming) -> tuple[str, list[dict[str, Any]]]:
        return "Roots", [{"Id": _ROOT_ID, "Arn": self._arn("root", _ROOT_ID), "Name": "Root", "PolicyTypes": []}]

    def _list_tags(self, incoming: Incoming) -> tuple[str, list[dict[str, Any]]]:
        tags = self.tags.get(incoming.parameters.get("ResourceId", ""))
        if tags is None:
            raise AwsError("TargetNotFoundException", "You specified a target that doesn't exist.", 400)
        return "Tags", [{"Key": key, "Value": value} for key, value in tags.items()]

    def _parent(self, incoming: Incoming) -> str:
        parent = incoming.parameters.get("ParentId", "")
        if parent != _ROOT_ID and parent not in self.units:
            raise AwsError("ParentNotFoundException", "You specified parent that doesn't exist.", 400)
        return parent

    def _arn(self, kind: str, id_: str) -> str:
        return f"arn:{self._partition.name}:organizations::{self._management_account}:{kind}/{_ID}/{id_}"

    def _describe(self, account: Account) -> dict[str, Any]:
        account_id, manager = account.account_id, self._management_account
        return {
            "Id": account_id,
            "Arn": self._arn("account", account_id),
            "Email": self.emails.of(account_id),
            "Name": account.name,
            # Status, the older field, has no CLOSED; it says SUSPENDED instead (API reference of CloseAccount).
            "Status": "SUSPENDED" if account.state == "CLOSED" else account.state,
            "State": account.state,
            "JoinedMethod": "INVITED" if account_id == manager else "CREATED",
            "JoinedTimestamp": round(account.created_at.timestamp(), 3),
        }


def _page(name: str, items: Sequence[Mapping[str, Any]], size: int, incoming: Incoming) -> dict[str, Any]:
    start, is_empty = _page_start(incoming)
    if is_empty:
        return {name: [], "NextToken": f"from-{start}"}
    page: dict[str, Any] = {name: items[start : start + size]}
    if start + size < len(items):
        page["NextToken"] = f"{'from' if start else 'empty'}-{start + size}"
    return page


def _page_size(incoming: Incoming) -> int:
    text = incoming.parameters.get("MaxResults", str(_LARGEST_PAGE))
    if not text.isdecimal() or not 0 < int(text) <= _LARGEST_PAGE:
        raise AwsError("InvalidInputException", f"MaxResults must be from 1 to {_LARGEST_PAGE}.", 400)
    return int(text)


def _page_start(incoming: Incoming) -> tuple[int, bool]:
    """Return where the page starts, and whether it is the empty page before that position."""
    token = incoming.parameters.get("NextToken")
    if token is None:
        return 0, False
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise AwsError("InvalidInputException", "You provided an invalid NextToken.", 400)
    return int(match.group(2)), match.group(1) == "empty"
