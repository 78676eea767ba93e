"""The account service's calls about a root user's e-mail address, as botocore's model of them says.

The model has the errors and their statuses. It does not say which of them answers which fault, except for
ConflictException: that choice is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from service.simulated_aws.answers import AwsError
from service.simulated_aws.keys import Signer
from service.simulated_aws.root import Account
from service.simulated_aws.wire import Incoming


class PrimaryEmails:
    """The addresses of an organization's accounts. Without a management account nobody may ask."""

    def __init__(
        self, accounts: Mapping[str, Account], management_account: str | None, administrators: Collection[str]
    ) -> None:
        self._accounts = accounts
        self._management_account = management_account
        self._administrators = administrators
        self._changed: dict[str, str] = {}

    def of(self, account_id: str) -> str:
        """Return an account's address. Raise KeyError for an unknown account."""
        return self._changed.get(account_id) or f"account-{self._accounts[account_id].account_id}@example.com"

    def set(self, account_id: str, email: str) -> None:
        """Change an account's address at once. Raise KeyError for an unknown account."""
        self._changed[self._accounts[account_id].account_id] = email

    def answer(self, incoming: Incoming, signer: Signer) -> dict[str, Any] | None:
        """Answer a call. The caller's own policy has been checked before. Return None for an unknown action.

        Raise AwsError: AccessDenied for a caller outside of the administrating accounts, and for the management
        account as the target; ResourceNotFoundException for an account that is none of the organization's.
        """
        if incoming.action != "GetPrimaryEmail":
            return None
        account_id = incoming.parameters.get("AccountId", "")
        if signer.account_id not in self._administrators or account_id == self._management_account:
            raise AwsError("AccessDenied", "You do not have sufficient access to perform this action.", 403)
        if account_id not in self._accounts:
            raise AwsError("ResourceNotFoundException", "The account cannot be found.", 404)
        return {"PrimaryEmail": self.of(account_id)}
