"""A real service, a real provider, a real browser, and people in it who share nothing."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import chromium
from browser.desk import Desk
from browser.proxy import proxied
from browser.served import served
from browser.swagger_ui import SwaggerUI
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect, sync_playwright
from support.builders import ACCOUNT
from support.house import House
from support.installation import serving
from support.products.canaille import Canaille

from service.cli.waiting import free_port

SCREENSHOTS = Path(__file__).parents[2] / "test-output" / "screenshots"

# Of a page that draws itself while other tests want the same processor: as long as Playwright waits for a click.
_PATIENCE_MILLISECONDS = 30_000

# How the browser notes an answer that is a refusal; the page shows it too.
_REFUSAL = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")

# What Chromium says of every page that takes passkeys of one kind only. The service takes no other.
_ADVICE = "publicKey.pubKeyCredParams is missing at least one of the default algorithm identifiers"

# In each of them one request can be open.
ACCOUNTS = [f"{number:012}" for number in range(100000000000, 100000000030)]

# Those that docs/desk.md shows.
_PICTURES = {"waiting", "request", "request-phone", "approve", "keys", "account", "asking", "receiving", "log"}

PHONE: ViewportSize = {"width": 360, "height": 740}

_GROUPS = {"root-requesters": "requester", "root-approvers": "approver"}


def whole_page(page: Page, path: Path) -> None:
    """Take a picture as on a screen of the page's height, where nothing sticks to the window's edge."""
    size = page.viewport_size
    assert size is not None
    height: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    page.screenshot(path=path)
    page.set_viewport_size(size)


class Visitor:
    """One person at a browser of their own."""

    def __init__(self, name: str, context: BrowserContext, site: str, screenshots: Path) -> None:
        self.name = name
        self.requests: list[str] = []
        self.complaints: list[str] = []  # what the browser's console says of the page
        self.refusals: list[str] = []
        self.page = context.new_page()
        self.ui = SwaggerUI(self.page, site)
        self.desk = Desk(self.page, site)
        self._site = site
        self._screenshots = screenshots
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_ADVICE):
            (self.refusals if _REFUSAL.match(message.text) else self.complaints).append(message.text)

    @property
    def foreign_requests(self) -> list[str]:
        """Requests of the page to anything but the service. `data:` is part of the page."""
        return [url for url in self.requests if urlsplit(url).scheme != "data" and not url.startswith(f"{self._site}/")]

    def keep_screenshot(self, what: str) -> None:
        self._screenshots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._screenshots / f"{self.name}-{what}.png")

    def keep_picture(self, what: str) -> None:
        """Keep the whole page, or the panel in which somebody acts. `make pictures` wants some for the documents."""
        wanted = os.environ.get("PICTURES") if what in _PICTURES else None
        path = Path(wanted or self._screenshots) / f"{what}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if (panel := self.page.locator(".panel")).count():
            panel.screenshot(path=path)
        else:
            whole_page(self.page, path)


Arrive = Callable[..., Visitor]


@pytest.fixture(params=[{"width": 1280, "height": 1000}, PHONE], ids=["desktop", "phone"])
def screen(request: pytest.FixtureRequest) -> ViewportSize:
    """Run a test once on a desktop and once on a phone."""
    size: ViewportSize = request.param
    return size


def settings_in(folder: Path, provider: Canaille, more: str = "") -> Path:
    """Write settings with the provider and nobody by name: who signs in has the roles of their groups."""
    grants = "".join(
        f'[[issuers.corp.grants]]\ngroup = "{group}"\nroles = ["{role}"]\n' for group, role in _GROUPS.items()
    )
    names = {ACCOUNT: "production", **{each: f"prod {each[-2:]}" for each in ACCOUNTS}}
    accounts = "".join(f'[accounts.{account_id}]\nname = "{name}"\n' for account_id, name in names.items())
    (folder / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{folder}/rootquorum.db"\n[aws]\nsimulated = true\n[log]\nlevel = "DEBUG"\n'
        '[audit]\norigin = "rootquorum.example.com/log"\n'
        f"{accounts}"
        f'[issuers.corp]\nurl = "{provider.issuer}"\naudience = ["{provider.client_id}"]\n'
        f'client_id = "{provider.client_id}"\nscopes = ["openid", "profile", "groups"]\nsends = "id_token"\n'
        f"{grants}{more}"
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, provider: Canaille) -> Path:
    """Where the settings of a module's one service are, and what it writes."""
    return settings_in(tmp_path_factory.mktemp("site"), provider)


@pytest.fixture(scope="module")
def site(folder: Path, provider: Canaille) -> Iterator[str]:
    """Where the service is."""
    with serving_at(folder) as origin:
        provider.allow_redirect(f"{origin}/docs/oauth2-redirect")
        yield origin


@pytest.fixture
def site_behind_a_proxy(tmp_path: Path, provider: Canaille) -> Iterator[str]:
    """Where the service is for everybody who does not sit at its own machine."""
    settings_in(tmp_path, provider, '[server]\nroot_path = "/approvals"\n')
    with serving_at(tmp_path) as upstream, proxied(upstream, "/approvals") as origin:
        provider.allow_redirect(f"{origin}/approvals/docs/oauth2-redirect")
        yield f"{origin}/approvals"


@pytest.fixture
def at(sqlite_house: House) -> Iterator[str]:
    """Where `sqlite_house` is."""
    with served(sqlite_house) as origin:
        yield origin


@pytest.fixture(scope="module")
def _accounts() -> Iterator[str]:
    return iter(ACCOUNTS)


@pytest.fixture
def account_id(_accounts: Iterator[str]) -> str:
    """Return an account of the test's own."""
    return next(_accounts)


@contextmanager
def serving_at(folder: Path) -> Iterator[str]:
    port = free_port()
    with serving(folder, port, "--migrate"):
        yield f"http://127.0.0.1:{port}"


# Not of the session: Playwright keeps an event loop running in the thread that other tests want for their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium.shell()
    if program is None:
        pytest.fail(chromium.NONE_FOUND)
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=chromium.flags())
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Arrive]:
    """Somebody comes in a browser that knows nobody. `options` are the browser's."""
    folder = SCREENSHOTS / re.sub(r"\W+", "-", request.node.name).strip("-")
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def come(name: str, at: str | None = None, **options: Any) -> Visitor:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 1000}} | options))
        visitors.append(Visitor(name, contexts[-1], at or request.getfixturevalue("site"), folder))
        return visitors[-1]

    yield come
    for visitor in visitors:  # of a test that failed too: what was on the page then
        visitor.keep_screenshot("at-the-end")
    for context in contexts:
        context.close()


@pytest.fixture
def arrive(visit: Arrive) -> Arrive:
    """Somebody opens the service's documentation."""

    def open_documentation(name: str, at: str | None = None) -> Visitor:
        visitor = visit(name, at)
        visitor.ui.open()
        return visitor

    return open_documentation
