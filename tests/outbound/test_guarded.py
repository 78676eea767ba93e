"""What goes out goes to public addresses only, and comes to an end."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpcore
import httpx
import pytest
import trustme

from service.outbound.addresses import check_url
from service.outbound.guarded import Reply, Unreachable, Unsafe, new_client, send, touch

_NOBODY: frozenset[str] = frozenset()
_LOCAL = frozenset({"127.0.0.1"})
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

_Talk = Callable[[socket.socket], None]
_Names = dict[str, list[str]]


def whole_request(stream: socket.socket) -> bytes:
    """With the body of `ask`: to close on what is unread would take the answer back."""
    request = b""
    while not request.endswith(b"\r\n\r\n{}"):
        piece = stream.recv(65536)
        if not piece:
            break
        request += piece
    return request


@contextmanager
def listening(talk: _Talk, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server of one thread: its port, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    with tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
                        asked.append(whole_request(stream))
                        talk(stream)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def answering(answer: bytes) -> _Talk:
    return lambda stream: stream.sendall(answer)


def dripping(beginning: bytes, at_the_end: threading.Event) -> _Talk:
    """Talk for half a minute."""

    def talk(stream: socket.socket) -> None:
        stream.sendall(beginning)
        for _ in range(600):
            stream.sendall(b"x")
            time.sleep(0.05)
        at_the_end.set()

    return talk


def ask(client: httpx.BaseTransport, url: str, **headers: str) -> Reply:
    return send(client, "POST", url, headers=headers, content=b"{}")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> _Names:
    """What names resolve to; those that are absent are asked for as ever, which only address literals can be."""
    known: _Names = {}
    real = socket.getaddrinfo

    def fake(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        found = [entry for one in known.get(host, [host]) for entry in real(one, port, *args, **more)]
        assert found
        return found

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    return known


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that would have been connected to."""
    seen: list[str] = []

    def connect_tcp(_: Any, host: str, *__: Any) -> httpcore.NetworkStream:
        seen.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_tcp)
    return seen


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://192.0.0.192/",
        "https://100.100.100.200/",
        "https://224.0.0.1/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[ff0e::1]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::169.254.169.254]/",
        "https://[64:ff9b:1::8.8.8.8]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:808:808::80ff:fffe]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://134744072/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://0/",
        "https://127.0.0.1./",
        "https://0x7f000001./",
        "https://169.254.169.254.:443/",
        "https://127\u30020\u30020\u30021/",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://\u0661\u0662\u0667.0.0.1/",
        "https://255.255.255.255/",
        "https://240.0.0.1/",
        "https://198.18.0.1/",
        "https://192.0.2.1/",
        "https://100.64.0.1/",
        "https://[::ffff:0:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://[2001:db8::1]/",
        "https://[100::1]/",
        "https://[fe80::1%25eth0]/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://console.localhost/",
        "https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
        "https://hooks.example\n/",
        "https://127.0.0.1\t/",
        "https://127.0.0.1%2f@hooks.example/",
        "https:\\\\127.0.0.1/",
        "https://hooks.example@127.0.0.1/",
        "https://user:password@hooks.example/",
        "https://@hooks.example/",
        "https://hooks.example\\@evil.example/",
        "https://hooks.example/#part",
        "https://hooks.example/#",
        "http://hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https:///path",
        "https://[::1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "//hooks.example/",
        "",
    ],
)
def test_a_url_that_may_lead_inside_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(this|the) ") as raised:
        check_url(url, _NOBODY)
    assert not {"127", "169", "example", "password"} & set(str(raised.value).replace(".", " ").split())
    with closing(new_client(_NOBODY)) as client, pytest.raises((Unsafe, Unreachable)):
        ask(client, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/services/T0/B0",
        "https://HOOKS.example:8443/@someone?a=b",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[2002:808:808::]/",
    ],
)
def test_a_public_https_url_is_good(url: str) -> None:
    check_url(url, _NOBODY)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://INSIDE.example/", "https://[::1]/", "http://127.1/"])
def test_a_host_that_is_allowed_may_be_inside_and_without_tls(url: str) -> None:
    check_url(url, frozenset({"127.0.0.1", "inside.example", "::1", "127.1"}))


