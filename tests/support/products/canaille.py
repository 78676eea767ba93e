"""A real OpenID Connect provider for the tests: Canaille, over HTTP, in a thread of this process.

Its behaviour (0.3): only ID tokens have the sign-in's `auth_time`, `amr` and `nonce`; the `auth_time` of access tokens
is the time of their issue. Both have `groups` by the scope `groups`, unless there are none. Access tokens are JWTs for
people, and random strings for machines. So a machine's JWT, like all tokens that no provider would make, is signed here
with the provider's own key: `Canaille.sign`.
"""

import base64
import hashlib
import os
import re
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import jwt
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from canaille.backends.memory.backend import MemoryBackend
from joserfc.jwk import JWKRegistry
from support.products.devices import Devices

from service.auth.claims import Trust

REDIRECT = "http://127.0.0.1/docs/oauth2-redirect"
PASSWORD = "correct horse battery staple"
SCOPES = ("openid", "profile", "email", "groups")


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    id_token: str


class _ProviderServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


_any_of = MemoryBackend.do_query


def _all_of(store: Any, model: Any, *args: Any, **wanted: Any) -> list[Any]:
    """Find what has all the wanted values. Canaille's store in memory finds what has any of them (0.3).

    So it took another code of the same client for the one that it was given, if one had never been exchanged.
    """
    found: list[Any] = _any_of(store, model, *args, **wanted)
    for name, value in wanted.items():
        ids = {each.id for each in _any_of(store, model, **{name: value})}
        found = [each for each in found if each.id in ids]
    return found


MemoryBackend.do_query = _all_of


