"""What a server may answer, and where a token goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.served import served

from service.client.refused import Refused
from service.client.remote import Remote


@contextmanager
def _answering(status: int, body: bytes, **headers: str) -> Iterator[tuple[Remote, list[str]]]:
    """Serve one answer to everything, and collect the tokens that came."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        remote = Remote(f"http://127.0.0.1:{server.server_port}/", "token")
        try:
            yield remote, seen
        finally:
            remote.close()


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>", "The server's answer is no JSON object. Is this the service's URL?"),
        (200, b"[]", "The server's answer is no JSON object. Is this the service's URL?"),
        (200, b"[" * 100_000, "The server's answer is no JSON object. Is this the service's URL?"),
        (200, b"1" * 5_000, "The server's answer is no JSON object. Is this the service's URL?"),
        (502, b"<html>", "The server answered 502."),
        (409, b'{"detail":["x"]}', "The server answered 409."),
        (409, b'{"detail":"It is closed."}', "It is closed."),
    ],
)
def test_whatever_is_answered_a_refusal_is_a_sentence(status: int, body: bytes, sentence: str) -> None:
    with _answering(status, body) as (remote, _), pytest.raises(Refused) as refused:
        remote.get("/v1/me")
    assert str(refused.value) == sentence


def test_an_answer_without_an_end_is_cut_off() -> None:
    with _answering(200, b"x" * 5 * 1024 * 1024) as (remote, _), pytest.raises(Refused, match="too long"):
        remote.get("/v1/me")


def test_a_redirect_does_not_take_the_token_along() -> None:
    with (
        _answering(200, b"{}") as (elsewhere, seen),
        _answering(307, b"", Location=f"{elsewhere.url}/v1/me") as (remote, _),
        pytest.raises(Refused, match="307"),
    ):
        remote.get("/v1/me")
    assert seen == []


def test_on_loopback_no_proxy_sees_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with _answering(200, b'{"a":1}') as (proxy, seen_by_proxy):
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with _answering(200, b'{"b":2}') as (remote, seen):
            assert remote.get("/v1/me") == {"b": 2}
    assert (seen, seen_by_proxy) == (["Bearer token"], [])
