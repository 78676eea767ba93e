"""The service watches itself: what begins is told once for the fleet, and what a fault would harm stops."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any, ClassVar

import pytest
from support.builders import ACCOUNT, DELETE
from support.destinations import Post
from support.house import House

from service.aws import observed
from service.aws.root import AwsRoots
from service.cli.audit import _note_anchor
from service.cli.waiting import wait_until
from service.db import audit
from service.db.engine import connect, read
from service.domain.delivery import Answer
from service.domain.errors import Code, ServiceError
from service.domain.incident import Incident, Limits
from service.domain.state import NEVER
from service.worker import Watcher, run_pass
from service.workflow.clocks import check_clock
from service.workflow.decide import confirm_receipt
from service.workflow.due import due
from service.workflow.health import last_pass, note_pass
from service.workflow.state import read_state
from service.workflow.watch import note_anchor, open_incidents, watch

MINUTE = timedelta(minutes=1)


def told(house: House) -> list[str]:
    """The events about the service's health, oldest first."""
    names = {"worker.silent", "worker.back", "anchor.overdue", "anchor.kept", "clock.wrong", "clock.right", "drill.due"}
    with read(house.ctx.engine) as tx:
        rows = audit.rows_between(tx, 0, audit.last(tx))
    return [row.event for row in rows if row.event in names]


def code_of(call: Callable[[], object]) -> Code:
    with pytest.raises(ServiceError) as refused:
        call()
    return refused.value.code


@pytest.fixture
def began(house: House) -> datetime:
    return house.clock()


# A fleet without a worker.


@pytest.fixture
def watched(house: House) -> House:
    house.change(limits=Limits(worker_silence=2 * MINUTE))
    return house


def test_a_fleet_without_a_worker_is_told_once_and_so_is_its_return(watched: House, began: datetime) -> None:
    note_pass(watched.ctx)
    watch(watched.ctx, began)
    assert told(watched) == []
    watched.clock.advance(3 * MINUTE)
    for _ in range(3):
        watch(watched.ctx, began)
    assert told(watched) == ["worker.silent"]
    assert set(open_incidents(watched.ctx)) == {Incident.NO_WORKER}
    note_pass(watched.ctx)
    for _ in range(2):
        watch(watched.ctx, began)
    assert told(watched) == ["worker.silent", "worker.back"]
    assert open_incidents(watched.ctx) == {}


def test_a_worker_that_never_came_is_missed_only_once_it_had_its_time(watched: House, began: datetime) -> None:
    watch(watched.ctx, began)
    assert told(watched) == []
    watched.clock.advance(3 * MINUTE)
    watch(watched.ctx, began)
    assert told(watched) == ["worker.silent"]


def test_several_processes_tell_it_once(watched: House, began: datetime) -> None:
    watched.clock.advance(3 * MINUTE)
    together = Barrier(4)

    def look() -> None:
        together.wait()
        watch(watched.ctx, began)

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(watched) == ["worker.silent"]


def test_without_a_worker_the_news_is_sent_all_the_same(watched: House, began: datetime) -> None:
    away, post = Post(answer=lambda _: Answer.AGAIN), Post()
    watched.change(destinations={"away": away, "siem": post})
    watched.clock.advance(3 * MINUTE)
    watch(watched.ctx, began)
    assert post.events == ["worker.silent"]
    assert away.events == ["worker.silent"]


def test_without_a_worker_no_key_is_created_and_what_takes_away_runs(watched: House) -> None:
    create, delete = watched.approved(account_id="444455556666"), watched.approved(DELETE, watched.spare_key())
    watched.clock.advance(3 * MINUTE)
    assert code_of(lambda: watched.execute(create)) is Code.NO_WORKER
    assert watched.now(create).status == "approved"
    assert watched.execute(delete)[0].status == "succeeded"
    note_pass(watched.ctx)
    assert watched.execute(create)[1] is not None


def test_each_process_watches(watched: House) -> None:
    """The watcher is a thread of its own, which no error ends."""
    watched.clock.advance(-3 * MINUTE)
    with Watcher(watched.ctx, seconds=0.01):
        watched.clock.advance(3 * MINUTE + timedelta(seconds=1))
        wait_until(lambda: told(watched) == ["worker.silent"], what="the event")


def test_a_pass_that_is_still_to_come_proves_nothing(watched: House, began: datetime) -> None:
    """A worker whose clock is ahead would else hide for a year that there is none."""
    watched.clock.advance(timedelta(days=365))
    note_pass(watched.ctx)
    watched.clock.advance(timedelta(days=-365) + 3 * MINUTE)
    watch(watched.ctx, began)
    assert told(watched) == ["worker.silent"]
    assert code_of(lambda: watched.execute(watched.approved())) is Code.NO_WORKER
    assert read_state(watched.ctx).worker_quiet == NEVER


