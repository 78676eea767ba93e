"""What operators and auditors do at the desk."""

import json
import re
from datetime import timedelta

import evidence_page
from browser.conftest import PHONE, Arrive
from browser.looking import Phone, left_nothing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Route, ViewportSize, expect
from support.builders import ACCOUNT, MEMBER, ORIGIN, SIGNER
from support.destinations import Post
from support.house import House

from service.domain.delivery import Answer
from service.domain.operation import OperationName
from service.signing.ed25519 import Ed25519Signer
from service.worker import run_pass

# Of another log that has the same name.
OTHERS_KEY = Ed25519Signer(ORIGIN, Ed25519PrivateKey.generate()).verifier_key


def test_failed_delivery_is_sent_again(sqlite_house: House, at: str, visit: Arrive, screen: ViewportSize) -> None:
    house, oscar = sqlite_house, visit("oscar", at, viewport=screen)
    house.change(destinations={"chat": Post(lambda _: Answer.REFUSED)})
    house.file()
    run_pass(house.ctx)
    oscar.desk.open().sign_in_with(house.token("oscar")).follow("Deliveries")
    expect(oscar.page.locator(".card")).to_contain_text("request.filed")
    oscar.keep_screenshot("failed")
    oscar.page.get_by_label("Show").select_option("Delivered")
    expect(oscar.page.get_by_text("Delivered: none.")).to_be_visible()
    oscar.page.get_by_label("Show").select_option("Failed")

    house.change(destinations={"chat": (post := Post())})
    oscar.desk.press("Send again")
    expect(oscar.page.locator(".card")).to_contain_text("It is sent again")
    run_pass(house.ctx)

    assert [notice.event for notice in post.sent] == ["request.filed"]
    left_nothing(oscar)


