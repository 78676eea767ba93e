"""The main job at the desk, by people who share nothing."""

import httpx
import pytest
from browser.conftest import Arrive, Visitor
from browser.desk import NOTHING
from playwright.sync_api import expect
from support.builders import ACCOUNT, JUSTIFICATION
from support.products.canaille import Canaille

PEOPLE = {"ada": "root-requesters", "bea": "root-approvers", "cai": "root-approvers"}


@pytest.fixture(scope="module", autouse=True)
def people(provider: Canaille) -> None:
    for name, group in PEOPLE.items():
        provider.add_person(name, group)


def file(site: str, provider: Canaille, **more: str) -> str:
    """Return the id of a request that Ada has filed."""
    headers = {"Authorization": f"Bearer {provider.sign_in('ada').id_token}"}
    wish = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": JUSTIFICATION} | more
    filed = httpx.post(f"{site}/v1/requests", json=wish, headers=headers)
    assert filed.status_code == 201, filed.text
    found: str = filed.json()["id"]
    return found


def left_nothing(visitor: Visitor) -> None:
    assert (visitor.foreign_requests, visitor.complaints, visitor.refusals) == ([], [], [])
    assert visitor.desk.stored == NOTHING


@pytest.mark.parametrize("where", ["site", "site_behind_a_proxy"])
def test_link_to_a_request_leads_there_after_the_sign_in(
    visit: Arrive, provider: Canaille, where: str, request: pytest.FixtureRequest
) -> None:
    at: str = request.getfixturevalue(where)
    request_id = file(at, provider)
    bea = visit("bea", at)

    bea.desk.open(f"/requests/{request_id}")
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
