"""The client of others: what it repeats and what not, what it believes, and where secrets can go."""

import copy
import json
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.served import served

from rootquorum_client import (
    Client,
    CreatedKey,
    Ended,
    NoAnswer,
    NotAllowed,
    Operation,
    Problem,
    Request,
    Secret,
    TimedOut,
    WrongAnswer,
)

_EXAMPLES = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())["components"]["examples"]
PENDING = _EXAMPLES["pending"]["value"]
KEY = _EXAMPLES["created_key"]["value"] | {"secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
ID, ACCOUNT = PENDING["id"], PENDING["account"]["account_id"]
BUSY = {"status": 503, "code": "unavailable", "detail": "The database is not available."}


@dataclass(frozen=True)
class Told:
    """One answer. `is_cut` closes the connection in the middle of it."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@contextmanager
def answering(*told: Told) -> Iterator[tuple[Client, list[Call]]]:
    """Serve these answers in turn, the last one again and again, and collect the calls."""
    calls: list[Call] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            calls.append(Call(self.command, self.path, dict(self.headers), json.loads(body) if body else None))
            now = told[min(len(calls), len(told)) - 1]
            content = b"" if now.status == 304 else json.dumps(now.body).encode()
            self.send_response(now.status)
            for name, value in {"Content-Length": str(len(content) + now.is_cut), **now.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with (
        served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server,
        Client(f"http://127.0.0.1:{server.server_port}", "token") as client,
    ):
        yield client, calls


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the seconds that the client pauses, instead of waiting."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


# --- repeats ---


def test_a_read_is_repeated_as_retry_after_says(pauses: list[float]) -> None:
    with answering(Told(503, BUSY, {"Retry-After": "3"}), Told(429, BUSY), Told(200, PENDING)) as (client, calls):
        assert client.request(ID).id == ID
    assert len(calls) == 3
    assert pauses == [3, 0.5]


def test_repeats_are_bounded(pauses: list[float]) -> None:
    with answering(Told(503, BUSY, {"Retry-After": "1"})) as (client, calls), pytest.raises(Problem):
        client.me()
    assert (len(calls), pauses) == (4, [1, 1, 1])


def test_nobody_waits_for_an_hour(pauses: list[float]) -> None:
    with answering(Told(503, BUSY, {"Retry-After": "3600"})) as (client, calls), pytest.raises(Problem):
        client.me()
    assert (len(calls), pauses) == (1, [])


def test_a_filing_is_repeated_with_the_same_key(pauses: list[float]) -> None:
    with answering(Told(is_cut=True), Told(201, PENDING)) as (client, calls):
        client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due this quarter.")
        client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due this quarter.")
        client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due this quarter.", idempotency_key="mine")
    first, again, other, mine = (call.headers["Idempotency-Key"] for call in calls)
    assert first == again != other
    assert (mine, len(pauses)) == ("mine", 1)
    assert calls[0].body == {
        "operation": "create_access_key",
        "account_id": ACCOUNT,
        "justification": "Due this quarter.",
    }


@pytest.mark.parametrize("told", [Told(503, BUSY, {"Retry-After": "0"}), Told(429, BUSY), Told(200, KEY, is_cut=True)])
def test_an_execution_is_never_repeated(told: Told, pauses: list[float]) -> None:
    with answering(told) as (client, calls), pytest.raises((Problem, NoAnswer)) as failed:
        client.execute(ID)
    assert (len(calls), pauses) == (1, [])
    assert failed.value.may_have_acted is (told.status != 429)


@pytest.mark.parametrize("code", ["account_unreachable", "root_not_proved", "tracker_unreachable"])
def test_a_problem_that_did_nothing_says_so(code: str) -> None:
    with answering(Told(503, {**BUSY, "code": code})) as (client, _), pytest.raises(Problem) as refused:
        client.execute(ID)
    assert (refused.value.code, refused.value.may_have_acted) == (code, False)


def test_what_was_not_sent_did_nothing() -> None:
    with Client("http://127.0.0.1:1", "token") as client, pytest.raises(NoAnswer) as failed:
        client.execute(ID)
    assert failed.value.may_have_acted is False


@pytest.mark.parametrize("key", ["", "a b", "ü", "a\r\nX-Other: 1", "x" * 256])
def test_an_idempotency_key_is_one_word(key: str) -> None:
    with answering(Told()) as (client, calls), pytest.raises(NotAllowed):
        client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due this quarter.", idempotency_key=key)
    assert calls == []


def test_what_is_no_text_is_not_sent() -> None:
    with answering(Told()) as (client, calls):
        with pytest.raises(NotAllowed):
            client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due \udcff.")
        with pytest.raises(NotAllowed):
            next(client.requests(ticket="\udcff"))
    assert calls == []


# --- problems ---


def test_a_refusal_is_a_problem_with_its_parts() -> None:
    errors = [{"location": ["body", "lifetime"], "reason": "Too long."}]
    body = {"status": 422, "code": "invalid_request", "detail": "It is not valid.", "errors": errors}
    with answering(Told(422, body)) as (client, _), pytest.raises(Problem, match="It is not valid") as refused:
        client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due this quarter.", lifetime="P1Y")
    assert (refused.value.status, refused.value.code, refused.value.errors) == (422, "invalid_request", errors)


@pytest.mark.parametrize("body", ["x", [], {"code": 1, "detail": ["x"], "errors": {"a": 1}}, {"errors": ["x"]}])
def test_what_is_no_problem_document_is_a_problem_without_a_code(body: Any) -> None:
    with answering(Told(500, body)) as (client, _), pytest.raises(Problem, match=r"^The server answered 500\.$") as at:
        client.me()
    assert (at.value.code, [*at.value.errors]) == (None, [])


def test_a_redirect_is_refused() -> None:
    with (
        answering(Told(200, PENDING)) as (elsewhere, seen),
        answering(Told(307, {}, {"Location": f"{elsewhere.url}/v1/me"})) as (client, _),
        pytest.raises(Problem, match="307"),
    ):
        client.me()
    assert seen == []


# --- what it believes ---


@pytest.mark.parametrize(
    "lie",
    [
        {"status": None},
        {"account": "production"},
        {"clocks": {**PENDING["clocks"], "filed_at": "yesterday"}},
        {"clocks": {**PENDING["clocks"], "filed_at": "2026-01-01T00:00:00"}},
        {"clocks": {**PENDING["clocks"], "filed_at": "0001-01-01T00:00:00+12:00"}},
        {"run_on_approval": 1},
        {"quorum": {**PENDING["quorum"], "needed": True}},
        {"warnings": {}},
    ],
)
def test_an_answer_of_another_form_is_refused(lie: dict[str, Any]) -> None:
    with answering(Told(200, PENDING | lie)) as (client, _), pytest.raises(WrongAnswer, match="missing or malformed"):
        client.request(ID)


def test_another_request_than_was_asked_for_is_refused() -> None:
    with answering(Told(200, PENDING | {"id": "3f0c2b1e-0000-4000-8000-000000000000"})) as (client, _):
        for call in (client.request, client.withdraw, client.execute, client.confirm_receipt):
            with pytest.raises(WrongAnswer, match="about another request"):
                call(ID)
        with pytest.raises(WrongAnswer):
            client.wait_until(ID, {"approved"}, timeout=1)


def test_members_that_are_new_are_passed_over() -> None:
    with answering(Told(200, PENDING | {"status": "postponed", "mood": "good"})) as (client, _):
        request = client.request(ID)
    assert (request.status, request.document["mood"]) == ("postponed", "good")


@pytest.mark.parametrize(
    "lie",
    [
        {"secret_access_key": "a" * 40 + "\ncredential_process = /bin/evil"},
        {"secret_access_key": "a b" * 20},
        {"secret_access_key": ""},
        {"secret_access_key": None},
        {"access_key_id": "AKIA]\n[default"},
    ],
)
def test_a_key_that_could_be_more_than_one_is_refused_without_showing_it(lie: dict[str, Any]) -> None:
    with answering(Told(200, KEY | lie)) as (client, _), pytest.raises(WrongAnswer) as refused:
        client.execute(ID)
    assert refused.value.may_have_acted
    assert "evil" not in str(refused.value)
    assert KEY["secret_access_key"] not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("wrong", ["", ".", "..", "../../me", ID[:-1], f"{ID}/execution", f"{ID}\n"])
def test_an_id_leads_to_no_other_path(wrong: str) -> None:
    with answering(Told()) as (client, calls):
        for call in (client.request, client.withdraw, client.execute, client.account):
            with pytest.raises(NotAllowed):
                call(wrong)
    assert calls == []


# --- pages ---


def test_pages_are_read_as_they_are_needed() -> None:
    summary = _EXAMPLES["page"]["value"]["items"][0]
    first, second = {"items": [summary] * 2, "next_cursor": "x"}, {"items": [summary], "next_cursor": None}
    with answering(Told(200, first), Told(200, second)) as (client, calls):
        found = client.requests(status="pending")
        next(found)
        assert len(calls) == 1
        assert len([*found]) == 2
    assert [call.path for call in calls] == [
        "/v1/requests?status=pending&limit=100",
        "/v1/requests?status=pending&limit=100&cursor=x",
    ]


def test_a_cursor_that_leads_nowhere_ends_the_list() -> None:
    summary = _EXAMPLES["page"]["value"]["items"][0]
    with answering(Told(200, {"items": [summary], "next_cursor": "x"})) as (client, calls), pytest.raises(WrongAnswer):
        list(client.requests())
    assert len(calls) == 2


# --- waiting ---


def test_waiting_asks_with_the_etag_and_less_and_less_often(pauses: list[float]) -> None:
    same = Told(304, headers={"ETag": '"1"'})
    approved = Told(200, PENDING | {"status": "approved"})
    with answering(Told(200, PENDING, {"ETag": '"1"'}), same, same, same, approved) as (client, calls):
        assert client.wait_until(ID, {"approved"}, timeout=3600).status == "approved"
    assert [call.headers.get("If-None-Match") for call in calls] == [None, '"1"', '"1"', '"1"', '"1"']
    assert pauses == [1, 1.5, 2.25, 3.375]


@pytest.mark.parametrize("etag", ["", "1", '"\xfc"', '"' + "x" * 300 + '"'])
def test_a_strange_etag_is_not_sent_back(pauses: list[float], etag: str) -> None:
    approved = Told(200, PENDING | {"status": "approved"})
    with answering(Told(200, PENDING, {"ETag": etag}), approved) as (client, calls):
        client.wait_until(ID, {"approved"}, timeout=3600)
    assert "If-None-Match" not in calls[1].headers
    assert pauses == [1]


def test_waiting_ends_when_the_request_does(pauses: list[float]) -> None:
    with answering(Told(200, PENDING | {"status": "rejected"})) as (client, _), pytest.raises(Ended) as ended:
        client.wait_until(ID, {"approved"}, timeout=3600)
    assert (ended.value.request.status, pauses) == ("rejected", [])


def test_waiting_ends_in_time() -> None:
    with answering(Told(200, PENDING)) as (client, calls), pytest.raises(TimedOut, match="not approved after 0 sec"):
        client.wait_until(ID, {"approved"}, timeout=0)
    assert len(calls) == 1


# --- the secret ---


def executed() -> CreatedKey:
    with answering(Told(200, KEY)) as (client, _):
        key = client.execute(ID)
    assert isinstance(key, CreatedKey)
    return key


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, lambda key: f"{key.secret_access_key!s}"])
def test_a_secret_hides_itself(show: Callable[[CreatedKey], str]) -> None:
    key = executed()
    assert key.secret_access_key.reveal() == KEY["secret_access_key"]
    assert KEY["secret_access_key"] not in show(key)


@pytest.mark.parametrize("keep", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars])
def test_a_secret_is_kept_nowhere_by_accident(keep: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError):
        keep(Secret("x" * 40))


def test_secrets_compare() -> None:
    assert Secret("x") == Secret("x") != Secret("y")
    assert Secret("x") != "x"
    assert replace(executed()) == executed()


def test_an_execution_in_doubt_is_the_request() -> None:
    with answering(Told(202, _EXAMPLES["in_doubt"]["value"])) as (client, _):
        found = client.execute(ID)
    assert isinstance(found, Request)
    assert found.status == "in_doubt"
