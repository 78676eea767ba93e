"""The organizational units and tags of an organization's accounts: what is read, how often AWS is called, and None."""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from support.answers import CANARY, PAGES, on_body
from support.builders import Watch, policy_of
from support.house import House, manager_of

from service.aws.descriptions import Description
from service.aws.organization import KnownAccounts, Listing, Organization
from service.domain.account import Account
from service.simulated_aws import Delay, Refuse, Rewritten, ServerError, SimulatedAws, Throttle
from service.worker import run_pass

MANAGEMENT = "999900001111"
MEMBERS = [f"1000000000{number:02}" for number in range(12)]
EVERYBODY = {MANAGEMENT, *MEMBERS}
PRODUCTION, SANDBOX, PLAIN = MEMBERS[:3]
REFRESH = timedelta(minutes=15)
WALK = ("ListRoots", "ListOrganizationalUnitsForParent", "ListAccountsForParent")
ATTEMPTS = 5  # of one call
DENIED = Refuse("AccessDeniedException", 400)
_organizations: list[Organization] = []  # of the test that runs

pytestmark = pytest.mark.usefixtures("no_back_off")


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    """Root: workloads (with production in it) and sandbox. The other accounts are beside the units."""
    with SimulatedAws(MEMBERS, management_account=MANAGEMENT) as aws:
        workloads, sandbox = aws.add_unit("workloads"), aws.add_unit("sandbox")
        aws.move_account(PRODUCTION, aws.add_unit("production", workloads))
        aws.move_account(SANDBOX, sandbox)
        aws.set_tags(PRODUCTION, {"env": "prod", "owner": "platform"})
        aws.set_tags(SANDBOX, {"env": "test"})
        yield aws
        while _organizations:
            (found := _organizations.pop()).close()
            found.readings()  # waits for the read that is going on


def organization(
    aws: SimulatedAws,
    *,
    units: bool = True,
    tags: bool = True,
    listing: Listing | None = Listing(refresh=REFRESH),  # noqa: B008  # it is frozen
    named: frozenset[str] = frozenset(),
    watch: Watch | None = None,
) -> Organization:
    description = Description(units=units, tags=tags, refresh=REFRESH, named=named)
    _organizations.append(
        Organization("main", manager_of(aws), listing, description=description, monotonic=watch or Watch())
    )
    return _organizations[-1]


class Hanging:
    """The next read of tags hangs until `go_on` is set."""

    def __init__(self, aws: SimulatedAws) -> None:
        self.arrived, self.go_on = threading.Event(), threading.Event()
        aws.on("ListTagsForResource", self._hang)

    def _hang(self) -> None:
        self.arrived.set()
        assert self.go_on.wait(30)


def read(found: Organization) -> Mapping[str, Account]:
    """List, and wait until units and tags are read."""
    found.accounts()
    found.readings()
    return found.accounts()


def faults(found: Organization) -> dict[str, str | None]:
    return {reading.what: reading.fault for reading in found.readings()}


# --- what is read ---


def test_units_are_the_root_and_all_units_above_the_account(aws: SimulatedAws) -> None:
    found = read(organization(aws))
    root = "r-sim0"
    assert found[PRODUCTION].units == frozenset({root, "ou-sim0-00000000", "ou-sim0-00000002"})
    assert found[SANDBOX].units == frozenset({root, "ou-sim0-00000001"})
    assert {found[each].units for each in EVERYBODY - {PRODUCTION, SANDBOX}} == {frozenset({root})}


def test_tags_are_the_accounts_own_and_empty_where_it_has_none(aws: SimulatedAws) -> None:
    found = read(organization(aws))
    assert found[PRODUCTION].tags == {"env": "prod", "owner": "platform"}
    assert found[PLAIN].tags == {}


