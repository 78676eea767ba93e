"""Signing in at the desk, and what a sign-in that ends costs."""

import json
import time

import httpx
import jwt
import pytest
from browser.conftest import Arrive
from browser.looking import left_nothing
from playwright.sync_api import Route, ViewportSize, expect
from support.builders import JUSTIFICATION
from support.products.canaille import Canaille

PEOPLE = {"ada": "root-requesters", "bea": "root-approvers", "cai": "root-approvers"}


@pytest.fixture(scope="module", autouse=True)
def people(provider: Canaille) -> None:
    for name, group in PEOPLE.items():
        provider.add_person(name, group)


def file(site: str, provider: Canaille, account_id: str) -> str:
    """Return the id of a request that Ada has filed."""
    headers = {"Authorization": f"Bearer {provider.sign_in('ada').id_token}"}
    wish = {"operation": "create_access_key", "account_id": account_id, "justification": JUSTIFICATION}
    filed = httpx.post(f"{site}/v1/requests", json=wish, headers=headers)
    assert filed.status_code == 201, filed.text
    found: str = filed.json()["id"]
    return found


def test_link_leads_to_its_request_behind_a_proxy_too(
    visit: Arrive, site_behind_a_proxy: str, provider: Canaille, account_id: str
) -> None:
    at = site_behind_a_proxy
    request_id = file(at, provider, account_id)
    bea = visit("bea", at)

    bea.page.goto(f"{at}/v1/requests/{request_id}")  # the link in a webhook, which a program follows, too
    expect(bea.desk.heading).to_have_text("Sign in")
    bea.desk.sign_in("bea")

    expect(bea.desk.heading).to_contain_text("Create a root access key")
    assert bea.page.url == f"{at}/desk/requests/{request_id}"
    assert bea.desk.me.startswith("Bea")
    left_nothing(bea)


def test_token_is_forgotten_when_the_page_is_loaded_again(visit: Arrive, provider: Canaille) -> None:
    bea = visit("bea")
    bea.desk.open().sign_in_with(provider.sign_in("bea").id_token)
    expect(bea.desk.heading).to_have_text("Waiting for you")
    bea.page.reload()
    expect(bea.desk.heading).to_have_text("Sign in")
    left_nothing(bea)


def old_sign_in(provider: Canaille) -> str:
    """Return a token of Bea's, who signed in an hour ago."""
    subject = jwt.decode(provider.sign_in("bea").id_token, options={"verify_signature": False})["sub"]
    return provider.sign(provider.claims(sub=subject, auth_time=int(time.time()) - 3600, groups=["root-approvers"]))


def test_sign_in_that_is_too_old_is_made_anew_at_the_same_place(
    visit: Arrive, site: str, provider: Canaille, account_id: str, screen: ViewportSize
) -> None:
    request_id = file(site, provider, account_id)
    visitor = visit("bea", viewport=screen)
    bea = visitor.desk.open(f"/requests/{request_id}").sign_in_with(old_sign_in(provider))
    expect(bea.page.locator(".notice", has_text="requires a sign-in within the last")).to_be_visible()
    bea.sign_in("bea")
    bea.press("Approve")
    bea.press("Approve this request")
    expect(bea.page.get_by_text("You have approved this.")).to_be_visible()
    left_nothing(visitor)


def allowed(route: Route) -> None:
    """Say what was true when the request was read: the sign-in was still fresh."""
    answer = route.fetch()
    request = answer.json()
    request["actions"] = [each | {"allowed": True} for each in request["actions"] if each["action"] == "approve"]
    route.fulfill(response=answer, body=json.dumps(request))


@pytest.mark.parametrize("who", ["bea", "cai"])
def test_sign_in_that_ends_meanwhile_costs_nothing_that_was_written(
    visit: Arrive, site: str, provider: Canaille, account_id: str, who: str
) -> None:
    """Bea goes on where she was. Somebody else who signs in there decides nothing by it."""
    request_id = file(site, provider, account_id)
    bea = visit("bea").desk.open(f"/requests/{request_id}")
    bea.page.route(f"**/v1/requests/{request_id}", allowed)
    bea.sign_in_with(old_sign_in(provider))
    bea.press("Approve")
    bea.page.get_by_label("Comment").fill("Written before the sign-in.")
    bea.press("Approve this request")
    expect(bea.problem).to_contain_text("requires a sign-in within the last")
    bea.page.unroute_all()

    bea.sign_in(who)

    if who == "bea":
        expect(bea.page.get_by_text("You have approved this.")).to_be_visible()
        expect(bea.page.locator("blockquote")).to_have_text("Written before the sign-in.")
    else:
        expect(bea.page.get_by_text("You are now signed in as somebody else.")).to_have_count(1)
        expect(bea.page.get_by_text("Nobody has decided yet.")).to_be_visible()


def test_provider_that_cuts_windows_apart_signs_people_in_nevertheless(visit: Arrive, provider: Canaille) -> None:
    bea = visit("bea")

    def isolated(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        route.fulfill(response=answer, headers=answer.headers | {"cross-origin-opener-policy": "same-origin"})

    bea.page.context.route(f"{provider.issuer}/**", isolated)
    bea.desk.open().sign_in("bea")
    expect(bea.desk.heading).to_have_text("Waiting for you")
