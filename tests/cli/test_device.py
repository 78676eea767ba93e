"""Sign-ins on a machine without a browser (RFC 8628): at a real provider, and at one that answers as a test says."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.installation import PROGRAM, commanded
from support.lying_provider import Lying, lying_provider
from support.products.canaille import Canaille

from rootquorum_client import ClientError, NotAllowed, TimedOut, WrongAnswer
from rootquorum_client.device import sign_in_by_device

PENDING = (400, {"error": "authorization_pending"})
SLOW_DOWN = (400, {"error": "slow_down"})
BEGUN = {
    "device_code": "GmRh",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://login.example.com/device",
    "expires_in": 60,
}


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def now(self) -> float:
        return sum(self.waits)


@pytest.fixture
def lying() -> Iterator[Lying]:
    with lying_provider() as found:
        found.document["device_authorization_endpoint"] = f"{found.url}/device"
        yield found


def signed_in(lying: Lying, clock: Clock, *answers: tuple[int, Any] | None, **begun: Any) -> tuple[str, list[str]]:
    """Sign in where the provider begins so and answers the polls so. Return the token and what was shown."""
    lying.answers = [(200, {key: value for key, value in (BEGUN | begun).items() if value is not None}), *answers]
    shown: list[str] = []
    tokens = sign_in_by_device(
        lying.url, "rootquorum", show=lambda *said: shown.extend(said), wait=clock.wait, clock=clock.now
    )
    return tokens.access_token.reveal(), shown


# --- a real provider ---


def test_a_person_signs_in_with_another_machine(provider: Canaille) -> None:
    provider.add_person("dina", "root-approvers")
    codes: list[str] = []
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:  # the second poll came too soon for this provider
            provider.answer_device(codes[0], "dina")

    tokens = sign_in_by_device(provider.issuer, provider.client_id, show=lambda _, code: codes.append(code), wait=wait)
    assert tokens.access_token.reveal().count(".") == 2
    assert waits == [1, 1, 6]


def test_the_command_shows_the_code_and_hands_the_token_on(provider: Canaille, tmp_path: Path) -> None:
    provider.add_person("dora", "root-approvers")
    command = [*PROGRAM, "login", "--device", "--issuer", provider.issuer, "--client-id", provider.client_id]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
        try:
            assert done.stderr is not None
            line = done.stderr.readline()
            assert line.startswith(f"On any machine open {provider.issuer}/device and type there: ")
            provider.answer_device(line.split()[-1], "dora")
            out, error = done.communicate()
        finally:
            done.kill()
    assert (done.returncode, out.count("."), error) == (0, 2, ""), error


def test_who_refuses_gives_no_token(provider: Canaille) -> None:
    provider.add_person("dirk", "root-approvers")
    codes: list[str] = []
    with pytest.raises(ClientError, match="access_denied"):
        sign_in_by_device(
            provider.issuer,
            provider.client_id,
            show=lambda _, code: codes.append(code),
            wait=lambda _: provider.answer_device(codes[0], "dirk", is_allowed=False),
        )


# --- one that answers as a test says ---


def test_the_provider_is_asked_no_faster_than_it_says(lying: Lying) -> None:
    clock = Clock()
    token, shown = signed_in(lying, clock, PENDING, SLOW_DOWN, PENDING, SLOW_DOWN)
    assert (token, shown) == ("x", ["https://login.example.com/device", "WDJB-MJHT"])
    assert clock.waits == [5, 5, 10, 10, 15]  # the interval when none is said; five seconds more from then on
    assert lying.forms[0]["scope"].startswith("openid")
    assert {(form["device_code"], form["client_id"], form["authorization"]) for form in lying.forms[1:]} == {
        ("GmRh", "rootquorum", "None")
    }


@pytest.mark.parametrize("answer", [None, (503, {}), (429, {})])
def test_a_provider_that_is_away_is_asked_at_half_the_rate(lying: Lying, answer: tuple[int, Any] | None) -> None:
    clock = Clock()
    signed_in(lying, clock, answer, answer, PENDING, interval=2)
    assert clock.waits == [2, 4, 8, 8]


def test_nobody_waits_after_the_code_has_ended(lying: Lying) -> None:
    clock = Clock()
    with pytest.raises(TimedOut):
        signed_in(lying, clock, *[PENDING] * 20, expires_in=20, interval=5)
    assert clock.waits == [5, 5, 5]


@pytest.mark.parametrize(
    ("error", "kind", "polls"),
    [
        ("expired_token", TimedOut, 1),
        ("access_denied", ClientError, 1),
        ("invalid_grant", ClientError, 1),
        ("\x1b[2J", ClientError, 1),
        (None, ClientError, 1),
    ],
)
def test_what_is_final_ends_it(lying: Lying, error: str | None, kind: type[Exception], polls: int) -> None:
    clock = Clock()
    with pytest.raises(kind) as refused:
        signed_in(lying, clock, (400, {"error": error}), PENDING)
    assert len(clock.waits) == polls
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "begun",
    [
        {"device_code": None},
        {"user_code": "\x1b[2J"},
        {"user_code": "x" * 65},
        {"user_code": 7},
        {"verification_uri": "http://login.example.com"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://a.example.com/ x"},
        {"expires_in": None},
        {"expires_in": "60"},
        {"expires_in": float("nan")},
        {"expires_in": 10**9},
        {"interval": -1},
        {"interval": True},
    ],
)
def test_what_cannot_be_used_is_shown_to_nobody(lying: Lying, begun: dict[str, Any]) -> None:
    clock = Clock()
    with pytest.raises((WrongAnswer, NotAllowed)):
        signed_in(lying, clock, **begun)
    assert clock.waits == []


def test_an_interval_of_nothing_is_a_second(lying: Lying) -> None:
    clock = Clock()
    signed_in(lying, clock, PENDING, interval=0)
    assert clock.waits == [1, 1]


def test_a_provider_without_the_flow_is_named(lying: Lying, tmp_path: Path) -> None:
    del lying.document["device_authorization_endpoint"]
    done = commanded(tmp_path, "login", "--device", "--issuer", lying.url, "--client-id", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The provider's metadata has no device_authorization_endpoint.\n"


def test_a_device_cannot_ask_for_a_fresh_sign_in(tmp_path: Path) -> None:
    done = commanded(tmp_path, "login", "--device", "--max-age", "60", "--issuer", "https://a", "--client-id", "x")
    assert (done.returncode, done.stderr) == (2, "The device flow has no --max-age.\n")