@pytest.mark.parametrize(("units", "tags"), [(True, False), (False, True)])
def test_each_is_read_only_if_it_is_wanted(aws: SimulatedAws, units: bool, tags: bool) -> None:  # noqa: FBT001
    account = read(organization(aws, units=units, tags=tags))[PRODUCTION]
    assert (account.units is not None, account.tags is not None) == (units, tags)
    assert (aws.count("ListRoots") > 0, aws.count("ListTagsForResource") > 0) == (units, tags)


def test_without_a_description_nothing_is_read_and_nothing_is_known(aws: SimulatedAws) -> None:
    found = Organization("main", manager_of(aws), Listing(refresh=REFRESH))
    account = read(found)[PRODUCTION]
    assert (account.units, account.tags, found.readings()) == (None, None, ())
    assert {call.action for call in aws.calls} == {"ListAccounts"}


@pytest.mark.parametrize("page_size", [1, 2])
def test_all_pages_count(aws: SimulatedAws, page_size: int) -> None:
    whole = read(organization(aws))
    aws.page_size = page_size
    assert read(organization(aws)) == whole


def test_characters_stay_as_they_are_and_come_into_no_log(aws: SimulatedAws, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="service")
    odd = {"\u00e9nv\u202e": "pr\u0000od\r\n\u001b[2J", "\U0001f511": "", CANARY: CANARY}
    aws.set_tags(PRODUCTION, odd)
    aws.fault("ListTagsForResource", DENIED, account_id=PLAIN)
    found = organization(aws)
    assert read(found)[PRODUCTION].tags == odd
    assert len(caplog.records) == 1
    assert CANARY not in caplog.text
    assert caplog.records[0].getMessage().isprintable()


def test_a_unit_on_two_pages_is_one_unit(aws: SimulatedAws) -> None:
    twice = json.dumps({"OrganizationalUnits": [{"Id": "ou-sim0-00000001"}, {"Id": "ou-sim0-00000001"}]})
    aws.fault("ListOrganizationalUnitsForParent", Rewritten(on_body(lambda _: twice)))
    assert read(organization(aws))[SANDBOX].units == frozenset({"r-sim0", "ou-sim0-00000001"})


# --- calls ---


def calls_of(aws: SimulatedAws, *actions: str) -> int:
    return sum(aws.count(action) for action in actions)


def test_the_walk_takes_two_calls_a_unit_however_many_accounts_a_unit_has() -> None:
    for members, units in ((3, 2), (18, 2), (18, 7)):
        ids = [f"2{number:011}" for number in range(members)]
        with SimulatedAws(ids, management_account=MANAGEMENT) as aws:
            for number in range(units):
                aws.move_account(ids[number], aws.add_unit(f"unit {number}"))
            found = read(organization(aws, tags=False))
            assert all(found[each].units is not None for each in ids)
            assert calls_of(aws, *WALK) == 1 + 2 * (1 + units)


def test_tags_take_one_call_an_account_that_is_served(aws: SimulatedAws) -> None:
    listing = Listing(refresh=REFRESH, allow={PRODUCTION, SANDBOX, PLAIN}, deny={SANDBOX})
    assert set(read(organization(aws, listing=listing))) == {PRODUCTION, PLAIN}
    asked = [call.parameters["ResourceId"] for call in aws.calls if call.action == "ListTagsForResource"]
    assert asked == [PRODUCTION, PLAIN]


def test_units_and_tags_are_kept_until_they_are_old(aws: SimulatedAws) -> None:
    watch = Watch()
    found = organization(aws, watch=watch)
    read(found)
    aws.set_tags(PRODUCTION, {"env": "other"})
    watch.seconds = REFRESH.total_seconds() - 1
    assert read(found)[PRODUCTION].tags == {"env": "prod", "owner": "platform"}
    assert (aws.count("ListRoots"), aws.count("ListTagsForResource")) == (1, len(EVERYBODY))
    watch.seconds = REFRESH.total_seconds()
    assert read(found)[PRODUCTION].tags == {"env": "other"}
    assert (aws.count("ListRoots"), aws.count("ListTagsForResource")) == (2, 2 * len(EVERYBODY))


