"""The documentation in the browser comes from this service alone, and keeps no token."""

import re

import pytest
from fastapi.testclient import TestClient
from support.house import House

FOREIGN = re.compile(r"(https?:)?//[a-z]", re.IGNORECASE)
LOCAL = re.compile(r'(?:src|href|data-openapi)="([^"]+)"')


@pytest.fixture(params=["", "/approvals"])
def anybody(request: pytest.FixtureRequest, house: House) -> TestClient:
    """At the root of a host, and behind a proxy that gives the service a prefix."""
    return TestClient(house.app, root_path=request.param, base_url=f"http://testserver{request.param}")


def test_page_names_no_other_host(anybody: TestClient) -> None:
    for path in ("/docs", "/docs/files/start.js"):
        answer = anybody.get(path)
        assert answer.status_code == 200
        assert FOREIGN.search(answer.text) is None


def test_everything_on_the_page_is_here(anybody: TestClient) -> None:
    named = LOCAL.findall(anybody.get("/docs").text)

    assert len(named) == 6
    for path in named:
        assert path.startswith(anybody.base_url.path.rstrip("/") + "/")
        assert anybody.get(f"http://testserver{path}").status_code == 200


def test_page_describes_this_api(anybody: TestClient) -> None:
    (openapi,) = re.findall(r'data-openapi="([^"]+)"', anybody.get("/docs").text)
    assert anybody.get(f"http://testserver{openapi}").json()["info"]["title"] == "Rootquorum"


@pytest.mark.parametrize("path", ["/docs", "/docs/files/start.js", "/docs/assets/swagger-ui-bundle.js"])
def test_browser_runs_no_script_but_ours(anybody: TestClient, path: str) -> None:
    policy = dict(
        directive.strip().split(" ", 1) for directive in anybody.get(path).headers["content-security-policy"].split(";")
    )

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"


def test_page_holds_no_script_of_its_own(anybody: TestClient) -> None:
    page = anybody.get("/docs").text

    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert re.findall(r"<style| on[a-z]+=", page) == []


def test_token_is_forgotten_with_the_page(anybody: TestClient) -> None:
    start = anybody.get("/docs/files/start.js")

    assert start.headers["content-type"].startswith("text/javascript")
    assert "persistAuthorization: false" in start.text


def test_prefix_cannot_break_out_of_its_attribute(house: House) -> None:
    page = TestClient(house.app, root_path='/"><script>').get("/docs").text
    assert '"><script>' not in page


def test_frameworks_own_pages_are_off(house: House) -> None:
    assert house.client().get("/redoc").status_code == 404
    assert "unsafe" not in house.client().get("/docs/oauth2-redirect").headers["content-security-policy"].split(";")[1]
