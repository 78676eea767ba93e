"""Executing at the desk, and receiving a secret, of a service whose AWS the test has at hand."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from browser import chromium
from browser.conftest import SCREENSHOTS, Arrive, Visitor
from browser.desk import NOTHING
from browser.looking import left_nothing, lose_answer, only_request
from playwright.sync_api import Browser, Dialog, Page, Route, expect
from pyrage import decrypt, x25519
from support.builders import ACCOUNT, BOTH, JUSTIFICATION, OTHER_ACCOUNT
from support.house import House

from service.api.key_files import FILES, FileName, profile_of
from service.domain.operation import OperationName
from service.domain.outcome import CreatedKey, Secret
from service.domain.request import Status
from service.sealing import seal


def test_from_asking_to_the_receipt(sqlite_house: House, at: str, browser: Browser, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    with browser.browser_type.launch_persistent_context(
        profile, executable_path=chromium.find(), args=chromium.flags(), downloads_path=tmp_path / "downloads"
    ) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=at)
        alice = Visitor("alice", context, at, SCREENSHOTS / "asking-to-receipt")
        spoken: list[str] = []
        alice.page.on("console", lambda message: spoken.append(message.text))
        request_id = ask(sqlite_house, alice)
        sqlite_house.approve(only_request(sqlite_house))
        secret = receive(sqlite_house, alice)

        left_nothing(alice)
        assert not [each for each in [*alice.requests, *spoken] if secret in each]

    held = list(bytes_under(profile))
    assert [file for file, content in held if request_id.encode() in content]  # the history has it
    assert [file for file, content in held for form in ("utf-8", "utf-16-le") if secret.encode(form) in content] == []


def ask(house: House, alice: Visitor) -> str:
    """Ask for a key, and return the id of the request."""
    page = alice.page
    alice.desk.open("/accounts").sign_in_with(house.token("alice")).follow("production")
    alice.desk.press("Look now")
    expect(page.get_by_text("The service signs with it")).to_be_visible()
    alice.keep_picture("account")
    alice.desk.follow("Create a root access key")
    page.get_by_label("How long the key works").fill("90")
    page.get_by_label("Ticket").fill("OPS-4711")
    page.get_by_label("Why").fill(JUSTIFICATION)
    alice.keep_picture("asking")
    alice.desk.press("Preview")
    expect(page.get_by_role("heading", name="This is what approvers will read")).to_be_focused()
    expect(page.locator(".effect")).to_contain_text("It works for 90 days")
    alice.keep_screenshot("preview")
    alice.desk.press("File this request")
    page.wait_for_url("**/desk/requests/*")
    filed = only_request(house).filing
    assert (filed.justification, filed.ticket) == (JUSTIFICATION, "OPS-4711")
    assert page.url.endswith(f"/desk/requests/{filed.request_id}")
    return filed.request_id


def receive(house: House, alice: Visitor) -> str:
    """Execute the request, take the key, confirm it, and return its secret."""
    page, answers = alice.page, Answers(alice.page)
    page.reload()
    alice.desk.sign_in_with(house.token("alice"))
    alice.desk.press("Execute")
    alice.keep_screenshot("before")
    alice.desk.press("Create the key now")
    expect(page.get_by_role("heading", name="Your new key: this is the only time you see it")).to_be_focused()
    expect(page.locator(".status").first).to_have_text("Key delivered, receipt not confirmed")
    alice.keep_picture("receiving")

    # It is saved as the service would have written it.
    key = saved_key(page)
    for name in (FileName.ROOTKEY_CSV, FileName.PROFILE_INI):
        with page.expect_download() as saving:
            alice.desk.press(f"Download {name}")
        assert saving.value.suggested_filename == name
        assert saving.value.path().read_bytes() == FILES[name].write(key, profile_of(ACCOUNT)).encode()

    # It is hidden until somebody wants to see it, and copied without that.
    secret = key.secret.reveal()
    assert secret not in page.content()
    alice.desk.press("Copy: Secret access key")
    expect(page.get_by_text("Copied: Secret access key.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    alice.desk.press("Show the secret")
    expect(page.locator(".secret")).to_have_text(secret)
    alice.keep_screenshot("shown")
    alice.desk.press("Hide the secret")
    assert secret not in page.content()

    # Leaving is asked about, in each way, and without a yes nobody leaves.
    alice.desk.follow("Mine")
    alice.desk.press("Sign out")
    page.go_back()
    expect(page.get_by_role("button", name="I have it")).to_be_visible()
    with page.expect_event("dialog"):
        page.evaluate("location.reload()")
    assert answers.asked == ["confirm", "confirm", "confirm", "beforeunload"]

    alice.desk.press("I have it")
    expect(page.locator(".notice.good")).to_contain_text("Confirmed.")
    assert only_request(house).status is Status.SUCCEEDED
    assert secret not in page.content()
    # Of the deadlines only the one that still runs is left, and in a list no warning of what is done.
    for met in ("To be approved until", "To be executed until", "Receipt to be confirmed until"):
        expect(page.get_by_text(met)).to_have_count(0)
    expect(page.get_by_text("End of the key's lifetime")).to_be_visible()
    expect(page.locator(".notice.warning")).to_contain_text("1 warning")
    alice.desk.follow("Mine")
    expect(alice.desk.heading).to_have_text("Mine")
    expect(page.locator(".card")).to_contain_text("Done")
    expect(page.locator(".warned")).to_have_count(0)
    assert len(answers.asked) == 4

    return secret


def saved_key(page: Page) -> CreatedKey:
    """Return the key as a program reads it out of the file that the page saves."""
    with page.expect_download() as saving:
        page.get_by_role("button", name="Download rootkey.csv").click()
    values = dict(line.split("=", 1) for line in saving.value.path().read_text().splitlines())
    return CreatedKey(values["AWSAccessKeyId"], Secret(values["AWSSecretKey"]), datetime.now(UTC))


def bytes_under(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for file in folder.rglob("*"):
        if file.is_file():
            yield file, file.read_bytes()


class Answers:
    """Somebody's answers to the questions that a browser asks before it leaves a page."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.leaves = False
        page.on("dialog", self._answer)

    def _answer(self, dialog: Dialog) -> None:
        self.asked.append(dialog.type)
        (dialog.accept if self.leaves else dialog.dismiss)()


