"""The one answer that holds a secret: its forms, and that nothing keeps it."""

from datetime import datetime, timedelta

import pytest
from httpx2 import Response
from support.builders import ACCOUNT, DEACTIVATE, policy_of
from support.house import House
from support.witness import DOCUMENT

from service.api.key_files import FileName
from service.db.engine import connect
from service.simulated_aws import ConnectionLostAfter, Refuse


def run(house: House, accept: str | None = None, *, file: str = "", by: str = "alice") -> Response:
    """Execute a new approved create."""
    request = house.approved()
    headers = {} if accept is None else {"Accept": accept}
    path = f"/v1/requests/{request.filing.request_id}/execution{file and '/'}{file}"
    return house.client(by).post(path, headers=headers)


def test_new_key_is_answered_as_json(house: House) -> None:
    answer = run(house)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    key = answer.json()
    assert list(key) == [
        *("access_key_id", "secret_access_key", "created_at"),
        *("account_id", "request_id", "receipt_by"),
    ]
    assert key["account_id"] == ACCOUNT
    assert house.aws.keys(ACCOUNT)[key["access_key_id"]] == "Active"
    assert datetime.fromisoformat(key["receipt_by"]) == house.clock() + timedelta(minutes=15)


JSON, CSV, TEXT = "application/json", "text/csv; charset=utf-8", "text/plain; charset=utf-8"
FILES = {"rootkey.csv": CSV, "credentials.csv": CSV, "profile.ini": TEXT}


@pytest.mark.parametrize(("name", "content_type"), FILES.items())
def test_new_key_is_downloaded_as_a_file(house: House, name: str, content_type: str) -> None:
    answer = run(house, file=name)

    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    (new_key,) = house.aws.keys(ACCOUNT).keys() - {house.signer}
    assert new_key in answer.text
    assert house.aws.count("CreateAccessKey") == 1


def test_every_file_is_tried_here() -> None:
    assert set(FILES) == {*FileName}


@pytest.mark.parametrize("file", ["", *FILES])
def test_key_that_was_answered_once_is_not_answered_again_in_another_form(house: House, file: str) -> None:
    secret = run(house, file=file).text
    request_id = house.client("alice").get("/v1/requests").json()["items"][0]["id"]
    for other in ("", *FILES):
        again = house.client("alice").post(f"/v1/requests/{request_id}/execution{other and '/'}{other}")
        assert (again.status_code, again.json()["code"]) == (409, "already_executed")
        assert secret not in again.text


def test_what_makes_no_key_is_not_run_into_a_file(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key())

    answer = house.client("alice").post(f"/v1/requests/{request.filing.request_id}/execution/rootkey.csv")

    assert (answer.status_code, answer.json()["code"]) == (409, "no_file")
    assert house.aws.count("UpdateAccessKey") == 0
    assert house.now(request).status == "approved"


def test_file_is_for_the_recipient_alone(house: House) -> None:
    answer = run(house, file="rootkey.csv", by="bob")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_the_recipient")


def test_file_of_a_request_that_does_not_concern_the_caller_does_not_exist(house: House) -> None:
    answer = run(house, file="rootkey.csv", by="mallory")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_lost_answer_is_202_with_the_request_in_the_place_of_a_file(house: House) -> None:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())

    answer = run(house, file="credentials.csv")

    assert (answer.status_code, answer.headers["content-type"], answer.json()["status"]) == (202, JSON, "in_doubt")


# --- what a client says that it can read ---

READABLE = [
    None,
    "*/*",
    "application/json",
    "APPLICATION/JSON",
    "application/*",
    "application/json, application/problem+json",
    "text/csv, application/json;q=0.5",
    "text/csv;q=1, */*;q=0.1",
    # Java's HttpURLConnection, until version 24
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "*; q=.2",
    "",
    " , ",
    "application/json;q=x",
    "application/json; charset=utf-8",
]


@pytest.mark.parametrize("accept", READABLE)
def test_nobody_chooses_the_form_by_what_they_accept(house: House, accept: str | None) -> None:
    answer = run(house, accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)


UNREADABLE = [
    "image/png",
    "text/csv",
    "application/xml, text/html",
    "application/json;q=0, */*",
    "*/*;q=.0",
    "*;q=0.000",
]


@pytest.mark.parametrize("accept", UNREADABLE)
def test_what_a_client_cannot_read_is_refused_before_anything_ran(house: House, accept: str) -> None:
    answer = run(house, accept)

    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert house.aws.count("CreateAccessKey") == 0
    assert house.client("alice").get("/v1/requests").json()["items"][0]["status"] == "approved"


