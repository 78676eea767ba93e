"""ServiceNow is told by work notes, once each, and no ticket's key asks for more than a ticket."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from support.products.servicenow import SYS_ID, ServiceNowProduct
from support.products.trackers import Comment, serving

from service.app.destinations import tickets
from service.domain.delivery import Answer, Attempt, Notice
from service.notify.message import Message
from service.notify.rest import Refused
from service.notify.tickets import Tickets
from service.outbound import guarded
from service.outbound.guarded import Unreachable
from service.settings import TrackerSettings

_SINCE = datetime(2026, 11, 24, tzinfo=UTC)
_MESSAGE = Message("Request filed", (("By", "Alice"),), "https://rootquorum.example/1", "7b0e-1")
_NOTICE = Notice(
    id="5c1ee2a4-6f0f-4c3c-8f43-2f5b8a3c9d11",
    event="execution.succeeded",
    ticket="INC0010012",
    document={"timestamp": "2026-11-24T12:00:00.000000Z", "data": {"actor": {"name": "Alice"}}},
)
_TICKET = "INC0010012"


@pytest.fixture
def product() -> Iterator[ServiceNowProduct]:
    product = ServiceNowProduct()
    with serving(product):
        yield product


def destination(product: ServiceNowProduct, password: str = "servicenow-password", **changed: Any) -> Tickets:
    settings = TrackerSettings(
        kind="servicenow",
        url=product.url,
        user="rootquorum",
        table="incident",
        password=SecretStr(password),
        **changed,
    )
    return tickets(settings, guarded.new_client(frozenset({"127.0.0.1"})))


def test_a_work_note_that_was_left_out_is_no_work_note(product: ServiceNowProduct) -> None:
    product.may_write_notes, product.comments = False, [Comment("a note")]
    attempt = destination(product).deliver(_NOTICE)
    assert attempt.answer is Answer.REFUSED
    assert attempt.detail == "the record did not take the work note"


@pytest.mark.parametrize("shows", ["none", "403"])
def test_a_work_note_that_nobody_shows_us_is_believed_and_written_once(product: ServiceNowProduct, shows: Any) -> None:
    product.shows_notes, told = shows, destination(product, states={"execution.succeeded": "closed"})
    product.comments = [Comment("a note")]
    assert told.deliver(_NOTICE) == Attempt(Answer.DELIVERED, "commented, and moved the ticket")
    assert [_NOTICE.id in comment.body for comment in product.comments] == [False, True]


def test_a_work_note_is_found_by_its_marker_and_by_no_other(product: ServiceNowProduct) -> None:
    product.comments = [Comment(f"note {number}") for number in range(3000)]
    tracker = destination(product).tracker
    assert not tracker.has_comment(_TICKET, "7b0e-1", _SINCE)
    tracker.comment(_TICKET, _MESSAGE)
    assert tracker.has_comment(_TICKET, "7b0e-1", _SINCE)
    assert not tracker.has_comment(_TICKET, "7b0e-2", _SINCE)
    expected = ["Request filed", "Delivery: 7b0e-1", "By: Alice", "https://rootquorum.example/1"]
    assert product.comments[-1].body.splitlines() == expected


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_whoever_lost_the_answer_comments_once(product: ServiceNowProduct, loses: Any) -> None:
    product.loses, told = loses, destination(product)
    assert told.deliver(_NOTICE).answer is Answer.AGAIN
    assert told.deliver(_NOTICE).answer is Answer.DELIVERED
    assert told.deliver(_NOTICE).detail == "it was there already"
    assert [_NOTICE.id in comment.body for comment in product.comments] == [True]


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_whoever_lost_the_answer_moves_the_record_once(product: ServiceNowProduct, loses: Any) -> None:
    told = destination(product, states={"execution.succeeded": "closed"})
    told.tracker.comment(_TICKET, replace(_MESSAGE, marker=_NOTICE.id))
    product.loses = loses
    assert told.deliver(_NOTICE).answer is Answer.AGAIN
    assert told.deliver(_NOTICE).answer is Answer.DELIVERED
    assert product.state == "closed"
    assert product.writes == 2


def test_a_state_that_is_not_taken_is_refused(product: ServiceNowProduct) -> None:
    tracker = destination(product).tracker
    with pytest.raises(Refused, match="did not take"):
        tracker.move(_TICKET, "Nowhere")
    assert tracker.state(_TICKET) == "open"


def test_what_is_not_there_is_refused(product: ServiceNowProduct) -> None:
    told = destination(product)
    assert told.state_of("INC0010013") is None
    assert told.deliver(replace(_NOTICE, ticket="INC0010013")).answer is Answer.REFUSED


def test_two_records_of_one_number_are_none(product: ServiceNowProduct) -> None:
    product.incidents = [{"number": _TICKET, "sys_id": "a" * 32, "state": "open"}]
    assert destination(product).deliver(_NOTICE).answer is Answer.REFUSED
    assert not product.comments


def test_records_of_other_numbers_are_not_taken_when_the_condition_is_left_out(
    product: ServiceNowProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"result": [{"number": "INC0010099", "sys_id": SYS_ID, "state": "open"}]}
    monkeypatch.setattr(product, "answer", lambda _: found)
    assert destination(product).state_of(_TICKET) is None


@pytest.mark.parametrize("key", ["INC0010012^ORnumberISNOTEMPTY", "INC0010012^NQstate=1", "INC0010012\n", "INC 1"])
def test_a_key_that_would_ask_for_more_is_never_asked_for(product: ServiceNowProduct, key: str) -> None:
    told = destination(product)
    assert not told.names(key)
    with pytest.raises(Refused):
        told.tracker.state(key)
    assert not product.asked


@pytest.mark.parametrize(
    ("key", "is_ours"), [("INC0010012", True), ("inc0010012", False), ("INC1", False), ("12", False)]
)
def test_a_key_is_letters_and_a_number(product: ServiceNowProduct, key: str, is_ours: bool) -> None:  # noqa: FBT001
    assert destination(product).names(key) is is_ours


def test_a_check_reads_records_and_work_notes_and_writes_nothing(product: ServiceNowProduct) -> None:
    product.comments = [Comment("a note")]
    destination(product).tracker.check()
    assert [asked.path.rpartition("/")[2] for asked in product.asked] == ["incident", "sys_journal_field"]
    with pytest.raises(Unreachable, match="401"):
        destination(product, "bad").tracker.check()
    assert product.writes == 0


def test_a_check_finds_nothing_amiss_where_there_is_no_work_note_yet(product: ServiceNowProduct) -> None:
    destination(product).tracker.check()


def test_a_check_fails_where_work_notes_must_not_be_read(product: ServiceNowProduct) -> None:
    product.shows_notes = "403"
    with pytest.raises(Unreachable, match="403"):
        destination(product).tracker.check()


@pytest.mark.parametrize("answer", [None, [], {}, {"result": {}}, {"result": [1]}, {"result": [{"number": 1}]}])
def test_an_answer_of_another_form_is_none(
    product: ServiceNowProduct, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(product, "answer", lambda _: answer)
    with pytest.raises(Unreachable):
        destination(product).tracker.state(_TICKET)