# A head that nobody anchors.


def test_a_log_that_grows_without_an_anchor_is_told_once_and_so_is_its_anchor(house: House, began: datetime) -> None:
    house.change(limits=Limits(anchor_within=timedelta(days=2)))
    house.file()
    watch(house.ctx, began)
    assert told(house) == []
    house.clock.advance(timedelta(days=3))
    for _ in range(2):
        watch(house.ctx, began)
    assert told(house) == ["anchor.overdue"]
    with read(house.ctx.engine) as tx:
        size = audit.last(tx)
    note_anchor(house.ctx, size)
    watch(house.ctx, began)
    assert told(house) == ["anchor.overdue", "anchor.kept"]


def test_a_log_that_did_not_grow_since_its_anchor_needs_no_other(house: House, began: datetime) -> None:
    house.change(limits=Limits(anchor_within=timedelta(days=2)))
    house.file()
    with read(house.ctx.engine) as tx:
        note_anchor(house.ctx, audit.last(tx))
    house.clock.advance(timedelta(days=30))
    watch(house.ctx, began)
    assert told(house) == []
    house.file(account_id="444455556666")
    watch(house.ctx, began)
    assert told(house) == ["anchor.overdue"]


def test_an_older_anchor_does_not_replace_a_newer_one(house: House, began: datetime) -> None:
    house.change(limits=Limits(anchor_within=timedelta(days=2)))
    house.file()
    house.file(account_id="444455556666")
    with read(house.ctx.engine) as tx:
        size = audit.last(tx)
    note_anchor(house.ctx, size)
    note_anchor(house.ctx, 1)
    house.clock.advance(timedelta(days=3))
    watch(house.ctx, began)
    assert told(house) == []


