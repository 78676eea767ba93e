"""What a provider says of itself: when it is asked, and each reason why its answer is not believed."""

import json
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event

import httpx
import pytest
import trustme
from fastapi.testclient import TestClient
from httpx2 import Response
from support.builders import Watch
from support.house import House
from support.issuer import DISCOVERY, Answered, Issuer, issuing, key_of, public, trusting

from service.api.sign_ins import FailedSignIns, SignIns
from service.auth.discovery import Fault, Undiscovered
from service.auth.oidc import Verifier
from service.auth.provider import Provider
from service.cli.waiting import free_port
from service.domain.errors import Unauthenticated, Unavailable, UnknownKey

# --- why it is not believed ---


def found(issuer: Issuer, http: httpx.Client, part: str) -> Fault:
    """Why the provider cannot be used, and that it is that part of it."""
    with pytest.raises(Undiscovered) as refused:
        issuer.provider(http).discover()
    assert refused.value.part == part
    return refused.value.fault


ANSWERS: dict[str, tuple[Answered, Fault]] = {
    "a redirect": ((302, {"Location": "/elsewhere"}, b""), Fault.REDIRECT),
    "permanently elsewhere": ((308, {"Location": "/elsewhere"}, b""), Fault.REDIRECT),
    "not there": ((404, {}, b"{}"), Fault.STATUS),
    "an error": ((500, {}, b"{}"), Fault.STATUS),
    "unchanged": ((304, {}, b""), Fault.STATUS),
    "a page": ((200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), Fault.NOT_JSON),
    "nothing": ((200, {}, b""), Fault.NOT_JSON),
    "a list": ((200, {}, b"[]"), Fault.NOT_JSON),
    "a word": ((200, {}, b'"x"'), Fault.NOT_JSON),
    "no text": ((200, {}, b"\xff\xfe\xfd"), Fault.NOT_JSON),
    "too deep": ((200, {}, b"[" * 100_000), Fault.NOT_JSON),
    "broken compression": ((200, {"Content-Encoding": "gzip"}, b"{}"), Fault.NOT_JSON),
    "too large": ((200, {}, b"[" + b" " * 1024 * 1024), Fault.TOO_LARGE),
}


@pytest.mark.parametrize(("path", "part"), [(DISCOVERY, "metadata"), ("/keys", "keys")])
@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_that_is_none_has_a_name(issuer: Issuer, http: httpx.Client, path: str, part: str, answer: str) -> None:
    issuer.answers[path], fault = ANSWERS[answer]
    assert found(issuer, http, part) is fault


METADATA: dict[str, tuple[dict[str, object], str, Fault]] = {
    "another issuer": ({"issuer": "https://other.example.com"}, "metadata", Fault.OTHER_ISSUER),
    "issuer with a slash more": ({"issuer": "{url}/"}, "metadata", Fault.OTHER_ISSUER),
    "no issuer": ({"issuer": None}, "metadata", Fault.OTHER_ISSUER),
    "no jwks_uri": ({"jwks_uri": None}, "metadata", Fault.NO_JWKS_URI),
    "an empty jwks_uri": ({"jwks_uri": ""}, "metadata", Fault.NO_JWKS_URI),
    "a list of them": ({"jwks_uri": ["{url}/keys"]}, "metadata", Fault.NO_JWKS_URI),
    "no URL": ({"jwks_uri": "keys"}, "keys", Fault.UNREACHABLE),
    "a broken URL": ({"jwks_uri": "http://[::1"}, "keys", Fault.UNREACHABLE),
    "a file": ({"jwks_uri": "file:///etc/passwd"}, "keys", Fault.UNREACHABLE),
    "half a character": ({"jwks_uri": "http://\ud800/"}, "keys", Fault.UNREACHABLE),
}


@pytest.mark.parametrize("what", METADATA)
def test_metadata_that_cannot_be_used_have_a_name(issuer: Issuer, http: httpx.Client, what: str) -> None:
    changes, part, fault = METADATA[what]
    issuer.metadata |= {
        name: value.replace("{url}", issuer.url) if isinstance(value, str) else value for name, value in changes.items()
    }
    assert found(issuer, http, part) is fault


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}])
def test_answer_without_a_list_of_keys_has_a_name(issuer: Issuer, http: httpx.Client, keys: dict[str, object]) -> None:
    issuer.answers["/keys"] = (200, {}, json.dumps(keys).encode())
    assert found(issuer, http, "keys") is Fault.NO_KEYS


