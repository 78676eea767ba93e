"""Whatever the service says of its own addresses is true beyond a proxy, and leads people to a page."""

import pytest
from fastapi.testclient import TestClient
from support.house import House

from service.settings.service_sections import ServerSettings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}
OLD_JAVA = {"Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}
ABSENT = "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11"


@pytest.fixture(params=["", "/approvals", "/a/b"])
def root(request: pytest.FixtureRequest) -> str:
    """The prefix under which a proxy serves the service."""
    prefix: str = request.param
    return ServerSettings(root_path=prefix).root_path


def anybody(house: House, root: str, subject: str | None = None) -> TestClient:
    headers = dict(house.client(subject).headers)
    return TestClient(
        house.app, root_path=root, base_url=f"http://testserver{root}", headers=headers, follow_redirects=False
    )


def test_location_of_what_was_filed_is_beyond_the_proxy(house: House, root: str) -> None:
    draft = house.draft()
    filing = {
        "operation": "create_access_key",
        "account_id": draft.account_id,
        "justification": draft.justification,
    }
    alice = anybody(house, root, "alice")

    filed = alice.post("/v1/requests", json=filing)

    assert filed.headers["location"] == f"{root}/v1/requests/{filed.json()['id']}"
    assert alice.get(f"http://testserver{filed.headers['location']}").json()["id"] == filed.json()["id"]


@pytest.mark.parametrize(("path", "page"), [("/", "/desk"), ("/docs/", "/docs")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_address_alone_leads_to_the_page(house: House, root: str, method: str, path: str, page: str) -> None:
    answer = anybody(house, root).request(method, path, headers={"Host": "evil.example"})

    assert (answer.status_code, answer.headers["location"]) == (307, f"{root}{page}")


def test_browser_that_follows_a_link_gets_the_page_at_that_request(house: House, root: str) -> None:
    request_id = house.file().filing.request_id

    answer = anybody(house, root).get(f"/v1/requests/{request_id}", headers=BROWSER)

    page = f"{root}/desk/requests/{request_id}"
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert answer.headers["cache-control"] == "no-store"


def test_page_at_a_request_tells_nobody_whether_there_is_one(house: House) -> None:
    answer = anybody(house, "").get(f"/v1/requests/{ABSENT}", headers=BROWSER)
    assert (answer.status_code, ABSENT in answer.headers["location"]) == (303, True)


def test_only_an_id_gets_into_the_address_of_the_page(house: House) -> None:
    answer = anybody(house, "").get("/v1/requests/x%0d%0aSet-Cookie:a=b%22%3E", headers=BROWSER)
    assert (answer.status_code, "location" in answer.headers) == (401, False)


@pytest.mark.parametrize("accept", [{}, {"Accept": "application/json"}, {"Accept": "text/html"}, OLD_JAVA])
def test_program_without_a_token_is_told_so(house: House, accept: dict[str, str]) -> None:
    answer = anybody(house, "").get(f"/v1/requests/{ABSENT}", headers=accept)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_browser_with_a_token_gets_the_answer_and_not_the_page(house: House) -> None:
    request_id = house.file().filing.request_id
    path = f"/v1/requests/{request_id}"

    assert anybody(house, "", "alice").get(path, headers=BROWSER).json()["id"] == request_id
    wrong = {"Authorization": "Bearer rqp_guess"}
    assert anybody(house, "").get(path, headers=BROWSER | wrong).json()["code"] == "invalid_token"
    assert anybody(house, "").get(path, headers=BROWSER | {"Authorization": ""}).status_code == 401
