"""A person is told by a mail that nobody else gets, that has nobody's free text, and that is lost by nobody's fault."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.destinations import NOTICE, of_a_drill, saying
from support.products.mailbox import PASSWORD, USER, Mailbox, running_mailbox

from service.domain.delivery import Addressee, Answer, Attempt, Notice
from service.domain.event_table import PUBLISHED, TOLD
from service.notify.mail import Mail
from service.outbound.guarded import Unreachable, Unsafe
from service.outbound.kinds import Security
from service.outbound.smtp import MailServer

SENDER = "rootquorum@rootquorum.example"
ALICE = Addressee("alice", "Alice", "alice@example.com")
BOB = Addressee("bob", "Bob", "bob@example.com")
SERVER = MailServer(host="mail.example", port=587, security="starttls", name="rootquorum.example")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
HEADERS += ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
CAROL = Addressee("carol", "Carol", "carol@example.com")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


def to(*people: Addressee, notice: Notice = NOTICE) -> Notice:
    return replace(notice, people=people)


def told(mailbox: Mailbox, *people: Addressee, notice: Notice = NOTICE) -> Attempt:
    return Mail(mailbox.client, SENDER).deliver(to(*people, notice=notice))


def text_of(mailbox: Mailbox) -> str:
    [(_, mail)] = mailbox.accepted
    return str(mail.get_content())


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_goes_over_tls_after_a_sign_in(security: Security) -> None:
    with running_mailbox(security) as mailbox:
        assert told(mailbox, ALICE) == Attempt(Answer.DELIVERED, "accepted for 1 of 1", frozenset({"alice"}))
    assert mailbox.recipients == ["alice@example.com"]
    assert mailbox.sign_ins == [(USER, PASSWORD)]


def test_a_server_on_this_machine_needs_no_tls() -> None:
    with running_mailbox("none") as mailbox:
        assert told(mailbox, ALICE).answer is Answer.DELIVERED


def test_it_says_what_happens_where_and_until_when_with_a_link_and_nobodys_name(mailbox: Mailbox) -> None:
    link = "https://rootquorum.example/desk/requests/0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2"
    waiting = {
        "id": "0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2",
        "status": "pending",
        "operation": "delete_access_key",
        "effect": "The root access key AKIAEXAMPLE stops working for good. It cannot be brought back.",
        "until": "2026-11-27T12:00:00.000000Z",
        "link": link,
    }
    notice = replace(saying(request=waiting), event="request.filed")
    told(mailbox, BOB, notice=notice)
    [(address, mail)] = mailbox.accepted
    lines = text_of(mailbox).splitlines()
    assert address == "bob@example.com"
    assert mail["Subject"].strip() == "[Rootquorum] A request waits for your approval: production (111122223333)"
    assert lines[:5] == [
        "A request waits for your approval.",
        "",
        "Account: production (111122223333)",
        "Effect: The root access key AKIAEXAMPLE stops working for good. It cannot be brought back.",
        "Approve by: 2026-11-27 12:00:00 UTC",
    ]
    assert link in lines
    assert "Alice" not in text_of(mailbox)


def test_subject_and_first_words_about_a_drill_are_that_it_is_one(mailbox: Mailbox) -> None:
    told(mailbox, BOB, notice=of_a_drill(replace(saying(), event="request.filed")))
    [(_, mail)] = mailbox.accepted
    assert mail["Subject"].strip().startswith("[Rootquorum] DRILL: A request waits for your approval")
    assert text_of(mailbox).startswith("DRILL: A request waits for your approval.")


def test_it_is_plain_text_that_no_program_answers(mailbox: Mailbox) -> None:
    told(mailbox, ALICE)
    [(_, mail)] = mailbox.accepted
    assert (mail.get_content_type(), mail.is_multipart()) == ("text/plain", False)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == f"Rootquorum <{SENDER}>"


def test_each_person_gets_a_mail_of_their_own(mailbox: Mailbox) -> None:
    told(mailbox, ALICE, BOB, CAROL)
    assert sorted((address, mail["To"]) for address, mail in mailbox.accepted) == [
        (person.address, f"{person.name} <{person.address}>") for person in (ALICE, BOB, CAROL)
    ]
    assert len({mail["Message-ID"] for _, mail in mailbox.accepted}) == 3


def test_a_repeat_is_known_by_its_message_id_and_is_the_same_in_every_byte(mailbox: Mailbox) -> None:
    told(mailbox, ALICE)
    told(mailbox, ALICE)
    (_, first), (_, second) = mailbox.accepted
    assert first["Message-ID"].strip().startswith(f"<{NOTICE.id}.")
    assert first.as_bytes() == second.as_bytes()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë Ångström 中文", "Zoë Ångström 中文"),
        ("Bob\r\nBcc: mallory@evil.example", "BobBcc: mallory@evil.example"),
        ('"Bob" <mallory@evil.example>, x', '"Bob" <mallory@evil.example>, x'),
        ("Bob\x00\u202e\u2028", "Bob"),
        ("x" * 5000, "x" * 60),
    ],
)
def test_no_name_makes_a_header_or_a_recipient(mailbox: Mailbox, name: str, shown: str) -> None:
    assert told(mailbox, Addressee("bob", name, "bob@example.com")).answer is Answer.DELIVERED
    [(address, mail)] = mailbox.accepted
    [written] = mail["To"].addresses
    assert written == Address(shown, addr_spec="bob@example.com")
    assert address == "bob@example.com"
    assert "Bcc" not in mail


@pytest.mark.parametrize(
    "name",
    ["prod\r\nBcc: mallory@evil.example\r\n\r\n<b>x", "see https://evil.example", "www.evil.example", ".\r\n.\r\n"],
)
def test_an_accounts_name_makes_neither_a_header_nor_a_link(mailbox: Mailbox, name: str) -> None:
    assert told(mailbox, ALICE, notice=saying(account_name=name)).answer is Answer.DELIVERED
    [(_, mail)] = mailbox.accepted
    assert "Bcc" not in mail
    [account] = [line for line in text_of(mailbox).splitlines() if line.startswith("Account: ")]
    assert "://evil" not in account
    assert "www.evil.example" not in account
    assert account.endswith("(111122223333)")


def test_who_is_refused_for_good_stops_nobody_else(mailbox: Mailbox) -> None:
    mailbox.answers = {"bob@example.com": "550 no such user here"}
    assert told(mailbox, ALICE, BOB, CAROL) == Attempt(
        Answer.REFUSED,
        "accepted for 2 of 3; refused: 1 (answered 550: it refuses the recipient for good)",
        frozenset({"alice", "carol"}),
    )


@pytest.mark.parametrize("answer", ["451 greylisted", "452 mailbox full", "421 going down", "530 sign in first"])
def test_who_is_not_taken_yet_is_tried_again_and_stops_nobody_else(mailbox: Mailbox, answer: str) -> None:
    mailbox.answers = {"bob@example.com": answer}
    attempt = told(mailbox, ALICE, BOB, CAROL)
    assert (attempt.answer, attempt.reached) == (Answer.AGAIN, frozenset({"alice", "carol"}))
    assert attempt.detail == f"accepted for 2 of 3; to be tried again: 1 (answered {answer[:3]})"


def test_a_message_that_is_refused_is_not_tried_again_and_a_later_one_is_sent(mailbox: Mailbox) -> None:
    mailbox.after_data = lambda envelope: "554 spam" if "bob@example.com" in envelope.rcpt_tos else "250 taken"
    attempt = told(mailbox, ALICE, BOB, CAROL)
    assert (attempt.answer, attempt.reached) == (Answer.REFUSED, frozenset({"alice", "carol"}))


def test_failed_but_done_is_tried_again(mailbox: Mailbox) -> None:
    """The server takes the message, and its answer is lost."""

    def lose(_: object) -> str:
        raise ConnectionResetError

    mailbox.after_data = lose
    assert told(mailbox, ALICE).answer is Answer.AGAIN


def test_nothing_of_what_a_server_says_is_in_the_detail(mailbox: Mailbox) -> None:
    mailbox.answers = {"alice@example.com": "550 words of theirs", "bob@example.com": "450 words of theirs"}
    assert "words" not in told(mailbox, ALICE, BOB).detail


@pytest.mark.parametrize("password", ["another", "p\u00e4ss"])
def test_a_password_that_is_not_taken_is_tried_again_and_not_shown(mailbox: Mailbox, password: str) -> None:
    attempt = Mail(replace(mailbox.client, password=password), SENDER).deliver(to(ALICE))
    assert attempt.answer is Answer.AGAIN
    assert password not in attempt.detail
    assert password not in repr(replace(mailbox.client, password=password))


def test_nothing_is_sent_to_a_server_without_starttls() -> None:
    with running_mailbox("none") as mailbox:
        attempt = Mail(replace(mailbox.client, security="starttls", user=USER, password=PASSWORD), SENDER).deliver(
            to(ALICE)
        )
    assert attempt.detail.endswith("(it does not offer what the settings require: STARTTLS, or a sign-in)")
    assert (mailbox.tried, mailbox.sign_ins) == ([], [])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_host_is_not_trusted(security: Security) -> None:
    with running_mailbox(security, host="another.example") as mailbox:
        attempt = told(mailbox, ALICE)
    assert attempt.answer is Answer.AGAIN
    assert "TLS failed" in attempt.detail
    assert (mailbox.tried, mailbox.sign_ins) == ([], [])


def test_a_host_inside_that_nobody_allowed_is_not_connected_to(mailbox: Mailbox) -> None:
    server = replace(mailbox.client, allowed_hosts=frozenset())
    with pytest.raises(Unsafe):
        server.check()


def test_a_server_that_is_away_is_tried_again() -> None:
    with running_mailbox() as mailbox:
        pass
    assert told(mailbox, ALICE, BOB).detail == (
        "accepted for 0 of 2; to be tried again: 2 (no complete answer: ConnectError)"
    )


@contextmanager
def speaking(*pieces: bytes, first: bytes = b"", security: Security = "none") -> Iterator[MailServer]:
    """A server that says the same without end to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_over = threading.Event()

        def speak() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(first)
                    while not is_over.wait(0.01):
                        for piece in pieces:
                            connection.sendall(piece)

        speaker = threading.Thread(target=speak)
        speaker.start()
        host, port = listener.getsockname()
        try:
            yield MailServer(
                host=host, port=port, security=security, name="x.example", allowed_hosts=frozenset({host}), within=0.5
            )
        finally:
            is_over.set()
            speaker.join()


