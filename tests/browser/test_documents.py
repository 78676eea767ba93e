"""The site of the documents, as `make docs` builds it: complete, searchable, and nobody else is asked."""

import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import documents
import pytest
from playwright.sync_api import Browser, expect

_START = documents.PROJECT / "README.md"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return documents.build(tmp_path_factory.mktemp("documents"))


@pytest.fixture
def origin(built: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=built)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_reader_searches_and_asks_no_other_host(browser: Browser, origin: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{origin}/docs/desk.html")
    expect(page.get_by_role("heading", name="The desk", exact=True)).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("quarantine")
    expect(page.get_by_role("option", name=re.compile("quarantine", re.IGNORECASE)).first).to_be_visible()

    page.close()
    assert {url for url in asked if not url.startswith((f"{origin}/", "data:", f"blob:{origin}"))} == set()


def test_no_page_loads_anything_from_another_host(built: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*\"")
    assert {page.name: found for page in built.rglob("*.html") if (found := loaded.findall(page.read_text()))} == {}


def _navigation(kind: str = "") -> set[str]:
    """The pages in the navigation, from the repository's root; those of one kind, where one is named."""
    text = (documents.PROJECT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    if kind:
        text = re.split(r"^  - ", text.partition(f"  - {kind}:\n")[2], flags=re.MULTILINE)[0]
    return {*re.findall(r"^ *- (\S+\.md)$", text, re.MULTILINE)}


def test_the_navigation_has_every_page_of_the_site() -> None:
    pages = filter(lambda file: file.suffix == ".md", documents.gathered(_START))
    assert _navigation() == {str(page.relative_to(documents.PROJECT)) for page in pages}


@pytest.mark.parametrize("kind", ["Learn", "Do", "Look up", "Understand"])
def test_the_navigation_sorts_pages_as_the_list_of_documents_does(kind: str) -> None:
    listed = (documents.PROJECT / "docs/README.md").read_text().partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
    links = re.findall(r"\]\(([^)#]+\.md)[)#]", listed)

    assert {str(Path("docs") / link).replace("docs/../", "") for link in links} <= _navigation(kind)


def test_a_link_to_nothing_ends_the_build(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[gone](nowhere.md)")

    with pytest.raises(FileNotFoundError):
        documents.gathered(page)
