"""After a restore from an older backup: what AWS holds that the database does not know, found without a write."""

from support.builders import ACCOUNT, ACCOUNTS, CREATE
from support.house import House

from service.db import audit
from service.db.engine import read
from service.domain.account import Part
from service.domain.capability import plan
from service.workflow.drift import check_drift, unknown_to_database


def unknown(house: House) -> list[tuple[str, str | None]] | None:
    account = ACCOUNTS[ACCOUNT]
    with house.ctx.roots.sign_in(account, plan(account)) as root:
        found = unknown_to_database(house.ctx, ACCOUNT, root.observe(house.clock(), Part.SUMMARY))
    return None if found is None else [(drift.kind.value, drift.access_key_id) for drift in found]


def events(house: House) -> int:
    with read(house.ctx.engine) as tx:
        return len(audit.page(tx, after=0, limit=1000))


def test_of_an_account_that_the_database_never_saw_nothing_can_be_said(house: House) -> None:
    assert unknown(house) is None


def test_what_requests_did_since_the_last_look_is_known(house: House) -> None:
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.execute(house.approved(CREATE))
    assert unknown(house) == []


def test_without_a_look_what_was_seen_at_the_last_filing_and_done_since_is_known(house: House) -> None:
    house.execute(house.approved(CREATE))
    assert unknown(house) == []


def test_what_was_made_or_changed_without_the_database_is_said_and_nothing_is_written(house: House) -> None:
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    before = events(house)
    made_since = house.spare_key()
    assert unknown(house) == [("unexplained_key", made_since)]
    house.aws.set_summary(ACCOUNT, mfa=False)
    assert unknown(house) == [("unexplained_key", made_since), ("mfa_lost", None)]
    assert events(house) == before


def test_a_key_that_a_forgotten_request_deleted_is_said(house: House) -> None:
    spare = house.spare_key()
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.aws.delete_root_key(ACCOUNT, spare)
    assert unknown(house) == [("key_vanished", spare)]