def break_answer(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text()[:50])


def give_up(route: Route) -> None:
    """A proxy in between waits no longer."""
    route.fetch()
    route.fulfill(status=504, content_type="text/html", body="<h1>Gateway Timeout</h1>")


def test_answer_that_is_lost_is_called_lost(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, alice = sqlite_house, visit("alice", at)
    alice.desk.open().sign_in_with(house.token("alice"))
    for account_id, lose in ((ACCOUNT, lose_answer), (OTHER_ACCOUNT, break_answer), (BOTH, give_up)):
        request = house.approved(account_id=account_id)
        alice.desk.go(f"/requests/{request.filing.request_id}")
        alice.page.route("**/execution", lose, times=1)
        alice.desk.press("Execute")
        alice.desk.press("Create the key now")

        expect(alice.desk.problem).to_contain_text("Do not confirm the receipt")
        assert house.now(request).status is Status.DELIVERED
        alice.desk.press("See what became of it")
        alice.desk.press("Confirm the receipt")
        expect(alice.page.locator(".panel .notice.warning")).to_contain_text("Confirm only if you have the secret")
    assert alice.desk.stored == NOTHING


def test_nobody_turns_away_from_an_answer_that_is_on_its_way(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, alice = sqlite_house, visit("alice", at)
    request, answers = house.approved(), Answers(alice.page)
    alice.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("alice"))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    alice.page.route("**/execution", hold)
    alice.desk.press("Execute")
    alice.desk.press("Create the key now")
    expect(alice.page.get_by_text("Wait for the answer")).to_be_visible()

    alice.desk.press("Not now")
    alice.desk.follow("Mine")
    held[0].continue_()

    expect(alice.page.get_by_role("button", name="I have it")).to_be_visible()
    assert answers.asked == ["confirm"]


def test_operation_without_a_secret_is_executed(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, alice = sqlite_house, visit("alice", at)
    request = house.approved(OperationName.DEACTIVATE_ACCESS_KEY, house.spare_key())
    alice.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("alice"))

    alice.desk.press("Execute")
    alice.desk.press("Execute now")

    expect(alice.page.locator(".notice.good")).to_contain_text("Done.")
    assert house.now(request).status is Status.SUCCEEDED
    left_nothing(alice)


def test_receipt_can_be_confirmed_by_whoever_has_the_secret_from_elsewhere(
    sqlite_house: House, at: str, visit: Arrive
) -> None:
    house, alice = sqlite_house, visit("alice", at)
    request, _ = house.execute(house.approved())
    alice.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("alice"))

    alice.desk.press("Confirm the receipt")
    expect(alice.page.locator(".panel .notice.warning")).to_contain_text("Confirm only if you have the secret")
    alice.desk.press("I have it")

    expect(alice.page.locator(".notice.good")).to_contain_text("Confirmed.")
    assert house.now(request).status is Status.SUCCEEDED


