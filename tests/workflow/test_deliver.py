"""What destinations are told: everything that they want, in order, at least once, and nothing that is not theirs."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select, text
from support.builders import ACCOUNT, BOTH, DEACTIVATE, DELETE, JUSTIFICATION, OTHER_ACCOUNT
from support.destinations import Post
from support.house import House

from service.db.engine import begin, read
from service.db.tables import deliveries
from service.domain.actor import WORKER
from service.domain.canonical import Document, canonical, timestamp
from service.domain.delivery import GIVE_UP_AFTER, Answer, Notice, wait_after
from service.domain.errors import Conflict, ServiceError
from service.domain.event_table import DELIVERY_FAILED, DESTINATION_DISABLED, DRIFT_FOUND
from service.domain.events import Event
from service.domain.request import Verdict
from service.worker import run_pass
from service.workflow import tell
from service.workflow.decide import decide
from service.workflow.deliver import deliver, deliver_again, forget, redeliver
from service.workflow.leases import take

LIFE = ["request.filed", "decision.recorded", "decision.recorded", "request.approved"]
LIFE += ["execution.started", "execution.succeeded"]
FREE_TEXT = "Nobody but an approver reads this comment."


def away(_: Notice) -> Answer:
    return Answer.AGAIN


def told(house: House, **destinations: Post) -> None:
    """From now on these are told."""
    house.change(destinations=destinations)


def deactivated(house: House) -> None:
    house.execute(house.approved(DEACTIVATE, house.spare_key(), ticket="OPS-4711"))


def statuses(house: House, destination: str) -> list[str]:
    query = select(deliveries.c.status).where(deliveries.c.destination == destination).order_by(deliveries.c.seq)
    with read(house.ctx.engine) as tx:
        return list(tx.execute(query).scalars())


def attempt(house: House, name: str) -> None:
    """One try, the first or another, in vain."""
    with pytest.raises(ServiceError):  # noqa: PT012
        deliver(house.ctx, name)
        deliver_again(house.ctx, name)


def test_every_step_of_a_request_is_told_once_to_each_destination_in_order(house: House) -> None:
    one, other = Post(), Post()
    told(house, one=one, other=other)
    deactivated(house)
    run_pass(house.ctx)
    assert one.events == other.events == LIFE
    assert len({notice.id for notice in one.sent + other.sent}) == 2 * len(LIFE)


def test_what_waits_is_sent_in_one_pass_one_of_each_request_in_turn(house: House) -> None:
    post = Post()
    told(house, post=post)
    for account in (ACCOUNT, OTHER_ACCOUNT, BOTH):
        house.approve(house.file(account_id=account))
    deliver(house.ctx, "post")
    accounts = [notice.document["data"]["account_id"] for notice in post.sent]  # type: ignore[index, call-overload]
    assert accounts == [ACCOUNT, OTHER_ACCOUNT, BOTH] * 4
    for account in (ACCOUNT, OTHER_ACCOUNT, BOTH):
        assert [each.event for each, of in zip(post.sent, accounts, strict=True) if of == account] == LIFE[:4]


def test_a_pass_has_a_most_and_a_long_stream_leaves_the_others_their_turn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.workflow.deliver._BATCH", 5)
    post = Post()
    told(house, post=post)
    request = house.file(account_id=OTHER_ACCOUNT)
    with begin(house.ctx.engine) as tx:
        for _ in range(9):
            about = Event(DRIFT_FOUND, {"account_id": ACCOUNT})
            tell.tell(house.ctx, tx, about, actor=WORKER, at=house.clock())
    house.approve(request)
    sent = []
    for _ in range(3):
        before = len(post.sent)
        deliver(house.ctx, "post")
        sent.append(post.events[before:])
    drift, life = "drift.found", LIFE[:4]
    assert sent == [
        [life[0], drift, drift, life[1], drift],
        [drift, life[2], drift, life[3], drift],
        [drift, drift, drift],
    ]


def test_a_pass_that_took_too_long_begins_no_further_round(house: House) -> None:
    def slow(_: Notice) -> Answer:
        house.clock.advance(timedelta(seconds=8))
        return Answer.DELIVERED

    post = Post(slow)
    told(house, post=post)
    deactivated(house)
    counts = []
    for _ in range(3):
        deliver(house.ctx, "post")
        counts.append(len(post.sent))
    assert (counts, post.events) == ([2, 4, 6], LIFE)


def test_what_is_not_taken_is_tried_once_in_a_pass_however_long_that_takes(house: House) -> None:
    def slow(notice: Notice) -> Answer:
        house.clock.advance(timedelta(seconds=4))
        return Answer.AGAIN if notice.ticket == "OPS-1" else Answer.DELIVERED

    post = Post(slow)
    told(house, post=post)
    house.approve(house.file(DEACTIVATE, house.spare_key(), ticket="OPS-1"))
    house.approve(house.file(account_id=OTHER_ACCOUNT))
    deliver(house.ctx, "post")
    assert [notice.ticket for notice in post.sent] == ["OPS-1", None, None, None]


def test_what_is_told_again_brings_along_what_waited_behind_it(house: House) -> None:
    post = Post(away)
    told(house, post=post)
    deactivated(house)
    attempt(house, "post")
    house.clock.advance(timedelta(minutes=1))
    post.answer = Post().answer
    deliver_again(house.ctx, "post")
    assert post.events[1:] == LIFE


def test_what_happens_during_a_pass_is_for_the_next_one(house: House) -> None:
    def busy(notice: Notice) -> Answer:
        house.clock.advance(timedelta(milliseconds=1))
        if notice.event == "request.filed":
            house.approve(request, "bob")
        return Answer.DELIVERED

    post = Post(busy)
    told(house, post=post)
    request = house.file()
    deliver(house.ctx, "post")
    assert post.events == LIFE[:1]
    deliver(house.ctx, "post")
    assert post.events == LIFE[:2]


def test_a_destination_gets_only_the_events_that_it_wants(house: House) -> None:
    post = Post(only=frozenset({"execution.succeeded"}))
    told(house, post=post)
    deactivated(house)
    run_pass(house.ctx)
    assert post.events == ["execution.succeeded"]


def test_what_is_told_is_thin_and_leads_to_the_audit_log(house: House) -> None:
    post = Post()
    told(house, post=post)
    house.change(public_url="https://rootquorum.example.com")
    request = house.file(DEACTIVATE, house.spare_key(), ticket="OPS-4711")
    run_pass(house.ctx)
    data = post.sent[0].document["data"]
    assert isinstance(data, dict)
    assert data["request"] == {
        "id": request.filing.request_id,
        "drill": False,
        "status": "pending",
        "operation": "deactivate_access_key",
        "effect": f"Whatever uses the root access key {request.filing.operation.target} stops working, until the key "
        "is activated again.",
        "until": timestamp(request.filing.approve_by),
        "ticket": "OPS-4711",
        "link": f"https://rootquorum.example.com/desk/requests/{request.filing.request_id}",
    }
    assert (data["account_id"], data["account_name"]) == (ACCOUNT, "production")
    assert data["actor"] == {"kind": "person", "name": "Alice"}
    assert data["audit"].keys() == {"sequence", "root"}
    assert data["audit"]["sequence"] == json.loads(house.events(request)[0])["seq"]


def test_what_is_told_is_written_once_for_all_destinations(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def write(document: Document) -> bytes:
        written.append(document)
        return canonical(document)

    monkeypatch.setattr(tell, "canonical", write)
    told(sqlite_house, one=Post(), other=Post(), third=Post(only=frozenset()))
    sqlite_house.file()
    assert len(written) == 1


def test_who_signs_in_with_what_is_told_to_nobody(house: House) -> None:
    told(house, post=Post())
    house.new_token("alice")
    assert statuses(house, "post") == []


def test_nothing_that_somebody_wrote_is_told(house: House) -> None:
    post = Post()
    told(house, post=post)
    request = house.file(DEACTIVATE, house.spare_key())
    bob = house.actor("bob")
    decide(house.ctx, bob, request.filing.request_id, Verdict.REJECT, digest=request.digest, comment=FREE_TEXT)
    for _ in range(3):
        run_pass(house.ctx)
    assert post.events == ["request.filed", "decision.recorded", "request.rejected"]
    assert not [notice for notice in post.sent if FREE_TEXT in str(notice) or JUSTIFICATION in str(notice)]


def test_a_change_that_is_rolled_back_tells_nobody(house: House) -> None:
    told(house, post=Post())
    bob = house.actor("bob")
    with pytest.raises(ServiceError):
        decide(house.ctx, bob, "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11", Verdict.APPROVE, digest="0" * 64, comment=None)
    assert statuses(house, "post") == []


def test_a_destination_that_is_away_is_tried_again_in_order_and_delays_no_other(house: House) -> None:
    dead, alive = Post(away), Post()
    told(house, dead=dead, alive=alive)
    deactivated(house)
    for _ in LIFE:
        run_pass(house.ctx)
    assert dead.events == ["request.filed"]
    assert alive.events == LIFE
    dead.answer = Post().answer
    house.clock.advance(timedelta(minutes=1))
    run_pass(house.ctx)
    assert dead.events == ["request.filed", *LIFE]


def test_what_is_sent_again_has_the_same_id_and_the_same_body(house: House) -> None:
    post = Post(away)
    told(house, post=post)
    house.file()
    attempt(house, "post")
    house.clock.advance(timedelta(minutes=1))
    attempt(house, "post")
    assert post.sent[0] == post.sent[1]


def test_killed_between_sending_and_recording_it_is_sent_once_more(house: House) -> None:
    def dies(_: Notice) -> Answer:
        raise KeyboardInterrupt

    post = Post(dies)
    told(house, post=post)
    house.file()
    with pytest.raises(KeyboardInterrupt):
        deliver(house.ctx, "post")
    post.answer = Post().answer
    run_pass(house.ctx)
    assert [notice.id for notice in post.sent] == [post.sent[0].id] * 2
    assert statuses(house, "post") == ["delivered"]


def test_what_another_process_has_written_down_meanwhile_stays(house: House) -> None:
    post = Post()

    def meanwhile(_: Notice) -> Answer:
        told(house, post=Post())
        deliver(house.ctx, "post")
        return Answer.AGAIN

    post.answer = meanwhile
    told(house, post=post)
    house.file()
    attempt(house, "post")
    assert statuses(house, "post") == ["delivered"]


def test_after_a_day_it_has_failed_and_the_others_are_told(house: House) -> None:
    dead, alive = Post(away), Post()
    told(house, dead=dead, alive=alive)
    house.file()
    attempt(house, "dead")
    house.clock.advance(GIVE_UP_AFTER)
    attempt(house, "dead")
    run_pass(house.ctx)
    assert statuses(house, "dead") == ["failed"]
    assert DELIVERY_FAILED in alive.events
    assert DELIVERY_FAILED not in dead.events


def test_destinations_that_all_fail_do_not_tell_each_other_of_it_for_ever(house: House) -> None:
    posts = {name: Post(lambda _: Answer.REFUSED) for name in ("one", "two", "three")}
    told(house, **posts)
    house.file()
    for _ in range(10):
        run_pass(house.ctx)
    told_each = ["request.filed", DELIVERY_FAILED, DELIVERY_FAILED]
    assert [post.events for post in posts.values()] == [told_each] * 3
    events = house.client("audrey").get("/v1/audit/events", params={"limit": 200}).json()["items"]
    assert [event["event"] for event in events].count(DELIVERY_FAILED) == 9


def test_a_slow_destination_keeps_no_thread_for_long_and_has_the_rest_later(house: House) -> None:
    def slow(_: Notice) -> Answer:
        house.clock.advance(timedelta(seconds=5))
        return Answer.DELIVERED

    post = Post(slow)
    told(house, post=post)
    spare = house.spare_key()
    for operation in (DEACTIVATE, DELETE):
        house.file(operation, spare)
    for account in (OTHER_ACCOUNT, BOTH):
        house.file(account_id=account)
    deliver(house.ctx, "post")
    assert len(post.sent) == 3
    deliver(house.ctx, "post")
    assert len(post.sent) == 4


def test_what_is_not_taken_holds_up_only_what_is_behind_it_in_its_own_stream(house: House) -> None:
    stuck = house.file(DEACTIVATE, house.spare_key(), ticket="OPS-1")
    post = Post(lambda notice: Answer.AGAIN if notice.ticket == "OPS-1" else Answer.DELIVERED)
    told(house, post=post)
    house.approve(stuck)
    house.approve(house.file(account_id=OTHER_ACCOUNT))
    for _ in LIFE:
        run_pass(house.ctx)
    assert [notice.event for notice in post.sent if notice.ticket is None] == LIFE[:4]
    assert {notice.event for notice in post.sent if notice.ticket == "OPS-1"} == {"decision.recorded"}


def test_what_was_tried_in_vain_comes_behind_what_was_not_tried(house: House) -> None:
    post = Post(away)
    told(house, post=post)
    house.file()
    attempt(house, "post")
    house.file(account_id=OTHER_ACCOUNT)
    house.clock.advance(timedelta(minutes=1))
    house.file(account_id=BOTH)
    post.answer = Post().answer
    run_pass(house.ctx)
    assert [notice.document["data"]["account_id"] for notice in post.sent[1:]] == [OTHER_ACCOUNT, BOTH, ACCOUNT]  # type: ignore[index, call-overload]


def test_a_destination_that_breaks_is_given_up_after_a_day_as_any_other(house: House) -> None:
    def broken(_: Notice) -> Answer:
        raise RuntimeError("can't start new thread")

    told(house, post=Post(broken))
    house.file()
    attempt(house, "post")
    house.clock.advance(GIVE_UP_AFTER)
    attempt(house, "post")
    assert statuses(house, "post") == ["failed"]


def test_a_body_that_is_none_is_given_up_after_a_day_and_holds_up_nothing(house: House) -> None:
    post = Post()
    told(house, post=post)
    house.file()
    house.file(account_id=OTHER_ACCOUNT)
    with begin(house.owner) as tx:
        tx.execute(text("UPDATE deliveries SET body = '{' WHERE seq = (SELECT min(seq) FROM deliveries)"))
    deliver(house.ctx, "post")
    house.clock.advance(GIVE_UP_AFTER)
    attempt(house, "post")
    assert statuses(house, "post") == ["failed", "delivered"]


def test_what_is_refused_for_good_is_not_tried_again(house: House) -> None:
    told(house, post=Post(lambda _: Answer.REFUSED))
    house.file()
    deliver(house.ctx, "post")
    assert statuses(house, "post") == ["failed"]


def gone(house: House) -> None:
    """A destination that has said, of the first of several deliveries, that it wants no more."""
    told(house, post=Post(lambda _: Answer.GONE), other=Post())
    house.approve(house.file(DEACTIVATE, house.spare_key()), "bob", "carol")
    deliver(house.ctx, "post")


def test_a_destination_that_wants_no_more_is_told_no_more_and_that_is_one_incident(house: House) -> None:
    gone(house)
    assert statuses(house, "post") == ["failed"] * 4
    house.file(DEACTIVATE, house.signer, accept_lockout=True)
    assert statuses(house, "post") == ["failed"] * 4
    other = Post()
    told(house, other=other)
    for _ in range(6):
        run_pass(house.ctx)
    assert other.events.count(DESTINATION_DISABLED) == 1
    assert DELIVERY_FAILED not in other.events


def test_a_destination_that_wants_no_more_can_be_enabled_however_long_it_wanted_none(house: House) -> None:
    gone(house)
    for _ in range(6):
        run_pass(house.ctx)
    house.clock.advance(house.ctx.delivery_retention + timedelta(seconds=1))
    run_pass(house.ctx)
    assert statuses(house, "post") == ["failed"] * 4
    assert "delivered" not in statuses(house, "other")


def test_one_that_wants_no_more_and_has_left_the_settings_keeps_nothing(house: House) -> None:
    gone(house)
    told(house, other=Post())
    house.clock.advance(house.ctx.delivery_retention + timedelta(seconds=1))
    run_pass(house.ctx)
    assert statuses(house, "post") == []


def test_one_that_wanted_no_more_and_was_forgotten_begins_anew_when_it_is_named_again(house: House) -> None:
    gone(house)
    told(house)
    house.change(delivery_retention=timedelta(days=1))
    house.clock.advance(timedelta(days=1, seconds=1))
    forget(house.ctx)
    post = Post()
    told(house, post=post)
    house.file(DEACTIVATE, house.signer, accept_lockout=True)
    deliver(house.ctx, "post")
    assert post.events == ["request.filed"]


def test_one_that_wants_no_more_is_told_nothing_while_anything_of_it_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.workflow.deliver._FORGOTTEN_AT_ONCE", 3)
    gone(house)
    told(house)
    house.change(delivery_retention=timedelta(days=1))
    house.clock.advance(timedelta(days=1, seconds=1))
    forget(house.ctx)
    told(house, post=Post())
    house.file(DEACTIVATE, house.signer, accept_lockout=True)
    assert statuses(house, "post") == ["failed"]


def test_an_operator_who_sends_it_something_again_has_it_told_again(house: House) -> None:
    gone(house)
    with read(house.ctx.engine) as tx:
        first = tx.execute(select(deliveries.c.id).where(deliveries.c.destination == "post")).scalars().first()
    post = Post()
    told(house, post=post)
    redeliver(house.ctx, house.actor("oscar"), str(first))
    house.file(DEACTIVATE, house.signer, accept_lockout=True)
    run_pass(house.ctx)
    assert post.events == ["request.filed", "request.filed"]


def test_deliveries_that_ended_long_ago_are_forgotten_and_the_audit_log_has_them(house: House) -> None:
    told(house, post=Post(), dead=Post(away))
    request = house.file()
    run_pass(house.ctx)
    assert statuses(house, "post") == ["delivered"]
    assert statuses(house, "dead") == ["pending"]
    forget(house.ctx)
    assert statuses(house, "post") == ["delivered"]
    house.clock.advance(house.ctx.delivery_retention + timedelta(seconds=1))
    forget(house.ctx)
    assert statuses(house, "post") == []
    assert statuses(house, "dead") == ["pending"]
    assert house.events(request)


def test_what_the_settings_no_longer_name_keeps_what_it_was_not_told(house: House) -> None:
    told(house, post=Post(away))
    house.file()
    told(house)
    run_pass(house.ctx)
    assert statuses(house, "post") == ["pending"]


def test_a_worker_that_was_taken_over_writes_nothing_down(house: House) -> None:
    if house.ctx.engine.dialect.name == "sqlite":
        pytest.skip("one process, and no lease")
    post = Post()
    told(house, post=post)
    house.approve(house.file(), "bob")
    lease = take(house.ctx, ["to post drift"], "one", timedelta(seconds=30), 1)["to post drift"]
    with begin(house.ctx.engine) as tx:
        tx.execute(text("UPDATE leases SET until = now()"))
    take(house.ctx, ["to post drift"], "other", timedelta(seconds=30), 1)
    house.change(lease=lease)
    with pytest.raises(Conflict):
        deliver(house.ctx, "post")
    assert (post.events, statuses(house, "post")) == (LIFE[:1], ["pending"] * 2)


def delivery_id(house: House) -> str:
    found: str = house.client("oscar").get("/v1/deliveries").json()["items"][0]["id"]
    return found


def again(house: House, post: Post, delivery: str) -> None:
    """An operator has it sent once more, and it is."""
    redeliver(house.ctx, house.actor("oscar"), delivery)
    deliver(house.ctx, "post")
    assert post.sent[-1].id == delivery


def test_an_operator_has_it_sent_again_with_the_same_id_and_body(house: House) -> None:
    post = Post(lambda _: Answer.REFUSED)
    told(house, post=post)
    house.file()
    run_pass(house.ctx)
    post.answer = Post().answer
    assert house.client("oscar").post(f"/v1/deliveries/{delivery_id(house)}/redelivery").json()["status"] == "pending"
    run_pass(house.ctx)
    assert post.sent[0] == post.sent[1]
    assert statuses(house, "post") == ["delivered"]


def test_a_destination_is_told_whether_it_has_taken_it_before(house: House) -> None:
    """However it fared since."""
    answers = iter([Answer.REFUSED, Answer.DELIVERED, Answer.REFUSED, Answer.DELIVERED])
    post = Post(lambda _: next(answers))
    told(house, post=post)
    house.file()
    deliver(house.ctx, "post")
    for _ in range(3):
        again(house, post, post.sent[0].id)
    assert [notice.is_repeat for notice in post.sent] == [False, False, True, True]


def test_what_failed_is_a_repeat_once_something_later_of_its_request_was_taken(house: House) -> None:
    """So it moves no ticket back. While nothing later was taken, or only of another request, it is none."""
    refused = {"decision.recorded", "request.approved"}
    post = Post(lambda notice: Answer.REFUSED if notice.event in refused else Answer.DELIVERED)
    told(house, post=post)
    request = house.approved(DEACTIVATE, house.spare_key(), ticket="OPS-1")
    for _ in range(4):
        deliver(house.ctx, "post")
    house.file(account_id=OTHER_ACCOUNT)
    deliver(house.ctx, "post")
    assert not [notice for notice in post.sent if notice.is_repeat]

    approved = next(notice.id for notice in post.sent if notice.event == "request.approved")
    again(house, post, approved)
    assert not post.sent[-1].is_repeat
    house.execute(request)
    for _ in range(2):
        deliver(house.ctx, "post")
    assert post.events[-1] == "execution.succeeded"
    again(house, post, approved)
    assert (post.sent[-1].event, post.sent[-1].is_repeat) == ("request.approved", True)


@pytest.mark.parametrize("subject", ["alice", "bob", "audrey"])
def test_nobody_but_an_operator_has_it_sent_again(sqlite_house: House, subject: str) -> None:
    told(sqlite_house, post=Post())
    sqlite_house.file()
    run_pass(sqlite_house.ctx)
    answer = sqlite_house.client(subject).post(f"/v1/deliveries/{delivery_id(sqlite_house)}/redelivery")
    assert answer.json()["code"] == "role_required"


def test_what_the_settings_no_longer_name_is_not_sent_again(sqlite_house: House) -> None:
    told(sqlite_house, post=Post())
    sqlite_house.file()
    run_pass(sqlite_house.ctx)
    told(sqlite_house)
    answer = sqlite_house.client("oscar").post(f"/v1/deliveries/{delivery_id(sqlite_house)}/redelivery")
    assert answer.json()["code"] == "wrong_status"


def test_deliveries_are_listed_newest_first_page_by_page(house: House) -> None:
    told(house, one=Post(), other=Post())
    deactivated(house)
    client, found = house.client("audrey"), []
    page = client.get("/v1/deliveries", params={"limit": 5}).json()
    while page["next_cursor"]:
        found += page["items"]
        page = client.get("/v1/deliveries", params={"limit": 5, "cursor": page["next_cursor"]}).json()
    found += page["items"]
    places = [(item["sequence"], item["destination"]) for item in found]
    assert places == sorted(set(places), reverse=True)
    assert len(places) == 2 * len(LIFE)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"destination": "one"}, len(LIFE)),
        ({"status": "failed"}, 0),
        ({"request_id": "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11"}, 0),
    ],
)
def test_deliveries_are_filtered(house: House, wanted: dict[str, str], count: int) -> None:
    told(house, one=Post(), other=Post())
    deactivated(house)
    assert len(house.client("oscar").get("/v1/deliveries", params=wanted).json()["items"]) == count


def test_waits_double_up_to_six_hours() -> None:
    waits = [wait_after(number, chance=0) for number in range(1, 30)]
    assert waits[0] == timedelta(seconds=5)
    assert all(later == min(2 * earlier, timedelta(hours=6)) for earlier, later in pairwise(waits))
    assert wait_after(1, chance=1) == timedelta(seconds=2.5)
