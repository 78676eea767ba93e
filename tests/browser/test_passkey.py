"""A real browser signs a statement with a passkey, and OpenSSH verifies it."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from support.products import openssh
from support.served import served

from service.signing.demands import Demands, faults
from service.signing.faults import BadSignature, Fault
from service.signing.passkeys import BrowserAssertion, pack
from service.signing.public_keys import PublicKey, from_passkey
from service.signing.sshsig import Signed, to_be_signed, verify

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

_MESSAGE, _NAMESPACE, _RP_ID = b'{"type":"rootquorum-decision/1"}', "decision@rootquorum", "localhost"

_REGISTER = """async () => {
  const made = await navigator.credentials.create({ publicKey: {
    challenge: new Uint8Array(32), rp: { id: "localhost", name: "Rootquorum" },
    user: { id: new Uint8Array([1]), name: "dave", displayName: "Dave" },
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
  } });
  const base64 = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return { id: base64(made.rawId), key: base64(made.response.getPublicKey()) };
}"""
_SIGN = """async ([id, challenge, userVerification]) => {
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const base64 = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const { response } = await navigator.credentials.get({ publicKey: {
    challenge: bytes(challenge), rpId: "localhost", userVerification,
    allowCredentials: [{ type: "public-key", id: bytes(id) }],
  } });
  return [response.authenticatorData, response.clientDataJSON, response.signature].map(base64);
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Rootquorum</title>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def serving_a_page() -> Iterator[str]:
    with served(ThreadingHTTPServer(("127.0.0.1", 0), _Page)) as server:
        yield f"http://localhost:{server.server_port}"


class Person:
    """Somebody with a page of the service open, and an authenticator."""

    def __init__(self, page: Page, origin: str, **authenticator: Any) -> None:
        self.origin, self._page = origin, page
        page.goto(origin)
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        session.send("WebAuthn.addVirtualAuthenticator", {"options": options | authenticator})
        made = page.evaluate(_REGISTER)
        self._id = made["id"]
        self.public: PublicKey = from_passkey(base64.b64decode(made["key"]), _RP_ID)

    def sign(self, message: bytes, user_verification: str = "required") -> str:
        challenge = base64.b64encode(to_be_signed(message, _NAMESPACE)).decode()
        answer = self._page.evaluate(_SIGN, [self._id, challenge, user_verification])
        assertion = BrowserAssertion(*(base64.b64decode(part) for part in answer))
        return pack(assertion, self.public, _NAMESPACE)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def origin() -> Iterator[str]:
    with serving_a_page() as origin:
        yield origin


def faults_of(armored: str, **demands: Any) -> tuple[Fault, ...]:
    signed: Signed = verify(armored, _MESSAGE, _NAMESPACE)
    return faults(signed, Demands(rp_id=_RP_ID, **demands))


def test_a_passkey_signs_and_openssh_verifies(page: Page, origin: str, tmp_path: Path) -> None:
    dave = Person(page, origin)
    armored = dave.sign(_MESSAGE)
    assert verify(armored, _MESSAGE, _NAMESPACE).key == dave.public
    assert faults_of(armored, origins=frozenset({origin}), only_device_bound=True) == ()

    verifier = openssh.Verifier(tmp_path, dave.public.text)
    assert verifier.accepts(armored, _MESSAGE, _NAMESPACE)
    assert not verifier.accepts(armored, _MESSAGE + b"\n", _NAMESPACE)
    with pytest.raises(BadSignature):
        verify(armored, _MESSAGE + b"\n", _NAMESPACE)


def test_the_browsers_word_on_its_page_is_compared(page: Page, origin: str) -> None:
    armored = Person(page, origin).sign(_MESSAGE)
    assert faults_of(armored, origins=frozenset({"http://localhost"})) == (Fault.WRONG_SITE,)


def test_a_counter_goes_up_with_each_signature(page: Page, origin: str) -> None:
    dave = Person(page, origin)
    assertions = [verify(dave.sign(_MESSAGE), _MESSAGE, _NAMESPACE).assertion for _ in range(2)]
    first, second = (assertion.counter for assertion in assertions if assertion is not None)
    assert 0 < first < second


def test_an_authenticator_that_verifies_nobody_says_so(page: Page, origin: str) -> None:
    armored = Person(page, origin, hasUserVerification=False, isUserVerified=False).sign(_MESSAGE, "discouraged")
    assert faults_of(armored, origins=frozenset({origin})) == (Fault.NOT_VERIFIED,)
    assert faults_of(armored, origins=frozenset({origin}), user_verified=False) == ()


def test_a_synchronized_passkey_says_so(page: Page, origin: str) -> None:
    armored = Person(page, origin, defaultBackupEligibility=True, defaultBackupState=True).sign(_MESSAGE)
    assert faults_of(armored, origins=frozenset({origin})) == ()
    assert faults_of(armored, origins=frozenset({origin}), only_device_bound=True) == (Fault.NOT_DEVICE_BOUND,)