class Canaille:
    """The started provider, with one client for this service and one for another. There is one per process."""

    def __init__(self) -> None:
        self._server = make_server("localhost", 0, self._counted, server_class=_ProviderServer, handler_class=_Quiet)
        self._port = self._server.server_port
        self.issuer = f"http://localhost:{self._port}"
        self.keys = [new_key("RSA")]
        self.asked: list[str] = []
        self._app = create_app(config=self._configuration(), env_file=None)
        self._devices = Devices(self._app, f"{self.issuer}/device")
        self._config = self._app.config["CANAILLE_OIDC"]
        self._thread: threading.Thread | None = None
        self._serve()
        self.client_id, self.foreign_client_id = self._add_client("rootquorum"), self._add_client("wiki")

    def _configuration(self) -> dict[str, Any]:
        return {
            "TESTING": True,
            "ENV_FILE": None,
            "SECRET_KEY": secrets.token_urlsafe(),
            "WTF_CSRF_ENABLED": False,
            "PREFERRED_URL_SCHEME": "http",
            "SERVER_NAME": f"localhost:{self._port}",
            "CANAILLE": {
                "DATABASE": "memory",
                "JAVASCRIPT": False,
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
                "LOGGING": {"version": 1, "disable_existing_loggers": False},
            },
            "CANAILLE_OIDC": {"ACTIVE_JWKS": self.keys, "REQUIRE_NONCE": True},
        }

    def _counted(self, environ: Any, start_response: Any) -> Any:
        self.asked.append(environ["PATH_INFO"])
        return self._app(environ, start_response)

    # --- start and stop ---

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        if self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._thread = None

    def start(self) -> None:
        """Start the same provider at the same address again."""
        server = make_server("localhost", self._port, self._counted, server_class=_ProviderServer, handler_class=_Quiet)
        self._server = server
        self._serve()

    # --- what an administrator does ---

    def add_person(self, name: str, *groups: str) -> None:
        with self._app.app_context():
            person = models.User(
                user_name=name,
                family_name=name.capitalize(),
                formatted_name=name.capitalize(),
                emails=[f"{name}@example.com"],
                password=PASSWORD,
            )
            Backend.instance.save(person)
        self.set_groups(name, *groups)

    def set_groups(self, name: str, *groups: str) -> None:
        with self._app.app_context():
            person = Backend.instance.get(models.User, user_name=name)
            for group in list(person.groups):
                Backend.instance.update(group, members=[member for member in group.members if member != person])
                Backend.instance.save(group) if group.members else Backend.instance.delete(group)
            for display_name in groups:
                group = Backend.instance.get(models.Group, display_name=display_name)
                if group is None:
                    group = models.Group(display_name=display_name, members=[person])
                else:
                    group.members = [*group.members, person]
                Backend.instance.save(group)

    def allow_redirect(self, *uris: str) -> None:
        """Register the redirect URIs of this service's client."""
        with self._app.app_context():
            client = Backend.instance.get(models.Client, client_id=self.client_id)
            client.redirect_uris = [*client.redirect_uris, *uris]
            Backend.instance.save(client)

    def answer_device(self, user_code: str, name: str, *, is_allowed: bool = True) -> None:
        """Type the code that a device shows, as this person, and allow it or not."""
        with self._app.app_context():
            self._devices.answer(user_code, Backend.instance.get(models.User, user_name=name), is_allowed=is_allowed)

    def rotate(self) -> None:
        """Sign with a new key from now on. The old one stays published as long as its tokens are valid."""
        self._retire(self.keys[0])
        self.keys = [new_key("RSA")]
        self._config["ACTIVE_JWKS"] = self.keys

    def publish(self, kind: str, curve: str | int | None = None) -> dict[str, str]:
        """Add a key to the JWKS that the provider does not sign with, and return it with its private part."""
        key = new_key(kind, curve)
        self._retire(key)
        return key

    def _retire(self, key: dict[str, str]) -> None:
        self._config["INACTIVE_JWKS"] = [*(self._config["INACTIVE_JWKS"] or []), key]

    def _add_client(self, name: str) -> str:
        client_id = f"{name}-{uuid.uuid4()}"
        with self._app.app_context():
            client = models.Client(
                client_id=client_id,
                client_name=name,
                client_uri=f"https://{name}.example.com",
                redirect_uris=[REDIRECT],
                grant_types=["authorization_code", DEVICE_CODE_GRANT_TYPE],
                response_types=["code"],
                scope=list(SCOPES),
                token_endpoint_auth_method="none",
                id_token_signed_response_alg="RS256",
                client_id_issued_at=datetime.now(UTC),
            )
            Backend.instance.save(client)
            client.audience = [client]
            Backend.instance.save(client)
        return client_id

    # --- what people do ---

    def sign_in(self, name: str, *, client_id: str | None = None, **asked: str) -> Tokens:
        """Sign in by authorization code with PKCE, through the login and the consent page."""
        answered = self._exchange(name, client_id or self.client_id, asked)
        assert answered.is_success, answered.text
        return Tokens(answered.json()["access_token"], answered.json()["id_token"])

    def _exchange(self, name: str, client_id: str, asked: dict[str, str]) -> httpx.Response:
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT,
            "scope": " ".join(SCOPES),
            "state": secrets.token_urlsafe(),
            "nonce": secrets.token_urlsafe(),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        } | asked
        answer = self.authorize(name, str(httpx.URL(f"{self.issuer}/oauth/authorize", params=query)))
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": REDIRECT,
            "client_id": client_id,
            "code_verifier": verifier,
        }
        return httpx.post(f"{self.issuer}/oauth/token", data=form, verify=False)

    def authorize(self, name: str, url: str) -> dict[str, str]:
        """Fill in each page in a new browser until the redirect to the client. Return the redirect's parameters."""
        with httpx.Client(base_url=self.issuer, follow_redirects=False, verify=False) as browser:
            redirect = dict(parse_qsl(urlsplit(url).query)).get("redirect_uri", REDIRECT)
            return self._to_code(browser, browser.get(url), name, redirect)

    def _to_code(self, browser: httpx.Client, page: httpx.Response, name: str, redirect: str) -> dict[str, str]:
        for _ in range(20):
            if page.is_redirect:
                target = urljoin(str(page.url), page.headers["location"])
                if target.startswith(redirect):
                    return dict(parse_qsl(urlsplit(target).query))
                page = browser.get(target)
            elif 'name="login"' in page.text:
                page = browser.post(str(page.url), data={"login": name})
            elif 'name="password"' in page.text:
                page = browser.post(str(page.url), data={"password": PASSWORD})
            elif 'name="answer"' in page.text:
                page = browser.post(str(page.url), data={"answer": "accept"})
            else:
                break
        raise AssertionError(f"the provider shows something else: {page.status_code} {_words(page.text)}")

    # --- what nobody should be able to do ---

    def claims(self, **changes: object) -> dict[str, object]:
        """Return the claims of a valid token for this service; None removes one."""
        return good_claims(self.issuer, [self.client_id], **changes)

    def sign(
        self, claims: dict[str, object], key: dict[str, str] | None = None, alg: str = "RS256", **header: Any
    ) -> str:
        """Return a token signed with a key of the provider."""
        return signed_by(key or self.keys[0], claims, alg, **header)


def trust_in(provider: Canaille) -> Trust:
    """Return the trust of a service whose settings call this provider "corp"."""
    return Trust(name="corp", audience=frozenset({provider.client_id}))


def signed_by(key: dict[str, str], claims: dict[str, object], alg: str = "RS256", **header: Any) -> str:
    header = {name: value for name, value in ({"kid": key["kid"], "typ": "JWT"} | header).items() if value is not None}
    return jwt.encode(claims, jwt.PyJWK(key, alg).key, alg, headers=header)


def good_claims(issuer: str, audience: str | list[str], **changes: object) -> dict[str, object]:
    """Return the claims of a valid token of `issuer`; None removes one."""
    now = int(time.time())
    good = {
        "iss": issuer,
        "aud": audience,
        "sub": "erin",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "groups": ["root-approvers"],
    } | changes
    return {name: value for name, value in good.items() if value is not None}


def new_key(kind: str, curve: str | int | None = None) -> dict[str, str]:
    usual: dict[str, str | int] = {"RSA": 2048, "EC": "P-256", "OKP": "Ed25519"}
    key = JWKRegistry.generate_key(kind, curve or usual[kind])
    key.ensure_kid()
    return {name: str(value) for name, value in key.as_dict(private=True).items()}


def _words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())[:300]


@contextmanager
def running_provider() -> Iterator[Canaille]:
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP, on this machine only
    provider = Canaille()
    try:
        yield provider
    finally:
        provider.stop()
