"""Signing in from Swagger UI: the two ends of its flow here, and a real provider behind them."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from support.house import House
from support.products.canaille import REDIRECT, SCOPES, Canaille, trust_in

from service.api.sign_ins import SignIns
from service.auth import provider as of_provider
from service.auth.browser import BrowserClient
from service.auth.oidc import Verifier

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "swagger-ui",
    "redirect_uri": REDIRECT,
    "state": "s-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
def house(sqlite_house: House, provider: Canaille) -> Iterator[House]:
    """A service that people can sign in to at the provider, from Swagger UI."""
    with of_provider.new_client() as http:
        sqlite_house.app.state.sign_ins = sign_ins(provider, http)
        yield sqlite_house


def sign_ins(provider: Canaille, http: httpx.Client) -> SignIns:
    known = of_provider.Provider(provider.issuer, http)
    browser = BrowserClient(
        provider=known,
        http=http,
        client_id=provider.client_id,
        client_secret=None,
        scopes=SCOPES,
        sends="id_token",
        max_age=900,
        acr_values="",
    )
    return SignIns(Verifier([(trust_in(provider), known)]), {"corp": browser})


def anybody(house: House, **options: str) -> TestClient:
    return TestClient(house.app, follow_redirects=False, **options)  # type: ignore[arg-type]


def exchange(house: House, code: str, verifier: str = VERIFIER) -> Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": verifier}
    return anybody(house).post("/sign-in/corp/token", data=form)


def code_of(house: House, provider: Canaille, person: str) -> str:
    url = anybody(house).get("/sign-in/corp/authorize", params=ASKED).headers["location"]
    answer = provider.authorize(person, url)
    assert answer["state"] == "s-1"
    return answer["code"]


def test_whole_flow_ends_with_a_token_that_signs_in(house: House, provider: Canaille) -> None:
    provider.add_person("ines", "root-approvers")

    answer = exchange(house, code_of(house, provider, "ines"))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"access_token", "token_type"}
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert anybody(house).get("/v1/me", headers=headers).json()["subject"] == f"{provider.issuer}#ines"


def test_provider_is_asked_by_the_client_of_the_settings_and_for_the_time_of_the_sign_in(
    house: House, provider: Canaille
) -> None:
    answer = anybody(house).get("/sign-in/corp/authorize", params=ASKED | {"scope": "everything", "prompt": "none"})

    url = urlsplit(answer.headers["location"])
    assert answer.status_code == 302
    assert f"{url.scheme}://{url.netloc}" == provider.issuer
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    nonce = asked.pop("nonce")
    assert len(nonce) > 20
    assert asked == ASKED | {"client_id": provider.client_id, "scope": " ".join(SCOPES), "max_age": "900"}


@pytest.mark.parametrize(
    "changed", [{"code_challenge_method": "plain"}, {"code_challenge": ""}, {"state": ""}, {"redirect_uri": "x" * 2049}]
)
def test_nobody_is_sent_on_without_pkce(house: House, changed: dict[str, str]) -> None:
    assert anybody(house).get("/sign-in/corp/authorize", params=ASKED | changed).status_code == 422


def test_clients_secret_is_not_shown(provider: Canaille) -> None:
    with of_provider.new_client() as http:
        client = replace(sign_ins(provider, http).browsers["corp"], client_secret="hush-4711")
    assert "client_id" in repr(client)
    assert "hush-4711" not in f"{client} {client!r}"


def test_code_is_good_with_its_verifier_only(house: House, provider: Canaille) -> None:
    provider.add_person("jo", "root-approvers")
    wrong = exchange(house, code_of(house, provider, "jo"), "w" * 64)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")


def test_other_issuer_or_method_is_not_there(house: House) -> None:
    client = anybody(house)
    assert client.get("/sign-in/other/authorize", params=ASKED).json()["code"] == "not_found"
    assert client.post("/sign-in/other/token", data={"code": "x"}).json()["code"] == "not_found"
    assert client.get("/sign-in/corp/token").status_code == 405


def test_provider_that_is_away_is_503(house: House, provider: Canaille) -> None:
    provider.stop()
    try:
        assert anybody(house).get("/sign-in/corp/authorize", params=ASKED).json()["code"] == "provider_unreachable"
        assert exchange(house, "x").json()["code"] == "provider_unreachable"
    finally:
        provider.start()


@pytest.mark.parametrize("root", ["", "/approvals"])
def test_document_offers_to_sign_in_where_the_proxy_serves_it(house: House, root: str) -> None:
    document = anybody(house, root_path=root).get(f"{root}/openapi.json").json()

    assert document["servers"] == [{"url": root or "/"}]
    flow = document["components"]["securitySchemes"]["corp"]["flows"]["authorizationCode"]
    assert flow == {
        "authorizationUrl": f"{root}/sign-in/corp/authorize",
        "tokenUrl": f"{root}/sign-in/corp/token",
        "scopes": {},
    }
    assert document["paths"]["/v1/me"]["get"]["security"] == [{"corp": []}, {"token": []}]
    assert document["paths"]["/livez"]["get"]["security"] == []


def test_document_of_a_service_without_issuers_is_the_committed_one_but_for_where_it_is(sqlite_house: House) -> None:
    sqlite_house.app.state.sign_ins = SignIns()
    committed = json.loads(json.dumps(sqlite_house.app.openapi()))
    assert anybody(sqlite_house).get("/openapi.json").json() == committed | {"servers": [{"url": "/"}]}


def test_page_that_takes_the_code_keeps_it_to_itself(house: House) -> None:
    answer = anybody(house).get("/docs/oauth2-redirect?code=c&state=s")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "cross-origin-opener-policy" not in answer.headers  # it has to reach the page that opened it
    assert "code=c" not in answer.text
