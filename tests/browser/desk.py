"""The desk as somebody uses it who sees the page: links, buttons, fields, what is shown."""

from typing import Self
from urllib.parse import urlsplit

from browser.swagger_ui import sign_in_at_provider
from playwright.sync_api import CDPSession, Locator, Page, expect

_NAME_OF_THE_FOCUS = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"


class Desk:
    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self._site = site
        self._authenticator: tuple[CDPSession, str] | None = None

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
        return self.page.locator(".somebody > span").inner_text()

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

    def open_request(self, request_id: str) -> Self:
        self.page.goto(f"{self._site}/desk/requests/{request_id}")
        return self

    def fact(self, name: str) -> Locator:
        """Return what stands beside a name on the page."""
        return self.page.locator("dl > div", has=self.page.get_by_text(name, exact=True)).locator("dd").first

    @property
    def status(self) -> Locator:
        return self.page.locator(".status").first

    @property
    def problem(self) -> Locator:
        return self.page.locator(".notice.problem")

    def go(self, path: str) -> None:
        """Go there without loading the page anew, which would forget who is signed in."""
        self.page.evaluate(
            "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }",
            urlsplit(f"{self._site}/desk{path}").path,
        )
        expect(self.page.locator("main[aria-busy]")).to_have_count(0)

    def use_authenticator(self) -> None:
        """Give the browser an authenticator that verifies whoever sits there, and keeps its passkeys itself."""
        if self._authenticator is not None:
            return
        session = self.page.context.new_cdp_session(self.page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._authenticator = session, added["authenticatorId"]

    def forget_passkeys(self) -> None:
        assert self._authenticator is not None
        session, authenticator = self._authenticator
        session.send("WebAuthn.clearCredentials", {"authenticatorId": authenticator})

    def tab_to(self, name: str) -> None:
        """Go on by the keyboard alone until the focus is on what has this name."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(_NAME_OF_THE_FOCUS) == name:
                return
        raise AssertionError(f"the keyboard never comes to {name!r}")

    @property
    def is_too_wide(self) -> bool:
        """Whether somebody has to scroll sideways."""
        found: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return found

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
