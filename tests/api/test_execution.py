"""The one answer that holds a secret: its forms, and that nothing keeps it."""

from datetime import datetime, timedelta

import pytest
from factories import ACCOUNT, DEACTIVATE, NOON, House
from httpx2 import Response

from service.api.views import rootkey_csv
from service.aws.simulated import ConnectionLostAfter, Refuse
from service.db.engine import connect
from service.domain.operation import CreatedKey, Secret


def run(house: House, accept: str | None = None, *, by: str = "alice") -> Response:
    """Execute a new approved create."""
    request = house.approved()
    headers = {} if accept is None else {"Accept": accept}
    return house.client(by).post(f"/v1/requests/{request.filing.request_id}/execution", headers=headers)


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


def test_new_key_is_downloaded_as_csv(house: House) -> None:
    answer = run(house, "text/csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="rootkey.csv"'
    first, second, end = answer.text.split("\r\n")
    assert first.removeprefix("AWSAccessKeyId=") in house.aws.keys(ACCOUNT)
    assert len(second.removeprefix("AWSSecretKey=")) == 40
    assert end == ""


def test_csv_is_exactly_the_two_lines_of_the_console() -> None:
    key = CreatedKey("AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG"), NOON)
    assert rootkey_csv(key) == "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\r\nAWSSecretKey=wJalrXUtnFEMI/K7MDENG\r\n"


JSON, CSV = "application/json", "text/csv; charset=utf-8"
ACCEPTED = {
    None: JSON,
    "*/*": JSON,
    "application/json": JSON,
    "APPLICATION/JSON": JSON,
    "application/*": JSON,
    "text/csv": CSV,
    "text/*": CSV,
    "text/html, text/csv;q=0.5": CSV,
    "text/csv, application/json": JSON,
    "application/json;q=0, text/csv": CSV,
    "application/json; q=0.0, text/csv": CSV,
    "text/csv, application/json;q=0.5": CSV,
    "text/csv, */*;q=0.1": CSV,
    "application/json;q=0, */*": CSV,
}


@pytest.mark.parametrize(("accept", "content_type"), ACCEPTED.items())
def test_accept_chooses_the_form(house: House, accept: str | None, content_type: str) -> None:
    answer = run(house, accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)


@pytest.mark.parametrize("accept", ["image/png", "application/xml, text/html", "text/csv;q=0", "", "*/*;q=0"])
def test_unacceptable_is_refused_before_anything_ran(house: House, accept: str) -> None:
    answer = run(house, accept)

    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert house.aws.count("CreateAccessKey") == 0
    assert house.client("alice").get("/v1/requests").json()["items"][0]["status"] == "approved"


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


# --- nothing keeps an answer ---


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "image/png"])
def test_nobody_stores_the_answer_to_an_execution(house: House, accept: str) -> None:
    assert run(house, accept).headers["cache-control"] == "no-store"


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
