"""The organization: who manages it, its accounts and their states, and who may assume root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from service.simulated_aws.answers import AwsError
from service.simulated_aws.keys import Signer
from service.simulated_aws.partition import Partition
from service.simulated_aws.root import Account
from service.simulated_aws.sessions import Grant
from service.simulated_aws.wire import Incoming

ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
ROOT_SESSIONS = "RootSessions"
_ID = "o-simulated00"
_LARGEST_PAGE = 20  # botocore's model of ListAccounts
_TOKEN = re.compile(r"(empty|from)-(\d{1,9})")
_NO_MEMBER = "Your account is not a member of an organization."


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

    def list_accounts(self, incoming: Incoming, signer: Signer) -> dict[str, Any]:
        """Answer one page of ListAccounts.

        AWS documents that a page can be empty although more follow. Here the second page always is.

        Raise AwsError: AWSOrganizationsNotInUseException; AccessDenied for a caller that is root or not in an
        administrating account; InvalidInputException for a bad MaxResults or NextToken.
        """
        if self._management_account is None:
            raise AwsError("AWSOrganizationsNotInUseException", _NO_MEMBER, 400)
        if signer.is_root or signer.account_id not in self._administrators:
            raise AwsError("AccessDenied", "You don't have permissions to access this resource.", 403)
        size = _page_size(incoming)
        start, is_empty = _page_start(incoming)
        if is_empty:
            return {"Accounts": [], "NextToken": f"from-{start}"}
        page: dict[str, Any] = {
            "Accounts": [self._describe(account) for account in list(self._accounts.values())[start : start + size]]
        }
        if start + size < len(self._accounts):
            page["NextToken"] = f"{'from' if start else 'empty'}-{start + size}"
        return page

    def _describe(self, account: Account) -> dict[str, Any]:
        account_id, manager = account.account_id, self._management_account
        return {
            "Id": account_id,
            "Arn": f"arn:{self._partition.name}:organizations::{manager}:account/{_ID}/{account_id}",
            "Email": f"account-{account_id}@example.com",
            "Name": account.name,
            # Status, the older field, has no CLOSED; it says SUSPENDED instead (API reference of CloseAccount).
            "Status": "SUSPENDED" if account.state == "CLOSED" else account.state,
            "State": account.state,
            "JoinedMethod": "INVITED" if account_id == manager else "CREATED",
            "JoinedTimestamp": round(account.created_at.timestamp(), 3),
        }


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
