"""Sign-ins from the command line: at a real provider, and at one that lies."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from support.installation import commanded, serving
from support.lying_provider import Lying, lying_provider
from support.products.canaille import Canaille

from rootquorum_client import ClientError, NotAllowed, TimedOut, WrongAnswer
from rootquorum_client.sign_in import sign_in
from service.cli.waiting import free_port

Browser = Callable[[str], object]


def _arrive(redirect: str, **query: str) -> int:
    return httpx.get(redirect, params=query, verify=False).status_code


def _in_another_thread(browser: Browser) -> Browser:
    """Return what opens an address as a browser does: meanwhile the program goes on."""
    return lambda url: threading.Thread(target=browser, args=(url,)).start()


# --- a real provider ---


@pytest.fixture
def served(tmp_path: Path, provider: Canaille) -> Iterator[str]:
    """Where a service is that trusts the provider."""
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/rootquorum.db"\n[aws]\nsimulated = true\n'
        f'[accounts.111122223333]\nname = "production"\n'
        f'[issuers.corp]\nurl = "{provider.issuer}"\naudience = ["{provider.client_id}"]\n'
        '[[issuers.corp.grants]]\ngroup = "root-approvers"\nroles = ["approver"]\n'
    )
    port = free_port()
    with serving(tmp_path, port, "--migrate"):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("which", ["--id-token", ""])
def test_a_person_signs_in_and_the_service_takes_the_token(
    served: str, provider: Canaille, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    name, port = f"nora{len(which)}", free_port()
    redirect = f"http://127.0.0.1:{port}/callback"
    provider.add_person(name, "root-approvers")
    provider.allow_redirect(redirect)
    opened: list[str] = []

    def browse(url: str) -> None:
        opened.append(url)
        _arrive(redirect, **provider.authorize(name, url))

    monkeypatch.setattr(webbrowser, "open", _in_another_thread(browse))
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    asked = ("--issuer", provider.issuer, "--client-id", provider.client_id, "--port", str(port), "--max-age", "60")
    signed_in = commanded(tmp_path, "login", *asked, *which.split(), HOME=str(tmp_path))

    assert signed_in.returncode == 0, signed_in.stderr
    assert signed_in.stderr == f"Sign in here: {opened[0]}\n"
    assert "max_age=60" in opened[0]
    token = signed_in.stdout.strip()
    assert not [each for each in tmp_path.rglob("*") if each.is_file() and token.encode() in each.read_bytes()]
    assert {each for each in tmp_path.rglob("*") if each.is_file()} == {*before}
    who = commanded(tmp_path, "whoami", "--json", ROOTQUORUM_URL=served, ROOTQUORUM_TOKEN=token)
    assert json.loads(who.stdout)["roles"] == ["approver"], who.stderr


# --- one that lies ---

_BROWSER = """
import sys, urllib.parse, urllib.request
print("A browser's own words.")
asked = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)
urllib.request.urlopen(asked["redirect_uri"][0] + "?code=c&state=" + asked["state"][0])
"""


@pytest.fixture
def lying() -> Iterator[Lying]:
    with lying_provider() as found:
        yield found


def _asked(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def _with_code(url: str) -> None:
    asked = _asked(url)
    _arrive(asked["redirect_uri"], state=asked["state"], code="c")


def _signed_in(lying: Lying, browser: Browser = _with_code, seconds: float = 60) -> Any:
    return sign_in(lying.url, "rootquorum", show=_in_another_thread(browser), seconds=seconds)


def test_the_code_goes_to_the_provider_with_its_verifier_and_without_a_token(lying: Lying) -> None:
    tokens = _signed_in(lying)
    assert (tokens.access_token.reveal(), tokens.id_token) == ("x", None)
    [form] = lying.forms
    assert (form["code"], form["client_id"], form["authorization"]) == ("c", "rootquorum", "None")
    assert len(form["code_verifier"]) >= 43


@pytest.mark.parametrize(
    ("member", "value", "error"),
    [
        ("issuer", "https://elsewhere.example.com", WrongAnswer),
        ("token_endpoint", "http://example.com/token", NotAllowed),
        ("token_endpoint", None, WrongAnswer),
        ("authorization_endpoint", "file:///etc/passwd", NotAllowed),
        ("authorization_endpoint", "https://example.com/ x", NotAllowed),
        ("authorization_endpoint", "https://user@example.com/", NotAllowed),
    ],
)
def test_metadata_lead_nowhere_else(lying: Lying, member: str, value: object, error: type[Exception]) -> None:
    lying.document[member] = value
    with pytest.raises(error):
        _signed_in(lying, pytest.fail)
    assert lying.forms == []


def test_only_the_browser_of_this_sign_in_is_heard(lying: Lying) -> None:
    seen: list[int] = []

    def browse(url: str) -> None:
        redirect = _asked(url)["redirect_uri"]
        seen.append(_arrive(redirect, code="evil"))
        seen.append(_arrive(redirect, code="evil", state="x"))
        seen.append(_arrive(redirect.replace("callback", ""), code="evil", state=_asked(url)["state"]))
        _with_code(url)

    _signed_in(lying, browse)
    assert seen == [404, 404, 404]
    assert [form["code"] for form in lying.forms] == ["c"]


@pytest.mark.parametrize("more", [{"iss": "https://other.example.com", "code": "c"}, {"error": "access_denied"}, {}])
def test_a_redirect_without_a_code_of_this_provider_ends_it(lying: Lying, more: dict[str, str]) -> None:
    def browse(url: str) -> None:
        _arrive(_asked(url)["redirect_uri"], state=_asked(url)["state"], **more)

    with pytest.raises(ClientError) as refused:
        _signed_in(lying, browse)
    assert ("access_denied" in str(refused.value)) == ("error" in more)
    assert lying.forms == []


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}),
        (200, {"access_token": "a b"}),
        (200, {"access_token": "x\n"}),
        (200, {"access_token": "x", "id_token": "a.e30.c"}),
        (200, {"access_token": "x", "id_token": "a"}),
        (200, []),
        (302, {}),
        (400, {"error": "invalid_grant"}),
        (400, {"error": "\x1b[2J"}),
    ],
)
def test_what_is_no_token_of_this_sign_in_is_refused(lying: Lying, answer: tuple[int, Any]) -> None:
    lying.answer = answer
    with pytest.raises(ClientError) as refused:
        _signed_in(lying)
    assert str(refused.value).isprintable()


def test_a_connection_without_a_request_holds_nothing_up(lying: Lying) -> None:
    def browse(url: str) -> None:
        split = urlsplit(_asked(url)["redirect_uri"])
        with socket.create_connection((str(split.hostname), int(split.port or 0))):
            _with_code(url)

    assert _signed_in(lying, browse).access_token.reveal() == "x"


def test_stdout_has_the_token_and_nothing_of_the_browser(lying: Lying, tmp_path: Path) -> None:
    (tmp_path / "browser.py").write_text(_BROWSER)
    done = subprocess.run(
        [sys.executable, "-m", "service", "login", "--issuer", lying.url, "--client-id", "x"],
        env=os.environ | {"BROWSER": f"{sys.executable} {tmp_path}/browser.py %s"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
    assert "A browser's own words." in done.stderr


def test_nobody_waits_for_ever(lying: Lying) -> None:
    with pytest.raises(TimedOut):
        _signed_in(lying, lambda _: None, seconds=0.01)


def test_a_terminal_gets_no_token_and_is_told_before_anybody_signs_in(tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    command = ["login", "--issuer", "https://login.example.com", "--client-id", "x"]
    done = subprocess.run(
        [sys.executable, "-m", "service", *command],
        cwd=tmp_path,
        stdout=inner,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(inner)
    os.close(outer)
    assert done.returncode == 2
    assert done.stderr.startswith("A token is not shown on a terminal")
