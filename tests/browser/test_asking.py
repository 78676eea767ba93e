"""Asking at the desk, of a service whose AWS the test has at hand."""

import re
from dataclasses import replace

import pytest
from browser.conftest import PHONE, Arrive
from browser.looking import Phone, left_nothing, lose_answer, only_request
from playwright.sync_api import expect
from support.builders import ACCOUNT, ACCOUNTS, MEMBER
from support.house import House

from service.aws.organization import KnownAccounts

# Markup, a long word, and characters that hide or reorder what stands beside them.
HOSTILE = "<img src=x onerror=alert(1)>" + "x" * 300 + "\u202e\u200b"


def test_form_is_filed_once_by_keyboard_alone_even_if_an_answer_is_lost(
    sqlite_house: House, at: str, visit: Arrive
) -> None:
    house, alice = sqlite_house, visit("alice", at)
    target = house.spare_key()
    page, keyboard = alice.page, alice.page.keyboard
    alice.desk.open(f"/accounts/{ACCOUNT}").sign_in_with(house.token("alice"))

    alice.desk.tab_to("Look now")
    keyboard.press("Enter")
    expect(page.locator(f"a[href$={target}]").first).to_be_visible()
    alice.desk.tab_to("Deactivate a root access key")
    alice.desk.tab_to(target)
    keyboard.press("Enter")
    expect(page.get_by_label("Access key")).to_have_value(target)
    alice.desk.tab_to("Who may execute it, besides you")
    keyboard.type("nobody")
    alice.desk.tab_to("Why")
    keyboard.type("Leaked.")
    alice.desk.tab_to("Preview")
    keyboard.press("Enter")

    # What is wrong stands at its field, and the first of them has the focus.
    why = page.get_by_label("Why")
    expect(why).to_be_focused()
    expect(why).to_have_accessible_description(re.compile("at least 10 characters"))
    keyboard.type(" Nobody uses it.")
    alice.desk.tab_to("Preview")
    keyboard.press("Enter")
    recipient = page.get_by_label("Who may execute it, besides you")
    expect(recipient).to_be_focused()
    expect(why).to_have_attribute("aria-invalid", "false")
    keyboard.press("ControlOrMeta+A")
    keyboard.press("Delete")
    alice.desk.tab_to("Preview")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="This is what approvers will read")).to_be_focused()

    page.route("**/v1/requests", lose_answer, times=1)
    alice.desk.tab_to("File this request")
    keyboard.press("Enter")
    expect(page.locator(".notice.problem")).to_contain_text("did not answer")
    keyboard.press("Enter")

    page.wait_for_url("**/desk/requests/*")
    filed = only_request(house)
    assert (filed.filing.operation.target, filed.filing.justification) == (target, "Leaked. Nobody uses it.")


def test_what_cannot_be_done_in_an_account_stands_there_with_the_reason(
    sqlite_house: House, at: str, visit: Arrive
) -> None:
    alice = visit("alice", at)
    alice.desk.open(f"/accounts/{MEMBER}").sign_in_with(sqlite_house.token("alice"))

    refused = alice.page.locator(".greyed").filter(has_text="Not here: Create a root access key")
    expect(refused).to_contain_text("No AssumeRoot session may create or update access keys")
    expect(refused.get_by_role("link")).to_have_count(0)
    # What is possible stands before it.
    expect(alice.page.locator(".greyed + .card:not(.greyed)")).to_have_count(0)
    expect(alice.page.locator(".card:not(.greyed) + .greyed")).to_have_count(1)
    alice.desk.open(f"/accounts/{MEMBER}/ask/create_access_key").sign_in_with(sqlite_house.token("alice"))
    expect(alice.page.locator(".notice.problem")).to_contain_text("No AssumeRoot session")
    expect(alice.page.locator("form")).to_have_count(0)


def test_operations_name_only_keys_that_they_would_change(sqlite_house: House, at: str, visit: Arrive) -> None:
    alice = visit("alice", at)
    alice.desk.open(f"/accounts/{ACCOUNT}").sign_in_with(sqlite_house.token("alice"))
    alice.desk.press("Look now")

    active = alice.page.locator(f"a[href$={sqlite_house.signer}]")
    expect(active).to_have_count(3)
    for operation, count in {"rotate": 1, "deactivate": 1, "delete": 1, "activate": 0}.items():
        expect(active.and_(alice.page.locator(f"[href*='/{operation}_']"))).to_have_count(count)
    link = alice.page.get_by_role("link", name="Activate a root access key", exact=True)
    activation = alice.page.locator(".card").filter(has=link)
    expect(activation).to_contain_text("nothing now to do this to")
    # Keys that are inactive, and certificates.
    expect(alice.page.get_by_text("nothing now to do this to")).to_have_count(2)


