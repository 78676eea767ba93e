"""Whom a real mail server is told to write to: those whom it concerns now, each once, and nobody else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from support.builders import JUSTIFICATION, MEMBERS, NOON, OTHER_ACCOUNT
from support.destinations import Post
from support.house import House
from support.products.mailbox import Mailbox, running_mailbox

from service.db import people
from service.db.engine import read
from service.db.tables import audit_events, deliveries
from service.domain.actor import WORKER, Member, Role
from service.domain.delivery import Answer
from service.domain.directory import Directory
from service.domain.errors import Unavailable
from service.domain.proof import Unsaid
from service.domain.request import OperationRequest, Verdict
from service.notify.mail import Mail
from service.worker import run_pass
from service.workflow import deliver as delivering
from service.workflow.decide import decide, withdraw
from service.workflow.deliver import deliver, deliver_again, redeliver
from service.workflow.people import suspend

APPROVERS = ["bob@example.com", "carol@example.com", "dave@example.com"]
WAITS = "[Rootquorum] A request waits for your approval: production (111122223333)"
FREE_TEXT = "Nobody but an approver reads this comment."


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox("none") as mailbox:
        yield mailbox


@pytest.fixture
def told(house: House, mailbox: Mailbox) -> House:
    """A house whose people all have an address, and a mail server."""
    everybody = {name: replace(member, email=f"{name}@example.com") for name, member in MEMBERS.items()}
    house.change(
        directory=replace(house.ctx.directory, members=everybody),
        destinations={"office": Mail(mailbox.client, "rootquorum@rootquorum.example")},
        in_person=frozenset({"office"}),
        public_url="https://rootquorum.example",
    )
    return house


def having(house: House, subject: str, **changes: object) -> None:
    members: Mapping[str, Member] = house.ctx.directory.members
    changed = replace(members[subject], **changes)  # type: ignore[arg-type]  # a test names fields of Member
    house.change(directory=replace(house.ctx.directory, members={**members, subject: changed}))


def newly_told(house: House, mailbox: Mailbox) -> list[str]:
    """Return who is told by the worker. What one pass stages, the next one sends."""
    mailbox.accepted.clear()
    run_pass(house.ctx)
    run_pass(house.ctx)
    return mailbox.recipients


def stored(house: House) -> list[tuple[str, set[str]]]:
    with read(house.ctx.engine) as tx:
        rows = tx.execute(select(deliveries.c.status, deliveries.c.reached).order_by(deliveries.c.seq)).all()
    return [(status, set(json.loads(reached))) for status, reached in rows]


def only_delivery(house: House) -> str:
    with read(house.ctx.engine) as tx:
        return str(tx.execute(select(deliveries.c.id)).scalar_one())


# --- who ---


def test_approvers_are_told_what_waits_and_the_requester_is_not(told: House, mailbox: Mailbox) -> None:
    request = told.file(by="bob", recipient="rita")
    assert newly_told(told, mailbox) == ["carol@example.com", "dave@example.com"]
    assert mailbox.subjects("carol@example.com") == [WAITS]
    [(_, mail), *_] = mailbox.accepted
    assert f"https://rootquorum.example/desk/requests/{request.filing.request_id}" in mail.get_content().splitlines()


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": {Role.APPROVER: frozenset({OTHER_ACCOUNT})}},
        {"roles": frozenset({Role.AUDITOR, Role.OPERATOR})},
        {"away_until": NOON + timedelta(days=365)},
        {"email": None},
    ],
)
def test_who_cannot_approve_it_or_is_away_is_not_told(
    told: House, mailbox: Mailbox, changes: dict[str, object]
) -> None:
    having(told, "dave", **changes)
    told.file()
    assert newly_told(told, mailbox) == ["bob@example.com", "carol@example.com"]


def test_who_is_suspended_before_the_mail_goes_out_gets_none(told: House, mailbox: Mailbox) -> None:
    told.file()
    suspend(told.ctx, WORKER, "dave", "x")
    assert newly_told(told, mailbox) == ["bob@example.com", "carol@example.com"]


def test_what_no_longer_waits_is_not_said_to_wait(told: House, mailbox: Mailbox) -> None:
    told.approved()
    assert newly_told(told, mailbox) == ["alice@example.com", *APPROVERS]
    assert all("Request approved" in mail["Subject"] for _, mail in mailbox.accepted)


def test_who_has_approved_is_not_asked_again(told: House, mailbox: Mailbox) -> None:
    request = told.approve(told.file(), "bob")
    newly_told(told, mailbox)
    assert mailbox.recipients == ["carol@example.com", "dave@example.com"]
    told.clock.at = request.filing.filed_at + (request.filing.approve_by - request.filing.filed_at) * 0.6
    assert newly_told(told, mailbox) == ["carol@example.com", "dave@example.com"]
    assert "still waits" in mailbox.subjects("dave@example.com")[0]


def test_requester_and_recipient_are_told_what_became_of_it_and_all_who_could_approve_that_it_is_settled(
    told: House, mailbox: Mailbox
) -> None:
    request = told.file(recipient="rita")
    newly_told(told, mailbox)
    request = told.approve(request)
    assert newly_told(told, mailbox) == ["alice@example.com", *APPROVERS, "rita@example.com"]
    told.execute(request, by="rita")
    assert newly_told(told, mailbox) == ["alice@example.com", "rita@example.com"]


def reject(house: House, request: OperationRequest) -> None:
    bob, about = house.actor("bob"), request.filing.request_id
    decide(house.ctx, bob, about, Verdict.REJECT, digest=request.digest, comment=FREE_TEXT)


def take_back(house: House, request: OperationRequest) -> None:
    withdraw(house.ctx, house.actor("alice"), request.filing.request_id)


def let_expire(house: House, request: OperationRequest) -> None:
    house.clock.at = request.filing.approve_by
    run_pass(house.ctx)


@pytest.mark.parametrize("end", [reject, take_back, let_expire])
def test_every_end_without_an_execution_is_told_to_all(told: House, mailbox: Mailbox, end: object) -> None:
    request = told.file()
    newly_told(told, mailbox)
    mailbox.accepted.clear()
    assert callable(end)
    end(told, request)
    run_pass(told.ctx)
    assert mailbox.recipients == ["alice@example.com", *APPROVERS]


def test_no_mail_has_anybodys_free_text_a_secret_or_anothers_address(told: House, mailbox: Mailbox) -> None:
    _, created = told.execute(told.approved())
    assert created is not None
    reject(told, told.file(account_id=OTHER_ACCOUNT, ticket="OPS-4711"))
    for _ in range(3):
        run_pass(told.ctx)
    assert len(mailbox.accepted) > len(APPROVERS)
    for address, mail in mailbox.accepted:
        written = str(mail) + mail.get_content()
        assert FREE_TEXT not in written
        assert JUSTIFICATION not in written
        assert created.secret.reveal() not in written
        assert {other for other in [*APPROVERS, "alice@example.com"] if other in written} == {address}


def test_no_address_is_in_the_log_or_in_a_delivery(told: House, mailbox: Mailbox) -> None:
    mailbox.answers = {"bob@example.com": "550 bob@example.com is unknown"}
    told.approved()
    for _ in range(3):
        run_pass(told.ctx)
    with read(told.ctx.engine) as tx:
        kept = [*tx.execute(select(audit_events)).all(), *tx.execute(select(deliveries)).all()]
    assert kept
    assert "@example.com" not in str(kept)


# --- at least once, and hardly ever twice ---


def test_who_is_not_taken_yet_delays_nobody_and_nobody_else_is_told_twice(told: House, mailbox: Mailbox) -> None:
    mailbox.answers = {"bob@example.com": "452 mailbox full"}
    request = told.file()
    assert newly_told(told, mailbox) == ["carol@example.com", "dave@example.com"]
    assert stored(told) == [("pending", {"carol", "dave"})]
    told.approve(request, "carol", "dave")
    assert newly_told(told, mailbox) == ["alice@example.com", "carol@example.com", "dave@example.com"]
    mailbox.answers = {}
    told.clock.advance(timedelta(minutes=1))
    assert newly_told(told, mailbox) == ["bob@example.com"]
    assert "Request approved" in mailbox.subjects("bob@example.com")[0]  # and no longer that it waits
    assert [status for status, _ in stored(told)] == ["delivered", "delivered"]


def test_killed_between_sending_and_recording_it_is_sent_again_under_the_same_message_id(
    told: House, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    told.file()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patched.setattr(delivering, "_record", dies)
        deliver(told.ctx, "office")
    deliver(told.ctx, "office")
    ids = [mail["Message-ID"] for to, mail in mailbox.accepted if to == "bob@example.com"]
    assert ids == [ids[0]] * 2
    assert len({mail["Message-ID"] for _, mail in mailbox.accepted}) == len(APPROVERS)


def test_a_server_that_is_away_is_tried_again_later(told: House, mailbox: Mailbox) -> None:
    there = told.ctx.destinations["office"]
    assert isinstance(there, Mail)
    told.change(destinations={"office": replace(there, server=replace(there.server, port=1))})
    told.file()
    with pytest.raises(Unavailable):
        deliver(told.ctx, "office")
    told.change(destinations={"office": there})
    told.clock.advance(timedelta(minutes=1))
    deliver_again(told.ctx, "office")
    assert mailbox.recipients == APPROVERS


def test_of_a_failed_delivery_only_the_others_are_told_again_of_a_delivered_one_all(
    told: House, mailbox: Mailbox
) -> None:
    mailbox.answers = {"bob@example.com": "550 no such user"}
    told.file()
    run_pass(told.ctx)
    assert stored(told) == [("failed", {"carol", "dave"})]
    mailbox.answers = {}
    redeliver(told.ctx, told.actor("oscar"), only_delivery(told))
    assert newly_told(told, mailbox) == ["bob@example.com"]
    redeliver(told.ctx, told.actor("oscar"), only_delivery(told))
    assert newly_told(told, mailbox) == APPROVERS


def test_operators_see_who_was_reached_and_the_others_that_it_failed(told: House, mailbox: Mailbox) -> None:
    post = Post()
    told.change(destinations={**told.ctx.destinations, "siem": post})
    mailbox.answers = {"bob@example.com": "550 no such user"}
    told.file()
    for _ in range(2):
        run_pass(told.ctx)
    items = told.client("oscar").get("/v1/deliveries", params={"destination": "office"}).json()["items"]
    assert [(item["status"], item["reached"]) for item in items] == [("failed", ["carol", "dave"])]
    assert "delivery.failed" in post.events
    others = told.client("oscar").get("/v1/deliveries", params={"destination": "siem"}).json()["items"]
    assert {item["reached"] for item in others} == {None}


def test_a_destination_that_tells_nobody_in_person_is_given_nobody(told: House) -> None:
    post = Post(lambda notice: Answer.REFUSED if notice.people else Answer.DELIVERED)
    told.change(destinations={"post": post}, in_person=frozenset())
    told.file()
    run_pass(told.ctx)
    assert [notice.people for notice in post.sent] == [()]


# --- addresses of a provider ---


ERIN = "https://login.example.com#erin"


def address_of(house: House) -> str | None:
    with read(house.ctx.engine) as tx:
        found = people.get(tx, ERIN)
    assert found is not None
    return found.email


def sign_in(house: House, email: str | Unsaid, *, ago: timedelta = timedelta(0)) -> None:
    house.by_provider("erin", "root-approvers", email=email, issued_at=house.clock() - ago)


def test_a_verified_address_of_a_provider_is_written_to(told: House, mailbox: Mailbox) -> None:
    sign_in(told, "erin@corp.example")
    told.file()
    assert newly_told(told, mailbox) == [*APPROVERS, "erin@corp.example"]


@pytest.mark.parametrize("said", [Unsaid.UNVERIFIED, Unsaid.UNREADABLE])
def test_an_address_that_a_provider_does_not_vouch_for_is_none(told: House, mailbox: Mailbox, said: Unsaid) -> None:
    sign_in(told, "erin@corp.example")
    told.clock.advance(timedelta(seconds=1))
    sign_in(told, said)
    told.file()
    assert newly_told(told, mailbox) == APPROVERS


def test_the_newest_word_on_an_address_counts_and_silence_changes_nothing(house: House) -> None:
    sign_in(house, "old@corp.example")
    house.clock.advance(timedelta(seconds=10))
    sign_in(house, "new@corp.example")
    assert address_of(house) == "new@corp.example"
    house.clock.advance(timedelta(minutes=2))
    sign_in(house, Unsaid.ABSENT)
    sign_in(house, "old@corp.example", ago=timedelta(minutes=2, seconds=5))
    assert address_of(house) == "new@corp.example"


def test_the_settings_go_before_the_provider(house: House) -> None:
    named = Member(
        kind=MEMBERS["bob"].kind, subject=ERIN, name="Erin", roles=frozenset(), email="erin@settings.example"
    )
    house.change(directory=Directory({**MEMBERS, ERIN: named}, house.ctx.directory.grants))
    sign_in(house, "erin@corp.example")
    with read(house.ctx.engine) as tx:
        found = house.ctx.directory.joined(people.every(tx)).person(ERIN)
    assert found is not None
    assert (found.email, address_of(house)) == ("erin@settings.example", "erin@corp.example")
