"""The documents at `/help`: only their own files, for everybody, and nothing of an installation that has none."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.house import House

from service.api import help_pages


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "docs").mkdir(parents=True)
    (folder / "index.html").write_text('<a href="docs/settings.html">Settings</a>')
    (folder / "docs/settings.html").write_text("All settings")
    (tmp_path / "secret").write_text("nothing for readers")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


@pytest.fixture(params=["", "/approvals"])
def reader(request: pytest.FixtureRequest, sqlite_house: House, site: Path) -> TestClient:
    """At the root of a host, and behind a proxy that gives the service a prefix."""
    help_pages.install(sqlite_house.app, site)
    return TestClient(sqlite_house.app, root_path=request.param, base_url=f"http://testserver{request.param}")


def test_address_without_a_slash_leads_to_the_first_page(reader: TestClient) -> None:
    answer = reader.get("/help", follow_redirects=False)
    assert answer.headers["location"] == f"{reader.base_url.path.rstrip('/')}/help/"
    assert reader.get("/help/").text == '<a href="docs/settings.html">Settings</a>'
    assert reader.get("/help/docs/settings.html").text == "All settings"


FOLDERS = ["docs", "docs/", "docs/none.html"]
ELSEWHERE = ["%2e%2e/secret", "docs/%2e%2e/%2e%2e/secret", "..%5csecret", "%252e%252e/secret", "/etc/passwd", "link"]
MALFORMED = ["%00", "x" * 999]


@pytest.mark.parametrize("path", FOLDERS + ELSEWHERE + MALFORMED)
def test_nothing_else_is_served_and_no_folder_is_listed(reader: TestClient, path: str) -> None:
    answer = reader.get(f"/help/{path}", follow_redirects=False)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_pages_are_sent_again_only_if_they_changed(reader: TestClient) -> None:
    first = reader.get("/help/")
    assert first.headers["cache-control"] == "no-cache"
    assert reader.get("/help/", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/help", "/help/", "/help/docs/settings.html", "/help/none"])
def test_browser_runs_and_loads_nothing_but_files_of_the_service(reader: TestClient, path: str) -> None:
    said = reader.get(path, follow_redirects=False).headers["content-security-policy"].split("; ")
    policy = dict(each.split(" ", 1) for each in said)
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "worker-src", "connect-src"), "'self'"),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        **dict.fromkeys(("form-action", "base-uri", "frame-ancestors"), "'none'"),
    }


def test_the_desk_and_swagger_ui_lead_to_the_documents(reader: TestClient) -> None:
    prefix = reader.base_url.path.rstrip("/")
    assert re.findall(r'data-help="([^"]*)"', reader.get("/desk").text) == [f"{prefix}/help/"]
    assert f'<a href="{prefix}/help/">Help</a>' in reader.get("/docs").text


def test_without_documents_a_sentence_says_so_and_no_page_leads_there(sqlite_house: House) -> None:
    anybody = sqlite_house.client()
    for path in ("/help", "/help/", "/help/docs/settings.html"):
        answer = anybody.get(path, follow_redirects=False)
        assert answer.status_code == 404
        assert answer.json()["detail"] == "This installation was made without the documents."
    assert 'data-help=""' in anybody.get("/desk").text
    assert "help" not in anybody.get("/docs").text


def test_documents_are_those_of_the_package_or_else_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "service"
    monkeypatch.setattr(help_pages, "files", lambda _: package)
    (tmp_path / "site/html").mkdir(parents=True)
    (tmp_path / "site/html/index.html").touch()
    assert help_pages.built() is None  # beside an installed package, it is somebody else's

    (tmp_path / "mkdocs.yml").touch()
    assert help_pages.built() == tmp_path / "site/html"

    (package / "help").mkdir(parents=True)
    (package / "help/index.html").touch()
    assert help_pages.built() == package / "help"
