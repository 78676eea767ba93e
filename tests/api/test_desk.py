"""The desk comes from this service alone, at any path below `/desk`, and runs nothing but its own files."""

import json
import re
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.house import House

FILES = Path(str(files("service.desk"))) / "served"
# Uncompressed, and with the page itself: what a phone loads at night that opens every view.
MOST_BYTES = 150_000


@pytest.fixture(params=["", "/approvals"])
def anybody(request: pytest.FixtureRequest, house: House) -> TestClient:
    """At the root of a host, and behind a proxy that gives the service a prefix."""
    return TestClient(house.app, root_path=request.param, base_url=f"http://testserver{request.param}")


def attribute(page: str, name: str) -> str:
    (value,) = re.findall(rf'{name}="([^"]*)"', page)
    return unescape(value)


def policy_of(client: TestClient, path: str) -> dict[str, str]:
    said = client.get(path).headers["content-security-policy"]
    return {name: value for name, _, value in (each.strip().partition(" ") for each in said.split(";"))}


@pytest.mark.parametrize(
    "path", ["/desk", "/desk/", "/desk/requests/6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11", "/desk/x/y"]
)
def test_every_path_below_the_desk_is_the_one_page(anybody: TestClient, path: str) -> None:
    assert anybody.get(path).text == anybody.get("/desk").text
    assert anybody.get(path).headers["cache-control"] == "no-store"


def test_everything_on_the_page_is_here(anybody: TestClient) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', anybody.get("/desk").text)
    assert len(named) == 3
    for path in named:
        assert path.startswith(f"{anybody.base_url.path.rstrip('/')}/desk/files/")
        assert anybody.get(f"http://testserver{path}").status_code == 200


def test_files_are_sent_again_only_if_they_changed(anybody: TestClient) -> None:
    first = anybody.get("/desk/files/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "no-cache"
    assert anybody.get("/desk/files/main.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_no_page_stands_for_a_file_that_is_missing(anybody: TestClient) -> None:
    assert anybody.get("/desk/files/none.js").status_code == 404
    assert anybody.get("/desk/files/%2e%2e/__init__.py").status_code == 404


def test_page_that_checks_evidence_is_a_file_to_keep(anybody: TestClient) -> None:
    answer = anybody.get("/desk/evidence.html")
    assert answer.headers["content-disposition"] == 'attachment; filename="evidence.html"'
    assert answer.content == (FILES.parent / "evidence.html").read_bytes()
    assert policy_of(anybody, "/desk/evidence.html")["script-src"] == "'self'"


@pytest.mark.parametrize("path", ["/desk", "/desk/requests/x", "/desk/files/main.js"])
def test_browser_runs_and_sends_nothing_but_ours(anybody: TestClient, path: str) -> None:
    policy = policy_of(anybody, path)
    assert "unsafe" not in " ".join(policy.values())
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "connect-src", "img-src"), "'self'"),
        **dict.fromkeys(("form-action", "base-uri", "frame-ancestors"), "'none'"),
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_page_holds_neither_script_nor_style_of_its_own(anybody: TestClient) -> None:
    page = anybody.get("/desk").text
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page) == []


def test_page_names_the_ways_to_sign_in_and_the_site_of_passkeys(anybody: TestClient) -> None:
    page = anybody.get("/desk").text
    assert json.loads(attribute(page, "data-sign-ins")) == []
    assert attribute(page, "data-rp-id") == ""


def test_prefix_cannot_break_out_of_its_attribute(house: House) -> None:
    page = TestClient(house.app, root_path='/"><script>').get("/desk").text
    assert '"><script>' not in page


def loaded(name: str) -> set[Path]:
    """Return a module with everything that it imports."""
    found, wanted = set[Path](), {FILES / name}
    while wanted:
        module = wanted.pop()
        found.add(module)
        wanted |= {
            (module.parent / each).resolve() for each in re.findall(r'from"([^"]+)"', module.read_text())
        } - found
    return found


def weight(files: set[Path]) -> int:
    return sum(each.stat().st_size for each in files)


FRAME = loaded("main.js") | {FILES / "desk.css", FILES / "icon.svg"}
SOURCES = Path(str(files("service.desk"))) / "files/views"
VIEWS = {FILES / "views" / each.name for each in SOURCES.glob("*.js") if "export default" in each.read_text()}


def test_every_view_is_loaded_only_when_it_is_opened() -> None:
    assert VIEWS
    assert not VIEWS & FRAME
    assert weight(FRAME) < 60_000


def test_all_that_the_desk_can_load_weighs_less_than_150_kb(house: House) -> None:
    page = len(TestClient(house.app).get("/desk").content)
    assert page + weight({each for each in FILES.rglob("*") if each.is_file()}) < MOST_BYTES


@pytest.mark.parametrize(
    "forbidden",
    [
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(",  # elements or code made of text
        r"localStorage|sessionStorage|indexedDB|cookie|caches\.",  # whatever outlives the page
    ],
)
def test_script_makes_nothing_of_text_and_keeps_nothing(forbidden: str) -> None:
    scripts = list(FILES.rglob("*.js"))
    assert scripts
    assert [each.name for each in scripts if re.search(forbidden, each.read_text())] == []
