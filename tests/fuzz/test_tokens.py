"""Tokens and JWKS, mangled: nothing breaks, nobody is signed in who was not, and no token comes into the log.

`FUZZ=long` tries more of them. Each case is made of its number, so that one that fails can be tried again.
"""

import base64
import json
import logging
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi.testclient import TestClient
from jwt import PyJWK
from support.house import House
from support.issuer import DISCOVERY, Issuer, issuing, key_of, public, trusting
from support.logs import capture_logs

from service.api.sign_ins import FailedSignIns, SignIns
from service.auth.oidc import Verifier
from service.auth.provider import Provider
from service.domain.errors import Unauthenticated, Unavailable
from service.domain.proof import Login

CASES = range(3000 if os.environ.get("FUZZ") == "long" else 100)
CANARY = "CANARY-5cc1e2a46f0f"

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 10**18, 10**400, 1.5, 1e308, float("nan"), float("inf")),
    *("", " ", "x", "x" * 300, "\ud800", "\0", "\u202e", "RS256", "EdDSA", "none", "sig", "enc", "RSA", "EC", "oct"),
    *([], [None], ["x", 7], [[]], {}, {"x": []}, ["verify"], "AQAB", "rootquorum", ["rootquorum"], "root-approvers"),
]


def mangled_text(chance: Random, text: str, alphabet: str) -> str:
    """One to three places cut out, doubled, changed, or put elsewhere."""
    for _ in range(chance.randint(1, 3)):
        start, end = sorted(chance.randint(0, len(text)) for _ in range(2))
        end = min(end, start + chance.choice([1, 1, 2, 40, len(text)]))
        put = chance.choice(["", text[start:end] * 2, chance.choice(alphabet), text[start:end].swapcase()])
        text = text[:start] + put + text[end:]
    return text


def mangled(chance: Random, document: Any) -> Any:
    """The same with one to three of its nodes replaced, taken out or doubled."""
    document = deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        holder: Any = chance.choice([node for node in _nodes(document) if isinstance(node, dict | list)])
        if isinstance(holder, list):
            at = chance.randint(0, len(holder))
            holder[at : at + chance.randint(0, 1)] = [deepcopy(chance.choice([*holder, *ODD]))]
        elif holder and chance.random() < 0.3:
            del holder[chance.choice(list(holder))]
        else:
            holder[chance.choice([*holder, "x5u", "jku", "nbf", "acr", "acrs", "amr", "auth_time", "jti"])] = deepcopy(
                chance.choice(ODD)
            )
    return document


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(child)


def signed(private: Any, header: object, claims: object) -> str:
    """Whatever they are: no library would sign most of them."""
    text = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{text}.{_encoded(private.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


Answer = tuple[int, dict[str, Any]]


@pytest.fixture
def me(sqlite_house: House, issuer: Issuer, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[str], Answer]]:
    """Who the service says that somebody with this token is. In the end it is looked for what was logged."""
    caplog.set_level(logging.DEBUG)
    tokens: list[str] = []
    with httpx.Client() as http, capture_logs() as lines:
        sqlite_house.app.state.sign_ins = SignIns(issuer.verifier(http), failures=FailedSignIns(10**6))
        site = TestClient(sqlite_house.app, raise_server_exceptions=False)

        def ask(token: str) -> Answer:
            tokens.append(token)
            answer = site.get("/v1/me", headers={b"Authorization": f"Bearer {token}".encode("latin-1", "replace")})
            assert CANARY not in answer.text
            return answer.status_code, answer.json()

        yield ask
    logged = f"{lines} {caplog.text}"
    assert "sign-in failed" in logged
    assert CANARY not in logged
    assert not [part for token in tokens for part in token.split(".") if len(part) > 16 and part in logged]


def test_mangled_token_is_nobodys_or_the_same_persons(me: Callable[[str], Answer], issuer: Issuer) -> None:
    good = issuer.sign(issuer.claims(nonce=CANARY))
    known = me(good)
    assert known[0] == 200
    for number in CASES:
        token = mangled_text(Random(number), good, "abcXYZ019-_.=+/ é\\{\x7f")
        answer = me(token)
        # Blanks around a token are the header's, not its own.
        assert answer[0] in {401, 503} or (token.strip() == good and answer == known), (number, answer)


def test_claims_that_no_provider_would_sign_are_nobodys_or_theirs(me: Callable[[str], Answer], issuer: Issuer) -> None:
    header = {"alg": "RS256", "kid": issuer.key["kid"], "typ": "JWT"}
    private = PyJWK(issuer.key, "RS256").key
    statuses = set()
    for number in CASES:
        chance = Random(number)
        part = chance.choice(["header", "claims", "both"])
        good: Any = (header, issuer.claims(nonce=CANARY))
        head = mangled(chance, good[0]) if part != "claims" else good[0]
        claims = mangled(chance, good[1]) if part != "header" else good[1]
        status, said = me(signed(private, head, claims))
        statuses.add(status)
        if status == 200:
            assert said["subject"] == f"{issuer.url}#{claims['sub']}", number
            assert (head["alg"], head["kid"], claims["iss"]) == ("RS256", header["kid"], issuer.url), number
            assert "rootquorum" in claims["aud"], number
            assert ("root-approvers" in claims["groups"], said["roles"]) == (True, ["approver"]), number
    assert {200, 401} < statuses <= {200, 401, 403, 503}


def answering(documents: dict[str, str]) -> httpx.MockTransport:
    """Mangled addresses lead anywhere: nobody is asked but this."""

    def answer(asked: httpx.Request) -> httpx.Response:
        body = documents.get(asked.url.path)
        return httpx.Response(404) if body is None else httpx.Response(200, content=body.encode("utf-8", "replace"))

    return httpx.MockTransport(answer)


def test_mangled_keys_sign_nobody_else_in(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "service")
    foreign = key_of("RSA", which=1) | {"kid": issuer.key["kid"]}
    good, forged = issuer.sign(issuer.claims(nonce=CANARY)), issuer.sign(issuer.claims(nonce=CANARY), foreign)
    issuer.listed += [public(key_of("EC")), public(key_of("RSA", which=2), kid=issuer.key["kid"], use="enc")]
    documents = {DISCOVERY: issuer.metadata | {"note": CANARY}, "/keys": {"keys": issuer.listed, "note": CANARY}}
    known = _login({path: json.dumps(document) for path, document in documents.items()}, issuer, good)
    outcomes = set()
    for number in CASES:
        chance = Random(number)
        spoilt = chance.choice(list(documents))
        text = {path: json.dumps(document) for path, document in documents.items()}
        if chance.random() < 0.5:
            text[spoilt] = json.dumps(mangled(chance, documents[spoilt]))
        else:
            text[spoilt] = mangled_text(chance, text[spoilt], '{}[]",:\\0123 aAé\0')
        outcomes.add(_login(text, issuer, good))
        assert _login(text, issuer, forged) is None, number
    assert known is not None
    assert outcomes == {known, None}
    assert "cannot be asked" in caplog.text
    assert CANARY not in caplog.text
    assert not [part for token in (good, forged) for part in token.split(".")[1:] if part in caplog.text]


def _login(documents: dict[str, str], issuer: Issuer, token: str) -> Login | None:
    """Whom the token proves; None for nobody. Anything else that is raised is a fault."""
    with httpx.Client(transport=answering(documents)) as http:
        try:
            return Verifier([(trusting(), Provider(issuer.url, http))]).verify(token)
        except (Unauthenticated, Unavailable):
            return None
