"""What a log line must not hold, and that looking for it costs no stranger's input more than linear time."""

import ast
import base64
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service import call_id, logs
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


TOKEN = f"{part(HEADERS['compact'])}.{CLAIMS}.{SIGNATURE}"
SECRETS = {"a JWT": TOKEN, "an API token": mint(ActorKind.PERSON).reveal()}


def percent_encoded(text: str, times: int) -> str:
    """All of it, which is more than a client does."""
    for _ in range(times):
        text = "".join(f"%{ord(each):02X}" for each in text)
    return text


ENCODINGS: dict[str, Callable[[str], str]] = {
    "dots and underscores": lambda text: text.replace(".", "%2E").replace("_", "%5F"),
    "in small letters": lambda text: text.replace(".", "%2e").replace("_", "%5f"),
    "twice": lambda text: text.replace(".", "%252E").replace("_", "%255F"),
    "many times": lambda text: text.replace(".", f"%{'25' * 9}2E").replace("_", f"%{'25' * 9}5F"),
    "all of it": lambda text: percent_encoded(text, 1),
    "all of it, twice": lambda text: percent_encoded(text, 2),
}


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_percent_encoded_token_is_in_a_log_line(secret: str, encoding: Callable[[str], str]) -> None:
    shown = logs.redacted(f"GET /{encoding(secret)}/x")
    assert shown == "GET /[redacted]/x"


BREAKS = ("\n", "\r\n", "\r\n\t", "\\n", "\\r\\n", "\\\\n", "\n    ", "\\n\\t", "%0A", "%0D%0A", "%250A")


@pytest.mark.parametrize("between", BREAKS, ids=map(repr, BREAKS))
@pytest.mark.parametrize("width", [10, 30, 60, 76])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_line_of_a_token_that_was_wrapped_is_in_a_log_line(secret: str, width: int, between: str) -> None:
    lines = [secret[start : start + width] for start in range(0, len(secret), width)]
    assert logs.redacted(f'"{between.join(lines)}"') == '"[redacted]"'


def test_padding_hides_no_part_of_a_token() -> None:
    padded = ".".join(each + "=" * (-len(each) % 4) for each in TOKEN.split("."))
    assert logs.redacted(f"Bearer {padded}").rstrip("=") == "Bearer [redacted]"


def test_what_is_decoded_ends_neither_a_line_nor_a_string() -> None:
    around = "%22%0A%5C%7B"
    assert logs.redacted(f"{around}/{ENCODINGS['twice'](TOKEN)}/{around}") == f"{around}/[redacted]/{around}"


def test_an_encrypted_token_and_one_without_a_signature_are_replaced_as_well() -> None:
    encrypted = ".".join([part('{"alg":"RSA-OAEP","enc":"A256GCM"}'), *["c2VjcmV0" * 4] * 4])
    assert logs.redacted(f"{encrypted} {part(HEADERS['compact'])}.{CLAIMS}.") == "[redacted] [redacted]"


@pytest.mark.parametrize("kind", [ActorKind.PERSON, ActorKind.MACHINE])
def test_no_api_token_is_in_a_log_line(kind: ActorKind) -> None:
    assert logs.redacted(f"GET /{mint(kind).reveal()}/x") == "GET /[redacted]/x"


@pytest.mark.parametrize(
    "line",
    [
        "service.workflow.execute",
        "ewald.example.com:443",
        "10.0.0.1",
        "eyJhbGciOiJSUzI1NiJ9",
        "a.b.c",
        "v1.2.3",
        "GET /a%2Eb%2Fc%20d%0A",
        'File "a.py", line 3, in f\n    return g.h(x)\\nValueError: 100%25',
    ],
)
def test_what_is_no_token_stays_readable(line: str) -> None:
    assert logs.redacted(line) == line


