"""Drift of the root user's e-mail address, which with password recovery is the account."""

import json
from datetime import timedelta

import pytest
from support.builders import ACCOUNT, ACCOUNTS, DELETE_PASSWORD, MEMBER
from support.house import House

from service.db import audit
from service.db.engine import begin, read
from service.db.tables import expectations
from service.domain.account import Part, SourceKind
from service.domain.capability import Plan
from service.domain.drift import hidden
from service.simulated_aws import Refuse
from service.workflow.drift import DriftCheck, accept_drift, check_drift, unknown_to_database

OURS, THEIRS = "aws+member@example.com", "aws+member@examp1e.com"

pytestmark = pytest.mark.usefixtures("no_back_off")


def look(house: House, account_id: str = MEMBER) -> DriftCheck:
    house.clock.advance(timedelta(hours=1))
    return check_drift(house.ctx, ACCOUNTS[account_id])


def log(house: House) -> str:
    with read(house.ctx.engine) as tx:
        return "\n".join(content for _, content in audit.page(tx, after=0, limit=1000))


def events(house: House) -> list[str]:
    found = [json.loads(content)["event"] for content in log(house).splitlines()]
    return [event for event in found if event.startswith(("drift.", "account."))]


def deny(house: House) -> None:
    house.aws.fault("GetPrimaryEmail", Refuse("AccessDenied"), times=100)


@pytest.fixture
def watched(house: House) -> House:
    house.aws.set_email(MEMBER, OURS)
    assert look(house).expectation.email == OURS
    return house


def test_a_changed_address_is_one_finding_with_both_addresses(watched: House) -> None:
    watched.aws.set_email(MEMBER, THEIRS)
    for _ in range(2):
        (finding,) = look(watched).open
    drift = finding.drift
    assert (drift.kind, drift.expected, drift.found, drift.access_key_id) == ("email_changed", OURS, THEIRS, None)
    assert events(watched) == ["account.adopted", "drift.found"]


def test_the_log_and_so_every_destination_has_addresses_as_salted_hashes_only(watched: House) -> None:
    watched.aws.set_email(MEMBER, THEIRS)
    found = look(watched)
    accept_drift(watched.ctx, watched.actor("oscar"), found.open[0].id, "We moved.")
    written = log(watched)
    assert OURS not in written
    assert THEIRS not in written
    assert written.count(hidden(THEIRS, found.expectation.salt)) == 2  # found, accepted
    assert len(found.expectation.salt) == 32


def test_an_accepted_address_is_expected_from_then_on(watched: House) -> None:
    watched.aws.set_email(MEMBER, THEIRS)
    accept_drift(watched.ctx, watched.actor("oscar"), look(watched).open[0].id, "We moved.")
    after = look(watched)
    assert (after.open, after.expectation.email) == ((), THEIRS)


def test_an_address_that_changes_back_resolves_the_finding(watched: House) -> None:
    watched.aws.set_email(MEMBER, THEIRS)
    look(watched)
    watched.aws.set_email(MEMBER, OURS)
    assert look(watched).open == ()
    assert events(watched) == ["account.adopted", "drift.found", "drift.resolved"]


def test_another_change_is_another_finding(watched: House) -> None:
    for address in (THEIRS, "someone@else.example"):
        watched.aws.set_email(MEMBER, address)
        (finding,) = look(watched).open
        assert finding.drift.found == address
    assert events(watched)[-2:] == ["drift.resolved", "drift.found"]


def test_whoever_takes_the_right_away_after_the_change_does_not_resolve_the_finding(watched: House) -> None:
    watched.aws.set_email(MEMBER, THEIRS)
    look(watched)
    deny(watched)
    found = look(watched)
    assert [finding.drift.kind.value for finding in found.open] == ["email_changed"]
    assert found.expectation.email == OURS


@pytest.mark.parametrize("fault", [Refuse("AccessDenied"), Refuse("InternalServerException", 500)])
def test_an_address_that_cannot_be_read_hides_no_other_drift(watched: House, fault: Refuse) -> None:
    watched.aws.fault("GetPrimaryEmail", fault, times=100)
    watched.aws.create_root_key(MEMBER)
    assert [finding.drift.kind.value for finding in look(watched).open] == ["unexplained_key"]


def test_an_address_that_becomes_readable_is_adopted_and_the_log_says_when(house: House) -> None:
    deny(house)
    assert look(house).expectation.email is None
    house.aws.reset_faults()
    assert look(house).expectation.email == house.aws.email(MEMBER)
    look(house)
    assert events(house) == ["account.adopted"] * 2


def test_an_expectation_of_an_earlier_version_gets_a_salt_with_its_address(house: House) -> None:
    deny(house)
    look(house)
    with begin(house.owner) as tx:
        tx.execute(expectations.update().values(salt=None))
    house.is_forged = True
    house.aws.reset_faults()
    found = look(house).expectation
    assert (found.email, len(found.salt)) == (house.aws.email(MEMBER), 32)


def test_of_an_account_outside_of_an_organization_no_address_is_asked(sqlite_house: House) -> None:
    assert look(sqlite_house, ACCOUNT).expectation.email is None
    assert sqlite_house.aws.count("GetPrimaryEmail") == 0


def test_a_filing_that_needs_no_address_puts_none_into_the_log(sqlite_house: House) -> None:
    request = sqlite_house.file(DELETE_PASSWORD, account_id=MEMBER)
    assert request.filing.observed.email is None
    assert sqlite_house.aws.count("GetPrimaryEmail") == 0


def test_only_those_with_a_role_for_the_account_see_the_address(sqlite_house: House) -> None:
    house = sqlite_house
    house.aws.set_email(MEMBER, OURS)
    look(house)
    for subject, address in (("alice", OURS), ("carol", OURS), ("oscar", OURS), ("mallory", None)):
        client = house.client(subject)
        live = client.get(f"/v1/accounts/{MEMBER}/root-credentials").json()["root_credentials"]
        expected = client.get(f"/v1/accounts/{MEMBER}").json()["expected"]
        assert (live["email"], expected["email"]) == (address, address)


def test_after_a_restore_the_address_is_compared_with_what_the_database_knows(watched: House) -> None:
    watched.aws.set_email(MEMBER, THEIRS)
    with watched.ctx.roots.sign_in(ACCOUNTS[MEMBER], Plan(SourceKind.ASSUME_ROOT)) as root:
        observed = root.observe(watched.clock(), Part.EMAIL)
    (drift,) = unknown_to_database(watched.ctx, MEMBER, observed) or ()
    assert (drift.kind, drift.expected, drift.found) == ("email_changed", OURS, THEIRS)
    assert events(watched) == ["account.adopted"]