def test_nobody_there_has_a_name(http: httpx.Client) -> None:
    with pytest.raises(Undiscovered) as refused:
        Provider(f"http://127.0.0.1:{free_port()}", http).discover()
    assert refused.value.fault is Fault.UNREACHABLE


def test_certificate_that_nobody_trusts_has_a_name(http: httpx.Client) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with issuing() as issuer:
        issuer.socket = context.wrap_socket(issuer.socket, server_side=True)
        with pytest.raises(Undiscovered) as refused:
            Provider(issuer.url.replace("http:", "https:"), http).discover()
    assert refused.value.fault is Fault.TLS


def test_provider_that_does_not_answer_in_time_has_a_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, httpx.Client(timeout=0.1) as http:
        provider = Provider(f"http://127.0.0.1:{silent.getsockname()[1]}", http)
        with pytest.raises(Undiscovered) as refused:
            provider.discover()
    assert refused.value.fault is Fault.TIMEOUT


def test_keys_of_a_provider_with_https_are_served_over_https() -> None:
    """The transport stands for a network in which an attacker is on the way."""
    metadata = {"issuer": "https://login.example.com", "jwks_uri": "http://login.example.com/keys"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=metadata))
    with httpx.Client(transport=transport) as http, pytest.raises(Undiscovered) as refused:
        Provider("https://login.example.com", http).discover()
    assert refused.value.fault is Fault.NOT_HTTPS


def test_endpoint_of_a_provider_with_https_is_used_over_https_only() -> None:
    """To the token endpoint goes this service's secret."""
    answers = {
        DISCOVERY: {
            "issuer": "https://login.example.com",
            "jwks_uri": "HTTPS://login.example.com/keys",
            "token_endpoint": "http://login.example.com/token",
            "authorization_endpoint": "https://login.example.com/authorize",
        },
        "/keys": {"keys": []},
    }
    transport = httpx.MockTransport(lambda asked: httpx.Response(200, json=answers[asked.url.path]))
    with httpx.Client(transport=transport) as http:
        provider = Provider("https://login.example.com", http)
        assert provider.endpoint("authorization_endpoint") == "https://login.example.com/authorize"
        with pytest.raises(Unavailable):
            provider.endpoint("token_endpoint")


# --- where it is ---


def test_metadata_may_be_elsewhere(issuer: Issuer, http: httpx.Client) -> None:
    """As AD FS has them, and Entra ID for the keys of one application (`?appid=`)."""
    issuer.answers["/elsewhere/metadata"] = (
        200,
        {},
        json.dumps(issuer.metadata | {"issuer": "http://adfs/trust"}).encode(),
    )
    provider = issuer.provider(http, issuer="http://adfs/trust", address=f"{issuer.url}/elsewhere/metadata?appid=7")
    verifier = Verifier([(trusting(), provider)])

    assert verifier.verify(issuer.sign(issuer.claims(iss="http://adfs/trust"))).proof.issuer == "http://adfs/trust"
    assert issuer.asked == ["/elsewhere/metadata?appid=7", "/keys"]


def test_metadata_elsewhere_are_of_the_issuer_or_of_the_one_that_the_settings_name(
    issuer: Issuer, http: httpx.Client
) -> None:
    """As Keycloak has them under an internal name."""
    where = {"issuer": "https://login.example.com", "address": issuer.url + DISCOVERY}
    with pytest.raises(Undiscovered):
        issuer.provider(http, **where).discover()
    assert issuer.provider(http, **where, metadata_issuer=issuer.url).discover().usable == 1


def test_usable_keys_are_counted(issuer: Issuer, http: httpx.Client) -> None:
    issuer.listed += [public(key_of("RSA", which=1), use="enc"), public(key_of("EC"), kid=None), "x"]
    discovered = issuer.provider(http).discover()
    assert (discovered.usable, discovered.listed) == (1, 4)


# --- when it is asked ---


@pytest.fixture
def house(sqlite_house: House) -> House:
    return sqlite_house


def trust(house: House, issuer: Issuer, http: httpx.Client, watch: Watch, *, per_minute: int = 10_000) -> None:
    house.app.state.sign_ins = SignIns(issuer.verifier(http, watch), failures=FailedSignIns(per_minute))


def me(house: House, token: str) -> Response:
    client = TestClient(house.app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)
    return client.get("/v1/me")


