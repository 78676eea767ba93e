"""An identity provider that answers as a test dictates, over real HTTP and with its own keys.

It stands for providers that tests cannot install. The provider for the tests' sign-ins is real: `products/canaille.py`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
from jwt.algorithms import OKPAlgorithm
from support.products.canaille import good_claims, new_key
from support.served import served

from service.auth.claims import Trust
from service.auth.oidc import Verifier
from service.auth.provider import Provider

DISCOVERY = "/.well-known/openid-configuration"
AUDIENCE = "rootquorum"
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}

_SIGNATURES = jwt.PyJWS()
_SIGNATURES.register_algorithm("Ed25519", OKPAlgorithm())

Answered = tuple[int, dict[str, str], bytes]


@cache
def key_of(kind: str, curve: str | int | None = None, which: int = 0) -> dict[str, str]:
    """Return a key, the same one every time, because making one takes long. `which` selects one of the same kind."""
    del which
    return new_key(kind, curve)


def public(key: dict[str, str], **changes: object) -> dict[str, object]:
    """Return the published part of a key; `changes` with None remove a member."""
    published = {name: value for name, value in key.items() if name not in _PRIVATE}
    return {name: value for name, value in (published | changes).items() if value is not None}


class Issuer(ThreadingHTTPServer):
    """A provider whose metadata, JWKS and token response a test can change."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _IssuerHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = key_of("RSA")
        self.metadata: dict[str, object] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }
        self.listed: list[object] = [public(self.key)]
        self.answers: dict[str, Answered] = {}
        self.asked: list[str] = []
        self.posted: list[tuple[dict[str, str], dict[str, list[str]]]] = []
        self.token: Callable[[], object] = lambda: {"error": "invalid_grant"}

    def reply(self, path: str) -> Answered:
        if path in self.answers:
            return self.answers[path]
        documents = {DISCOVERY: self.metadata, "/keys": {"keys": self.listed}}
        return (200, {}, json.dumps(documents[path]).encode()) if path in documents else (404, {}, b"")

    # --- helpers for tests ---

    def provider(self, http: httpx.Client, *clock: Callable[[], float], **where: str) -> Provider:
        return Provider(where.pop("issuer", self.url), http, *clock, **where)  # type: ignore[arg-type]

    def verifier(self, http: httpx.Client, *clock: Callable[[], float], **trust: Any) -> Verifier:
        return Verifier([(trusting(**trust), self.provider(http, *clock))])

    def claims(self, **changes: object) -> dict[str, object]:
        """Return the claims of a valid token for this service; None removes one."""
        return good_claims(self.url, AUDIENCE, **changes)

    def sign(
        self,
        claims: dict[str, object] | None = None,
        key: dict[str, str] | None = None,
        alg: str = "RS256",
        **header: object,
    ) -> str:
        """Return a token signed by the provider's key, or by another; None removes a header."""
        key = key or self.key
        said = {"kid": key["kid"], "typ": "JWT", "alg": alg} | header
        payload = json.dumps(self.claims() if claims is None else claims).encode()
        private = jwt.PyJWK(key, "EdDSA" if alg == "Ed25519" else alg).key
        return _SIGNATURES.encode(
            payload, private, alg, headers={name: value for name, value in said.items() if value is not None}
        )


def trusting(**changes: Any) -> Trust:
    """Return the trust of a service whose settings call this provider "corp"."""
    return Trust(**{"name": "corp", "audience": frozenset({AUDIENCE})} | changes)


class _IssuerHandler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.asked.append(self.path)
        if url.path == "/authorize":  # no sign-in is needed: it redirects straight back
            (back,), (state,) = (parse_qs(url.query)[name] for name in ("redirect_uri", "state"))
            self._answer(302, {"Location": f"{back}?{urlencode({'code': 'c-1', 'state': state})}"}, b"")
            return
        self._answer(*self.server.reply(url.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posted.append(({name.lower(): value for name, value in self.headers.items()}, parse_qs(body)))
        document = self.server.token()
        status = 400 if isinstance(document, dict) and "error" in document else 200
        self._answer(status, {}, document if isinstance(document, bytes) else json.dumps(document).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def issuing() -> Iterator[Issuer]:
    with served(Issuer()) as issuer:
        yield issuer
