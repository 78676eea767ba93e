"""A locked bucket at the desk: its name is typed, and its policy, which anybody wrote, is shown as it is."""

import hashlib
import re

from browser.conftest import Arrive
from browser.looking import Phone, left_nothing, only_request
from playwright.sync_api import ViewportSize, expect
from support.builders import MEMBER
from support.house import House

# Markup, lines, and characters that hide or reorder what stands beside them; as long as a bucket's policy can be.
HOSTILE = "{\n" + "<img src=x onerror=alert(1)>\u202e\u200b\x00" + "x" * 20_000 + "\n}"


def test_policy_is_shown_literally_with_its_hash_to_who_asks_and_who_decides(
    sqlite_house: House, at: str, visit: Arrive, screen: ViewportSize
) -> None:
    house = sqlite_house
    house.aws.add_bucket(MEMBER, "example-logs", HOSTILE, region="eu-central-1")
    alice = visit("alice", at, viewport=screen)
    alice.desk.open(f"/accounts/{MEMBER}").sign_in_with(house.token("alice"))
    alice.desk.follow("Delete the policy of a locked S3 bucket")
    alice.page.get_by_label("S3 bucket").fill("example-logs")
    alice.page.get_by_label("Why", exact=True).fill("The new policy denies everybody.")
    alice.desk.press("Preview")
    policy = alice.page.locator("summary", has_text="The policy that is deleted, 20,035 characters")
    policy.click()
    alice.keep_screenshot("policy")
    alice.desk.press("File this request")
    alice.page.wait_for_url(re.compile("/desk/requests/"))
    left_nothing(alice)

    bob = visit("bob", at, viewport=screen)
    bob.desk.open(f"/requests/{only_request(house).filing.request_id}").sign_in_with(house.token("bob"))
    bob.desk.press("Approve")
    panel = bob.page.locator(".panel")
    expect(panel.get_by_label("Comment")).to_be_visible()
    expect(panel).to_contain_text("eu-central-1")
    expect(panel.locator("dt", has_text="SHA-256 of the policy").locator("+ dd")).to_have_text(
        hashlib.sha256(HOSTILE.encode()).hexdigest()
    )
    panel.locator("summary", has_text="The policy that is deleted").click()
    shown = panel.locator("details[open] code.code").first
    expect(shown).to_contain_text("<img src=x onerror=alert(1)>U+202EU+200BU+0000xxx")
    expect(panel.locator("img")).to_have_count(0)
    Phone(bob).look("policy")
    bob.desk.press("Approve this request")
    expect(bob.page.get_by_text("You have approved this.")).to_be_visible()
    left_nothing(bob)
