"""What every workflow function needs, put together once by `app.py`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from service.db import tokens
from service.db.engine import Tx
from service.domain.account import AccessKey, Account, RootCredentials
from service.domain.actor import Directory
from service.domain.errors import Code, Invalid
from service.domain.operation import Operation, Outcome
from service.domain.policy import Policy, Standing
from service.domain.request import OperationRequest


class RootSession(Protocol):
    """One credential that was just proved to be an account's root, and stays the same until the session ends."""

    @property
    def signer_key_id(self) -> str: ...

    def access_keys(self) -> tuple[AccessKey, ...]:
        """The root user's access keys, without their last use. Raises Unavailable."""

    def observe(self, now: datetime) -> RootCredentials:
        """The whole picture, keys with their last use. Raises Unavailable."""

    def perform(self, operation: Operation) -> Outcome:
        """Make the one call. Never raises: what is not certain is InDoubt."""


class Roots(Protocol):
    """The way to every configured account's root credential."""

    @property
    def call_budget(self) -> timedelta:
        """The longest that an execution can take from its claim to its last call, with all timeouts and retries."""

    def sign_in(self, account: Account) -> AbstractContextManager[RootSession]:
        """Raises Unavailable when AWS is away, or when the credential is not this account's root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything from outside that the workflow uses: database, AWS, people, rules, clock and chance."""

    engine: Engine
    roots: Roots
    accounts: Mapping[str, Account]
    directory: Directory
    policy: Policy
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def account(self, account_id: str) -> Account:
        """Raises Invalid for an account that the settings do not name."""
        account = self.accounts.get(account_id)
        if account is None:
            raise Invalid(Code.UNKNOWN_ACCOUNT, "This account is not configured.")
        return account

    def standing(self, tx: Tx, request: OperationRequest, *credentials: str) -> Standing:
        """Who and what counts today, for judging this request and what is done to it with these `credentials`."""
        asked = {decision.credential for decision in request.decisions} | set(credentials)
        return Standing(
            approvers=self.directory.approvers,
            owners=tokens.owners(tx, asked),
            quorum=self.policy.quorum,
        )
