"""Whoever is slow, or waits for something slow, keeps nobody else waiting; and nobody fills the log with refusals."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send
from support.builders import ACCOUNT, DEACTIVATE, DELETE
from support.house import House

from service.api import middleware
from service.api.middleware import BodyLimit
from service.api.waiting import Places
from service.domain.errors import Code, ServiceError, TooMany
from service.domain.event_table import DECISION_DENIED
from service.domain.request import Verdict
from service.workflow import change
from service.workflow import file as file_module
from service.workflow.change import deny
from service.workflow.decide import decide, withdraw
from service.workflow.file import file, preview

# --- calls that wait for AWS ---


def taken(places: Places, *subjects: str, kind: Any = "read") -> int:
    """How many of these find a place while all before them hold theirs."""
    found = 0
    with ExitStack() as stack:
        for subject in subjects:
            try:
                stack.enter_context(places.one(kind, subject))
            except TooMany as refusal:
                assert refusal.code is Code.TOO_MANY_WAITING  # noqa: PT017
            else:
                found += 1
    return found


def test_one_person_has_half_of_a_kinds_places_and_all_have_a_quarter_of_the_threads() -> None:
    places = Places(threads=40)
    assert taken(places, *["alice"] * 40) == 5
    assert taken(places, *[f"person {number}" for number in range(40)]) == 10
    assert taken(places, *["alice"] * 40) == 5  # whoever has left holds none


def test_reading_keeps_no_execution_out() -> None:
    places = Places(threads=4)
    with places.one("read", "mallory"), places.one("execute", "alice"), places.one("file", "alice"):
        assert taken(places, "bob") == 0


def test_the_smallest_pool_has_one_place_of_each_kind() -> None:
    assert taken(Places(threads=1), "alice", "bob") == 1


class HangingRoots:
    """An AWS that does not answer until the test says so."""

    call_budget = timedelta(minutes=1)

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.answer = threading.Event()

    def clock_ahead(self, _now: datetime) -> timedelta | None:
        return None

    @contextmanager
    def sign_in(self, *_: object) -> Iterator[Any]:
        self.reached.release()
        assert self.answer.wait(30)
        yield from ()  # a context manager that never enters is an error, as a lost answer is


def test_somebody_who_reads_while_aws_hangs_is_refused_at_once_and_others_are_answered(house: House) -> None:
    roots = HangingRoots()
    house.change(roots=roots)
    path = f"/v1/accounts/{ACCOUNT}/root-credentials"
    with ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(house.client("mallory").get, path) for _ in range(2)]  # half of a quarter of 20
        assert all(roots.reached.acquire(timeout=30) for _ in hanging)
        refused = house.client("mallory").get(path)
        answered = house.client("bob").get("/v1/requests")
        roots.answer.set()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
    assert refused.headers["Retry-After"] == "10"
    assert answered.status_code == 200


# --- bodies that do not come ---


class Client:
    """Sends the parts of a body, and then nothing any more."""

    def __init__(self, address: str, *parts: bytes, whole: bool = False, leaves: bool = False) -> None:
        self.scope: Scope = {"type": "http", "client": (address, 1), "path": "/v1/requests"}
        self.parts = list(parts)
        self.whole = whole
        self.leaves = leaves
        self.answer: dict[str, Any] = {}

    async def receive(self) -> Message:
        if not self.parts:
            if self.leaves:
                return {"type": "http.disconnect"}
            await anyio.sleep_forever()
        part = self.parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts) or not self.whole}

    async def send(self, message: Message) -> None:
        self.answer |= message


async def accepted(_scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def sent_to(limit: BodyLimit, *clients: Client) -> None:
    """All of them at the same time, until each has its answer."""

    async def run() -> None:
        async with anyio.create_task_group() as group:
            for client in clients:
                group.start_soon(limit, client.scope, client.receive, client.send)

    anyio.run(run)


def test_a_body_that_does_not_arrive_is_refused_and_its_connection_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_SLOWEST_BODY_SECONDS", 0.01)
    slow = Client("10.0.0.1", b"{", b'"a"')
    sent_to(BodyLimit(accepted), slow)
    assert slow.answer["status"] == 408
    assert (b"connection", b"close") in slow.answer["headers"]


def test_one_address_has_twenty_unfinished_bodies_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_SLOWEST_BODY_SECONDS", 0.5)
    limit = BodyLimit(accepted)
    slow = [Client("10.0.0.1", b"{") for _ in range(30)]
    others = [Client("10.0.0.1", b"{}", whole=True), Client("10.0.0.2", b"{", b"}", whole=True)]
    sent_to(limit, *slow, *others)
    assert [client.answer["status"] for client in slow] == [408] * 20 + [429] * 10
    assert [client.answer["body"] for client in others] == [b"{}", b"{}"]
    sent_to(limit, again := Client("10.0.0.1", b"{", b"}", whole=True))
    assert again.answer["status"] == 200


@pytest.mark.parametrize("parts", [(), (b"{",)])
def test_whoever_leaves_before_the_body_is_whole_has_asked_for_nothing(parts: tuple[bytes, ...]) -> None:
    async def unreached(*_: object) -> None:
        raise AssertionError

    gone = Client("10.0.0.1", *parts, leaves=True)
    sent_to(BodyLimit(unreached), gone)
    assert gone.answer["status"] == 408


# --- refusals in the log ---


def refusals(house: House, request_id: str) -> int:
    events = house.client("audrey").get("/v1/audit/events", params={"limit": 200}).json()["items"]
    return [event["event"] for event in events if event["request_id"] == request_id].count("decision.denied")


def test_the_same_refusal_is_recorded_once_a_minute(either_house: House) -> None:
    house = either_house
    request = house.file()
    request_id = request.filing.request_id

    def refused(person: str, digest: str) -> None:
        with pytest.raises(ServiceError, match=r"role_required|wrong_digest"):
            decide(house.ctx, house.actor(person), request_id, Verdict.APPROVE, digest=digest, comment=None)

    for _ in range(5):
        refused("alice", request.digest)
    assert refusals(house, request_id) == 1
    refused("bob", "0" * 64)
    assert refusals(house, request_id) == 2
    house.clock.advance(timedelta(seconds=61))
    for _ in range(5):
        refused("alice", request.digest)
    assert refusals(house, request_id) == 3


def test_one_person_s_refusals_are_recorded_twenty_times_a_minute_whatever_they_try(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(change, "_MOST_REFUSALS", 3)
    request = house.file()
    request_id = request.filing.request_id

    def wrong(person: str) -> None:
        with pytest.raises(ServiceError, match=r"self_approval|role_required|wrong_digest"):
            decide(house.ctx, house.actor(person), request_id, Verdict.APPROVE, digest="0" * 64, comment=None)

    def tried(person: str, times: int) -> None:
        for number in range(times):
            refusal = ServiceError(Code.WRONG_DIGEST, f"{person} {number}")  # each is news
            with pytest.raises(ServiceError, match="wrong_digest"):
                deny(house.ctx, house.actor(person), request_id, refusal, DECISION_DENIED)

    tried("bob", 5)
    assert refusals(house, request_id) == 3
    assert [record.fields["code"] for record in caplog.records if "not audited" in record.message] == [  # type: ignore[attr-defined]
        "wrong_digest"
    ] * 2
    wrong("carol")  # nobody else is hidden by it
    assert refusals(house, request_id) == 4
    house.clock.advance(timedelta(seconds=61))
    tried("bob", 1)
    assert refusals(house, request_id) == 5


# --- open requests ---


def test_a_requester_has_so_many_open_requests_and_others_may_still_file(house: House) -> None:
    house.change(most_open=1)
    key = house.spare_key()
    first, kept = house.file(DEACTIVATE, key), house.draft(DELETE, key)
    asked = house.aws.count("ListAccessKeys")
    for attempt in (file, preview):
        with pytest.raises(TooMany) as refusal:
            attempt(house.ctx, house.actor("alice"), kept)
        assert refusal.value.code is Code.TOO_MANY_OPEN
    assert house.aws.count("ListAccessKeys") == asked  # nobody asked AWS for it
    assert file(house.ctx, house.actor("bob"), replace(kept, recipient=None)).request.filing.requester == "bob"
    withdraw(house.ctx, house.actor("alice"), first.filing.request_id)
    house.file(DEACTIVATE, key)


def test_two_filings_at_once_cannot_both_take_the_last_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have found a free place before either is stored."""
    house.change(most_open=1)
    both = threading.Barrier(2)
    store = file_module._store

    def at_once(*args: Any) -> Any:
        both.wait(30)
        return store(*args)

    monkeypatch.setattr(file_module, "_store", at_once)
    key = house.spare_key()
    drafts = [house.draft(DELETE, key), house.draft(DEACTIVATE, key)]
    actor = house.actor("alice")

    def tried(draft: Any) -> Code | None:
        try:
            file(house.ctx, actor, draft)
        except TooMany as refusal:
            return refusal.code
        return None

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(tried, drafts))
    assert sorted(found, key=str) == [None, Code.TOO_MANY_OPEN]


def test_an_open_request_too_many_is_429_over_http(house: House) -> None:
    house.change(most_open=1)
    key = house.spare_key()
    house.file(DEACTIVATE, key)
    body = {
        "account_id": ACCOUNT,
        "operation": "delete_access_key",
        "access_key_id": key,
        "justification": "Key 4711 is leaked, and must not work any more.",
    }
    answer = house.client("alice").post("/v1/requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_open")
    assert answer.headers["Retry-After"] == "60"
