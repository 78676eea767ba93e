"""Each call has an id and one line in the log; neither shows anything that the caller keeps secret."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send
from support.builders import ACCOUNT
from support.destinations import SECRET, listening
from support.house import House

from service import call_id, logs
from service.api.calls import Calls
from service.api.routes.audit import _event
from service.auth.api_tokens import mint
from service.domain.actor import ActorKind
from service.notify.webhooks import Webhook, signer
from service.outbound.guarded import new_client
from service.verifier import Replay
from service.worker import run_pass

OURS = r"[0-9a-f]{32}"
_LOCAL = frozenset({"127.0.0.1"})

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def logged() -> Iterator[Lines]:
    """Return what was logged, as JSON."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="INFO", log_format="json")
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        root.handlers, root.level = handlers, level


async def answering(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def of_calls(logged: Lines) -> list[dict[str, object]]:
    return [line for line in logged() if line["logger"] == "service.api.calls"]


def test_a_call_has_one_line_with_these_fields_and_no_others(logged: Lines) -> None:
    sent = {"X-Request-ID": "from-a-proxy-1", "Authorization": "Bearer canary", "Cookie": "canary"}
    TestClient(Calls(answering)).post("/v1/requests?code=canary", content=b"canary", headers=sent)
    [line] = of_calls(logged)
    assert line.pop("timestamp")
    assert isinstance(line.pop("milliseconds"), int)
    assert line == {
        "event": "POST /v1/requests 204",
        "level": "info",
        "logger": "service.api.calls",
        "method": "POST",
        "path": "/v1/requests",
        "status": 204,
        "address": "testclient",
        "call_id": "from-a-proxy-1",
    }


def test_no_path_is_endless_or_moves_a_cursor_or_holds_a_token(logged: Lines) -> None:
    token = mint(ActorKind.PERSON).reveal()
    for path in ("/" + "x" * 60_000, "/%1B%5B2J%0A%E2%80%AE", f"/v1/{token}/x"):
        TestClient(Calls(answering)).get(path)
    long, hostile, secret = (str(line["path"]) for line in of_calls(logged))
    assert len(long) == 1000
    assert hostile == "/%1B%5B2J%0A%E2%80%AE"
    assert secret == "/v1/[redacted]/x"


def test_a_call_that_crashes_has_its_line_as_well(logged: Lines) -> None:
    async def crashing(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        TestClient(Calls(crashing)).get("/x")
    assert [line["status"] for line in of_calls(logged)] == [0]


@pytest.mark.parametrize("given", ["1", "a" * 64, "6F1D0C52-a8e9-4b7f-9d3b-e2a4c0715f86"])
def test_a_well_formed_id_of_the_caller_is_kept(given: str) -> None:
    answer = TestClient(Calls(answering)).get("/", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


BAD = ["", "a" * 65, "a b", "a/b", "a\tb", "ü", "a;b", "1\x1b[2J", mint(ActorKind.PERSON).reveal(), "e.y.J"]


@pytest.mark.parametrize("given", BAD, ids=range(len(BAD)))
def test_any_other_id_is_replaced(given: str) -> None:
    answer = TestClient(Calls(answering)).get("/", headers={b"X-Request-ID": given.encode()})
    [chosen] = answer.headers.get_list("X-Request-ID")
    assert re.fullmatch(OURS, chosen)


def test_two_ids_are_replaced_since_a_proxy_may_have_logged_the_other() -> None:
    answer = TestClient(Calls(answering)).get("/", headers=[("X-Request-ID", "one"), ("x-request-id", "two")])
    assert re.fullmatch(OURS, answer.headers["X-Request-ID"])


def test_each_call_has_an_id_of_its_own() -> None:
    client = TestClient(Calls(answering))
    assert len({client.get("/").headers["X-Request-ID"] for _ in range(5)}) == 5
    assert call_id.current() is None


@pytest.mark.parametrize("path", ["/v1/me", "/nowhere", "/v1/requests/x"])
def test_a_problem_names_the_call(house: House, path: str) -> None:
    answer = house.client().get(path, headers={"X-Request-ID": "for-support"})
    assert answer.json()["call_id"] == answer.headers["X-Request-ID"] == "for-support"


def test_a_crash_is_found_in_the_log_by_the_id_of_its_answer(
    house: House, logged: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.deps.sign_in", lambda *_: 1 / 0)
    answer = house.client("bob").get("/v1/accounts")
    assert answer.status_code == 500
    [crash] = [line for line in logged() if line["event"] == "unexpected error"]
    assert crash["call_id"] == answer.json()["call_id"]
    assert str(crash["exception"]).endswith("ZeroDivisionError: division by zero")


def test_aws_is_told_the_id_in_the_user_agent_and_cloudtrail_shows_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents: list[bytes] = []
    send = URLLib3Session.send

    def seen(session: URLLib3Session, request: Any) -> Any:
        agents.append(request.headers["User-Agent"])
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", seen)
    path = f"/v1/accounts/{ACCOUNT}/root-credentials"
    answer = house.client("bob").get(path, headers={"X-Request-ID": "of-the-incident"})
    assert answer.status_code == 200
    assert len(agents) > 3
    assert not [agent for agent in agents if not agent.endswith(b" rootquorum/of-the-incident")]


def test_every_event_of_a_call_has_its_id_beside_the_data(house: House) -> None:
    request = house.file()
    vote = {"decision": "approve", "digest": request.digest}
    sent = house.client("bob").post(
        f"/v1/requests/{request.filing.request_id}/decisions", json=vote, headers={"X-Request-ID": "of-bob"}
    )
    house.client("carol").post(f"/v1/requests/{request.filing.request_id}/decisions", json=vote)
    house.client("alice").post(f"/v1/requests/{request.filing.request_id}/decisions", json=vote)
    assert sent.status_code == 200
    shown = house.client("audrey").get("/v1/audit/events", params={"request_id": request.filing.request_id}).json()
    found = [(event["event"], event["call_id"]) for event in shown["items"]]
    filed, of_bob, of_carol, approved, denied = found
    assert filed == ("request.filed", None)  # by a test, without a call
    assert of_bob == ("decision.recorded", "of-bob")
    assert of_carol[1] == approved[1] != denied[1]
    assert all(re.fullmatch(OURS, str(made)) for _, made in (of_carol, denied))
    assert not [event for event in shown["items"] if "call_id" in event["data"]]


def test_no_caller_can_put_anything_else_into_an_event(house: House) -> None:
    request = house.file()
    for given in BAD:
        house.client("alice").post(
            f"/v1/requests/{request.filing.request_id}/decisions",
            json={"decision": "reject", "digest": request.digest, "comment": "No."},
            headers={b"X-Request-ID": given.encode()},
        )
    ids = [json.loads(content)["call_id"] for content in house.events(request)[1:]]
    assert ids
    assert all(re.fullmatch(OURS, made) for made in ids)


def test_the_same_refusal_is_audited_once_whatever_ids_its_calls_have(house: House) -> None:
    request = house.file()
    for number in range(3):
        house.client("alice").post(
            f"/v1/requests/{request.filing.request_id}/decisions",
            json={"decision": "approve", "digest": request.digest},
            headers={"X-Request-ID": f"call-{number}"},
        )
    [denied] = [json.loads(content) for content in house.events(request)[1:]]
    assert denied["call_id"] == "call-0"


def test_events_of_older_versions_have_no_id(sqlite_house: House) -> None:
    event = json.loads(sqlite_house.events(sqlite_house.file())[0])
    del event["call_id"]
    assert _event(json.dumps(event)).call_id is None
    assert list(Replay(is_log=False).take(event)) == []


def test_destinations_do_not_receive_the_id(sqlite_house: House) -> None:
    with listening() as siem:
        sqlite_house.change(destinations={"siem": Webhook("siem", siem.url, (signer(SECRET),), new_client(_LOCAL))})
        with call_id.working("of-the-incident"):
            sqlite_house.file()
        run_pass(sqlite_house.ctx)
    [(_, body)] = siem.received
    assert b"request.filed" in body
    assert b"of-the-incident" not in body