def test_unknown_key_is_503_while_nobody_may_be_asked_and_401_once_the_provider_has_said_so(
    house: House, issuer: Issuer, http: httpx.Client, watch: Watch
) -> None:
    trust(house, issuer, http, watch)
    new = key_of("RSA", which=1)
    assert me(house, issuer.sign()).status_code == 200

    watch.seconds += 20
    early = me(house, issuer.sign(key=new))
    assert (early.status_code, early.json()["code"]) == (503, "provider_unreachable")
    assert early.headers["retry-after"] == "40"

    watch.seconds += 40
    assert me(house, issuer.sign(key=new)).status_code == 401
    issuer.listed.append(public(new))
    watch.seconds += 59.5
    assert me(house, issuer.sign(key=new)).headers["retry-after"] == "1"
    watch.seconds += 0.5
    assert me(house, issuer.sign(key=new)).status_code == 200


def test_unknown_keys_shut_nobody_out_and_ask_no_more_often(
    house: House, issuer: Issuer, http: httpx.Client, watch: Watch
) -> None:
    trust(house, issuer, http, watch, per_minute=3)
    assert me(house, issuer.sign()).status_code == 200
    issuer.asked.clear()

    answers = [me(house, issuer.sign(kid=f"guess-{n}")).status_code for n in range(6)]

    assert answers == [503, 503, 503, 429, 429, 429]
    assert issuer.asked == []
    assert me(house, issuer.sign()).status_code == 200


def test_many_threads_with_unknown_keys_ask_once(issuer: Issuer, http: httpx.Client, watch: Watch) -> None:
    provider = issuer.provider(http, watch)
    provider.keys(issuer.key["kid"])
    watch.seconds += 60
    issuer.asked.clear()
    start = Barrier(8)

    def ask(number: int) -> type[Exception]:
        start.wait()
        with pytest.raises((Unauthenticated, UnknownKey)) as refused:
            provider.keys(f"guess-{number}")
        return refused.type

    with ThreadPoolExecutor(8) as threads:
        refusals = list(threads.map(ask, range(8)))

    assert issuer.asked == [DISCOVERY, "/keys"]
    assert refusals.count(Unauthenticated) == 1


@dataclass
class Slow:
    """The provider thinks until it is told to go on."""

    asked: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)

    def reply(self, issuer: Issuer, path: str) -> Answered:
        self.asked.set()
        assert self.go_on.wait(10)
        return Issuer.reply(issuer, path)


@pytest.fixture
def slow(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Slow]:
    def become_slow() -> Slow:
        slow = Slow()
        monkeypatch.setattr(issuer, "reply", lambda path: slow.reply(issuer, path))
        return slow

    return become_slow


def test_while_one_asks_nobody_else_waits(
    issuer: Issuer, http: httpx.Client, watch: Watch, slow: Callable[[], Slow]
) -> None:
    provider = issuer.provider(http, watch)
    provider.keys(issuer.key["kid"])
    watch.seconds += 60
    thinking = slow()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(provider.keys, "guess-1")
        assert thinking.asked.wait(10)
        with pytest.raises(UnknownKey):
            provider.keys("guess-2")
        assert provider.keys(issuer.key["kid"])
        thinking.go_on.set()
        assert isinstance(first.exception(10), Unauthenticated)


@pytest.mark.parametrize("idle", [None, 86_400])
def test_where_no_key_is_good_all_wait_for_the_one_who_asks(
    issuer: Issuer, http: httpx.Client, watch: Watch, slow: Callable[[], Slow], idle: int | None
) -> None:
    """At the start, and when everybody comes back after a quiet day."""
    provider = issuer.provider(http, watch)
    if idle is not None:
        provider.keys(issuer.key["kid"])
        watch.seconds += idle
    thinking = slow()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(provider.keys, issuer.key["kid"])
        assert thinking.asked.wait(10)
        second = threads.submit(provider.keys, issuer.key["kid"])
        thinking.go_on.set()
        assert first.result(10) == second.result(10)


def test_keys_without_any_are_believed(house: House, issuer: Issuer, http: httpx.Client, watch: Watch) -> None:
    """A provider that withdraws all its keys means it."""
    trust(house, issuer, http, watch)
    assert me(house, issuer.sign()).status_code == 200
    issuer.listed = []
    watch.seconds += 600
    assert me(house, issuer.sign()).status_code == 401


def test_log_says_why_a_provider_cannot_be_asked_and_quotes_nothing(
    issuer: Issuer, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.answers["/keys"] = (200, {}, b"CANARY")
    with pytest.raises(Unavailable):
        issuer.provider(http).keys("x")
    assert f"the provider {issuer.url} cannot be asked: keys: not_json" in caplog.text
    assert "CANARY" not in caplog.text
