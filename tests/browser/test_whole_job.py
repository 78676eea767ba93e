"""The main job, as one story: from a chat's message to the receipt, by four people with a browser each."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import PHONE, Arrive, Visitor
from browser.looking import left_nothing
from playwright.sync_api import Locator, expect
from support.builders import JUSTIFICATION
from support.destinations import Siem, listening
from support.installation import serving
from support.products.canaille import Canaille

from service.cli.waiting import free_port, wait_until

PEOPLE = {"gil": "root-requesters", "zoe": "root-requesters", "lea": "root-approvers", "max": "root-approvers"}


class Chat:
    """What a chat is told, as its members read it."""

    def __init__(self, server: Siem) -> None:
        self._server = server

    @property
    def messages(self) -> list[list[str]]:
        return [json.loads(body)["text"].splitlines() for _, body in self._server.received]

    def message(self, title: str) -> list[str]:
        """Wait for the message of this title, and return its lines below that."""
        wait_until(lambda: title in self.titles, what=f"the chat's message {title!r}")
        return next(lines for first, *lines in self.messages if first == title)

    @property
    def titles(self) -> list[str]:
        return [lines[0] for lines in self.messages]


@pytest.fixture
def server() -> Iterator[Siem]:
    with listening() as server:
        yield server


@pytest.fixture
def chat(server: Siem) -> Chat:
    return Chat(server)


@pytest.fixture
def site(folder: Path, provider: Canaille, server: Siem) -> Iterator[str]:
    """Where a service is that tells a chat."""
    for name, group in PEOPLE.items():
        provider.add_person(name, group)
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with (folder / "rootquorum.toml").open("a") as settings:
        settings.write(
            f'[server]\npublic_url = "{origin}"\n'
            f'[chats.oncall]\nurl = "{server.url}"\n[notify]\nallowed_hosts = ["127.0.0.1"]\n'
        )
    with serving(folder, port, "--migrate"):
        provider.allow_redirect(f"{origin}/docs/oauth2-redirect")
        yield origin


def test_four_people_do_the_main_job_from_the_link_in_a_chat(visit: Arrive, chat: Chat) -> None:
    gil, zoe, lea = visit("gil"), visit("zoe"), visit("lea")
    max_ = visit("max", viewport=PHONE)

    zoe.desk.open("/mine").sign_in("zoe")
    ask(gil, recipient=zoe.desk.fact("Your user name").inner_text())

    account, effect, *_, link = chat.message("Request filed")
    assert (account, effect.split(":")[0]) == ("Account: production (111122223333)", "Effect")
    nexts = ("It still needs 1 approval.", "All approvals are in: you are done.")
    digests = [approve(*each, link.strip("<>")) for each in zip((lea, max_), nexts, strict=True)]
    assert digests[0] == digests[1]  # which is what they compare by telephone
    assert re.fullmatch("[0-9a-f]{64}", digests[0])

    chat.message("Request approved")
    key_id, secret = receive(zoe)

    # Everybody sees what became of it, where they look for it.
    chat.message("Receipt confirmed")
    for visitor, view in ((gil, "Mine"), (zoe, "Mine"), (lea, "All"), (max_, "All")):
        visitor.desk.follow(view).follow("production")
        expect(visitor.desk.fact("New key")).to_have_text(key_id)
        expect(visitor.desk.status).to_have_text("Done")
        visitor.keep_screenshot("done")
        assert not visitor.desk.is_too_wide
        assert secret not in visitor.page.content()
        left_nothing(visitor)
    for told in (secret, JUSTIFICATION):
        assert told not in str(chat.messages)


def ask(gil: Visitor, recipient: str) -> None:
    """Ask for a key that somebody else gets, and see what approvers will read."""
    gil.desk.open().sign_in("gil")
    gil.desk.follow("Ask").follow("production").follow("Create a root access key")
    gil.page.get_by_label("Who gets the secret").fill(recipient)
    gil.page.get_by_label("How long the key works").fill("90")
    gil.page.get_by_label("Ticket").fill("OPS-4711")
    gil.page.get_by_label("Why").fill(JUSTIFICATION)
    gil.desk.press("Preview")
    expect(gil.desk.fact("Executed by, and the secret goes to")).to_contain_text("Zoe")
    gil.keep_screenshot("preview")
    gil.desk.press("File this request")
    gil.page.wait_for_url("**/desk/requests/*")
    expect(gil.desk.status).to_have_text("Waits for approval")


def approve(approver: Visitor, what_is_next: str, link: str) -> str:
    """Follow the link, sign in, read, approve. Return the digest, copied from the page."""
    desk, page = approver.desk, approver.page
    page.goto(link)
    expect(desk.heading).to_have_text("Sign in")
    desk.sign_in(approver.name)

    expect(desk.heading).to_contain_text("Create a root access key")
    assert page.url == link
    for name, value in (
        ("Asked for by", "Gil"),
        ("Executed by, and the secret goes to", "Zoe"),
        ("Ticket", "OPS-4711"),
    ):
        expect(desk.fact(name)).to_contain_text(value)
    expect(desk.fact("Why")).to_have_text(JUSTIFICATION)
    approver.keep_screenshot("reads")

    desk.press("Approve")
    expect(page.get_by_role("heading", name="You are about to approve")).to_be_focused()
    digest = copied(page.locator(".panel .id").first)
    approver.keep_screenshot("about-to-approve")
    assert not desk.is_too_wide
    desk.press("Approve this request")
    expect(page.get_by_text(f"You have approved this. {what_is_next}")).to_be_visible()
    return digest


def copied(element: Locator) -> str:
    """Select something as somebody does who copies it. The gaps in it are for the eye."""
    text: str = element.evaluate(
        "each => { getSelection().selectAllChildren(each); return getSelection().toString(); }"
    )
    return text


def receive(zoe: Visitor) -> tuple[str, str]:
    """Execute what waits, see the secret, and confirm the receipt. Return the key's id and its secret."""
    desk, page = zoe.desk, zoe.page
    desk.follow("Waiting for you").follow("production")
    desk.press("Execute")
    desk.press("Create the key now")
    key_id = copied(desk.fact("Access key id").locator(".id"))
    desk.press("Show the secret")
    secret = page.locator(".secret").inner_text()
    assert (key_id[:4], len(secret)) == ("AKIA", 40)
    zoe.keep_screenshot("secret")
    desk.press("I have it")
    expect(page.locator(".notice.good")).to_contain_text("Confirmed.")
    return key_id, secret
