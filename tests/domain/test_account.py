"""An account as a value."""

from support.builders import ACCOUNT

from service.domain.account import Account


def account(**tags: str) -> Account:
    return Account(account_id=ACCOUNT, name="production", units=frozenset({"r-ab12"}), tags=tags)


def test_accounts_with_other_tags_differ_but_every_account_can_be_hashed() -> None:
    assert account(env="prod") == account(env="prod")
    assert account(env="prod") != account(env="test")
    assert len({account(env="prod"), account(env="prod"), account(env="test")}) == 2


def test_unknown_units_and_tags_are_not_the_same_as_none() -> None:
    unread = Account(account_id=ACCOUNT, name="production")
    assert (unread.units, unread.tags) == (None, None)
    assert unread != Account(account_id=ACCOUNT, name="production", units=frozenset(), tags={})