@pytest.mark.parametrize("url", ["ftp://inside.example/", "http://a@inside.example/", "http://sub.inside.example/"])
def test_a_host_that_is_allowed_makes_nothing_else_good(url: str) -> None:
    with pytest.raises(ValueError, match="the URL"):
        check_url(url, frozenset({"inside.example"}))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "224.0.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%lo",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:808:808::f5ff:fffe",
    ],
)
def test_a_name_of_an_inner_address_is_not_connected_to(names: _Names, dialled: list[str], address: str) -> None:
    names["hooks.example"] = [address]
    with closing(new_client(_NOBODY)) as client, pytest.raises(Unsafe, match="not public") as raised:
        ask(client, "https://hooks.example/")
    assert address not in str(raised.value)
    assert not dialled


@pytest.mark.parametrize(
    "url", ["https://%31%32%37.0.0.1/", "https://127.0.0.1%00.example/", "https://hooks.example.:0/"]
)
def test_what_only_looks_like_a_name_is_resolved_and_judged_like_one(
    names: _Names, dialled: list[str], url: str
) -> None:
    names[httpx.URL(url).raw_host.decode()] = ["127.0.0.1"]
    with closing(new_client(_NOBODY)) as client, pytest.raises(Unsafe, match="not public"):
        ask(client, url)
    assert not dialled


def test_a_name_with_a_dot_at_its_end_is_not_the_one_that_is_allowed(names: _Names, dialled: list[str]) -> None:
    names["inside.example."] = ["10.0.0.1"]
    with closing(new_client(frozenset({"inside.example"}))) as client, pytest.raises(Unsafe):
        ask(client, "https://inside.example./")
    assert not dialled


def test_one_inner_address_among_public_ones_is_enough_to_refuse(names: _Names, dialled: list[str]) -> None:
    names["hooks.example"] = ["8.8.8.8", "10.0.0.1"]
    with closing(new_client(_NOBODY)) as client, pytest.raises(Unsafe):
        ask(client, "https://hooks.example/")
    assert not dialled


def test_a_name_is_judged_anew_at_each_connection(names: _Names, dialled: list[str]) -> None:
    with closing(new_client(_NOBODY)) as client:
        names["hooks.example"] = ["8.8.8.8"]
        with pytest.raises(Unreachable):
            ask(client, "https://hooks.example/")
        names["hooks.example"] = ["127.0.0.1"]
        with pytest.raises(Unsafe):
            ask(client, "https://hooks.example/")
    assert dialled == ["8.8.8.8"]


def test_the_address_that_was_judged_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str]
) -> None:
    answers = iter(["8.8.8.8", "127.0.0.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 443))]
    )
    with closing(new_client(_NOBODY)) as client, pytest.raises(Unreachable):
        ask(client, "https://hooks.example/")
    assert dialled == ["8.8.8.8"]
    assert next(answers) == "127.0.0.1"


def test_all_addresses_of_a_name_are_tried(names: _Names, dialled: list[str]) -> None:
    names["hooks.example"] = ["8.8.8.8", "2606:4700::1111", "8.8.8.8"]
    with closing(new_client(_NOBODY)) as client, pytest.raises(Unreachable):
        ask(client, "https://hooks.example/")
    assert dialled == ["8.8.8.8", "2606:4700::1111"]


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 70 + ".example", "a..b"])
def test_a_name_that_nobody_knows_is_unreachable(host: str) -> None:
    with closing(new_client(_NOBODY)) as client, pytest.raises(Unreachable, match="no complete answer: Connect"):
        ask(client, f"https://{host}/")


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        let_go.wait(10)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with closing(new_client(_NOBODY, within=0.2)) as client, pytest.raises(Unreachable, match="ConnectTimeout"):
        ask(client, "https://hooks.example/")
    let_go.set()


