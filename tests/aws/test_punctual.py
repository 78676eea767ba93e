"""An answer of AWS that comes slowly is given up at the read timeout, as one that never comes."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from support.served import served

from service.aws.punctual import be_punctual

BODY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(BODY)
PAUSE, TIMEOUT = 0.05, 0.5


@contextmanager
def dripping(pause_before: Callable[[int], float], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve this answer a byte at a time, each after its pause, and yield the URL."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            for place, byte in enumerate(HEAD + BODY):
                if (pause := pause_before(place)) and over.wait(pause):
                    return
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:  # whoever asked has gone
                    return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with served(server):
        try:
            yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()


def caller(url: str, verify: str | None = None, timeout: float = TIMEOUT) -> Callable[[], Any]:
    session = botocore.session.Session()
    session.set_credentials("AKIAEXAMPLE", "example")
    be_punctual(session)
    config = Config(read_timeout=timeout, connect_timeout=5, retries={"total_max_attempts": 1, "mode": "standard"})
    sts = session.create_client("sts", region_name="us-east-1", endpoint_url=url, config=config, verify=verify)
    call: Callable[[], Any] = sts.get_caller_identity  # type: ignore[attr-defined]  # made of the model when it runs
    return call


def everywhere(_place: int) -> float:
    return PAUSE


def in_the_body(place: int) -> float:
    return PAUSE if place >= len(HEAD) else 0


@pytest.mark.parametrize("pause_before", [everywhere, in_the_body])
def test_an_answer_that_comes_a_byte_at_a_time_is_given_up(pause_before: Callable[[int], float]) -> None:
    with dripping(pause_before) as url, pytest.raises(ReadTimeoutError):
        caller(url)()


def test_over_tls_as_well(tmp_path: Path) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with dripping(in_the_body, tls) as url, pytest.raises(ReadTimeoutError):
        caller(url, str(tmp_path / "ca.pem"))()


def test_each_answer_on_one_connection_has_the_whole_time() -> None:
    """Together they take longer than the timeout."""
    timeout = 2.0  # each has most of a second more than it takes, also on a busy machine
    with dripping(lambda place: timeout * 0.6 if place == len(HEAD) else 0) as url:
        call = caller(url, timeout=timeout)
        assert [call()["Account"] for _ in range(2)] == ["111122223333"] * 2
