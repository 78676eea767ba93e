"""Standard Webhooks: what goes out is signed by every secret, and what comes in is good only with one."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.served import served

from service.domain.canonical import canonical
from service.domain.delivery import Answer, Attempt, Notice
from service.domain.hooks import BadSignature
from service.notify.webhooks import (
    PrivateKey,
    Signer,
    Verifier,
    Webhook,
    signer,
    verifier,
    verify,
)
from service.outbound.guarded import new_client

# As published with the standard's libraries.
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_ID, _AT, _BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
_NOW = datetime.fromtimestamp(_AT, UTC)

_OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
# RFC 8032, 7.1, test 1.
_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
_PRIVATE_TEXT = "whsk_" + base64.b64encode(_SEED).decode()
_PUBLIC_TEXT = "whpk_" + base64.b64encode(_PUBLIC).decode()

_NOTICE = Notice(
    id="msg_1", event="request.filed", ticket=None, document={"type": "request.filed", "data": {"b": 1, "a": "ä"}}
)


@dataclass
class _WebhookServer:
    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def deliver(self, *secrets: str) -> Attempt:
        client = new_client(frozenset({"127.0.0.1"}))
        hook = Webhook("audit", self.url, tuple(map(signer, secrets)), client, lambda: _NOW)
        return hook.deliver(_NOTICE)


@pytest.fixture
def server() -> Iterator[_WebhookServer]:
    with _serving() as state:
        yield state


@contextmanager
def _serving() -> Iterator[_WebhookServer]:
    state = _WebhookServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((dict(self.headers), body))
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as running:
        state.url = f"http://127.0.0.1:{running.server_port}/hook"
        yield state


def _headers(signature: str, at: int | str = _AT) -> dict[str, str]:
    return {"Webhook-Id": _ID, "Webhook-Timestamp": str(at), "Webhook-Signature": signature}


def _good(headers: dict[str, str], *secrets: str, body: bytes = _BODY, now: datetime = _NOW) -> bool:
    try:
        return verify([verifier(secret) for secret in secrets], headers, body, now).id == _ID
    except BadSignature:
        return False


def test_the_published_signature_is_made_and_is_good() -> None:
    assert signer(_SECRET).sign(_ID, _AT, _BODY) == _SIGNATURE
    assert _good(_headers(_SIGNATURE), _SECRET)


def test_a_key_pair_is_that_of_the_published_seed() -> None:
    private = signer(_PRIVATE_TEXT)
    assert isinstance(private, PrivateKey)
    assert str(private.public()) == _PUBLIC_TEXT


def test_a_private_key_signs_id_time_and_body_and_the_public_one_tells() -> None:
    signature = signer(_PRIVATE_TEXT).sign(_ID, _AT, _BODY)
    made = Ed25519PrivateKey.from_private_bytes(_SEED).sign(b"%s.%d.%s" % (_ID.encode(), _AT, _BODY))
    assert signature == "v1a," + base64.b64encode(made).decode()
    assert _good(_headers(signature), _PUBLIC_TEXT)


@pytest.mark.parametrize("text", [_SECRET, _PRIVATE_TEXT])
def test_another_id_time_or_body_has_another_signature(text: str) -> None:
    other = {_SECRET: _SECRET, _PRIVATE_TEXT: _PUBLIC_TEXT}[text]
    headers = _headers(signer(text).sign(_ID, _AT, _BODY))
    assert _good(headers, other)
    assert not _good({**headers, "Webhook-Timestamp": str(_AT + 1)}, other)
    assert not _good(headers, other, body=_BODY + b" ")
    with pytest.raises(BadSignature, match="no signature is good"):
        verify([verifier(other)], {**headers, "Webhook-Id": "msg_other"}, _BODY, _NOW)


def test_one_good_signature_of_many_is_enough_in_either_kind() -> None:
    many = f"v1,bad v2,x , v1a,bad v1a {_SIGNATURE} {signer(_PRIVATE_TEXT).sign(_ID, _AT, _BODY)}"
    assert _good(_headers(many), _OTHER, _SECRET)
    assert _good(_headers(many), _OTHER, _PUBLIC_TEXT)
    assert not _good(_headers(many), _OTHER)
    assert not _good(_headers(many))


@pytest.mark.parametrize("signature", ["", "v1,", "v1a,", "v1", _SIGNATURE[3:], "v1a" + _SIGNATURE[2:], "v1,\u00e4"])
def test_what_is_no_signature_is_not_good(signature: str) -> None:
    assert not _good(_headers(signature), _SECRET, _PUBLIC_TEXT)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_no_header_may_be_there_twice(name: str) -> None:
    headers = _headers(_SIGNATURE)
    with pytest.raises(BadSignature, match="twice"):
        verify([verifier(_SECRET)], headers | {name.lower(): headers[name]}, _BODY, _NOW)


def test_what_is_signed_says_when_it_was_sent_and_is_not_read_again() -> None:
    assert verify([verifier(_SECRET)], _headers(_SIGNATURE), _BODY, _NOW) == (_ID, _NOW)


def test_thousands_of_signatures_are_not_even_tried() -> None:
    """Each costs as much as the whole body is long, and anybody can send them."""
    tried = []

    class Counting:
        def made(self, signature: str, _id: str, _at: int, _body: bytes) -> bool:
            tried.append(signature)
            return signature == _SIGNATURE

    assert verify([Counting()], _headers(" ".join(["v1,x"] * 15 + [_SIGNATURE])), _BODY, _NOW).id == _ID
    assert len(tried) == 16
    with pytest.raises(BadSignature, match="many"):
        verify([Counting()], _headers(" ".join(["v1,x"] * 16 + [_SIGNATURE])), _BODY, _NOW)
    assert len(tried) == 16


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_no_header_may_be_missing(name: str) -> None:
    headers = {key: value for key, value in _headers(_SIGNATURE).items() if key != name}
    with pytest.raises(BadSignature, match="missing"):
        verify([verifier(_SECRET)], headers, _BODY, _NOW)


@pytest.mark.parametrize(("minutes", "good"), [(-6, False), (-5, True), (5, True), (6, False)])
def test_a_message_is_good_for_five_minutes_either_way(minutes: int, good: bool) -> None:  # noqa: FBT001
    assert _good(_headers(_SIGNATURE), _SECRET, now=_NOW + timedelta(minutes=minutes)) is good


@pytest.mark.parametrize("stamp", [f"0{_AT}", f"{_AT}.0", f"+{_AT}", f"-{_AT}", "1e9", "9" * 400, "now", "\u0661"])
def test_a_time_is_whole_seconds_and_nothing_else(stamp: str) -> None:
    with pytest.raises(BadSignature, match="time"):
        verify([verifier(_SECRET)], _headers(_SIGNATURE, stamp), _BODY, _NOW)


def test_a_body_that_is_no_text_is_not_good() -> None:
    assert not _good(_headers(_SIGNATURE), _SECRET, body=b"\xff")


@pytest.mark.parametrize(
    "text",
    [
        "",
        _SECRET.removeprefix("whsec_"),
        "whsec_",
        "whsec_***",
        "whsec_" + base64.b64encode(b"s" * 23).decode(),
        "whsec_" + base64.b64encode(b"s" * 65).decode(),
        "whsk_" + base64.b64encode(b"s" * 31).decode(),
        "whsk_" + base64.b64encode(b"s" * 64).decode(),
        "whpk_" + base64.b64encode(b"s" * 33).decode(),
    ],
)
def test_a_secret_of_another_form_is_refused_and_not_quoted(text: str) -> None:
    for read in (signer, verifier):
        with pytest.raises(ValueError, match="secret") as raised:
            read(text)
        assert text[6:] == "" or text[6:] not in str(raised.value)


def test_a_private_key_verifies_nothing_and_a_public_one_signs_nothing() -> None:
    with pytest.raises(ValueError, match="begins with"):
        verifier(_PRIVATE_TEXT)
    with pytest.raises(ValueError, match="begins with"):
        signer(_PUBLIC_TEXT)


def test_no_secret_and_no_url_is_in_a_repr() -> None:
    secrets: tuple[Signer, ...] = (signer(_SECRET), signer(_PRIVATE_TEXT))
    verifiers: list[Verifier] = [verifier(_SECRET), verifier(_PUBLIC_TEXT)]
    hook = Webhook("audit", "https://hooks.example/token", secrets, new_client(frozenset()))
    raw = base64.b64decode(_SECRET.removeprefix("whsec_"))
    shown = f"{hook!r} {hook} {secrets!r} {verifiers!r}"
    assert "audit" in shown
    for secret in (_SECRET[6:], _PRIVATE_TEXT[5:], repr(raw), repr(_SEED), "token"):
        assert secret not in shown


def test_a_notice_arrives_as_canonical_json_with_its_id(server: _WebhookServer) -> None:
    assert server.deliver(_SECRET) == Attempt(Answer.DELIVERED, "answered 204")
    ((headers, body),) = server.got
    assert body == canonical(_NOTICE.document)
    assert json.loads(body) == _NOTICE.document
    assert headers["webhook-id"] == "msg_1"
    assert headers["webhook-timestamp"] == str(_AT)
    assert (headers["Content-Type"], headers["User-Agent"]) == ("application/json", "Rootquorum")


def test_while_secrets_change_either_receiver_is_content(server: _WebhookServer) -> None:
    server.deliver(_SECRET, _OTHER, _PRIVATE_TEXT)
    ((headers, body),) = server.got
    assert [one.split(",")[0] for one in headers["webhook-signature"].split(" ")] == ["v1", "v1", "v1a"]
    for secret in (_SECRET, _OTHER, _PUBLIC_TEXT):
        assert verify([verifier(secret)], headers, body, _NOW).id == "msg_1"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, Answer.DELIVERED),
        (299, Answer.DELIVERED),
        (302, Answer.AGAIN),
        (400, Answer.AGAIN),
        (404, Answer.AGAIN),
        (410, Answer.GONE),
        (429, Answer.AGAIN),
        (503, Answer.AGAIN),
    ],
)
def test_the_status_says_what_became_of_it(server: _WebhookServer, status: int, answer: Answer) -> None:
    server.status = status
    assert server.deliver(_SECRET).answer == answer


def test_a_redirect_is_not_followed(server: _WebhookServer) -> None:
    server.status, server.headers = 307, {"Location": server.url + "/elsewhere"}
    assert server.deliver(_SECRET) == Attempt(Answer.AGAIN, "answered 307, a redirect")
    assert len(server.got) == 1


def test_nobody_there_is_tried_again() -> None:
    with _serving() as server:
        pass
    assert server.deliver(_SECRET) == Attempt(Answer.AGAIN, "no complete answer: ConnectError")


def test_an_unsafe_destination_is_tried_again_and_not_connected_to(server: _WebhookServer) -> None:
    hook = Webhook("audit", server.url, (signer(_SECRET),), new_client(frozenset()))
    assert hook.deliver(_NOTICE) == Attempt(Answer.AGAIN, "the URL is not https")
    assert not server.got


def test_nothing_of_what_the_other_side_says_is_in_the_detail() -> None:
    client = httpx.MockTransport(lambda _: httpx.Response(500, content=b"words of theirs", headers={"X": "words"}))
    hook = Webhook("audit", "https://hooks.example/", (signer(_SECRET),), client)
    assert hook.deliver(_NOTICE) == Attempt(Answer.AGAIN, "answered 500")