@pytest.mark.parametrize(
    "pieces",
    [(b"2",), (b"220-and so on\r\n",), (b"220-" + b"x" * 60_000 + b"\r\n",), (b"\xff\r\n",), ()],
)
def test_no_server_holds_the_service_up_or_fills_its_memory(pieces: tuple[bytes, ...]) -> None:
    with speaking(*pieces) as server, pytest.raises(Unreachable):
        server.check()


def test_no_slow_handshake_holds_the_service_up() -> None:
    """A record of TLS that announces 16 KiB, and comes byte by byte."""
    with speaking(b"\0", first=b"\x16\x03\x03\x40\x00", security="tls") as server, pytest.raises(Unreachable):
        server.check()


@given(name=st.text(), account=st.text())
@settings(max_examples=200, deadline=None)
def test_whatever_somebody_is_called_the_mail_is_theirs_alone(name: str, account: str) -> None:
    written = Mail(SERVER, SENDER).mail(saying(account_name=account), Addressee("bob", name, "bob@example.com"))
    read = BytesParser(EmailMessage, policy=SMTP).parsebytes(written.as_bytes())
    assert [address.addr_spec for address in read["To"].addresses] == ["bob@example.com"]
    assert list(read.keys()) == HEADERS
    assert read.get_content().rstrip().endswith("Nobody reads replies.")


def test_a_mail_that_cannot_be_written_stops_nobody_else(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is known that the standard library cannot write. There were some in earlier versions of it."""
    monkeypatch.setattr("service.notify.mail.visible", lambda name, **_: {"Bob": "a\nb"}.get(name, name))
    attempt = told(mailbox, ALICE, BOB, CAROL)
    assert (attempt.answer, attempt.reached) == (Answer.REFUSED, frozenset({"alice", "carol"}))
    assert "the mail cannot be written" in attempt.detail


def test_nobody_left_to_tell_takes_no_connection() -> None:
    with running_mailbox() as mailbox:
        pass
    assert told(mailbox) == Attempt(Answer.DELIVERED, "nobody is left to be told")


def test_it_wants_only_what_people_are_told_and_the_settings_name() -> None:
    with running_mailbox("none") as mailbox:
        every, one = Mail(mailbox.client, SENDER), Mail(mailbox.client, SENDER, frozenset({"request.filed"}))
    assert {event for event in PUBLISHED if every.wants(event, None)} == TOLD
    assert {event for event in PUBLISHED if one.wants(event, None)} == {"request.filed"}
