"""Reading: who sees what, in which order, and what they are told they may do."""

import base64
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.builders import ACCOUNT, DEACTIVATE, ISSUER, NOON, OTHER_ACCOUNT
from support.builders import request as made
from support.house import House

from service.api.schemas.outputs import RequestPageOut
from service.aws.organization import KnownAccounts
from service.db import requests
from service.db.engine import begin
from service.domain.actor import Role
from service.domain.request import OperationRequest
from service.simulated_aws import ConnectionLostAfter


def ids(client: TestClient, **query: Any) -> list[str]:
    answer = client.get("/v1/requests", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def id_of(request: OperationRequest) -> str:
    return request.filing.request_id


# --- visibility ---


@pytest.mark.parametrize("subject", ["alice", "rita", "bob", "carol", "audrey", "oscar"])
def test_request_shows_to_its_people_and_to_those_who_watch(house: House, subject: str) -> None:
    request = house.file(recipient="rita")

    assert house.client(subject).get(f"/v1/requests/{id_of(request)}").json()["id"] == id_of(request)
    assert ids(house.client(subject)) == [id_of(request)]


@pytest.mark.parametrize("subject", ["mallory", "robo"])
def test_request_does_not_exist_for_anybody_else(house: House, subject: str) -> None:
    request = house.file(recipient="rita")
    client = house.client(subject)

    same = {"X-Request-ID": "one-and-the-same"}
    hidden = client.get(f"/v1/requests/{id_of(request)}", headers=same)
    absent = client.get(f"/v1/requests/{uuid.uuid4()}", headers=same)

    assert (hidden.status_code, hidden.json()) == (404, absent.json())
    assert ids(client) == []


def test_list_shows_only_own_requests_to_a_requester(house: House) -> None:
    own = house.file()
    house.file(by="bob", account_id=OTHER_ACCOUNT)

    assert ids(house.client("alice")) == [id_of(own)]
    assert ids(house.client("alice"), requester="bob") == []


# --- filters ---


@pytest.fixture
def two(house: House) -> tuple[str, str]:
    """Alice's create, approved; and bob's deactivation of another account's key."""
    first = house.approved(ticket="OPS-1")
    signer = house.aws.root_credential(OTHER_ACCOUNT).access_key_id
    second = house.file(DEACTIVATE, signer, by="bob", account_id=OTHER_ACCOUNT, accept_lockout=True, ticket="OPS-2")
    return id_of(first), id_of(second)


FILTERS = {
    "status": ("approved", "pending"),
    "account_id": (ACCOUNT, OTHER_ACCOUNT),
    "operation": ("create_access_key", "deactivate_access_key"),
    "requester": ("alice", "bob"),
    "ticket": ("OPS-1", "OPS-2"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filter_keeps_what_was_asked_for(house: House, two: tuple[str, str], name: str) -> None:
    audrey = house.client("audrey")
    assert [ids(audrey, **{name: value}) for value in FILTERS[name]] == [[two[0]], [two[1]]]


def test_filters_add_up(house: House, two: tuple[str, str]) -> None:
    audrey = house.client("audrey")
    assert ids(audrey, status="approved", requester="alice") == [two[0]]
    assert ids(audrey, status="approved", requester="bob") == []


# --- pages ---


def store(house: House, *, minutes: int) -> str:
    """A withdrawn request of the past: any number of those can be there."""
    at = NOON + timedelta(minutes=minutes)
    request = made(request_id=str(uuid.uuid4()), filed_at=at, approve_by=at + timedelta(days=3)).withdraw(at)
    with begin(house.ctx.engine) as tx:
        requests.add(tx, request, idempotency_key=None, idempotency_hash=None)
    return id_of(request)


def pages(client: TestClient, **query: Any) -> Iterator[list[str]]:
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/requests", params=query | cursor).json()
        yield [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_pages_have_no_gap_and_no_repeat_while_others_file(either_house: House) -> None:
    # Three at a time share their minute, so that pages end between requests of the same moment.
    there = [store(either_house, minutes=number // 3) for number in range(11)]
    walked: list[str] = []

    for page in pages(either_house.client("audrey"), limit=4):
        walked += page
        store(either_house, minutes=100)

    assert sorted(walked) == sorted(there)


def test_newest_request_comes_first(either_house: House) -> None:
    there = [store(either_house, minutes=number) for number in range(3)]
    assert ids(either_house.client("audrey")) == there[::-1]


def test_last_page_has_no_cursor_even_when_it_is_full(house: House) -> None:
    for number in range(4):
        store(house, minutes=number)
    assert [len(page) for page in pages(house.client("audrey"), limit=2)] == [2, 2]


def test_audit_log_pages_have_no_gap_and_no_repeat(house: House) -> None:
    house.approved()
    audrey, cursor, walked = house.client("audrey"), None, []
    while page := audrey.get("/v1/audit/events", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json():
        walked += [event["seq"] for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert walked == list(range(1, walked[-1] + 1))
    assert len(walked) > 4


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


A_TIME = "2026-11-23T12:00:00.000000Z"
FORGED = {
    "empty": "",
    "no base64": "!",
    "no text": "_____w",
    "no ASCII": "é",
    "one part": encoded(A_TIME),
    "three parts": encoded(f"{A_TIME} {uuid.UUID(int=1)} {uuid.UUID(int=1)}"),
    "no time": encoded(f"yesterday {uuid.UUID(int=1)}"),
    "no id": encoded(f"{A_TIME} x"),
    "NUL": encoded(f"{A_TIME} \x00"),
    "SQL": encoded(f"{A_TIME} ';--"),
    "other spelling": encoded(f"{A_TIME} {uuid.UUID(int=0xA)}".upper()),
    "padded": encoded(f"{A_TIME} {uuid.UUID(int=1)}") + "=",
    "long": "A" * 201,
}


@pytest.mark.parametrize("cursor", FORGED.values(), ids=FORGED)
def test_forged_cursor_is_refused(either_house: House, cursor: str) -> None:
    answer = either_house.client("audrey").get("/v1/requests", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("sequence", ["", "x", "-1", "+1", " 1", "1_0", "1.0", str(2**63), "9" * 100])
def test_forged_audit_cursor_is_refused(house: House, sequence: str) -> None:
    answer = house.client("audrey").get("/v1/audit/events", params={"cursor": encoded(sequence)})
    assert answer.status_code == 422


# --- polling ---


@pytest.mark.parametrize("path", ["/v1/requests", "/v1/requests/{request_id}"])
def test_unchanged_answer_is_304_and_empty(house: House, path: str) -> None:
    request = house.file()
    path, bob = path.format(request_id=id_of(request)), house.client("bob")
    etag = bob.get(path).headers["etag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        answer = bob.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag


@pytest.mark.parametrize("path", ["/v1/requests", "/v1/requests/{request_id}"])
def test_change_changes_the_etag(house: House, path: str) -> None:
    request = house.file()
    path, carol = path.format(request_id=id_of(request)), house.client("carol")
    etag = carol.get(path).headers["etag"]
    house.approve(request)

    answer = carol.get(path, headers={"If-None-Match": etag})

    assert answer.status_code == 200
    assert answer.headers["etag"] != etag


def test_etag_is_the_callers_own(house: House) -> None:
    """What a caller may do is in the answer, so one caller's answer says nothing to another."""
    path = f"/v1/requests/{id_of(house.file())}"
    etag = house.client("bob").get(path).headers["etag"]

    assert house.client("alice").get(path, headers={"If-None-Match": etag}).status_code == 200


# --- the representation ---


def test_page_is_written_as_its_model_would_write_it(house: House) -> None:
    """It is written without the model, so only this holds its fields and their forms to the contract."""
    house.approved()
    house.file(account_id=OTHER_ACCOUNT, ticket="OPS-7", justification="Für den Import.")
    written = house.client("audrey").get("/v1/requests", params={"limit": 1}).content
    whole = house.client("audrey").get("/v1/requests").content

    for page in (written, whole):
        assert RequestPageOut.model_validate_json(page).model_dump_json().encode() == page


def test_request_is_read_in_the_order_in_which_one_decides(house: House) -> None:
    shown = house.client("bob").get(f"/v1/requests/{id_of(house.file())}").json()

    assert list(shown) == [
        *("id", "status", "operation", "effect", "drill", "account", "target", "access_key"),
        *("warnings", "requester", "recipient", "sealed_to", "justification", "ticket"),
        *("run_on_approval", "accept_lockout", "observed", "clocks", "rotation", "demands"),
        *("quorum", "could_approve", "decisions", "executed_by", "source", "result", "digest", "actions"),
    ]


def test_target_key_is_shown_as_it_was_observed(house: House) -> None:
    target = house.spare_key()
    request = house.file(DEACTIVATE, target)
    house.aws.set_root_key_status(ACCOUNT, target, "Inactive")

    shown = house.client("bob").get(f"/v1/requests/{id_of(request)}").json()

    assert (shown["access_key"]["access_key_id"], shown["access_key"]["status"]) == (target, "Active")


def test_warnings_are_shown_in_the_list_as_well(house: House) -> None:
    request = house.file(DEACTIVATE, house.signer, accept_lockout=True)
    bob = house.client("bob")

    (line,) = bob.get("/v1/requests").json()["items"]

    assert {warning["code"] for warning in line["warnings"]} >= {"signing_key", "last_active_key", "accepts_lockout"}
    assert line["warnings"] == bob.get(f"/v1/requests/{id_of(request)}").json()["warnings"]


def test_decision_that_no_longer_counts_says_why(house: House) -> None:
    request = house.approved()
    house.without_role("bob", Role.APPROVER)

    shown = house.client("carol").get(f"/v1/requests/{id_of(request)}").json()

    missing = [{"groups": [], "count": 1}]
    assert shown["quorum"] == {
        "needed": 2,
        "counted": 1,
        "missing": missing,
        "signed_approvals": "off",
        "rules": [],
    }
    assert [decision["void_because"] for decision in shown["decisions"]] == [
        "This person is no longer an approver of this account.",
        None,
    ]


def test_account_that_left_the_settings_is_shown_by_its_id(house: House) -> None:
    request = house.file()
    house.change(accounts=KnownAccounts({}))

    shown = house.client("bob").get(f"/v1/requests/{id_of(request)}").json()

    assert shown["account"] == {"account_id": ACCOUNT, "name": ACCOUNT}


def test_root_credentials_are_read_live(house: House) -> None:
    rita, path = house.client("rita"), f"/v1/accounts/{ACCOUNT}/root-credentials"
    before = rita.get(path).json()["root_credentials"]["keys"]
    target = house.spare_key()

    after = rita.get(path).json()["root_credentials"]["keys"]

    assert [key["access_key_id"] for key in before] == [house.signer]
    assert {key["access_key_id"] for key in after} == {house.signer, target}


def test_doubt_is_shown(house: House) -> None:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    request, _ = house.execute(house.approved(), by="alice")

    shown = house.client("alice").get(f"/v1/requests/{id_of(request)}").json()

    assert (shown["status"], shown["result"]["code"]) == ("in_doubt", "in_doubt")


@pytest.mark.parametrize("path", ["/v1/requests?stauts=pending", "/v1/audit/events?form=1"])
def test_a_filter_that_does_not_exist_is_refused_and_not_ignored(house: House, path: str) -> None:
    assert house.client("audrey").get(path).status_code == 422


def test_an_auditor_goes_on_where_the_log_ended(house: House) -> None:
    auditor = house.client("audrey")
    house.file()
    first = auditor.get("/v1/audit/events").json()
    assert first["next_cursor"] is None
    house.file(DEACTIVATE, house.spare_key())
    later = auditor.get("/v1/audit/events", params={"cursor": first["resume_cursor"]}).json()
    assert [event["event"] for event in later["items"]] == ["request.filed"]


def test_auditor_reads_which_sign_in_proved_somebody(house: House) -> None:
    house.by_provider("erin", "root-approvers", jti="t-1")
    house.file()

    page = house.client("audrey").get("/v1/audit/events", params={"limit": 100}).json()
    actors = {event["event"]: event["actor"] for event in page["items"]}
    proof = actors["person.seen"]["proof"]
    assert (proof["issuer"], proof["subject"], proof["jti"]) == (ISSUER, "erin", "t-1")
    assert actors["person.seen"]["credential"].startswith("oidc-")
    assert actors["request.filed"]["proof"] is None
