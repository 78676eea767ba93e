"""The code of a sign-in in Swagger UI, exchanged for a token: what the provider is asked, and what it is not asked."""

from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from support.house import House
from support.issuer import Issuer
from support.logs import capture_logs

from service.api.sign_ins import FailedSignIns, SignIns
from service.api.waiting import Places
from service.auth.browser import BrowserClient
from service.auth.refusals import Refusal
from service.domain.errors import Unavailable

REDIRECT = "http://127.0.0.1/docs/oauth2-redirect"
CODE = {"code": "c-1", "redirect_uri": REDIRECT, "code_verifier": "v" * 64}


def client(issuer: Issuer, http: httpx.Client, **changes: Any) -> BrowserClient:
    usual: dict[str, Any] = {
        "client_id": "rootquorum",
        "client_secret": None,
        "scopes": ("openid",),
        "sends": "access_token",
        "max_age": 900,
        "acr_values": "",
    }
    return BrowserClient(provider=issuer.provider(http), http=http, **(usual | changes))


def asked_of(issuer: Issuer, http: httpx.Client, **changes: Any) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Headers and form of the one question to the token endpoint."""
    client(issuer, http, **changes).exchange(**CODE)
    (asked,) = issuer.posted
    return asked


# --- parameters of the settings ---


def test_settings_add_parameters_to_the_authorization_request(issuer: Issuer, http: httpx.Client) -> None:
    added = {"audience": "https://api", "resource": ["urn:a", "urn:b"], "domain_hint": "example.com & more"}
    url = client(issuer, http, authorization_parameters=added).authorization_url(
        state="s", redirect_uri=REDIRECT, code_challenge="c"
    )
    asked = parse_qs(urlsplit(url).query)
    assert asked["audience"] == ["https://api"]
    assert asked["resource"] == ["urn:a", "urn:b"]
    assert asked["domain_hint"] == ["example.com & more"]


def test_parameters_of_the_endpoints_own_address_stay(issuer: Issuer, http: httpx.Client) -> None:
    issuer.metadata["authorization_endpoint"] = f"{issuer.url}/authorize?p=b2c_1&client_id=other"
    url = client(issuer, http).authorization_url(state="s", redirect_uri=REDIRECT, code_challenge="c")
    asked = parse_qs(urlsplit(url).query)
    assert (asked["p"], asked["client_id"]) == (["b2c_1"], ["rootquorum"])


def test_no_parameter_takes_the_place_of_what_the_service_sends(issuer: Issuer, http: httpx.Client) -> None:
    """The settings refuse them already."""
    wrong = {"state": "x", "code_challenge": "x", "code": "x", "code_verifier": "x", "client_id": "x"}
    browser = client(issuer, http, authorization_parameters=wrong, token_parameters=wrong)
    url = browser.authorization_url(state="s", redirect_uri=REDIRECT, code_challenge="c")
    asked = parse_qs(urlsplit(url).query)
    assert (asked["state"], asked["code_challenge"], asked["client_id"]) == (["s"], ["c"], ["rootquorum"])
    browser.exchange(**CODE)
    ((_, form),) = issuer.posted
    assert (form["code"], form["code_verifier"], form["client_id"]) == (["c-1"], ["v" * 64], ["rootquorum"])


def test_settings_add_parameters_to_the_token_request(issuer: Issuer, http: httpx.Client) -> None:
    _, form = asked_of(issuer, http, token_parameters={"resource": ["urn:a", "urn:b"], "audience": "https://api"})
    assert (form["resource"], form["audience"]) == (["urn:a", "urn:b"], ["https://api"])


@pytest.mark.parametrize(
    "address",
    [None, 7, "", "authorize", "https://[", "http://\ud800/", "javascript:alert(1)", "https:///x", ["https://a"]],
)
def test_nobody_is_sent_to_an_address_that_is_none(issuer: Issuer, http: httpx.Client, address: object) -> None:
    issuer.metadata |= {"authorization_endpoint": address, "token_endpoint": address}
    browser = client(issuer, http)
    with pytest.raises(Unavailable):
        browser.authorization_url(state="s", redirect_uri=REDIRECT, code_challenge="c")
    with pytest.raises(Unavailable):
        browser.exchange(**CODE)


# --- who asks ---


@pytest.mark.parametrize("offered", [None, [], "client_secret_post", ["client_secret_basic", "client_secret_post"]])
@pytest.mark.parametrize("secret", ["s3cret", "a:b%c+d e/é"])
def test_secret_goes_encoded_into_basic(issuer: Issuer, http: httpx.Client, offered: object, secret: str) -> None:
    """RFC 6749, section 2.3.1: either part may hold a colon."""
    if offered is not None:
        issuer.metadata["token_endpoint_auth_methods_supported"] = offered
    headers, form = asked_of(issuer, http, client_id="https://app:1", client_secret=secret)

    encoded = b64decode(headers["authorization"].removeprefix("Basic ")).decode("ascii")
    assert [unquote_plus(part) for part in encoded.split(":")] == ["https://app:1", secret]
    assert {"client_id", "client_secret"}.isdisjoint(form)


def test_secret_goes_into_the_form_where_the_provider_takes_it_there_only(issuer: Issuer, http: httpx.Client) -> None:
    issuer.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt", "client_secret_post"]
    headers, form = asked_of(issuer, http, client_secret="a:b%c")
    assert "authorization" not in headers
    assert (form["client_id"], form["client_secret"]) == (["rootquorum"], ["a:b%c"])


def test_public_client_says_its_id_and_no_secret(issuer: Issuer, http: httpx.Client) -> None:
    headers, form = asked_of(issuer, http)
    assert "authorization" not in headers
    assert form["client_id"] == ["rootquorum"]


# --- what comes back ---


@pytest.mark.parametrize("token", ["2YotnFZFEjr1zCsicMWpAA", "eyJhbGciOiJkaXIifQ..a.b.c", ""])
def test_token_that_only_the_provider_can_read_is_not_handed_on_and_the_page_says_what_to_do(
    issuer: Issuer, http: httpx.Client, token: str
) -> None:
    issuer.token = lambda: {"access_token": token, "id_token": issuer.sign()}
    answer = client(issuer, http).exchange(**CODE)
    assert isinstance(answer, Refusal)
    assert answer.check == "opaque"
    assert all(word in answer.description for word in ("audience", "resource", 'sends = "id_token"'))


@pytest.mark.parametrize("answer", [{"error": "server_error"}, {"error": ["invalid_grant"]}, {}, {"access_token": 7}])
def test_answer_without_a_token_is_no_token(issuer: Issuer, http: httpx.Client, answer: object) -> None:
    issuer.token = lambda: answer
    with pytest.raises(Unavailable):
        client(issuer, http).exchange(**CODE)


# --- the limit ---


@pytest.fixture
def exchange(sqlite_house: House, issuer: Issuer, http: httpx.Client) -> Callable[..., Response]:
    """Post a code to the service. Three may fail in a minute."""
    browser = client(issuer, http, client_secret="s3cret")
    sqlite_house.app.state.places = Places(threads=24)  # three for one address
    sqlite_house.app.state.sign_ins = SignIns(issuer.verifier(http), {"corp": browser}, FailedSignIns(per_minute=3))
    site = TestClient(sqlite_house.app, raise_server_exceptions=False)

    def post(**form: str) -> Response:
        return site.post("/sign-in/corp/token", data={"grant_type": "authorization_code"} | CODE | form)

    return post


def test_junk_codes_reach_the_provider_no_more_often_than_sign_ins_may_fail(
    issuer: Issuer, exchange: Callable[..., Response]
) -> None:
    answers = [exchange(code=f"junk-{n}").status_code for n in range(6)]
    assert answers == [400, 400, 400, 429, 429, 429]
    assert len(issuer.posted) == 3


@pytest.mark.parametrize("answer", [b"<html>", {"error": "server_error"}, {"access_token": "opaque"}])
def test_whatever_ends_without_a_token_counts(
    issuer: Issuer, exchange: Callable[..., Response], answer: object
) -> None:
    issuer.token = lambda: answer
    answers = [exchange().status_code for _ in range(6)]
    assert answers[3:] == [429, 429, 429]
    assert len(issuer.posted) == 3


def test_junk_that_comes_all_at_once_has_no_more_tries(issuer: Issuer, exchange: Callable[..., Response]) -> None:
    all_asked, refused = Event(), Event()

    def answer() -> object:
        if len(issuer.posted) == 3:
            all_asked.set()
        assert refused.wait(10)
        return {"error": "invalid_grant"}

    issuer.token = answer
    with ThreadPoolExecutor(3) as threads:
        trying = [threads.submit(exchange) for _ in range(3)]
        assert all_asked.wait(10)
        assert exchange().status_code == 429
        refused.set()
        assert [each.result(10).status_code for each in trying] == [400, 400, 400]
    assert len(issuer.posted) == 3


def test_a_provider_that_hangs_holds_a_few_threads_for_one_address(
    sqlite_house: House, issuer: Issuer, exchange: Callable[..., Response]
) -> None:
    sqlite_house.app.state.places = Places(threads=4)  # one for one address
    asked, go_on = Event(), Event()

    def answer() -> object:
        asked.set()
        assert go_on.wait(10)
        return {"access_token": issuer.sign()}

    issuer.token = answer
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(exchange)
        assert asked.wait(10)
        refused = exchange()
        go_on.set()
        assert hanging.result(10).status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
    assert len(issuer.posted) == 1


def test_good_codes_do_not_count(issuer: Issuer, exchange: Callable[..., Response]) -> None:
    issuer.token = lambda: {"access_token": issuer.sign()}
    assert [exchange().status_code for _ in range(6)] == [200] * 6


@pytest.mark.parametrize(
    "form",
    [
        {"code": ""},
        {"code": "x" * 8193},
        {"redirect_uri": ""},
        {"code_verifier": ""},
        {"code_verifier": "v" * 42},
        {"code_verifier": "v" * 129},
        {"code_verifier": "é" * 64},
    ],
)
def test_what_can_be_no_code_is_refused_without_asking(
    issuer: Issuer, exchange: Callable[..., Response], form: dict[str, str]
) -> None:
    answer = exchange(**form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert issuer.posted == []


def test_log_says_why_a_code_became_no_token_and_holds_neither(
    issuer: Issuer, exchange: Callable[..., Response]
) -> None:
    issuer.token = lambda: {"error": "invalid_client", "error_description": "CANARY"}
    with capture_logs() as lines:
        answer = exchange(code="CANARY")
    assert answer.json()["error_description"] == (
        "The provider does not accept this service's client_id or client_secret."
    )
    failures = [line for line in lines if line["event"] == "sign-in failed"]
    assert [(line["check"], line["issuer"]) for line in failures] == [("invalid_client", "corp")]
    assert "CANARY" not in f"{lines} {answer.text}"
