"""A tracker as a destination, by a tracker that only remembers."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from support.destinations import NOTICE, STAGED_BY_0006

from service.domain.delivery import Answer, Attempt, Notice
from service.notify.message import Message, message
from service.notify.rest import NotFound, Refused
from service.notify.tickets import Tickets
from service.outbound.guarded import Unreachable


@dataclass
class Memory:
    """A tracker of one ticket. `fails` is raised after a comment was written: its answer is lost."""

    fails: Exception | None = None
    comments: list[Message] = field(default_factory=list)
    is_in: str = "Open"

    def check(self) -> None:
        if self.fails:
            raise self.fails

    def has_comment(self, ticket: str, marker: str, since: datetime) -> bool:
        assert since < datetime(2026, 11, 24, 12, tzinfo=UTC)
        if ticket != "OPS-7":
            raise NotFound("answered 404")
        return any(comment.marker == marker for comment in self.comments)

    def comment(self, _ticket: str, message: Message) -> None:
        self.comments.append(message)
        if self.fails:
            raise self.fails

    def state(self, _ticket: str) -> str:
        return self.is_in

    def move(self, _ticket: str, state: str) -> None:
        if state == "Nowhere":
            raise Refused("it cannot go there")
        self.is_in = state


def tickets(memory: Memory, **states: str) -> Tickets:
    return Tickets(memory, re.compile("OPS-[0-9]+"), {name.replace("__", "."): to for name, to in states.items()})


def test_of_tickets_that_look_alike_a_tracker_has_those_that_settings_say_are_its_own() -> None:
    ours = Tickets(Memory(), re.compile("[A-Z]+-[0-9]+"), only=lambda ticket: ticket.startswith("OPS-"))
    assert ours.names("OPS-7")
    assert not ours.names("WEB-7")
    assert not ours.names("OPS-x")


def test_the_comment_says_what_happened_and_where_the_log_stood() -> None:
    memory = Memory()
    assert tickets(memory).deliver(NOTICE).answer is Answer.DELIVERED
    [comment] = memory.comments
    assert comment.title == "Execution succeeded"
    assert dict(comment.facts)["Audit head"] == "12:" + "q" * 43 + "="
    assert dict(comment.facts)["By"] == "Alice"
    assert comment.marker == NOTICE.id


def test_what_the_version_before_the_signed_log_has_staged_is_commented_without_a_head() -> None:
    memory = Memory()
    assert tickets(memory).deliver(STAGED_BY_0006).answer is Answer.DELIVERED
    facts = dict(memory.comments[0].facts)
    assert facts["Audit record"] == "12"
    assert "Audit head" not in facts


def test_an_event_without_a_request_says_what_there_is() -> None:
    said = message(replace(NOTICE, event="drift.found", document={**NOTICE.document, "data": {"account_id": "1"}}))
    assert said.title == "Drift found"
    assert dict(said.facts) == {"Account": "1", "At": "2026-11-24T12:00:00.000000Z"}
    assert said.link is None


def test_whoever_lost_the_answer_comments_no_second_time() -> None:
    memory = Memory(fails=Unreachable("no complete answer"))
    assert tickets(memory).deliver(NOTICE).answer is Answer.AGAIN
    assert tickets(memory).deliver(NOTICE).answer is Answer.DELIVERED
    assert len(memory.comments) == 1


def test_a_ticket_is_moved_by_the_event_that_the_settings_name() -> None:
    memory = Memory()
    destination = tickets(memory, execution__succeeded="Done")
    destination.deliver(replace(NOTICE, event="request.approved"))
    assert memory.is_in == "Open"
    destination.deliver(NOTICE)
    assert memory.is_in == "Done"


def test_killed_between_comment_and_move_it_is_moved_by_the_next_try() -> None:
    memory = Memory(fails=Unreachable("no complete answer"))
    destination = tickets(memory, execution__succeeded="Done")
    destination.deliver(NOTICE)
    assert (len(memory.comments), memory.is_in) == (1, "Open")
    destination.deliver(NOTICE)
    assert (len(memory.comments), memory.is_in) == (1, "Done")


def test_what_was_taken_before_is_commented_where_it_is_gone_and_moves_nothing() -> None:
    memory = Memory(is_in="Done")
    destination = tickets(memory, request__approved="In Progress")
    attempt = destination.deliver(replace(NOTICE, event="request.approved", is_repeat=True))
    assert attempt == Attempt(Answer.DELIVERED, "commented")
    assert (len(memory.comments), memory.is_in) == (1, "Done")


@pytest.mark.parametrize(
    ("notice", "states"),
    [
        (replace(NOTICE, ticket="OPS-8"), {}),
        (replace(NOTICE, ticket=None), {}),
        (NOTICE, {"execution__succeeded": "Nowhere"}),
    ],
)
def test_what_no_repetition_can_mend_is_not_repeated(notice: Notice, states: dict[str, str]) -> None:
    assert tickets(Memory(), **states).deliver(notice).answer is Answer.REFUSED


def test_a_tracker_wants_what_is_about_its_tickets() -> None:
    destination = replace(tickets(Memory()), events=frozenset({"request.filed"}))
    assert destination.wants("request.filed", "OPS-7")
    assert not destination.wants("request.filed", "WEB-7")
    assert not destination.wants("request.filed", "OPS-7\n")
    assert not destination.wants("request.filed", None)
    assert not destination.wants("request.expired", "OPS-7")


@pytest.mark.parametrize("fault", [KeyError("data"), TypeError(), ValueError(), AttributeError()])
def test_an_answer_of_another_form_is_no_end_of_the_worker(fault: Exception) -> None:
    destination = tickets(Memory(fails=fault))
    assert destination.deliver(NOTICE) == Attempt(Answer.AGAIN, "the answer has a form that is not known")
    with pytest.raises(Unreachable):
        destination.check()
