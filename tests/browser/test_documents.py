"""The site of the documents, as `make docs` builds it and `/help` serves it: complete, searchable, from one host."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import documents
import pytest
from browser.conftest import PHONE, Arrive, Visitor
from browser.proxy import proxied
from browser.served import served
from playwright.sync_api import expect
from support.house import House

from service.api import help_pages

_START = documents.PROJECT / "README.md"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return documents.build(tmp_path_factory.mktemp("documents"))


@pytest.fixture
def with_help(sqlite_house: House, built: Path) -> Iterator[str]:
    """Where a service is that has the documents."""
    help_pages.install(sqlite_house.app, built)
    with served(sqlite_house) as origin:
        yield origin


def come(visit: Arrive, site: str, **options: object) -> Visitor:
    reader = visit("reader", site, **options)
    reader.page.goto(f"{site}/desk")
    reader.desk.follow("Help")
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Rootquorum")
    return reader


def search(reader: Visitor, text: str) -> None:
    reader.page.get_by_role("button", name="Search").click()
    reader.page.get_by_role("combobox", name="Search").fill(text)
    expect(reader.page.get_by_role("option", name=re.compile(text, re.IGNORECASE)).first).to_be_visible()


def test_a_reader_comes_from_the_desk_and_searches(visit: Arrive, with_help: str) -> None:
    reader = come(visit, with_help)
    reader.page.goto(f"{with_help}/help/docs/desk.html")
    search(reader, "quarantine")
    reader.page.get_by_role("option", name=re.compile("quarantine", re.IGNORECASE)).first.click()
    expect(reader.page.locator("main")).to_contain_text(re.compile("quarantine", re.IGNORECASE))
    assert (reader.foreign_requests, reader.complaints, reader.refusals) == ([], [], [])


def test_swagger_ui_leads_to_the_documents_behind_a_prefix_too(visit: Arrive, sqlite_house: House, built: Path) -> None:
    help_pages.install(sqlite_house.app, built)
    with served(sqlite_house, "/approvals") as upstream, proxied(upstream, "/approvals") as origin:
        site = f"{origin}/approvals"
        reader = visit("reader", site)
        reader.page.goto(f"{site}/docs")
        reader.desk.follow("Help")
        expect(reader.page.get_by_role("heading", level=1)).to_have_text("Rootquorum")
        assert urlsplit(reader.page.url).path == "/approvals/help/"
        search(reader, "quarantine")
        assert (reader.foreign_requests, reader.complaints, reader.refusals) == ([], [], [])


@pytest.mark.parametrize("name", ["settings", "screens", "life-of-a-request", "first-approval"])
def test_nobody_scrolls_a_page_sideways_on_a_phone(visit: Arrive, with_help: str, name: str) -> None:
    reader = visit("reader", with_help, viewport=PHONE)
    reader.page.goto(f"{with_help}/help/docs/{name}.html")
    expect(reader.page.get_by_role("heading", level=1)).to_be_visible()
    assert not reader.desk.is_too_wide
    assert (reader.foreign_requests, reader.complaints, reader.refusals) == ([], [], [])


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