@contextmanager
def configured(log_format: logs.LogFormat = "json") -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="INFO", log_format=log_format)
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_field_that_is_not_allowed_is_in_no_line(
    log_format: logs.LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    fields: dict[str, Any] = {"status": 200, "body": "canary", "headers": {"Authorization": "canary"}}
    with configured(log_format):
        logging.getLogger("library").info("plain", extra={"fields": fields})
    [line] = capsys.readouterr().err.splitlines()
    assert "canary" not in line
    assert line.count("200") == 1


def said_in(node: ast.AST) -> ast.AST | None:
    """Return the fields of a line, where they are written: as `extra=` or as a variable of that name."""
    if isinstance(node, ast.keyword) and node.arg == "extra":
        return node.value
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    is_named = any(isinstance(target, ast.Name) and target.id == "fields" for target in targets)
    return getattr(node, "value", None) if is_named else None


def test_every_field_that_the_service_logs_is_allowed() -> None:
    """A field that was forgotten in the list would be missing when somebody needs it."""
    named: set[object] = set()
    for package in ("api", "worker.py", "workflow"):
        path = Path(logs.__file__).with_name(package)
        for code in map(Path.read_text, [path] if path.is_file() else path.rglob("*.py")):
            tree = ast.parse(code if "logger." in code else "")
            for said in filter(None, map(said_in, ast.walk(tree))):
                dicts = [each for each in ast.walk(said) if isinstance(each, ast.Dict)]
                named |= {key.value for each in dicts for key in each.keys if isinstance(key, ast.Constant)}
    assert {"why", "milliseconds", "unlogged", "step", "source"} <= named
    assert named - {"fields"} <= logs.FIELDS


def test_a_line_has_the_id_of_the_call_that_wrote_it(capsys: pytest.CaptureFixture[str]) -> None:
    with configured(), call_id.working("abc"):
        logging.getLogger("library").info("plain")
    assert [json.loads(line)["call_id"] for line in capsys.readouterr().err.splitlines()] == ["abc"]


def written(log_format: logs.LogFormat, message: str, *arguments: object, **more: Any) -> str:
    """Return the line of one record, without its time."""
    with configured(log_format):
        [handler] = logging.getLogger().handlers
    record = logging.LogRecord("library.part", logging.WARNING, __file__, 1, message, arguments, None)
    vars(record).update(more)
    return re.sub(r"[-\d]{10}T[:\d]{8}\.\d{6}Z", "TIME", handler.format(record))


@pytest.mark.parametrize("message", ["plain", 'é "quoted" \\ \n', "\ud800", "\x1b[31m"], ids=ascii)
def test_a_line_is_json_with_fields_in_order(message: str) -> None:
    line = written("json", "%s", message, fields={"status": 200})
    assert line.isascii()
    assert list(json.loads(line).items()) == [
        ("event", message),
        ("level", "warning"),
        ("logger", "library.part"),
        ("timestamp", "TIME"),
        ("status", 200),
    ]


def test_a_line_for_a_terminal_has_the_same_in_words() -> None:
    line = written("console", "failed", fields={"status": 200, "why": 'a "b"'}, stack_info="Stack:\n  here")
    assert line == 'TIME [warning] failed status=200 why="a \\"b\\"" [library.part]\nStack:\n  here'


@pytest.mark.parametrize("hostile", ["\x1b[31m", "a\nTIME [error] forged", "\u202e"], ids=ascii)
def test_no_input_writes_to_the_terminal_or_begins_a_line(hostile: str) -> None:
    line = written("console", "%s", hostile, fields={"why": hostile})
    assert hostile not in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("between", BREAKS, ids=map(repr, BREAKS))
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_wrapped_token_is_in_no_line(log_format: logs.LogFormat, between: str) -> None:
    lines = between.join(TOKEN[start : start + 60] for start in range(0, len(TOKEN), 60))
    line = written(log_format, "%s", lines, fields={"why": lines})
    assert line.count("[redacted]") == 2
    assert CLAIMS[:20] not in line


def test_a_library_s_traceback_is_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        logging.getLogger("library").error("failed", exc_info=ValueError("of no use"))
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"].endswith("ValueError: of no use")


HOSTILE: dict[str, Callable[[int], str]] = {
    "headers in headers": lambda n: "eyJ" * (n // 3),
    "headers and dots": lambda n: "eyJ." * (n // 4),
    "many headers": lambda n: (part(HEADERS["compact"]) + "x.") * (n // 22),
    "nested": lambda n: part("[" * n) + ".",
    "almost an API token": lambda n: "rqp_" * (n // 4),
    "long API tokens": lambda n: ("rqp_" + "x" * 45 + "-") * (n // 50),
    "one word": lambda n: "a" * n,
    "only dots": lambda n: "." * n,
    "only escapes": lambda n: "%2E" * (n // 3),
    "escapes of escapes": lambda n: "%" + "25" * (n // 2),
    "escapes in escapes": lambda n: "%" * (n // 3) + "32" * (n // 3),
    "only line breaks": lambda n: "a" + "\n" * n,
    "written line breaks": lambda n: "a" + "\\n" * (n // 2),
    "encoded line breaks": lambda n: "a" + "%0A" * (n // 3),
    "backslashes": lambda n: "a" + "\\" * n,
    "short lines": lambda n: "a.\n" * (n // 3),
    "lines and blanks": lambda n: ("a\n" + " " * 98) * (n // 100),
    "padding": lambda n: "a=." * (n // 3),
    "dots between parts": lambda n: ("a" * 11 + ".") * (n // 12),
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
