"""Fills the places of AWS in the Context of commands that do not call it, and so need not load its SDK."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import NoReturn

from service.domain.account import Account, Reading
from service.domain.capability import Plan
from service.domain.errors import Code, Unavailable
from service.workflow.context import RootSession


def _refuse() -> NoReturn:
    raise Unavailable(Code.ACCOUNT_UNREACHABLE, "This command does not call AWS.")


class NoRoots:
    """Signs in to no account."""

    @property
    def call_budget(self) -> timedelta:
        """Raise Unavailable: there is no call."""
        _refuse()

    def email(self, account: Account) -> str | None:
        """Raise Unavailable."""
        del account
        _refuse()

    def clock_ahead(self, now: datetime) -> timedelta | None:
        del now
        return None

    def sign_in(self, account: Account, plan: Plan) -> AbstractContextManager[RootSession]:
        """Raise Unavailable."""
        del account, plan
        _refuse()


class ConfiguredAccounts:
    """The accounts in the settings alone."""

    def __init__(self, configured: Mapping[str, Account]) -> None:
        self._configured = configured

    def get(self, account_id: str) -> Account | None:
        return self._configured.get(account_id)

    known = get

    def every(self) -> Sequence[Account]:
        return [self._configured[account_id] for account_id in sorted(self._configured)]

    at_hand = configured = named = every

    def listed(self, organization: str) -> Sequence[Account]:
        """Raise Unavailable."""
        del organization
        _refuse()

    def is_due(self) -> bool:
        return False

    def features(self, organization: str) -> frozenset[str]:
        """Raise Unavailable."""
        del organization
        _refuse()

    def readings(self, organization: str) -> Sequence[Reading]:
        """Raise Unavailable."""
        del organization
        _refuse()
