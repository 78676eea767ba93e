"""Syslog: a real server understands each message as it was meant, whatever names people have."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
import trustme
from support.builders import DEACTIVATE
from support.destinations import NOTICE, STAGED_BY_0006, STAGED_BY_0011, saying
from support.house import House
from support.products import rsyslog
from support.products.rsyslog import Running, running_rsyslog

from service.cli.waiting import wait_until
from service.domain.delivery import Answer, Attempt, Notice
from service.domain.event_table import EVENTS
from service.notify.syslog import Syslog
from service.outbound.kinds import Transport
from service.outbound.syslog import SyslogServer, client_tls
from service.worker import run_pass

needs_rsyslog = pytest.mark.skipif(rsyslog.find() is None, reason="no rsyslog")
HERE = frozenset({"127.0.0.1", "localhost"})
SENT = Attempt(Answer.DELIVERED, "sent")
# RFC 5424, section 6: the whole grammar, for messages with one element of structured data.
MESSAGE = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) ([!-~]{1,48}) - ([!-~]{1,32}) "
    r'\[rootquorum@32473((?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*)\] ([ -~]*)'
)


def syslog(port: int, tls: ssl.SSLContext | None = None, transport: Transport = "tls", within: float = 15.0) -> Syslog:
    tls = tls or client_tls(None, None, None)
    server = SyslogServer(host="127.0.0.1", port=port, transport=transport, allowed_hosts=HERE, tls=tls, within=within)
    return Syslog(server, "rootquorum.example")


def trusting(folder: Path) -> ssl.SSLContext:
    return client_tls(str(folder / "authority.pem"), None, None)


def understood(server: Running, count: int) -> list[list[str]]:
    wait_until(lambda: len(server.received()) >= count, what="the messages")
    return server.received()


def parts(notice: Notice) -> tuple[str, ...]:
    found = MESSAGE.fullmatch(Syslog(syslog(1).server).written(notice))
    assert found is not None
    return found.groups()


@needs_rsyslog
def test_a_real_server_over_tls_understands_every_field(tmp_path: Path) -> None:
    hostile = saying(actor={"kind": "person", "name": 'Eve"] \\ <0>1 \r\n\u202e[x@1 y="z"'})
    with running_rsyslog(tmp_path) as server:
        destination = syslog(server.port, trusting(tmp_path))
        assert [destination.deliver(NOTICE), destination.deliver(hostile)] == [SENT, SENT]
        first, second = understood(server, 2)
    priority, time, host, app, process, event, data, text = first
    assert (priority, host, app, process) == ("109", "rootquorum.example", "rootquorum", "-")
    assert (time, event) == ("2026-11-24T12:00:00.000000Z", "execution.succeeded")
    assert 'actor="Alice"' in data
    assert json.loads(text) == NOTICE.document
    assert second[5] == "execution.succeeded"
    assert 'actor="Eve\\"\\] \\\\ <0>1 \N{REPLACEMENT CHARACTER}[x@1 y=\\"z\\""]' in second[6]
    assert json.loads(second[7]) == hostile.document


@needs_rsyslog
def test_a_server_may_ask_for_a_certificate(tmp_path: Path) -> None:
    with running_rsyslog(tmp_path, asks_for_certificate=True) as server:
        own = tmp_path / "own.pem"
        server.authority.issue_cert("client.example.com").private_key_and_cert_chain_pem.write_to_path(str(own))
        tls = client_tls(str(tmp_path / "authority.pem"), str(own), None)
        assert syslog(server.port, tls).deliver(NOTICE) == SENT
        [received] = understood(server, 1)
    assert received[5] == "execution.succeeded"


@needs_rsyslog
def test_a_server_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    with running_rsyslog(tmp_path) as server:
        attempt = syslog(server.port).deliver(NOTICE)
        assert attempt.answer is Answer.AGAIN
        assert attempt.detail.startswith("TLS failed: the server's certificate")
        assert syslog(server.port, trusting(tmp_path)).deliver(saying(request=None)) == SENT
        [received] = understood(server, 1)
    assert "request=" not in received[6]


@needs_rsyslog
def test_plain_tcp_on_this_machine_is_framed_by_octets(tmp_path: Path) -> None:
    with running_rsyslog(tmp_path, is_tls=False) as server:
        destination = syslog(server.port, transport="tcp")
        assert [destination.deliver(NOTICE) for _ in range(2)] == [SENT, SENT]
        first, second = understood(server, 2)
    assert first == second


def test_udp_on_this_machine_is_one_datagram_without_a_frame() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        destination = syslog(receiver.getsockname()[1], transport="udp")
        assert destination.deliver(NOTICE) == SENT
        assert receiver.recv(65536).decode() == destination.written(NOTICE)


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connected, _ = listener.accept()
            with connected:
                answer(connected)

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_server_that_leaves_without_reading_is_told_again() -> None:
    with answering(lambda connected: connected.recv(1)) as port:  # the kernel resets what is unread
        attempt = syslog(port, transport="tcp").deliver(NOTICE)
    assert attempt.answer is Answer.AGAIN
    assert attempt.detail.startswith("not sent for sure: ")


@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_a_server_that_hangs_is_left_after_the_deadline(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        attempt = syslog(silent.getsockname()[1], transport=transport, within=0.3).deliver(NOTICE)
    assert attempt.answer is Answer.AGAIN


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_another_certificate_is_told_again(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """With TLS 1.3, a server refuses the certificate only after the client has begun to send."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    authority.configure_trust(tls)
    tls.verify_mode, tls.minimum_version, tls.maximum_version = ssl.CERT_REQUIRED, version, version

    def refuse(connected: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            tls.wrap_socket(connected, server_side=True)

    with answering(refuse) as port:
        attempt = syslog(port, trusting(tmp_path)).deliver(NOTICE)
    assert attempt.answer is Answer.AGAIN


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_a_host_that_is_not_allowed_gets_nothing(transport: Transport) -> None:
    server = SyslogServer(host="127.0.0.1", port=1, transport=transport)
    assert Syslog(server).deliver(NOTICE) == Attempt(Answer.AGAIN, "the host is an address that is not public")


@pytest.mark.parametrize("notice", [NOTICE, STAGED_BY_0006, STAGED_BY_0011, saying(request=None, account_id=None)])
def test_every_message_keeps_to_the_grammar(notice: Notice) -> None:
    assert json.loads(parts(notice)[-1]) == notice.document


@pytest.mark.parametrize(
    "name", ['"', "\\", "]", '\\"]', "\x00\n\r\x1b[2J\x7f\x85", "\u2028\u202e\ufeff", "\U0001f600", "\ud800"]
)
def test_no_name_leaves_its_value(name: str) -> None:
    _, _, _, _, event, data, text = parts(saying(actor={"kind": "person", "name": name}))
    assert event == "execution.succeeded"
    assert len(re.findall(r'[^\\]="|(?<= )[a-z]+="', data)) == 8
    assert json.loads(text)["data"]["actor"]["name"] == name


@pytest.mark.parametrize(("drill", "said"), [(True, True), (False, False), (None, False)])
def test_a_drill_is_told_from_what_happened(*, drill: bool | None, said: bool) -> None:
    data = parts(saying(request={"id": "x", "drill": drill}))[5]
    assert (' drill="true"' in data) is said


def test_a_message_is_never_longer_than_a_receiver_must_take() -> None:
    people = ["\U0001f600" * 100] * 20
    waiting = saying(waiting={"people": people})
    written = Syslog(syslog(1).server).written(waiting)
    assert len(written.encode()) <= 8192
    kept = json.loads(parts(waiting)[-1])["data"]
    assert kept["request"] == NOTICE.document["data"]["request"]  # type: ignore[index,call-overload]
    assert "waiting" not in kept
    longer = saying(request={"id": "x", "effect": "\U0001f600" * 2000})
    assert set(json.loads(parts(longer)[-1])) == {"type", "timestamp"}


def test_every_event_has_a_name_and_a_severity_that_syslog_can_carry() -> None:
    for event in EVENTS:
        priority, *_ = parts(Notice(id="x", event=event, ticket=None, document={**NOTICE.document, "type": event}))
        assert 104 + 2 <= int(priority) <= 104 + 6


def test_no_certificate_is_in_a_repr() -> None:
    assert "SSLContext" not in repr(syslog(1))


@needs_rsyslog
def test_the_worker_sends_events_in_order_and_again_after_a_failure(house: House, tmp_path: Path) -> None:
    with running_rsyslog(tmp_path) as server:
        house.change(destinations={"soc": syslog(server.port)})  # it does not trust the server yet
        house.approved(DEACTIVATE, house.spare_key())
        run_pass(house.ctx)
        house.change(destinations={"soc": syslog(server.port, trusting(tmp_path))})
        house.clock.advance(timedelta(minutes=5))
        for _ in range(4):
            run_pass(house.ctx)
        received = understood(server, 4)
    assert [fields[5] for fields in received] == [
        "request.filed",
        "decision.recorded",
        "decision.recorded",
        "request.approved",
    ]