@pytest.mark.parametrize(
    ("file", "accept", "status"),
    [
        ("rootkey.csv", "text/csv", 200),
        ("rootkey.csv", "text/*", 200),
        ("rootkey.csv", "text/csv, application/problem+json", 200),
        ("rootkey.csv", "application/json", 406),
        ("profile.ini", "text/plain", 200),
        ("profile.ini", "text/csv", 200),
        ("profile.ini", "text/csv;q=0, text/plain;q=0, */*", 406),
    ],
)
def test_file_goes_to_who_can_read_it(house: House, file: str, accept: str, status: int) -> None:
    assert run(house, accept, file=file).status_code == status


def test_every_accept_header_counts(house: House) -> None:
    request = house.approved()
    path = f"/v1/requests/{request.filing.request_id}/execution"
    headers = [("Accept", "image/png"), ("Accept", "application/json")]
    assert house.client("alice").post(path, headers=headers).status_code == 200


def test_accept_is_no_parameter_of_the_contract() -> None:
    parameters = [
        parameter["name"].lower()
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
    ]
    assert "request_id" in parameters
    assert not {"accept", "content-type", "authorization"} & set(parameters)


def test_what_makes_no_secret_answers_with_the_request(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key())

    answer = house.client("alice").post(f"/v1/requests/{request.filing.request_id}/execution")

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.json()["result"]["code"] == "done"


def test_lost_answer_is_202_with_the_request_in_doubt(house: House) -> None:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())

    answer = run(house)

    assert (answer.status_code, answer.json()["status"]) == (202, "in_doubt")


def test_failed_execution_is_a_problem(house: House) -> None:
    house.aws.fault("CreateAccessKey", Refuse("AccessDenied"))

    answer = run(house)

    assert (answer.status_code, answer.json()["code"]) == (409, "execution_failed")
    assert house.client("alice").get("/v1/requests").json()["items"][0]["status"] == "failed"


def test_second_execution_shows_no_secret(house: House) -> None:
    key = run(house).json()
    path = f"/v1/requests/{key['request_id']}"

    again = house.client("alice").post(f"{path}/execution")

    assert (again.status_code, again.json()["code"]) == (409, "already_executed")
    for path_read in ("/v1/requests", path, "/v1/me"):
        assert key["secret_access_key"] not in house.client("alice").get(path_read).text
    assert key["secret_access_key"] not in house.client("audrey").get("/v1/audit/events").text


def test_who_has_to_sign_in_again_for_a_secret_is_told_how(house: House) -> None:
    request = house.approved()
    house.change(policy=policy_of(decision_requires_auth_time=True, decision_acr=frozenset({"gold"})))

    answer = house.client("alice").post(f"/v1/requests/{request.filing.request_id}/execution")

    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_again")
    assert answer.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age="900", acr_values="gold"'
    )


# --- nothing keeps an answer ---


@pytest.mark.parametrize(("accept", "file"), [("*/*", ""), ("*/*", "rootkey.csv"), ("image/png", "")])
def test_nobody_stores_the_answer_to_an_execution(house: House, accept: str, file: str) -> None:
    assert run(house, accept, file=file).headers["cache-control"] == "no-store"


READ = [
    "/v1/requests",
    "/v1/me",
    "/v1/accounts",
    f"/v1/accounts/{ACCOUNT}/root-credentials",
    "/v1/audit/events",
    "/v1/x",
]


@pytest.mark.parametrize("path", READ)
def test_nobody_stores_any_answer_under_v1(house: House, path: str) -> None:
    answers = [house.client(subject).get(path) for subject in (None, "alice", "audrey")]
    answers.append(house.client("alice").put(path))
    answers.append(house.client("alice").get(f"{path}?limit=x"))
    house.change(engine=connect("sqlite:////nowhere/rootquorum.db", connections=1))
    answers.append(house.client("alice").get(path))
    house.change(engine=None)
    answers.append(house.client("alice").get(path))

    assert {answer.headers.get("cache-control") for answer in answers} == {"no-store"}


def test_nobody_stores_that_nothing_changed(house: House) -> None:
    alice = house.client("alice")
    etag = alice.get("/v1/requests").headers["etag"]
    assert alice.get("/v1/requests", headers={"If-None-Match": etag}).headers["cache-control"] == "no-store"