def test_an_anchor_is_good_where_the_service_cannot_be_told(
    sqlite_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    away = replace(sqlite_house.ctx, engine=connect("sqlite:////nowhere/rootquorum.db", connections=1))
    _note_anchor(away, "rootquorum.example.com/test\n2\nroot\n")
    assert capsys.readouterr().err.startswith(
        "Anchored, but the service does not know it: The database is not available"
    )


def test_an_overdue_anchor_stops_no_execution(house: House, began: datetime) -> None:
    house.change(limits=Limits(anchor_within=MINUTE))
    request = house.approved()
    house.clock.advance(timedelta(hours=1))
    watch(house.ctx, began)
    assert told(house) == ["anchor.overdue"]
    assert house.execute(request)[1] is not None


# Clocks.


@pytest.fixture
def strict(house: House) -> Iterator[House]:
    """A house that compares its clock, which a test sets, with the database's and with AWS's."""
    roots = house.ctx.roots
    assert isinstance(roots, AwsRoots)
    observed._answered.clear()
    house.change(
        limits=Limits(clock_tolerance=MINUTE),
        roots=AwsRoots(roots._profiles, roots._organizations, now=house.clock, clock_tolerance=MINUTE),
    )
    house.is_forged = True  # the clock jumps
    yield house
    observed._answered.clear()


def wrong_by(house: House, by: timedelta) -> None:
    house.clock.advance(datetime.now(UTC) + by - house.clock())


@pytest.mark.parametrize("by", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_clock_that_aws_contradicts_stops_an_execution_before_its_claim(strict: House, by: timedelta) -> None:
    wrong_by(strict, by)
    request = strict.approved(DELETE, strict.spare_key())
    calls = strict.aws.count("DeleteAccessKey")
    assert code_of(lambda: strict.execute(request)) is Code.CLOCK_WRONG
    assert strict.aws.count("DeleteAccessKey") == calls
    assert strict.now(request).status == "approved"
    wrong_by(strict, timedelta(minutes=6))
    roots = strict.ctx.roots
    assert isinstance(roots, AwsRoots)
    strict.change(limits=Limits(), roots=AwsRoots(roots._profiles, now=strict.clock))
    assert strict.execute(request)[0].status == "succeeded"


def test_a_wrong_clock_is_told_once_for_its_host_and_so_is_its_correction(strict: House, began: datetime) -> None:
    strict.client("oscar").get(f"/v1/accounts/{ACCOUNT}/root-credentials")  # AWS's answer says what time it is
    watch(strict.ctx, began)
    assert told(strict) == []
    wrong_by(strict, timedelta(minutes=-3))
    for _ in range(3):
        watch(strict.ctx, began)
    assert told(strict) == ["clock.wrong"]
    wrong_by(strict, timedelta())
    watch(strict.ctx, began)
    assert told(strict) == ["clock.wrong", "clock.right"]


def test_a_host_with_a_wrong_clock_only_delivers(strict: House) -> None:
    """Ahead by a year, it would expire every request, roll back every key and end every lifetime."""
    post = Post()
    strict.change(destinations={"siem": post})
    pending = strict.file(DELETE, strict.spare_key())
    assert strict.clock() - pending.filing.filed_at < MINUTE
    wrong_by(strict, timedelta(days=365))
    run_pass(strict.ctx)
    assert strict.now(pending).status == "pending"
    assert post.events == ["request.filed"]
    assert {step.what for step in due(strict.ctx)} <= {"deliver", "deliver_again", "check_drift", "list_accounts"}


def test_a_wrong_clock_does_not_say_that_a_key_outlives_its_lifetime(strict: House) -> None:
    request, _ = strict.execute(strict.approved(lifetime=timedelta(days=30)))
    confirm_receipt(strict.ctx, strict.actor("alice"), request.filing.request_id)
    observed._answered.clear()  # nothing was heard of AWS lately
    wrong_by(strict, timedelta(days=300))
    run_pass(strict.ctx)
    assert strict.now(request).deactivated_at is None
    assert strict.now(request).expiry_failed_at is None


def test_a_wrong_clock_says_of_no_drill_that_it_is_due(strict: House) -> None:
    """It would be said once, with a time to come, and then not again until that time."""
    strict.client("oscar").get(f"/v1/accounts/{ACCOUNT}/root-credentials")  # AWS's answer says what time it is
    strict.change(policy=replace(strict.ctx.policy, drill_every=timedelta(days=90)))
    wrong_by(strict, timedelta(days=365))
    run_pass(strict.ctx)
    assert told(strict) == []
    wrong_by(strict, timedelta())
    run_pass(strict.ctx)
    assert told(strict) == ["drill.due"]


def test_a_roll_back_waits_until_the_clock_is_right(strict: House) -> None:
    delivered, _ = strict.execute(strict.approved(recipient="rita"), by="rita")
    calls = strict.aws.count("UpdateAccessKey")
    observed._answered.clear()  # nothing was heard of AWS lately
    wrong_by(strict, timedelta(days=300))
    run_pass(strict.ctx)
    assert strict.aws.count("UpdateAccessKey") == calls
    assert strict.now(delivered).status == "delivered"


@pytest.mark.parametrize("by", [timedelta(minutes=2), timedelta(minutes=-2)])
def test_the_databases_clock_alone_stops_an_execution_too(postgres_house: House, by: timedelta) -> None:
    postgres_house.change(limits=Limits(clock_tolerance=MINUTE))
    postgres_house.is_forged = True
    wrong_by(postgres_house, by)
    request = postgres_house.approved(DELETE, postgres_house.spare_key())
    calls = len(postgres_house.aws.calls)
    assert code_of(lambda: postgres_house.execute(request)) is Code.CLOCK_WRONG
    assert len(postgres_house.aws.calls) == calls
    postgres_house.change(limits=Limits(clock_tolerance=3 * MINUTE))
    assert postgres_house.execute(request)[0].status == "succeeded"


def test_a_worker_whose_clock_is_wrong_does_not_count_as_one(strict: House) -> None:
    strict.client("oscar").get(f"/v1/accounts/{ACCOUNT}/root-credentials")
    wrong_by(strict, timedelta(minutes=3))
    note_pass(strict.ctx)
    assert last_pass(strict.ctx) is None
    wrong_by(strict, timedelta())
    note_pass(strict.ctx)
    assert last_pass(strict.ctx) is not None


def test_a_small_difference_is_none(strict: House) -> None:
    request = strict.approved(DELETE, strict.spare_key())
    wrong_by(strict, timedelta(seconds=40))
    with read(strict.ctx.engine) as tx:
        check_clock(strict.ctx, tx)
    assert strict.execute(request)[0].status == "succeeded"


def test_an_answer_that_is_not_aws_s_says_nothing_about_the_time(strict: House) -> None:
    """A portal that answers in AWS's place must not be able to stop executions, or to let them run."""

    class Answer:
        status_code = 200
        headers: ClassVar = {"Date": "Mon, 01 Jan 2001 00:00:00 GMT"}

    event: dict[str, Any] = {"http_response": Answer(), "event_name": "after-call.iam.ListAccessKeys", "context": {}}
    observed._ended(parsed={}, **event)
    assert observed.clock_ahead(strict.clock()) is None
    observed._ended(parsed={"ResponseMetadata": {"RequestId": "a"}}, **event)
    assert observed.clock_ahead(strict.clock()) is not None
    far = ("Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", f"Mon, 01 Jan 2001 00:00:00 +{'9' * 30}")
    for garbage in (None, "", "yesterday", "Mon, 99 Jan 2001", *far):
        observed._note_time(garbage)
        assert observed._answered[0].said.year == 2001


def test_what_watches_nothing_sends_no_statement_more(house: House) -> None:
    with read(house.ctx.engine) as tx, house.statements() as sent:
        check_clock(house.ctx, tx)
    assert sent == []
