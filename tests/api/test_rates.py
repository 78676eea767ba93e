"""Whoever makes too many calls is told to wait, and nobody else is."""

import asyncio

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Scope
from support.house import House

from service.api.build import build
from service.api.rates import Rate, Rates
from service.domain.errors import Code, TooMany


class Monotonic:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(rate: Rate, subject: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            rate.take(subject)
        except TooMany as refusal:
            assert refusal.code is Code.TOO_MANY_CALLS  # noqa: PT017
        else:
            count += 1
    return count


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1200, 6000])
def test_a_subject_has_its_minute_at_once_and_gets_it_back_evenly(per_minute: int) -> None:
    rate = Rate(per_minute, clock := Monotonic())
    assert taken(rate, "mallory", 2 * per_minute) == per_minute
    clock.now += 60 / per_minute
    assert taken(rate, "mallory", 5) == 1
    clock.now += 3600
    assert taken(rate, "mallory", 2 * per_minute) == per_minute
    assert taken(rate, "alice", 1) == 1


def test_a_refusal_says_when_a_call_is_possible_and_does_not_count() -> None:
    rate = Rate(2, clock := Monotonic())
    taken(rate, "mallory", 2)
    for _ in range(5):
        with pytest.raises(TooMany) as refusal:
            rate.take("mallory")
        assert refusal.value.retry_after == 30
    clock.now += 30
    rate.take("mallory")


def test_subjects_are_forgotten_once_they_have_all_their_calls_back() -> None:
    rate = Rate(60, clock := Monotonic())
    for number in range(50_000):
        clock.now += 0.01
        rate.take(f"address {number}")
    assert len(rate._full_at) < 2000


def limited(house: House, **limits: int) -> House:
    house.app.state.rates = Rates(**limits)
    return house


def test_a_person_who_makes_too_many_calls_gets_429_and_others_their_answers(house: House) -> None:
    limited(house, per_person=3)
    mallory = house.client("mallory")
    answers = [mallory.get("/v1/me") for _ in range(3)] + [mallory.get("/v1/requests"), mallory.get("/v1/me")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json()["code"] == "too_many_calls"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
    assert house.client("bob").get("/v1/me").status_code == 200


def test_the_limit_of_a_person_holds_on_every_route_that_signs_in(house: House) -> None:
    limited(house, per_person=1)
    oscar = house.client("oscar")
    oscar.get("/v1/me")
    paths = house.app.openapi()["paths"]
    secured = [(path, verb) for path in paths for verb, each in paths[path].items() if each["security"]]
    assert len(secured) > 30
    answers = {at: oscar.request(at[1], at[0].replace("{", "").replace("}", "")).status_code for at in secured}
    assert set(answers.values()) == {429}, answers


def test_an_address_that_makes_too_many_calls_gets_429_before_its_body_is_read(house: House) -> None:
    limited(house, per_address=2)
    for _ in range(2):
        house.client("bob").get("/v1/me")
    answer = house.client("bob").post("/v1/requests", content=b"x" * 100_000)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_calls")
    assert int(answer.headers["Retry-After"]) >= 1
    there = TestClient(house.app, client=("192.0.2.7", 1))
    assert there.get("/v1/me").status_code == 401


def test_an_address_without_a_token_is_limited_as_well_and_a_probe_is_not(house: House) -> None:
    limited(house, per_address=1)
    nobody = house.client()
    assert [nobody.get(path).status_code for path in ("/nowhere", "/docs", "/v1/me")] == [404, 429, 429]
    assert {nobody.get(path).status_code for path in ("/livez", "/readyz") * 3} == {200}


def test_an_ipv6_network_of_64_bits_is_one_address(house: House) -> None:
    limited(house, per_address=2)
    statuses = [
        TestClient(house.app, client=(f"2001:db8::{number}", 1)).get("/nowhere").status_code for number in range(1, 4)
    ]
    assert statuses == [404, 404, 429]


def test_an_ipv4_address_is_the_same_one_on_a_port_for_both_and_no_other(house: House) -> None:
    limited(house, per_address=1)
    callers = ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2")
    statuses = [TestClient(house.app, client=(caller, 1)).get("/nowhere").status_code for caller in callers]
    assert statuses == [404, 429, 404]


def test_one_address_has_so_many_calls_under_way_and_others_are_answered() -> None:
    """Calls that wait for the test, in one event loop."""
    app = build(None)
    app.state.rates = Rates(at_once=3)
    held = asyncio.Event()

    async def call(address: str) -> int:
        statuses: list[int] = []
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/nowhere",
            "headers": [],
            "query_string": b"",
            "client": (address, 1),
        }

        async def receive() -> Message:
            await held.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app(scope, receive, send)
        return statuses[0]

    async def run() -> None:
        async with asyncio.timeout(30):
            calls = [asyncio.create_task(call("192.0.2.1")) for _ in range(5)]
            refused, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            other = asyncio.create_task(call("192.0.2.2"))
            held.set()
            assert sorted(await asyncio.gather(*calls)) == [404, 404, 404, 429, 429]
            assert {each.result() for each in refused} == {429}
            assert await other == 404
            assert await call("192.0.2.1") == 404  # whoever has left holds none

    asyncio.run(run())


def test_hsts_is_sent_if_it_is_wanted_whatever_is_answered(house: House) -> None:
    client = house.client("bob")
    assert "Strict-Transport-Security" not in client.get("/v1/me").headers
    house.app.state.transport_headers = [(b"strict-transport-security", b"max-age=60")]
    for path in ("/v1/me", "/nowhere", "/desk", "/docs", "/livez"):
        assert client.get(path).headers["Strict-Transport-Security"] == "max-age=60"
