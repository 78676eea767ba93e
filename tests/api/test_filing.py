"""Filing over HTTP: a request comes into being, once, and its address is in the answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event
from support.builders import ACCOUNT, JUSTIFICATION, OTHER_ACCOUNT
from support.house import House

from service.db import requests
from service.db.engine import read

FILING = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": JUSTIFICATION, "recipient": "rita"}


def test_filing_answers_with_the_address_of_the_request(house: House) -> None:
    alice = house.client("alice")

    answer = alice.post("/v1/requests", json=FILING | {"ticket": "OPS-4711"})

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/requests/{answer.json()['id']}"
    assert alice.get(answer.headers["location"]).json() == answer.json()


def test_what_was_filed_is_in_the_database(either_house: House) -> None:
    answer = either_house.client("alice").post("/v1/requests", json=FILING | {"ticket": "OPS-4711"}).json()

    with read(either_house.ctx.engine) as tx:
        stored = requests.get(tx, answer["id"])
    assert stored is not None
    assert stored.status == answer["status"] == "pending"
    assert (stored.filing.requester, stored.filing.recipient) == ("alice", "rita")
    assert (stored.filing.justification, stored.filing.ticket) == (JUSTIFICATION, "OPS-4711")
    assert stored.digest == answer["digest"]
    assert stored.is_intact


def test_requester_receives_when_nobody_else_is_named(house: House) -> None:
    filing = {name: value for name, value in FILING.items() if name != "recipient"}
    assert house.client("alice").post("/v1/requests", json=filing).json()["recipient"]["subject"] == "alice"


def test_machine_may_file_for_a_person(house: House) -> None:
    requester = house.client("robo").post("/v1/requests", json=FILING).json()["requester"]
    assert requester == {"subject": "robo", "name": "Robo", "kind": "machine"}


def test_only_requesters_file(house: House) -> None:
    answer = house.client("carol").post("/v1/requests", json=FILING)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")


def test_create_never_runs_on_approval(house: House) -> None:
    answer = house.client("alice").post("/v1/requests", json=FILING | {"run_on_approval": True})

    assert answer.status_code == 422
    assert house.client("alice").get("/v1/requests").json()["items"] == []


def test_second_request_for_the_same_thing_is_refused(house: House) -> None:
    alice = house.client("alice")
    alice.post("/v1/requests", json=FILING)

    again = alice.post("/v1/requests", json=FILING | {"recipient": "alice"})

    assert (again.status_code, again.json()["code"]) == (409, "duplicate_request")


# --- a preview ---


def test_preview_is_what_approvers_read_of_the_request_once_it_is_filed(house: House) -> None:
    alice = house.client("alice")
    previewed = alice.post("/v1/previews", json=FILING).json()
    assert alice.get("/v1/requests").json()["items"] == []

    filed = alice.post("/v1/requests", json=FILING).json()

    assert {"effect", "warnings", "observed", "quorum"} <= previewed.keys()
    for each in (previewed, filed):
        del each["observed"]["keys"][0]["last_used_at"]  # by this very look at the account
    assert previewed == {name: filed[name] for name in previewed}


def test_preview_is_told_to_nobody(either_house: House) -> None:
    alice, audrey = either_house.client("alice"), either_house.client("audrey")
    before = audrey.get("/v1/audit/events").json()
    alice.post("/v1/previews", json=FILING)
    assert audrey.get("/v1/audit/events").json() == before


REFUSED = {
    "role_required": ("carol", FILING),
    "unknown_account": ("alice", FILING | {"account_id": "0" * 12}),
    "unknown_recipient": ("alice", FILING | {"recipient": "nobody"}),
    "recipient_required": ("robo", {name: value for name, value in FILING.items() if name != "recipient"}),
    "not_capable": ("alice", {**FILING, "operation": "delete_login_profile"}),
    "no_such_key": ("alice", {**FILING, "operation": "delete_access_key", "access_key_id": "AKIA" + "X" * 16}),
}


@pytest.mark.parametrize("code", REFUSED)
def test_preview_is_refused_as_filing_is(house: House, code: str) -> None:
    who, body = REFUSED[code]
    client, same = house.client(who), {"X-Request-ID": "the-same"}
    previewed, filed = (client.post(path, json=body, headers=same) for path in ("/v1/previews", "/v1/requests"))
    assert previewed.json()["code"] == code
    assert (previewed.status_code, previewed.json()) == (filed.status_code, filed.json())


# --- Idempotency-Key ---


def test_same_key_and_body_is_the_same_request(either_house: House) -> None:
    alice, key = either_house.client("alice"), {"Idempotency-Key": "4711"}

    first, second = (alice.post("/v1/requests", json=FILING, headers=key) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(alice.get("/v1/requests").json()["items"]) == 1


def test_key_never_runs_out(house: House) -> None:
    alice, key = house.client("alice"), {"Idempotency-Key": "4711"}
    first = alice.post("/v1/requests", json=FILING, headers=key)
    alice.post(f"{first.headers['location']}/withdrawal")

    again = alice.post("/v1/requests", json=FILING, headers=key)

    assert again.json()["id"] == first.json()["id"]
    assert again.json()["status"] == "withdrawn"


def test_same_key_with_another_body_is_refused(house: House) -> None:
    alice, key = house.client("alice"), {"Idempotency-Key": "4711"}
    alice.post("/v1/requests", json=FILING, headers=key)

    other = alice.post("/v1/requests", json=FILING | {"account_id": OTHER_ACCOUNT}, headers=key)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_key_belongs_to_its_sender(house: House) -> None:
    key = {"Idempotency-Key": "4711"}
    first = house.client("alice").post("/v1/requests", json=FILING, headers=key)

    other = house.client("bob").post("/v1/requests", json=FILING | {"account_id": OTHER_ACCOUNT}, headers=key)

    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", [b"", b"two words", b"caf\xe9", b"tab\there", b"x" * 256])
def test_malformed_key_is_refused(house: House, key: bytes) -> None:
    answer = house.client("alice").post("/v1/requests", json=FILING, headers={b"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_idempotency_key")


def test_longest_key_is_accepted(house: House) -> None:
    answer = house.client("alice").post("/v1/requests", json=FILING, headers={"Idempotency-Key": "~" * 255})
    assert answer.status_code == 201


def test_simultaneous_filings_with_one_key_make_one_request(either_house: House) -> None:
    both = threading.Barrier(2, timeout=60)

    def wait_for_the_other() -> None:
        both.wait()

    either_house.aws.on("GetCallerIdentity", wait_for_the_other, times=2)
    alice = either_house.client("alice")

    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda _: alice.post("/v1/requests", json=FILING, headers={"Idempotency-Key": "4711"}), range(2))
        )

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(alice.get("/v1/requests").json()["items"]) == 1


def test_filing_overtaken_by_its_twin_is_the_same_request(either_house: House) -> None:
    """The twin is filed just after this one looked for its key, and before it looks whether the thing is open."""
    alice, key = either_house.client("alice"), {"Idempotency-Key": "4711"}
    twins: list[str] = []

    def overtake(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "idempotency_key = " in statement and not twins:
            twins.append("under way")
            twins[0] = alice.post("/v1/requests", json=FILING, headers=key).json()["id"]

    event.listen(either_house.ctx.engine, "after_cursor_execute", overtake)
    answer = alice.post("/v1/requests", json=FILING, headers=key)

    assert (answer.status_code, [answer.json().get("id")]) == (201, twins)
