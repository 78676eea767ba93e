"""The accounts that an organization lists, beside those of the settings."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from support.builders import Watch, policy_of
from support.house import House, manager_of

from service.aws.organization import KnownAccounts, Listing, Organization
from service.aws.sources import FixedSource
from service.domain.account import Account, SourceKind
from service.domain.errors import Unavailable
from service.simulated_aws import Refuse, ServerError, SimulatedAws
from service.worker import run_pass
from service.workflow.due import due

MANAGEMENT = "999900001111"
MEMBERS = [f"1000000000{number:02}" for number in range(45)]
REFRESH = timedelta(minutes=15)


pytestmark = pytest.mark.usefixtures("no_back_off")


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws(MEMBERS, management_account=MANAGEMENT, delegated_administrator=MEMBERS[0]) as aws:
        yield aws


def organization(aws: SimulatedAws, listing: Listing | None = None, watch: Watch | None = None) -> Organization:
    return Organization("main", manager_of(aws), listing or Listing(refresh=REFRESH), monotonic=watch or Watch())


def test_every_account_on_every_page_is_listed(aws: SimulatedAws) -> None:
    assert set(organization(aws).accounts()) == {MANAGEMENT, *MEMBERS}


def test_the_management_account_and_closed_ones_are_marked(aws: SimulatedAws) -> None:
    aws.set_account_state(MEMBERS[1], "SUSPENDED")
    found = organization(aws).accounts()
    assert [account.account_id for account in found.values() if account.is_management] == [MANAGEMENT]
    assert [account.account_id for account in found.values() if account.state != "ACTIVE"] == [MEMBERS[1]]


def test_a_delegated_administrator_lists_as_well(aws: SimulatedAws) -> None:
    credential = aws.delegated_credential()
    source = FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)
    found = Organization("main", source, Listing(refresh=REFRESH)).accounts()
    assert [account.account_id for account in found.values() if account.is_management] == [MANAGEMENT]


@pytest.mark.parametrize(
    ("listing", "taken"),
    [
        (Listing(refresh=REFRESH, allow={MEMBERS[1], MEMBERS[2]}), {MEMBERS[1], MEMBERS[2]}),
        (Listing(refresh=REFRESH, deny={MEMBERS[1]}), {MANAGEMENT, *MEMBERS} - {MEMBERS[1]}),
        (Listing(refresh=REFRESH, allow={MEMBERS[1], MEMBERS[2]}, deny={MEMBERS[1]}), {MEMBERS[2]}),
    ],
)
def test_the_allow_list_takes_in_and_the_deny_list_wins(aws: SimulatedAws, listing: Listing, taken: set[str]) -> None:
    assert set(organization(aws, listing).accounts()) == taken


def test_the_listing_is_kept_until_it_is_old(aws: SimulatedAws) -> None:
    watch = Watch()
    listed = organization(aws, watch=watch)
    listed.accounts()
    calls = aws.count("ListAccounts")
    watch.seconds = REFRESH.total_seconds() - 1
    listed.accounts()
    assert aws.count("ListAccounts") == calls
    watch.seconds = REFRESH.total_seconds()
    listed.accounts()
    assert aws.count("ListAccounts") == 2 * calls


def test_while_aws_is_away_the_last_listing_counts(aws: SimulatedAws) -> None:
    watch = Watch()
    listed = organization(aws, watch=watch)
    before = listed.accounts()
    aws.fault("ListAccounts", ServerError(), times=100)
    watch.seconds = REFRESH.total_seconds()
    assert listed.accounts() == before


def test_what_was_never_listed_is_unavailable_and_not_asked_for_by_everybody(aws: SimulatedAws) -> None:
    watch = Watch()
    listed = organization(aws, watch=watch)
    aws.fault("ListAccounts", Refuse("AccessDeniedException", 400), times=1)
    for _ in range(3):
        with pytest.raises(Unavailable, match="cannot be listed"):
            listed.accounts()
    assert aws.count("ListAccounts") == 1
    watch.seconds = 30
    assert listed.accounts()


def test_after_a_failure_nobody_waits_for_the_one_who_lists_again(aws: SimulatedAws) -> None:
    watch, listing_again, go_on = Watch(), threading.Event(), threading.Event()
    listed = organization(aws, watch=watch)
    aws.fault("ListAccounts", Refuse("AccessDeniedException", 400))
    with pytest.raises(Unavailable):
        listed.accounts()
    watch.seconds = 30

    def hang() -> None:
        listing_again.set()
        assert go_on.wait(30)

    aws.on("ListAccounts", hang)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(listed.accounts)
        assert listing_again.wait(30)
        with pytest.raises(Unavailable):
            listed.accounts()
        go_on.set()
        assert slow.result()


def test_nobody_waits_long_for_a_first_listing_that_hangs(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.aws.organization._FIRST_WAIT_SECONDS", 0.01)
    listed, listing, go_on = organization(aws), threading.Event(), threading.Event()

    def hang() -> None:
        listing.set()
        assert go_on.wait(30)

    aws.on("ListAccounts", hang)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(listed.accounts)
        assert listing.wait(30)
        with pytest.raises(Unavailable, match="for the first time"):
            listed.accounts()
        go_on.set()
        assert slow.result()


def test_the_worker_lists_by_itself_and_then_looks_at_what_was_listed(sqlite_house: House, aws: SimulatedAws) -> None:
    house, known = sqlite_house, KnownAccounts({}, {"main": organization(aws)})
    house.change(accounts=known, policy=policy_of(drift_checks=True))
    assert [step.what for step in due(house.ctx)] == ["list_accounts"]
    assert aws.calls == []
    run_pass(house.ctx)
    assert {step.what for step in due(house.ctx)} == {"check_drift"}
    assert len(list(due(house.ctx))) == len(MEMBERS)  # the management account is out of reach


def test_an_account_of_the_settings_is_known_while_the_organization_is_away(aws: SimulatedAws) -> None:
    aws.fault("ListAccounts", Refuse("AccessDeniedException", 400), times=100)
    own = Account(account_id="222222222222", name="own")
    known = KnownAccounts({own.account_id: own}, {"main": organization(aws)})
    assert known.get(own.account_id) == own
    with pytest.raises(Unavailable):
        known.get(MEMBERS[0])
    with pytest.raises(Unavailable):
        known.every()


def test_an_account_of_the_settings_that_is_listed_has_both_sources(aws: SimulatedAws) -> None:
    own = Account(account_id=MEMBERS[0], name="our name for it")
    known = KnownAccounts({own.account_id: own}, {"main": organization(aws)})
    assert known.get(MEMBERS[0]) == own  # it never waits for a listing
    known.every()
    account = known.get(MEMBERS[0])
    assert account is not None
    assert account.sources == (SourceKind.ASSUME_ROOT, SourceKind.PROFILE)
    assert account.name == "our name for it"
    assert len(known.every()) == len(MEMBERS) + 1


def test_one_organization_that_is_away_does_not_hide_another(aws: SimulatedAws) -> None:
    away = Organization(
        "away", FixedSource("AKIANOBODY0000000000", "x" * 40, aws.endpoint_url), Listing(refresh=REFRESH)
    )
    known = KnownAccounts({}, {"away": away, "main": organization(aws)})
    with pytest.raises(Unavailable):
        known.every()
    assert len(known.at_hand()) == len(MEMBERS) + 1


def test_a_failure_that_is_remembered_holds_no_credential(aws: SimulatedAws) -> None:
    aws.fault("ListAccounts", Refuse("AccessDeniedException", 400))
    listed = organization(aws)
    with pytest.raises(Unavailable):
        listed.accounts()
    assert not isinstance(listed._failure, BaseException)


def test_a_member_cannot_name_itself_into_the_approvers_view() -> None:
    names = {MEMBERS[0]: "prod\u202e[red]\x1b[2J"}
    with SimulatedAws(MEMBERS[:1], management_account=MANAGEMENT, names=names) as aws:
        assert organization(aws).accounts()[MEMBERS[0]].name == "prod[red][2J"


def test_without_a_listing_only_the_settings_count(aws: SimulatedAws) -> None:
    known = KnownAccounts({}, {"main": Organization("main", manager_of(aws))})
    assert (known.get(MEMBERS[0]), list(known.every())) == (None, [])
    assert aws.count("ListAccounts") == 0


def test_features_are_asked_of_the_organization(aws: SimulatedAws) -> None:
    aws.set_organization_features(["RootSessions"])
    assert KnownAccounts({}, {"main": organization(aws)}).features("main") == {"RootSessions"}