def test_a_listing_during_a_read_is_followed_by_another_read(
    aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that was listed meanwhile does not wait until the next but one."""
    monkeypatch.setattr("service.aws.descriptions._FIRST_WAIT_SECONDS", 0.01)
    watch, hanging = Watch(), Hanging(aws)
    found = organization(aws, watch=watch, listing=Listing(refresh=timedelta(seconds=1)))
    found.accounts()
    assert hanging.arrived.wait(30)
    watch.seconds = 1
    found.accounts()
    assert not found.is_due()
    hanging.go_on.set()
    found.readings()
    assert found.is_due()
    found.readings()
    assert aws.count("ListTagsForResource") == 2 * len(EVERYBODY)
    assert not found.is_due()


# --- what fails is not known ---


def test_a_throttled_tag_is_asked_for_again(aws: SimulatedAws) -> None:
    aws.fault("ListTagsForResource", Throttle(), times=ATTEMPTS - 1, account_id=PRODUCTION)
    assert read(organization(aws))[PRODUCTION].tags == {"env": "prod", "owner": "platform"}


def test_a_tag_that_stays_throttled_is_not_known_and_the_others_are(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.fault("ListTagsForResource", Throttle(), times=ATTEMPTS, account_id=PRODUCTION)
    organization_ = organization(aws)
    found = read(organization_)
    assert (found[PRODUCTION].tags, found[SANDBOX].tags) == (None, {"env": "test"})
    assert found[PRODUCTION].units is not None
    said = (
        "organization main by a credential at hand: The tags of the accounts cannot be read now. ListTagsForResource: "
        "AWS throttled the call. (TooManyRequests) They are not known of 1 of 13 accounts."
    )
    assert [record.getMessage() for record in caplog.records] == [said]
    assert faults(organization_) == {"organizational units": None, "tags": said}


def test_an_earlier_value_is_not_kept(aws: SimulatedAws) -> None:
    watch = Watch()
    found = organization(aws, watch=watch)
    read(found)
    watch.seconds = REFRESH.total_seconds()
    aws.fault("ListTagsForResource", DENIED, account_id=PRODUCTION)
    aws.fault("ListRoots", DENIED)
    account = read(found)[PRODUCTION]
    assert (account.units, account.tags) == (None, None)
    watch.seconds *= 2
    account = read(found)[PRODUCTION]
    assert (account.units is not None, account.tags is not None) == (True, True)


def test_a_right_that_is_missing_is_one_line_and_few_calls(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.aws.descriptions._MOST_FAILURES_IN_A_ROW", 3)
    aws.fault("ListTagsForResource", DENIED, times=1000)
    found = organization(aws)
    assert {account.tags for account in read(found).values()} == {None}
    assert aws.count("ListTagsForResource") == 3
    assert len(caplog.records) == 1
    reading = found.readings()[-1]
    assert (reading.known, reading.accounts) == (0, len(EVERYBODY))
    assert "ListTagsForResource: AWS denied the call" in str(reading.fault)
    assert reading.permissions == ("organizations:ListTagsForResource",)


def test_failures_between_successes_do_not_end_the_read(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.aws.descriptions._MOST_FAILURES_IN_A_ROW", 2)
    unread = MEMBERS[::2]
    for account_id in unread:
        aws.fault("ListTagsForResource", DENIED, account_id=account_id)
    found = read(organization(aws))
    assert {each for each in EVERYBODY if found[each].tags is None} == set(unread)


@pytest.mark.parametrize(("call", "before"), [(WALK[0], 0), *((call, n) for call in WALK[1:] for n in (0, 1, 3))])
def test_a_walk_that_fails_anywhere_leaves_all_units_unknown(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, before: int
) -> None:
    if before:
        aws.fault(call, Delay(0), times=before)
    aws.fault(call, DENIED)
    found = read(organization(aws))
    assert {account.units for account in found.values()} == {None}
    assert found[PRODUCTION].tags == {"env": "prod", "owner": "platform"}
    (record,) = caplog.records
    assert f" {call}: AWS denied the call" in record.getMessage()
    assert "not known of 13 of 13 accounts" in record.getMessage()


@pytest.mark.parametrize("call", [*WALK[1:], "ListTagsForResource"])
def test_half_of_the_pages_are_not_taken_for_the_whole(aws: SimulatedAws, call: str) -> None:
    aws.page_size = 1
    if call == "ListTagsForResource":
        aws.set_tags(MEMBERS[0], {"a": "1", "b": "2"})
    aws.fault(call, Delay(0))
    aws.fault(call, ServerError(), times=ATTEMPTS)
    found = read(organization(aws))
    first = found[PRODUCTION]
    assert (first.tags if call == "ListTagsForResource" else first.units) is None


def test_an_account_that_moves_during_the_walk_is_not_known(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture
) -> None:
    """It is shown in both places. If it were believed in either, it could leave a unit's rules at the right moment."""
    aws.on("ListAccountsForParent", lambda: aws.move_account(PLAIN, "ou-sim0-00000001"), after=True)
    found = read(organization(aws))
    assert {each for each in EVERYBODY if found[each].units is None} == {PLAIN}
    assert "does not show each of them in one place. They are not known of 1 of 13 accounts." in caplog.text


def test_a_read_of_tags_ends_after_half_an_hour(aws: SimulatedAws) -> None:
    watch = Watch()

    def later() -> None:
        watch.seconds += 900

    aws.on("ListTagsForResource", later, times=2)
    found = organization(aws, watch=watch)
    found.accounts()
    (_, reading) = found.readings()
    assert (reading.known, aws.count("ListTagsForResource")) == (2, 2)
    assert sum(account.tags is not None for account in found.at_hand().values()) == 2
    assert "The read took too long." in str(reading.fault)


def test_without_a_credential_nothing_is_known(aws: SimulatedAws) -> None:
    watch = Watch()
    found = organization(aws, watch=watch)
    read(found)
    aws.fault("ListAccounts", ServerError(), times=100)
    for call in (*WALK, "ListTagsForResource"):
        aws.fault(call, Refuse("UnrecognizedClientException", 400), times=1000)
    watch.seconds = REFRESH.total_seconds()
    account = read(found)[PRODUCTION]  # the last listing still counts
    assert (account.units, account.tags) == (None, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_crash_nothing_is_known_and_the_next_read_is_made(
    aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch()
    found = organization(aws, watch=watch)
    read(found)
    watch.seconds = REFRESH.total_seconds()
    with monkeypatch.context() as broken:
        broken.setattr("service.aws.descriptions.Describer._tags_of", None)
        account = read(found)[PRODUCTION]
    assert (account.units, account.tags) == (None, None)
    watch.seconds *= 2
    assert read(found)[PRODUCTION].tags == {"env": "prod", "owner": "platform"}


# --- answers that are not AWS's ---


@pytest.mark.parametrize("what", PAGES)
@pytest.mark.parametrize("call", [*WALK, "ListTagsForResource"])
def test_what_somebody_else_answers_is_not_known(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, what: str
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.fault(call, Rewritten(PAGES[what]), times=1000)
    found = organization(aws, units=call in WALK, tags=call not in WALK)
    account = read(found)[PRODUCTION]
    assert (account.units, account.tags) == (None, None)
    assert call in str(found.readings()[0].fault)
    assert CANARY[:12] not in caplog.text


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("ListRoots", {}),
        ("ListRoots", {"Roots": []}),
        ("ListRoots", {"Roots": [{"Id": "root"}]}),
        ("ListOrganizationalUnitsForParent", {"OrganizationalUnits": [{"Id": "r-sim0"}]}),
        ("ListOrganizationalUnitsForParent", {"OrganizationalUnits": [{"Id": "ou-sim0-00000001"}]}),  # without an end
        ("ListAccountsForParent", {"Accounts": [{"Id": "1"}]}),
        ("ListAccountsForParent", {"Accounts": None}),
        ("ListTagsForResource", {"Tags": [{"Key": "env"}]}),
        ("ListTagsForResource", {"Tags": [{"Key": "", "Value": ""}]}),
        ("ListTagsForResource", {"Tags": [{"Key": "env", "Value": None}]}),
        ("ListTagsForResource", {"Tags": [{"Key": "env", "Value": "prod\ud800"}]}),
        ("ListTagsForResource", {"Tags": [{"Key": "env", "Value": "x" * 257}]}),
        ("ListTagsForResource", {"Tags": [{"Key": "env", "Value": "a"}, {"Key": "env", "Value": "b"}]}),
        ("ListTagsForResource", {"Tags": [], "NextToken": "from-0"}),  # without an end
    ],
)
def test_an_answer_that_aws_does_not_give_is_not_known(aws: SimulatedAws, call: str, answer: dict[str, object]) -> None:
    aws.fault(call, Rewritten(on_body(lambda _: json.dumps(answer))), times=100_000)
    found = organization(aws, units=call in WALK, tags=call not in WALK)
    account = read(found)[PRODUCTION]
    assert (account.units, account.tags) == (None, None)
    assert found.readings()[0].fault is not None


# --- accounts that the settings name ---


def named(account_id: str, organization: str | None = "main") -> Account:
    return Account(account_id=account_id, name="our name for it", organization=organization)


def test_an_account_of_the_settings_needs_no_listing(aws: SimulatedAws) -> None:
    own = named(PRODUCTION)
    reaching = organization(aws, listing=None, named=frozenset({PRODUCTION}))
    known = KnownAccounts({PRODUCTION: own}, {"main": reaching})
    known.readings("main")
    found = known.get(PRODUCTION)
    assert found is not None
    assert (found.name, found.tags) == ("our name for it", {"env": "prod", "owner": "platform"})
    assert found.units is not None
    assert list(known.every()) == list(known.at_hand()) == list(known.configured()) == [found]
    assert (aws.count("ListAccounts"), aws.count("ListTagsForResource")) == (0, 1)


def test_an_account_that_the_listing_leaves_out_is_described_if_the_settings_name_it(aws: SimulatedAws) -> None:
    listing = Listing(refresh=REFRESH, allow={SANDBOX})
    known = KnownAccounts(
        {PRODUCTION: named(PRODUCTION)},
        {"main": organization(aws, listing=listing, named=frozenset({PRODUCTION}))},
    )
    known.every()
    known.readings("main")
    assert {account.account_id: account.tags for account in known.every()} == {
        PRODUCTION: {"env": "prod", "owner": "platform"},
        SANDBOX: {"env": "test"},
    }


def test_an_account_that_is_named_and_listed_is_described(aws: SimulatedAws) -> None:
    known = KnownAccounts({PRODUCTION: named(PRODUCTION, None)}, {"main": organization(aws)})
    known.every()
    known.readings("main")
    found = known.get(PRODUCTION)
    assert found is not None
    assert (found.name, found.tags) == ("our name for it", {"env": "prod", "owner": "platform"})


def test_an_account_that_no_organization_reaches_is_not_known(aws: SimulatedAws) -> None:
    known = KnownAccounts({PRODUCTION: named(PRODUCTION, None)}, {"main": organization(aws, listing=None)})
    known.readings("main")
    assert known.get(PRODUCTION) == named(PRODUCTION, None)


def test_an_account_that_has_left_the_organization_is_not_known(aws: SimulatedAws) -> None:
    gone = "555500000000"
    found = organization(aws, listing=None, named=frozenset({gone}))
    assert [(reading.known, reading.accounts) for reading in found.readings()] == [(0, 1), (0, 1)]
    described = found.described(named(gone))
    assert (described.units, described.tags) == (None, None)


# --- nobody waits ---


def test_nobody_waits_long_for_the_first_read_and_until_then_nothing_is_known(
    aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.aws.descriptions._FIRST_WAIT_SECONDS", 0.01)
    hanging, found = Hanging(aws), organization(aws)
    assert found.accounts()[PRODUCTION].tags is None
    assert not found.is_due()
    hanging.go_on.set()
    assert read(found)[PRODUCTION].tags == {"env": "prod", "owner": "platform"}


def test_units_do_not_wait_for_tags(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.aws.descriptions._FIRST_WAIT_SECONDS", 0.01)
    hanging, found = Hanging(aws), organization(aws)
    found.accounts()
    assert hanging.arrived.wait(30)
    account = found.accounts()[PRODUCTION]
    assert (account.units is not None, account.tags is not None) == (True, False)
    hanging.go_on.set()
    found.readings()


def test_a_later_read_is_waited_for_by_nobody_and_the_last_one_counts_meanwhile(aws: SimulatedAws) -> None:
    watch = Watch()
    found = organization(aws, watch=watch)
    before = read(found)
    aws.set_tags(PRODUCTION, {})
    hanging = Hanging(aws)
    watch.seconds = REFRESH.total_seconds()
    assert found.accounts() == before
    assert hanging.arrived.wait(30)
    assert found.accounts() == before
    hanging.go_on.set()
    assert read(found)[PRODUCTION].tags == {}


def test_the_first_caller_finds_a_small_organization_described(
    aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.aws.descriptions._FIRST_WAIT_SECONDS", 30.0)
    assert organization(aws).accounts()[PRODUCTION].tags == {"env": "prod", "owner": "platform"}


def test_the_worker_reads_by_itself(sqlite_house: House, aws: SimulatedAws) -> None:
    watch = Watch()
    reaching = organization(aws, listing=None, named=frozenset({PRODUCTION}), watch=watch)
    known = KnownAccounts({PRODUCTION: named(PRODUCTION)}, {"main": reaching})
    sqlite_house.change(accounts=known, policy=policy_of(drift_checks=False))
    for read_so_far in (1, 2):
        assert known.is_due()
        run_pass(sqlite_house.ctx)
        reaching.readings()
        assert not known.is_due()
        assert aws.count("ListTagsForResource") == read_so_far
        watch.seconds += REFRESH.total_seconds()


def test_after_the_end_nothing_more_is_asked(aws: SimulatedAws) -> None:
    found = organization(aws)
    aws.on("ListTagsForResource", found.close, times=2)
    assert {account.tags for account in read(found).values()} == {None}
    assert aws.count("ListTagsForResource") == 1


# --- what rules match ---


def test_what_was_read_long_ago_is_not_known_any_more(aws: SimulatedAws) -> None:
    """Otherwise an account that was tagged since would escape its rules in a process that nobody asks to read."""
    watch = Watch()
    found = organization(aws, watch=watch)
    known = KnownAccounts({}, {"main": found})
    read(found)
    hanging = Hanging(aws)
    watch.seconds += 2 * REFRESH.total_seconds() + 1801

    account = known.known(PRODUCTION)

    assert account is not None
    assert (account.units, account.tags) == (None, None)
    hanging.go_on.set()
    found.readings()
    assert known.known(PRODUCTION) == found.accounts()[PRODUCTION]


def test_an_account_of_the_settings_is_known_with_its_units_and_tags(aws: SimulatedAws) -> None:
    named = Account(account_id=PRODUCTION, name="prod", has_profile=False, organization="main")
    found = organization(aws, listing=None, named=frozenset({PRODUCTION}))
    known = KnownAccounts({PRODUCTION: named}, {"main": found})
    known.get(PRODUCTION)
    found.readings()

    account = known.known(PRODUCTION)

    assert account == known.get(PRODUCTION)
    assert account is not None
    assert account.tags == {"env": "prod", "owner": "platform"}