def test_sealed_secret_is_a_download_that_its_holder_opens(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, alice, holder = sqlite_house, visit("alice", at), x25519.Identity.generate()
    request = house.approved(sealed_to=str(holder.to_public()))
    alice.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("alice"))
    expect(alice.page.get_by_text(str(holder.to_public()), exact=True)).to_be_visible()
    alice.desk.press("Execute")
    alice.desk.press("Create the key now")
    expect(alice.page.get_by_role("heading", name="Your new key, sealed: you get it only now")).to_be_focused()
    with alice.page.expect_download() as saving:
        alice.desk.press("Download key.age")
    alice.keep_screenshot("sealed")
    sealed = saving.value.path()

    inside = json.loads(decrypt(sealed.read_bytes(), [holder]))
    assert house.aws.secrets(ACCOUNT)[inside["access_key_id"]] == inside["secret_access_key"]
    assert inside["secret_access_key"] not in alice.page.content()
    alice.desk.press("I have it")
    expect(alice.page.locator(".notice.good")).to_contain_text("Confirmed.")
    assert house.now(request).status is Status.SUCCEEDED


def test_receipt_of_a_sealed_file_is_confirmed_later_with_the_file(
    sqlite_house: House, at: str, visit: Arrive, tmp_path: Path
) -> None:
    house, alice, holder = sqlite_house, visit("alice", at), x25519.Identity.generate()
    request = house.approved(sealed_to=str(holder.to_public()))
    sealed = house.client("alice").post(f"/v1/requests/{request.filing.request_id}/execution").json()["sealed"]
    alice.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("alice"))
    alice.desk.press("Confirm the receipt")
    for content, is_confirmed in ((seal(str(holder.to_public()), b"{}"), False), (sealed, True)):
        (tmp_path / "key.age").write_text(content)
        alice.page.get_by_label("The sealed file").set_input_files(tmp_path / "key.age")
        alice.desk.press("I have it")
        if is_confirmed:
            expect(alice.page.locator(".notice.good")).to_contain_text("Confirmed.")
        else:
            expect(alice.desk.problem).to_contain_text("What you hold is not what it sent.")
        assert (house.now(request).status is Status.SUCCEEDED) is is_confirmed


def test_sealed_file_that_was_replaced_on_its_way_is_not_confirmed(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, alice, holder = sqlite_house, visit("alice", at), x25519.Identity.generate()
    request = house.approved(sealed_to=str(holder.to_public()))
    alice.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("alice"))

    def replace(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"sealed": seal(str(holder.to_public()), b"{}")})

    alice.page.route("**/execution", replace, times=1)
    alice.desk.press("Execute")
    alice.desk.press("Create the key now")
    alice.desk.press("I have it")
    expect(alice.desk.problem).to_contain_text("What you hold is not what it sent.")
    assert house.now(request).status is Status.DELIVERED


def test_a_drill_is_marked_from_asking_to_the_receipt(sqlite_house: House, at: str, visit: Arrive) -> None:
    alice = visit("alice", at)
    page, marks = alice.page, alice.page.locator(".notice.drill")
    alice.desk.open(f"/accounts/{ACCOUNT}/ask/create_access_key").sign_in_with(sqlite_house.token("alice"))
    page.get_by_label("Why").fill(JUSTIFICATION)
    page.get_by_role("checkbox", name="A drill").check()
    alice.desk.press("Preview")
    expect(marks).to_contain_text("Nothing changes in AWS")
    alice.desk.press("File this request")
    expect(page.get_by_role("heading", level=1)).to_contain_text("DRILL")

    drill = only_request(sqlite_house)
    assert drill.filing.drill
    sqlite_house.approve(drill)
    alice.desk.follow("Mine")
    expect(page.locator(".card .notice.drill")).to_contain_text("DRILL")
    alice.desk.follow("Create a root access key")
    alice.desk.press("Execute")
    expect(marks).to_have_count(2)
    alice.keep_screenshot("drill")
    alice.desk.press("Execute now")
    expect(page.get_by_text("It was a drill: nothing changed in AWS.")).to_be_visible()
    alice.desk.press("Confirm the receipt")
    expect(page.get_by_role("heading", level=2, name="Confirm the receipt")).to_be_focused()
    alice.desk.press("Confirm the receipt")
    expect(page.get_by_text("It was a drill: nothing changed in AWS.")).to_be_visible()
    assert sqlite_house.now(drill).status == "succeeded"
    assert sqlite_house.aws.count("CreateAccessKey") == 0
