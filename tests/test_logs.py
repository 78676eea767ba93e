"""What a log line must not hold, and that looking for it costs no stranger's input more than linear time."""

import base64
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from service import logs
from service.auth.api_tokens import mint
from service.domain.actor import ActorKind


def part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


CLAIMS = part(json.dumps({"sub": "carol", "exp": 1}))
SIGNATURE = "c2lnbmF0dXJl" * 5
HEADERS = {
    "compact": '{"alg":"RS256"}',
    "a space first": ' {"alg":"RS256"}',
    "a space inside": '{ "alg": "RS256" }',
    "on lines": '{\r\n\t"alg": "ES256"\r\n}',
    "another name first": '{"kid":"1","alg":"RS256"}',
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("around", ["{}", "Bearer {}", "/v1/{}/x", "token={}&x", "junk-{}", '"{}"'])
def test_no_jwt_is_in_a_log_line(header: str, around: str) -> None:
    shown = logs.redacted(around.format(f"{part(header)}.{CLAIMS}.{SIGNATURE}"))
    assert "[redacted]" in shown
    assert not [each for each in (part(header), CLAIMS, SIGNATURE) if each in shown]


def test_an_encrypted_token_and_one_without_a_signature_are_replaced_as_well() -> None:
    encrypted = ".".join([part('{"alg":"RSA-OAEP","enc":"A256GCM"}'), *["c2VjcmV0" * 4] * 4])
    assert logs.redacted(f"{encrypted} {part(HEADERS['compact'])}.{CLAIMS}.") == "[redacted] [redacted]"


@pytest.mark.parametrize("kind", [ActorKind.PERSON, ActorKind.MACHINE])
def test_no_api_token_is_in_a_log_line(kind: ActorKind) -> None:
    assert logs.redacted(f"GET /{mint(kind).reveal()}/x") == "GET /[redacted]/x"


@pytest.mark.parametrize(
    "line", ["service.workflow.execute", "ewald.example.com:443", "10.0.0.1", "eyJhbGciOiJSUzI1NiJ9", "a.b.c", "v1.2.3"]
)
def test_what_is_no_token_stays_readable(line: str) -> None:
    assert logs.redacted(line) == line


@contextmanager
def configured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="INFO", log_format="json")
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level


def test_the_access_log_has_no_query_string_and_no_endless_path(capsys: pytest.CaptureFixture[str]) -> None:
    access = logging.getLogger("uvicorn.access")
    with configured():
        access.info('%s - "%s %s HTTP/%s" %d', "10.0.0.1:1", "GET", "/callback?code=4711&state=x", "1.1", 200)
        access.info('%s - "%s %s HTTP/%s" %d', "10.0.0.1:1", "GET", "/" + "x" * 60_000, "1.1", 404)
    first, second = (json.loads(line)["event"] for line in capsys.readouterr().err.splitlines())
    assert first == '10.0.0.1:1 - "GET /callback HTTP/1.1" 200'
    assert len(second) < 1100


HOSTILE: dict[str, Callable[[int], str]] = {
    "headers in headers": lambda n: "eyJ" * (n // 3),
    "headers and dots": lambda n: "eyJ." * (n // 4),
    "many headers": lambda n: (part(HEADERS["compact"]) + "x.") * (n // 22),
    "nested": lambda n: part("[" * n) + ".",
    "almost an API token": lambda n: "rqp_" * (n // 4),
    "long API tokens": lambda n: ("rqp_" + "x" * 45 + "-") * (n // 50),
    "one word": lambda n: "a" * n,
    "only dots": lambda n: "." * n,
}


def seconds(text: str) -> float:
    """The least CPU time of several tries, for the machine has other work."""

    def once() -> float:
        begun = time.process_time()
        logs.redacted(text)
        return time.process_time() - begun

    return min(once() for _ in range(5))


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_eight_times_the_input_takes_about_eight_times_the_time(hostile: Callable[[int], str]) -> None:
    size = 64 * 1024
    # A quadratic pattern takes 64 times as long: far enough from 8 for a machine that has other work.
    assert seconds(hostile(8 * size)) < 24 * seconds(hostile(size)) + 0.02
