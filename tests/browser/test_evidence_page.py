"""`evidence.html` from disk: it needs nothing but itself, and shows what is wrong with a file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evidence_page
import pytest
from browser.conftest import SCREENSHOTS
from playwright.sync_api import Browser, Error, Page, expect
from proof.in_node import EVIDENCE
from support.ledger import SIGNER, executed
from support.signed_ledger import FOUNDERS, Story, evidence_of
from support.vectors.common import FOLDER

_FOUNDERS = "".join(f"{person} {signer.public.text}\n" for person, signer in FOUNDERS.items())
_PAGE = evidence_page.PAGE.as_uri()


class Reader:
    """An auditor who opens the page from disk, on a phone or at a desk."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self._folder = page, folder
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(_PAGE)

    def open(self, content: Any, key: str = SIGNER.verifier_key, founders: str = _FOUNDERS) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (self._folder / "evidence.json").write_bytes(data)
        self.page.get_by_label("Keys of the log").fill(key)
        self.page.get_by_label("People's keys").fill(founders)
        self.page.get_by_label("File of evidence").set_input_files(self._folder / "evidence.json")
        expect(self.page.locator("#result")).to_be_visible()

    @property
    def verdict(self) -> str:
        return str(self.page.locator("#verdict strong").inner_text())

    def check(self, about: str) -> str:
        return str(self.page.locator("#checks > li", has_text=about).inner_text())


@pytest.fixture(params=[1280, 360], ids=["desk", "phone"])
def reader(browser: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    with browser.new_context(
        viewport={"width": request.param, "height": 900},
        color_scheme="dark" if request.param == 360 else "light",
    ) as context:
        reader = Reader(context.new_page(), tmp_path)
        yield reader
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        reader.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        width = reader.page.evaluate("document.documentElement.scrollWidth")
        assert width <= request.param, "the page is wider than the screen"
        assert reader.complaints == []
        assert [url for url in reader.requests if url != _PAGE] == []
        state = "[localStorage.length, sessionStorage.length, document.cookie]"
        assert reader.page.evaluate(state) == [0, 0, ""]


def test_good_evidence_is_verified_and_shown(reader: Reader) -> None:
    reader.open(evidence_of(*Story().told()))
    assert reader.verdict == "Verified here"
    shown = reader.page.locator("#request")
    expect(shown).to_contain_text("The root access key AKIAEXAMPLE000000001 stops working for good.")
    expect(shown).to_contain_text("1111 2222 3333")
    expect(shown).to_contain_text("Rotation of the break-glass key, due this quarter.")
    expect(shown).to_contain_text(re.compile("bob approved at .* UTC, signed with ssh-ed25519 SHA256:"))
    expect(shown).to_contain_text(re.compile("carol approved at .* signed with sk-ecdsa-sha2-nistp256@openssh.com"))


def test_evidence_that_was_changed_is_not_believed(reader: Reader) -> None:
    whole = evidence_of(*Story().told())
    whole["request"]["recipient"] = "mallory"
    reader.open(whole)
    assert reader.verdict == "Do not believe this"
    assert reader.check("nothing is told that the events do not say").startswith("Wrong")
    # What is shown comes from the events, which the log has.
    expect(reader.page.locator("#request")).to_contain_text("rita")
    expect(reader.page.locator("#request")).not_to_contain_text("mallory")


def test_a_forged_approval_is_named(reader: Reader) -> None:
    ledger, request_id = Story(change=lambda draft: draft.said.update(digest="0" * 64)).told()
    reader.open(evidence_of(ledger, request_id))
    assert reader.verdict == "Do not believe this"
    expect(reader.page.locator("#request")).to_contain_text("Does not count: the statement is about another filing.")
    assert reader.check("Enough others approved").startswith("Wrong")


def test_an_export_shows_each_request(reader: Reader) -> None:
    reader.open(b"".join(Story().told()[0].export()))
    assert reader.verdict == "Verified here"
    reader.page.locator("#request summary").first.click()
    expect(reader.page.locator("#request")).to_contain_text("Why")


def test_without_a_key_it_says_that_nothing_vouches_for_the_log(reader: Reader) -> None:
    ledger, request_id = executed()
    reader.open(ledger.evidence(request_id), key="", founders="")
    assert reader.verdict == "Verified here in part"
    assert "Get it from a person" in reader.check("The log's own key signed")
    assert "2 of 2 approvals are not signed" in reader.check("signed by its person")


_HOSTILE = '<img src=x onerror="document.title=1">\u202e{{script}} ' + "W" * 2000


def test_hostile_text_is_literal_and_breaks_nothing(reader: Reader) -> None:
    filing = {"justification": _HOSTILE, "ticket": _HOSTILE, "requester": _HOSTILE, "recipient": _HOSTILE}
    ledger, request_id = Story(filing=filing, unsigned=("bob", "carol")).told()
    reader.open(evidence_of(ledger, request_id))
    expect(reader.page.locator("#request")).to_contain_text(
        '<img src=x onerror="document.title=1">\ufffd{{script}} WWW'
    )
    assert reader.page.title() == "Evidence (Rootquorum)"
    assert reader.page.locator("img").count() == 0


def test_it_is_used_by_the_keyboard_alone(reader: Reader) -> None:
    names = []
    for _ in range(9):
        reader.page.keyboard.press("Tab")
        names.append(
            reader.page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.localName"
            )
        )
    assert names == ["file", "summary", "key", "people", "whose", "kept", "button", "body", "file"]


@pytest.mark.parametrize("key", ["nonsense", f"{SIGNER.verifier_key}x"])
def test_a_key_that_is_none_is_refused_in_words(reader: Reader, key: str) -> None:
    reader.page.get_by_label("Keys of the log").fill(key)
    reader.page.get_by_label("File of evidence").set_input_files(__file__)
    expect(reader.page.get_by_role("status")).to_contain_text("this is no key of a log")
    expect(reader.page.locator("#result")).to_be_hidden()


def test_the_page_can_ask_nobody_and_make_no_markup(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(_PAGE)
        directive = page.evaluate(
            """() => new Promise(done => {
              document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
              fetch("http://127.0.0.1:9/").catch(() => {});
            })"""
        )
        assert directive == "connect-src"
        with pytest.raises(Error, match="TrustedHTML"):
            page.evaluate("document.body.innerHTML = '<p>'")


def test_chromium_finds_the_faults_that_the_vectors_say(browser: Browser) -> None:
    """Node.js and a browser do not have the same cryptography."""
    cases = [case for name in ("signatures", "recorded") for case in json.loads((FOLDER / f"{name}.json").read_text())]
    script = evidence_page.bundle(EVIDENCE / "signatures.js")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(_PAGE)  # a page of a file is a secure context, which WebCrypto needs
        found = page.evaluate(
            f"""async (cases) => {{
              {script}
              const [{{ verify }}, {{ unmet }}] = [modules["files/proof/sshsig.js"], modules["evidence/demanded.js"]];
              const faults = ({{ signature, message, namespace, demands }}) =>
                verify(signature, new TextEncoder().encode(message), namespace)
                  .then((signed) => unmet(signed, demands), (fault) => [fault.code]);
              return Promise.all(cases.map(faults));
            }}""",
            cases,
        )
    assert dict(zip((case["name"] for case in cases), found, strict=True)) == {
        case["name"]: case["faults"] for case in cases
    }


def test_the_page_is_made_of_the_current_modules() -> None:
    assert evidence_page.PAGE.read_text() == evidence_page.page(), "make evidence"