def test_form_without_a_target_offers_what_the_account_has(sqlite_house: House, at: str, visit: Arrive) -> None:
    alice, spare = visit("alice", at, viewport=PHONE), sqlite_house.spare_key()
    path = f"/accounts/{ACCOUNT}/ask/delete_access_key"
    alice.desk.open(path).sign_in_with(sqlite_house.token("alice"))
    alice.page.get_by_label("Why").fill("Nobody uses it.")
    alice.desk.press("Look now")
    choice = alice.page.get_by_role("button", name=re.compile("^AKIA"))
    expect(choice).to_have_count(2)
    expect(choice.first).to_be_focused()
    choice.filter(has_text=spare).click()
    expect(alice.page.get_by_label("Access key")).to_have_value(spare)
    expect(alice.page.get_by_label("Why")).to_have_value("Nobody uses it.")
    alice.desk.go(f"/accounts/{ACCOUNT}/ask/activate_access_key")
    alice.desk.press("Look now")
    expect(alice.page.get_by_text("nothing now to do this to")).to_be_focused()
    left_nothing(alice)


def test_refusal_of_a_second_request_leads_whoever_may_see_it_to_the_first(
    sqlite_house: House, at: str, visit: Arrive
) -> None:
    """Another requester, here a machine, may not see the first one, and learns nothing of it."""
    first = sqlite_house.file().filing.request_id
    for name, count in {"alice": 1, "robo": 0}.items():
        visitor = visit(name, at)
        path = f"/accounts/{ACCOUNT}/ask/create_access_key"
        visitor.desk.open(path).sign_in_with(sqlite_house.token(name))
        visitor.page.get_by_label("Who gets the secret").fill("rita")
        visitor.page.get_by_label("Why").fill("It is replaced by another key.")
        visitor.desk.press("Preview")
        expect(visitor.desk.problem).to_contain_text("is still open")
        expect(visitor.desk.problem.get_by_role("link")).to_have_count(count)
        assert first not in visitor.page.content() or count
        if count:
            visitor.desk.follow("See the request that is still open")
            visitor.page.wait_for_url(f"**/desk/requests/{first}")


def test_box_that_accepts_a_lockout_says_that_it_is_missing(sqlite_house: House, at: str, visit: Arrive) -> None:
    alice = visit("alice", at)
    path = f"/accounts/{ACCOUNT}/ask/deactivate_access_key"
    alice.desk.open(path).sign_in_with(sqlite_house.token("alice"))
    alice.page.get_by_label("Access key").fill(sqlite_house.signer)
    alice.page.get_by_label("Why").fill("It is replaced by another key.")
    alice.desk.press("Preview")

    box = alice.page.get_by_role("checkbox", name="Do it even to the key that the service signs with")
    expect(box).to_be_focused()
    expect(box).to_have_accessible_description("The service signs with this key. Tick this to go on.")
    expect(alice.page.get_by_text("accept_lockout")).to_have_count(0)
    box.check()
    alice.desk.press("Preview")
    expect(alice.page.locator(".notice.warning")).to_contain_text("4 warnings")


def test_whoever_is_no_requester_is_told_before_they_fill_a_form(sqlite_house: House, at: str, visit: Arrive) -> None:
    for name, count in {"alice": 0, "oscar": 1}.items():
        visitor = visit(name, at)
        visitor.desk.open(f"/accounts/{ACCOUNT}").sign_in_with(sqlite_house.token(name))
        expect(visitor.page.get_by_role("heading", name="What can be asked for")).to_be_visible()
        expect(visitor.page.get_by_text("You are no requester")).to_have_count(count)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_views_of_asking_and_receiving_fit_a_phone_and_axe_and_hostile_names(
    sqlite_house: House, at: str, visit: Arrive, scheme: str
) -> None:
    house = sqlite_house
    house.change(accounts=KnownAccounts({ACCOUNT: replace(ACCOUNTS[ACCOUNT], name=HOSTILE)}))
    phone = Phone(visit("alice", at, viewport=PHONE, color_scheme=scheme))
    phone.desk.open("/accounts").sign_in_with(house.token("alice"))
    phone.look("accounts")
    phone.desk.go(f"/accounts/{ACCOUNT}")
    phone.desk.press("Look now")
    expect(phone.page.get_by_text("The service signs with it")).to_be_visible()
    phone.look("account")
    phone.desk.go(f"/accounts/{ACCOUNT}/ask/create_access_key")
    phone.page.get_by_label("Ticket").fill("x" * 255)
    phone.page.get_by_label("How long the key works").fill("-5")
    phone.desk.press("Preview")
    expect(phone.page.get_by_label("How long the key works")).to_be_focused()
    phone.look("create-wrong")
    phone.page.get_by_label("How long the key works").fill("5")
    phone.page.get_by_label("Why").fill("x" * 1900 + "<b>markup</b>\n" + "why " * 10)
    phone.desk.press("Preview")
    expect(phone.page.get_by_role("heading", name="This is what approvers will read")).to_be_focused()
    phone.look("preview")
    assert phone.page.locator("main :is(img, b)").count() == 0
    phone.desk.press("File this request")
    phone.page.wait_for_url("**/desk/requests/*")

    house.approve(only_request(house))
    phone.desk.go(f"/requests/{only_request(house).filing.request_id}")
    phone.desk.press("Execute")
    expect(phone.page.get_by_role("button", name="Create the key now")).to_be_visible()
    phone.look("before")
    phone.desk.press("Create the key now")
    phone.desk.press("Show the secret")
    phone.look("shown")
    left_nothing(phone.visitor, refusals=1)  # of the preview