def test_no_drift_is_said_with_since_when_and_of_how_many_accounts(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, oscar = sqlite_house, visit("oscar", at)
    count = len(house.ctx.accounts.every())
    oscar.desk.open("/drift").sign_in_with(house.token("oscar"))
    expect(oscar.page.get_by_text(f"{count} accounts were never checked.")).to_be_visible()
    expect(oscar.page.get_by_text("as expected")).to_have_count(0)
    house.client("oscar").post(f"/v1/accounts/{ACCOUNT}/drift-check")
    oscar.desk.go("/drift")
    expect(oscar.page.get_by_text("All checked accounts are as expected.")).to_be_visible()
    expect(oscar.page.locator("main time")).to_have_attribute("datetime", re.compile(f"{house.clock():%Y-%m-%dT%H:%M}"))
    expect(oscar.page.get_by_text(f"{count - 1} accounts were never checked.")).to_be_visible()


def test_drift_is_accepted_with_a_reason(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, oscar = sqlite_house, visit("oscar", at)
    oscar.desk.open(f"/accounts/{ACCOUNT}").sign_in_with(house.token("oscar"))
    oscar.desk.press("Check for drift now")
    expect(oscar.page.locator(".notice.good")).to_contain_text("This was the first check")
    house.clock.advance(timedelta(hours=1))
    key = house.spare_key()
    oscar.desk.press("Check for drift now")
    expect(oscar.page.locator(".notice.warning")).to_contain_text("1 difference")
    oscar.page.locator("main").get_by_role("link", name="Drift").click()

    expect(oscar.desk.heading).to_have_text("Drift")
    card = oscar.page.locator(".card")
    expect(card).to_contain_text("A key that nobody asked for")
    card.locator("summary").click()
    oscar.desk.press("Accept this change")
    expect(oscar.page.get_by_label("What you found out")).to_have_attribute("aria-invalid", "true")
    oscar.page.get_by_label("What you found out").fill("Made in the console, for the incident OPS-4720.")
    oscar.keep_picture("drift")
    oscar.desk.press("Accept this change")

    expect(card.locator(".notice.good")).to_contain_text("Accepted.")
    expected = house.client("oscar").get(f"/v1/accounts/{ACCOUNT}").json()["expected"]["keys"]
    assert {each["origin"] for each in expected if each["access_key_id"] == key} == {"accepted"}


def test_an_address_that_looks_like_the_old_one_is_told_from_it(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, oscar = sqlite_house, visit("oscar", at)
    look = f"/v1/accounts/{MEMBER}/drift-check"
    house.client("oscar").post(look)
    house.clock.advance(timedelta(hours=1))
    house.aws.set_email(MEMBER, house.aws.email(MEMBER).replace("example", "ex\N{CYRILLIC SMALL LETTER A}mple"))
    house.client("oscar").post(look)
    oscar.desk.open("/drift").sign_in_with(house.token("oscar"))
    card = oscar.page.locator(".card")
    expect(card).to_contain_text("The root user has another e-mail address")
    expect(card).to_contain_text("@exU+0430mple.com")
    expect(card.locator(".notice.warning")).to_contain_text("What stands after the @ differs")


def test_evidence_of_a_request_is_verified_in_the_page_and_saved_as_it_came(
    sqlite_house: House, at: str, visit: Arrive
) -> None:
    house, audrey = sqlite_house, visit("audrey", at)
    request = house.approved()
    audrey.desk.open(f"/requests/{request.filing.request_id}").sign_in_with(house.token("audrey"))
    audrey.desk.follow("The log of this request, and its evidence")

    verdict = audrey.page.locator("main > div > [role=status]")
    expect(verdict).to_contain_text("Verified here: The log's own key signed the head of the log")
    expect(verdict).to_contain_text("Verified here: Every event here is in the log of that head")
    expect(audrey.page.locator(".card").first).to_contain_text("request.filed")
    audrey.keep_picture("log")
    with audrey.page.expect_download() as saving:
        audrey.desk.press("Download the evidence")
    saved = json.loads(saving.value.path().read_bytes())
    assert saved["digest"] == request.digest

    # The key of the log that somebody knows from elsewhere counts, and not the one that the service names.
    audrey.page.locator("summary", has_text="Check it with another key").click()
    for key, said in (
        (SIGNER.verifier_key, "Computed here, with the key that you gave"),
        (OTHERS_KEY, "Wrong: The log's own key"),
    ):
        audrey.page.get_by_label("The log's key").fill(key)
        audrey.desk.press("Check again")
        expect(verdict).to_contain_text(said)
    # The page that checks more is a file to keep: it never runs on this site.
    with audrey.page.expect_download() as saving:
        audrey.desk.follow("Download evidence.html")
    assert saving.value.path().read_bytes() == evidence_page.PAGE.read_bytes()
    left_nothing(audrey)


def test_evidence_that_was_changed_is_called_so(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, alice = sqlite_house, visit("alice", at)
    request = house.approved()

    def change(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("break-glass", "other"))

    alice.page.route("**/evidence", change)
    alice.desk.open(f"/requests/{request.filing.request_id}/log").sign_in_with(house.token("alice"))

    expect(alice.page.locator(".notice.problem").first).to_contain_text("Something is wrong with this evidence")
    expect(alice.page.locator(".notice.problem").nth(1)).to_contain_text("Wrong: Every event here is in the log")


def test_views_of_operators_and_auditors_fit_a_phone_and_axe(sqlite_house: House, at: str, visit: Arrive) -> None:
    house, oscar = sqlite_house, sqlite_house.client("oscar")
    oscar.post(f"/v1/accounts/{ACCOUNT}/drift-check")
    house.clock.advance(timedelta(hours=1))
    key = house.spare_key()
    oscar.post(f"/v1/accounts/{ACCOUNT}/drift-check")
    house.change(destinations={"chat": Post(lambda _: Answer.REFUSED)})
    request = house.approved(OperationName.DEACTIVATE_ACCESS_KEY, key)
    run_pass(house.ctx)
    phone = Phone(visit("oscar", at, viewport=PHONE))

    phone.desk.open("/drift").sign_in_with(house.token("oscar"))
    for name in ("drift", "deliveries", f"accounts/{ACCOUNT}", f"accounts/{ACCOUNT}/ask/delete_access_key"):
        phone.desk.go(f"/{name}")
        phone.look(name.replace("/", "-"))
    phone.desk.open(f"/requests/{request.filing.request_id}/log").sign_in_with(house.token("audrey"))
    expect(phone.desk.heading).to_have_text("The log of a request")
    phone.look("log")
