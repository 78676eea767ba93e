"""What stands in for AWS in commands that do not call it."""

import pytest
from support.builders import ACCOUNT, ACCOUNTS

from service.app.without_aws import ConfiguredAccounts, NoRoots
from service.aws.organization import KnownAccounts
from service.domain.account import SourceKind
from service.domain.capability import Plan
from service.domain.errors import Unavailable


def test_the_configured_accounts_are_those_known_without_an_organization() -> None:
    ours, known = ConfiguredAccounts(ACCOUNTS), KnownAccounts(ACCOUNTS)

    assert ours.every() == ours.at_hand() == ours.configured() == known.every() == known.configured()
    assert [ours.get(each) for each in (ACCOUNT, "999999999999")] == [ACCOUNTS[ACCOUNT], None]
    assert ours.is_due() is known.is_due() is False


def test_an_organization_is_not_asked() -> None:
    ours = ConfiguredAccounts(ACCOUNTS)
    for ask in (ours.listed, ours.features, ours.readings):
        with pytest.raises(Unavailable):
            ask("main")


def test_nobody_is_signed_in() -> None:
    with pytest.raises(Unavailable):
        NoRoots().sign_in(ACCOUNTS[ACCOUNT], Plan(SourceKind.PROFILE))
    with pytest.raises(Unavailable):
        _ = NoRoots().call_budget
