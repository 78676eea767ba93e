"""A rotation at the desk: asked for as a plan, and the old key ended once somebody says that nothing needs it."""

import re

from browser.conftest import Arrive
from browser.looking import left_nothing, only_request
from playwright.sync_api import ViewportSize, expect
from support.builders import ACCOUNT, JUSTIFICATION
from support.house import House
from support.rotations import CHECKED, received


def test_a_plan_is_asked_for_and_shown_step_by_step(
    sqlite_house: House, at: str, visit: Arrive, screen: ViewportSize
) -> None:
    alice = visit("alice", at, viewport=screen)
    alice.desk.open(f"/accounts/{ACCOUNT}").sign_in_with(sqlite_house.token("alice"))
    alice.desk.press("Look now")
    alice.page.locator(f"a[href*='/rotate_access_key'][href$={sqlite_house.signer}]").click()
    alice.page.get_by_label("Days for the cut-over").fill("14")
    alice.page.get_by_label("Why", exact=True).fill(JUSTIFICATION)
    alice.desk.press("Preview")
    expect(alice.page.locator(".effect").first).to_contain_text("14 days")
    alice.keep_screenshot("plan")
    alice.desk.press("File this request")
    alice.page.wait_for_url(re.compile("/desk/requests/"))
    expect(alice.page.get_by_role("heading", name="Rotation")).to_be_visible()
    plan = only_request(sqlite_house).filing.rotation
    assert plan is not None
    assert plan.cut_over_within.days == 14
    left_nothing(alice)


def test_whoever_says_that_nothing_needs_the_old_key_lets_it_end(
    sqlite_house: House, at: str, visit: Arrive, screen: ViewportSize
) -> None:
    rotation = received(sqlite_house).move()
    alice = visit("alice", at, viewport=screen)
    alice.desk.open(f"/requests/{rotation.id}").sign_in_with(sqlite_house.token("alice"))
    alice.desk.press("Start the cut-over")
    alice.page.get_by_label("How you know that nothing needs it any more").fill(CHECKED)
    alice.keep_screenshot("cut-over")
    alice.desk.press("Deactivate the old key")
    expect(alice.page.get_by_text("The service is about to deactivate the old key.")).to_be_visible()
    assert rotation.now().released_at is not None
    left_nothing(alice)
