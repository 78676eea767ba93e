"""Every refusal is a problem (RFC 9457) that says why, and nothing of what was sent."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from support.builders import ACCOUNT, JUSTIFICATION
from support.house import House

from service.api.contract.refusals import example
from service.api.key_files import FileName
from service.api.statuses import STATUSES
from service.db.engine import connect
from service.domain.errors import Code
from service.domain.operation import OperationName
from service.domain.request import Status

PROBLEMS = Path(__file__).parents[2] / "docs" / "problems.md"
MARKER = "ZMARK4711"
FILING = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": JUSTIFICATION}
ABSENT = "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11"
JSON = {"Content-Type": "application/json"}
UUID_FORM = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
TOO_LARGE = b"x" * (64 * 1024 + 1)


def either(*names: str) -> str:
    *others, last = [f"'{name}'" for name in names]
    return f"{', '.join(others)} or {last}"


def test_every_code_has_a_status() -> None:
    assert list(STATUSES) == list(Code)


@pytest.mark.parametrize("code", Code)
def test_contract_shows_the_codes_own_sentence_filled_in(code: Code) -> None:
    shown = example(code).detail
    pattern = re.sub(r"\\{\w+\\}", ".+", re.escape(code.sentence))

    assert re.match(pattern, shown)
    assert "{" not in shown


@pytest.mark.parametrize("code", Code)
def test_every_code_is_documented(code: Code) -> None:
    assert f"`{code}`" in PROBLEMS.read_text()


# --- the form ---


def no_database(house: House) -> Response:
    house.token("alice")
    house.change(engine=connect("sqlite:////nowhere/rootquorum.db", connections=1))
    return house.client("alice").get("/v1/me")


def crashed(house: House) -> Response:
    house.token("alice")
    house.change(engine=None)
    return house.client("alice").get("/v1/me")


def in_chunks() -> Iterator[bytes]:
    yield TOO_LARGE[:60_000]
    yield TOO_LARGE[60_000:]


PROVOKED: dict[str, tuple[int, Code, Callable[[House], Response]]] = {
    "malformed header": (
        400,
        Code.MALFORMED_IDEMPOTENCY_KEY,
        lambda house: house.client("alice").post("/v1/requests", json=FILING, headers={"Idempotency-Key": ""}),
    ),
    "nobody": (401, Code.UNAUTHENTICATED, lambda house: house.client().get("/v1/me")),
    "role": (403, Code.ROLE_REQUIRED, lambda house: house.client("alice").get("/v1/audit/events")),
    "no such request": (404, Code.NOT_FOUND, lambda house: house.client("bob").get(f"/v1/requests/{ABSENT}")),
    "no such route": (404, Code.NOT_FOUND, lambda house: house.client("bob").get("/v1/nothing")),
    "method": (405, Code.METHOD_NOT_ALLOWED, lambda house: house.client("bob").put("/v1/me")),
    "accept": (
        406,
        Code.NOT_ACCEPTABLE,
        lambda house: house.client("bob").post(f"/v1/requests/{ABSENT}/execution", headers={"Accept": "image/png"}),
    ),
    "conflict": (
        409,
        Code.ALREADY_IN_STATUS,
        lambda house: house.client("alice").post(
            "/v1/requests", json=FILING | {"operation": "activate_access_key", "access_key_id": house.signer}
        ),
    ),
    "large body, declared": (
        413,
        Code.BODY_TOO_LARGE,
        lambda house: house.client("alice").post("/v1/requests", content=TOO_LARGE, headers=JSON),
    ),
    "large body, in chunks": (
        413,
        Code.BODY_TOO_LARGE,
        lambda house: house.client("alice").post("/v1/requests", content=in_chunks(), headers=JSON),
    ),
    "field": (
        422,
        Code.INVALID_REQUEST,
        lambda house: house.client("alice").post("/v1/requests", json=FILING | {"account_id": "1"}),
    ),
    "rule": (
        422,
        Code.UNKNOWN_RECIPIENT,
        lambda house: house.client("alice").post("/v1/requests", json=FILING | {"recipient": "nobody"}),
    ),
    "crash": (500, Code.INTERNAL, crashed),
    "database away": (503, Code.UNAVAILABLE, no_database),
}


@pytest.mark.parametrize("refusal", PROVOKED)
def test_refusal_is_a_problem(house: House, refusal: str) -> None:
    status, code, provoke = PROVOKED[refusal]

    answer = provoke(house)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["type"] == f"urn:rootquorum:problem:{code}"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert ("errors" in problem) == (status == 422)


def test_401_says_how_to_sign_in(house: House) -> None:
    assert house.client().get("/v1/me").headers["www-authenticate"] == "Bearer"


def test_405_says_which_methods_there_are(house: House) -> None:
    assert house.client().put("/v1/me").headers["allow"] == "GET, HEAD"


def test_503_says_when_to_come_back(house: House) -> None:
    assert int(no_database(house).headers["retry-after"]) > 0


@pytest.mark.parametrize("refusal", PROVOKED)
def test_every_refusal_carries_the_security_headers(house: House, refusal: str) -> None:
    headers = PROVOKED[refusal][2](house).headers

    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"


# --- what can be sent ---

UNREADABLE = {
    "not JSON": b"{",
    "not UTF-8": b'{"operation": "\xff"}',
    "too deep": b"[" * 60_000,
    "a number without end": b'{"operation": ' + b"1" * 5000 + b"}",
    "no object": b"[]",
    "null": b"null",
    "NaN": b"NaN",
    "nothing": b"",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("path", ["/v1/requests", f"/v1/requests/{ABSENT}/decisions"])
def test_unreadable_body_is_422(house: House, path: str, content: bytes) -> None:
    answer = house.client("bob").post(path, content=content, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_unknown_fields_are_refused(house: House) -> None:
    filing = house.client("alice").post("/v1/requests", json=FILING | {"urgent": True})
    decision = {"decision": "approve", "digest": "0" * 64}
    deciding = house.client("bob").post(f"/v1/requests/{ABSENT}/decisions", json=decision | {"urgent": True})

    assert [answer.status_code for answer in (filing, deciding)] == [422, 422]


def test_fields_of_another_operation_are_refused(house: House) -> None:
    activation = FILING | {"operation": "activate_access_key", "access_key_id": house.signer, "accept_lockout": True}
    assert house.client("alice").post("/v1/requests", json=activation).status_code == 422


@pytest.mark.parametrize("path", ["/withdrawal", "/receipt", "/execution"])
def test_large_body_is_refused_before_anything_happens(house: House, path: str) -> None:
    """Also where no body is read: an answer of 413 after the act would throw the secret away."""
    approved = house.approved(recipient="alice")

    answer = house.client("alice").post(f"/v1/requests/{approved.filing.request_id}{path}", content=TOO_LARGE)

    assert answer.status_code == 413
    shown = house.client("alice").get(f"/v1/requests/{approved.filing.request_id}").json()
    assert shown["status"] == "approved"
    assert house.aws.count("CreateAccessKey") == 0


DECEIVING = {
    "NUL": "\x00",
    "escape": "\x1b",
    "delete": "\x7f",
    "C1 control": "\x9b",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "byte order mark": "\ufeff",
    "zero-width space": "\u200b",
    "soft hyphen": "\u00ad",
    "Hangul filler": "\u3164",
    "tag": "\U000e0041",
    "Braille blank": "\u2800",
    "variation selector": "\ufe0f",
    "grapheme joiner": "\u034f",
    "unassigned": "\u0378",
    "lone surrogate": "\ud800",
}


@pytest.mark.parametrize("character", DECEIVING.values(), ids=DECEIVING)
@pytest.mark.parametrize("field", ["justification", "ticket", "recipient"])
def test_text_that_deceives_an_approver_is_refused(house: House, field: str, character: str) -> None:
    content = json.dumps(FILING | {field: f"A text that {character} deceives."})

    assert house.client("alice").post("/v1/requests", content=content, headers=JSON).status_code == 422


@pytest.mark.parametrize("character", DECEIVING.values(), ids=DECEIVING)
def test_comment_that_deceives_is_refused(house: House, character: str) -> None:
    content = json.dumps({"decision": "reject", "digest": "0" * 64, "comment": f"no{character}"})

    answer = house.client("bob").post(f"/v1/requests/{ABSENT}/decisions", content=content, headers=JSON)

    assert answer.status_code == 422


@pytest.mark.parametrize("character", ["%00", "%1B", "%C2%9B", "%E2%80%AE", "%0A"])
@pytest.mark.parametrize("parameter", ["requester", "ticket", "account_id", "cursor"])
def test_control_characters_are_refused_in_query_parameters(
    either_house: House, parameter: str, character: str
) -> None:
    answer = either_house.client("bob").get(f"/v1/requests?{parameter}=a{character}b")

    assert answer.status_code == 422


def test_line_breaks_belong_into_texts_but_not_into_names(house: House) -> None:
    client = house.client("alice")

    assert client.post("/v1/requests", json=FILING | {"ticket": "OPS\n4711"}).status_code == 422
    assert client.post("/v1/requests", json=FILING | {"justification": "First line,\nsecond line."}).status_code == 201


# --- where it is wrong, and what may stand there ---

CHOICES = "Send one of: " + ", ".join(OperationName) + "."
NO_JSON = ("header", "Content-Type"), "Send the body as application/json."
REQUEST = f"/v1/requests/{ABSENT}"


def unknown(*names: str) -> str:
    return f"There is an unknown name here. Known names: {', '.join(names)}."


Sent = dict[str, Any]
WRONG: dict[str, tuple[str, str, Sent, tuple[str | int, ...], str]] = {
    "a misspelt operation": (
        "POST",
        "/v1/requests",
        {"json": {"operation": "create_acess_key"}},
        ("body", "operation"),
        CHOICES,
    ),
    "no operation": ("POST", "/v1/requests", {"json": {}}, ("body", "operation"), CHOICES),
    "an operation that is no text": (
        "POST",
        "/v1/requests",
        {"json": {"operation": ["x"]}},
        ("body", "operation"),
        CHOICES,
    ),
    "a list": ("POST", "/v1/requests", {"json": []}, ("body",), "This is not a JSON object."),
    "no JSON": ("POST", "/v1/requests", {"content": b"{", "headers": JSON}, ("body", 1), "This is not JSON."),
    "nothing": ("POST", "/v1/requests", {}, ("body",), "Field required"),
    "no Content-Type": ("POST", "/v1/requests", {"content": json.dumps(FILING)}, *NO_JSON),
    "a form": ("POST", "/v1/requests", {"data": FILING}, *NO_JSON),
    "JSON called text": (
        "POST",
        f"{REQUEST}/decisions",
        {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        *NO_JSON,
    ),
    "an unknown field": (
        "POST",
        "/v1/requests",
        {"json": FILING | {"lifetme": "P1D"}},
        ("body",),
        unknown("account_id", "justification", "ticket", "recipient", "drill", "lifetime", "sealed_to", "operation"),
    ),
    "another unknown field": (
        "POST",
        f"{REQUEST}/decisions",
        {"json": {"decision": "approve", "digest": "0" * 64, "note": "x"}},
        ("body",),
        unknown("decision", "digest", "comment", "statement", "signature"),
    ),
    "an unknown parameter": (
        "GET",
        "/v1/deliveries?state=failed",
        {},
        ("query",),
        unknown("status", "destination", "request_id", "cursor", "limit"),
    ),
    "a field of one kind of body": (
        "POST",
        "/v1/requests",
        {"json": FILING | {"account_id": "1"}},
        ("body", "account_id"),
        "String should match pattern '^[0-9]{12}$'",
    ),
    "a verdict": (
        "POST",
        f"{REQUEST}/decisions",
        {"json": {"decision": "yes", "digest": "0" * 64}},
        ("body", "decision"),
        "Input should be 'approve' or 'reject'",
    ),
    "a status": ("GET", "/v1/requests?status=done", {}, ("query", "status"), f"Input should be {either(*Status)}"),
    "an operation to look for": (
        "GET",
        "/v1/requests?operation=x",
        {},
        ("query", "operation"),
        f"Input should be {either(*OperationName)}",
    ),
    "a file": ("POST", f"{REQUEST}/execution/key.csv", {}, ("path", "file"), f"Input should be {either(*FileName)}"),
    "an id": ("GET", "/v1/requests/x", {}, ("path", "request_id"), f"String should match pattern '{UUID_FORM}'"),
    "a lifetime": (
        "POST",
        "/v1/requests",
        {"json": FILING | {"lifetime": "PT1S"}},
        ("body", "lifetime"),
        "A lifetime is at least 5 minutes and at most 3660 days.",
    ),
    "no duration": (
        "POST",
        "/v1/requests",
        {"json": FILING | {"lifetime": "P"}},
        ("body", "lifetime"),
        "This is not an ISO 8601 duration.",
    ),
    "invisible characters": (
        "POST",
        "/v1/requests",
        {"json": FILING | {"ticket": "OPS\U000e0041"}},
        ("body", "ticket"),
        "It contains invisible characters.",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_422_names_the_place_and_what_may_stand_there(house: House, wrong: str) -> None:
    method, path, sent, location, reason = WRONG[wrong]

    answer = house.client("oscar").request(method, path, **sent)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"] == [{"location": [*location], "reason": reason}]


BY_RULE: dict[str, tuple[str, str, Sent, tuple[str, str]]] = {
    "unknown_recipient": ("POST", "/v1/requests", {"json": FILING | {"recipient": "nobody"}}, ("body", "recipient")),
    "unknown_account": ("POST", "/v1/requests", {"json": FILING | {"account_id": "0" * 12}}, ("body", "account_id")),
    "comment_required": (
        "POST",
        f"{REQUEST}/decisions",
        {"json": {"decision": "reject", "digest": "0" * 64}},
        ("body", "comment"),
    ),
    "invalid_request": ("GET", "/v1/requests?cursor=x", {}, ("query", "cursor")),
    "invalid_request of a proof": ("GET", "/v1/audit/proofs/inclusion?seq=9999", {}, ("query", "seq")),
    "invalid_request of a size": ("GET", "/v1/audit/proofs/inclusion?seq=1&size=9999", {}, ("query", "size")),
    "invalid_request of two sizes": (
        "GET",
        "/v1/audit/proofs/consistency?first=9&second=9999",
        {},
        ("query", "second"),
    ),
}


@pytest.mark.parametrize("rule", BY_RULE)
def test_rule_that_refuses_a_field_names_it(house: House, rule: str) -> None:
    method, path, sent, location = BY_RULE[rule]

    problem = house.client("alice").request(method, path, **sent).json()

    assert problem["code"] == rule.split(maxsplit=1)[0]
    assert problem["errors"] == [{"location": [*location], "reason": problem["detail"]}]


def test_idempotency_key_that_is_reused_is_named(house: House) -> None:
    alice, key = house.client("alice"), {"Idempotency-Key": "k"}
    alice.post("/v1/requests", json=FILING, headers=key)

    answer = alice.post("/v1/requests", json=FILING | {"ticket": "OPS-1"}, headers=key)

    assert answer.json()["errors"] == [{"location": ["header", "Idempotency-Key"], "reason": answer.json()["detail"]}]


def test_rule_names_no_field_where_none_was_sent(house: House) -> None:
    """The same rule, asked again at the execution, is about what was filed."""
    approved = house.approved()
    house.change(policy=replace(house.ctx.policy, lifetime_required=True))

    answer = house.client("alice").post(f"/v1/requests/{approved.filing.request_id}/execution")

    assert (answer.status_code, answer.json()["code"], answer.json()["errors"]) == (422, "lifetime_required", [])


# --- no echo ---

DECISION = {"decision": "approve", "digest": "0" * 64}
ON_KEY = FILING | {"operation": "delete_access_key", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}
NESTED: list[Any] = [MARKER, [MARKER], {MARKER: MARKER}]

BODIES = [
    *(FILING | {field: value} for field in (*FILING, "ticket", "recipient", MARKER) for value in NESTED),
    *(ON_KEY | {field: value} for field in ("access_key_id", "run_on_approval", "accept_lockout") for value in NESTED),
    *NESTED,
]


@pytest.mark.parametrize("body", [body for body in BODIES if body != FILING | {"ticket": MARKER}])
def test_filing_echoes_nothing(house: House, body: object) -> None:
    answer = house.client("alice").post("/v1/requests", json=body)

    assert answer.status_code in {409, 422}
    assert MARKER.lower() not in answer.text.lower()


@pytest.mark.parametrize("body", [DECISION | {field: MARKER} for field in ("decision", "digest", "comment", MARKER)])
def test_deciding_echoes_nothing(house: House, body: object) -> None:
    answer = house.client("bob").post(f"/v1/requests/{ABSENT}/decisions", json=body)

    assert answer.status_code in {404, 422}
    assert MARKER not in answer.text


@pytest.mark.parametrize("content", [f"{{{MARKER}", f'"{MARKER}', f'{{"operation": {MARKER}}}', f"{MARKER}=1"])
def test_malformed_json_is_not_echoed(house: House, content: str) -> None:
    answer = house.client("alice").post("/v1/requests", content=content, headers=JSON)

    assert answer.status_code == 422
    assert MARKER not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        f"/{MARKER}",
        f"/v1/{MARKER}",
        f"/v1/requests/{MARKER}",
        f"/v1/accounts/{MARKER}/root-credentials",
        f"/docs/assets/{MARKER}",
        f"/v1/audit/events?request_id={MARKER}",
        *(
            f"/v1/requests?{name}={MARKER}"
            for name in ("awaiting", "status", "account_id", "operation", "cursor", "limit", "ticket", "requester")
        ),
        f"/v1/requests?{MARKER}={MARKER}",
    ],
)
def test_paths_and_queries_are_not_echoed(house: House, path: str) -> None:
    assert MARKER not in house.client("audrey").get(path).text


@pytest.mark.parametrize("name", ["Authorization", "Accept", "Content-Type", "Idempotency-Key", "X-Request-Id", "Host"])
def test_headers_are_not_echoed(house: House, name: str) -> None:
    approved = house.approved(recipient="alice")
    client, headers = house.client("alice"), {name: f"{MARKER} {MARKER}"}
    answers = [
        client.post("/v1/requests", json=FILING, headers=headers),
        client.post(f"/v1/requests/{approved.filing.request_id}/execution", headers=headers),
    ]

    assert all(MARKER not in answer.text for answer in answers)


def test_method_is_not_echoed(house: House) -> None:
    answer = house.client("alice").request(MARKER, "/v1/me")

    assert answer.status_code == 405
    assert MARKER not in answer.text


def test_crash_says_nothing_of_its_cause(house: House) -> None:
    house.token("alice")
    house.change(engine=MARKER)

    answer = house.client("alice").get("/v1/me")

    assert answer.status_code == 500
    assert MARKER not in answer.text