def test_tls_asks_for_the_name_and_not_for_the_address(names: _Names) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("inside.example").configure_cert(server)
    asked_for: list[str | None] = []
    server.sni_callback = lambda _, name, __: asked_for.append(name)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names.update({"inside.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    client = new_client(frozenset({"inside.example", "other.example"}), tls=trusting)
    with closing(client), listening(answering(_OK), server) as (port, _):
        assert ask(client, f"https://inside.example:{port}/").body == b"ok"
        with pytest.raises(Unreachable):
            ask(client, f"https://other.example:{port}/")
    assert asked_for == ["inside.example", "other.example"]


def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with closing(new_client(_LOCAL)) as client, listening(answering(moved)) as (port, asked):
        assert ask(client, f"http://127.0.0.1:{port}/").status == 302
    assert len(asked) == 1


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with closing(new_client(_LOCAL)) as client, listening(answering(_OK)) as (port, _):
        assert ask(client, f"http://127.0.0.1:{port}/").status == 200


def test_no_cookie_comes_back() -> None:
    baked = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with closing(new_client(_LOCAL)) as client, listening(answering(baked)) as (port, asked):
        for _ in range(2):
            ask(client, f"http://127.0.0.1:{port}/")
    assert len(asked) == 2
    assert not any(b"cookie" in one.lower() for one in asked)


def test_what_is_sent_names_us_and_closes() -> None:
    with closing(new_client(_LOCAL)) as client, listening(answering(_OK)) as (port, asked):
        reply = ask(client, f"http://127.0.0.1:{port}/path?q=1", Extra="yes")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "2", b"ok")
    assert asked[0].startswith(b"POST /path?q=1 HTTP/1.1\r\n")
    for line in (b"User-Agent: Rootquorum", b"Connection: close", b"Extra: yes", f"Host: 127.0.0.1:{port}".encode()):
        assert line in asked[0].split(b"\r\n")


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_a_server_that_drips_is_left_at_the_deadline(beginning: bytes) -> None:
    heard_out = threading.Event()
    with closing(new_client(_LOCAL, within=0.3)) as client, listening(dripping(beginning, heard_out)) as (port, _):
        with pytest.raises(Unreachable):
            ask(client, f"http://127.0.0.1:{port}/")
        assert not heard_out.is_set()


def test_of_a_huge_answer_the_beginning_is_read() -> None:
    sent = [0]

    def talk(stream: socket.socket) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent[0] += stream.send(b"x" * 65536)

    with closing(new_client(_LOCAL)) as client, listening(talk) as (port, _):
        assert ask(client, f"http://127.0.0.1:{port}/").body == b"x" * 65536
    assert sent[0] < 100_000_000


def test_a_packed_answer_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    with closing(new_client(_LOCAL)) as client, listening(answering(packed)) as (port, _):
        assert ask(client, f"http://127.0.0.1:{port}/").body == b"abc"


@pytest.mark.parametrize("answer", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_no_message_and_no_line_of_the_log_has_the_url(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client = new_client(_LOCAL)
    with closing(client), listening(answering(answer)) as (port, _), pytest.raises(Unreachable) as raised:
        ask(client, f"http://127.0.0.1:{port}/token-in-the-path", Authorization="token-in-a-header")
    assert "token" not in f"{raised.value!r} {caplog.text}"
    assert raised.value.__suppress_context__


def test_to_touch_is_to_connect_by_tls_and_to_say_nothing(names: _Names) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("inside.example").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names.update({"inside.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    client = new_client(frozenset({"inside.example", "other.example"}), tls=trusting)
    with closing(client), listening(answering(b""), server) as (port, asked):
        touch(client, f"https://inside.example:{port}/")
        with pytest.raises(Unreachable, match="ConnectError"):
            touch(client, f"https://other.example:{port}/")
    assert asked == [b""]


def test_what_is_not_safe_or_not_there_is_not_touched(names: _Names, dialled: list[str]) -> None:
    names["hooks.example"] = ["10.0.0.1"]
    with closing(new_client(_NOBODY)) as client:
        for url in ("https://hooks.example/", "http://hooks.example/", "https://[::1]/"):
            with pytest.raises(Unsafe):
                touch(client, url)
        assert not dialled
        names["hooks.example"] = ["8.8.8.8"]
        with pytest.raises(Unreachable):
            touch(client, "https://hooks.example/")
    assert dialled == ["8.8.8.8"]
