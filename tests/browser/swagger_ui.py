"""Swagger UI as somebody uses it who sees the page: buttons, fields, what is shown."""

import json
from collections.abc import Callable
from typing import Any, Self

from playwright.sync_api import Locator, Page, expect
from support.products.canaille import PASSWORD


class SwaggerUI:
    def __init__(self, page: Page, site: str) -> None:
        self._page = page
        self._site = site

    def open(self) -> Self:
        self._page.goto(f"{self._site}/docs")
        expect(self._page.locator(".opblock").first).to_be_visible()
        return self

    def authorize_with_token(self, token: str, *, then: Callable[[], None] = lambda: None) -> None:
        """Paste a token into "Authorize"; `then` is called when it stands there."""
        self._page.get_by_role("button", name="Authorize", exact=True).click()
        dialog = self._page.locator(".modal-ux")
        dialog.get_by_label("auth-bearer-value").fill(token)
        then()
        dialog.get_by_role("button", name="Apply credentials", exact=True).click()
        expect(dialog.get_by_role("button", name="Remove authorization")).to_be_visible()
        dialog.locator(".close-modal").click()
        expect(dialog).to_have_count(0)

    def sign_in(self, issuer: str, name: str, *, then: Callable[[], None] = lambda: None) -> None:
        """By "Authorize", in the window of the provider; `then` is called when that is open."""
        self._page.get_by_role("button", name="Authorize", exact=True).click()
        dialog = self._page.locator(".modal-ux")
        way = dialog.locator(".auth-container").filter(has=self._page.get_by_role("heading", name=issuer))
        with self._page.expect_popup() as opened:
            way.get_by_role("button", name="Apply given OAuth2 credentials").click()
        then()
        sign_in_at_provider(opened.value, name)
        expect(way.get_by_role("button", name="Remove authorization")).to_be_visible()
        dialog.locator(".close-modal").click()
        expect(dialog).to_have_count(0)

    def sign_in_in_vain(self, issuer: str) -> str:
        """By "Authorize", at a provider that sends people straight back: what the page says is wrong."""
        self._page.get_by_role("button", name="Authorize", exact=True).click()
        way = self._page.locator(".modal-ux .auth-container").filter(has=self._page.get_by_role("heading", name=issuer))
        way.get_by_role("button", name="Apply given OAuth2 credentials").click()
        fault = way.locator(".errors")
        expect(fault).to_be_visible()
        return fault.inner_text()

    def open_operation(self, method: str, path: str) -> "UnfoldedOperation":
        """Unfold it, unless it is open."""
        block = self._page.locator(f".opblock-{method.lower()}:has([data-path='{path}'])")
        toggle = block.locator(".opblock-summary-control")
        if toggle.get_attribute("aria-expanded") != "true":
            toggle.click()
        expect(block.locator(".opblock-body")).to_be_visible()
        return UnfoldedOperation(block)

    def call(self, method: str, path: str, *, body: dict[str, Any] | None = None, **parameters: str) -> tuple[int, Any]:
        """The whole of it: unfold, fill in, execute. What the page shows: the status and the body."""
        operation = self.open_operation(method, path)
        operation.fill_in(body, **parameters)
        answer = operation.execute()
        operation.show()
        return answer


def consent(window: Page) -> None:
    if (accept := window.locator("[name=answer][value=accept]")).count():
        accept.click(no_wait_after=True)


def sign_in_at_provider(window: Page, name: str) -> None:
    """Canaille's pages: who, the password, perhaps whether this service may know. The window closes by itself."""
    window.locator("[name=login]").fill(name)
    window.locator("[name=login]").press("Enter")
    window.locator("[name=password]").fill(PASSWORD)
    with window.expect_event("close"):
        window.on("load", consent)
        window.locator("[name=password]").press("Enter")


class UnfoldedOperation:
    """One unfolded operation."""

    def __init__(self, block: Locator) -> None:
        self._block = block
        self._answer = block.locator(".live-responses-table .response")

    def fill_in(self, body: dict[str, Any] | None = None, **parameters: str) -> None:
        """What is given; everything else is left as the page has it."""
        for name, value in parameters.items():
            self._block.locator(f"tr[data-param-name='{name}'] input").fill(value)
        if body is not None:
            self._block.locator("textarea.body-param__text").fill(json.dumps(body, indent=2))

    def execute(self) -> tuple[int, Any]:
        if self._answer.count():  # the former answer, which would be taken for the new one
            self._block.get_by_role("button", name="Clear").click()
            expect(self._answer).to_have_count(0)
        self._block.get_by_role("button", name="Execute").click()
        expect(self._answer).to_be_visible()
        status = self._answer.locator(".response-col_status").inner_text().split()[0]
        shown = self._answer.locator(".response-col_description .highlight-code code").first.inner_text()
        return int(status), json.loads(shown)

    def download(self) -> tuple[str, str]:
        """Execute it, and follow the link that the page has for a file: its name and its content."""
        self._block.get_by_role("button", name="Execute").click()
        link = self._answer.get_by_role("link", name="Download file")
        with self._block.page.expect_download() as download:
            link.click()
        return download.value.suggested_filename, download.value.path().read_text()

    def copied_command(self) -> str:
        """The curl command, by the button that copies it."""
        self._block.locator(".curl-command .copy-to-clipboard button").click()
        copied: str = self._block.page.evaluate("navigator.clipboard.readText()")
        return copied

    def show(self) -> None:
        """The answer to the top of the window."""
        self._answer.evaluate("answer => answer.scrollIntoView()")
