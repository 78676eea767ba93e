"""The desk as somebody uses it who sees the page: links, buttons, fields, what is shown."""

from typing import Self

from browser.swagger_ui import sign_in_at_provider
from playwright.sync_api import Locator, Page, expect


class Desk:
    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self._site = site

    def open(self, path: str = "") -> Self:
        self.page.goto(f"{self._site}/desk{path}")
        expect(self.heading).to_be_visible()
        return self

    @property
    def heading(self) -> Locator:
        return self.page.locator("main h1")

    @property
    def me(self) -> str:
        """The name of whoever is signed in."""
        return self.page.locator(".somebody span").inner_text()

    def sign_in(self, name: str, *, issuer: str = "corp", button: str = "Sign in with") -> Self:
        """In the window of the provider. The view that was asked for comes after it."""
        with self.page.expect_popup() as opened:
            self.press(f"{button} {issuer}")
        sign_in_at_provider(opened.value, name)
        expect(self.page.locator(".somebody button")).to_be_visible()
        return self

    def sign_in_with(self, token: str) -> Self:
        if (folded := self.page.locator("summary", has_text="Use a token")).count():
            folded.click()
        self.page.get_by_label("Token", exact=True).fill(token)
        self.press("Sign in with the token")
        expect(self.page.locator(".somebody button")).to_be_visible()
        return self

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def follow(self, link: str) -> Self:
        self.page.get_by_role("link", name=link).click()
        return self

    @property
    def stored(self) -> list[object]:
        """Whatever a page could leave in the browser."""
        found: list[object] = self.page.evaluate(
            """async () => [localStorage.length, sessionStorage.length, document.cookie,
                 (await indexedDB.databases()).length, (await caches.keys()).length,
                 (await navigator.serviceWorker.getRegistrations()).length, JSON.stringify(history.state)]"""
        )
        return found


NOTHING: list[object] = [0, 0, "", 0, 0, 0, "null"]
