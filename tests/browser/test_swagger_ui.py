"""What people do in Swagger UI. The main job of four people is told at the desk: `test_whole_job.py`."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from browser.conftest import Arrive, Visitor
from support.builders import JUSTIFICATION
from support.products.canaille import Canaille

REQUESTS = "/v1/requests"
REQUEST = "/v1/requests/{request_id}"
EXECUTION = f"{REQUEST}/execution"
WISH = {"operation": "create_access_key", "justification": JUSTIFICATION, "ticket": "OPS-4711"}
PEOPLE = {"ann": "root-requesters", "ben": "root-approvers", "cleo": "root-approvers", "ruth": "root-requesters"}


@pytest.fixture(scope="module", autouse=True)
def people(provider: Canaille) -> None:
    for name, group in PEOPLE.items():
        provider.add_person(name, group)


def come(arrive: Arrive, name: str, at: str | None = None) -> Visitor:
    visitor = arrive(name, at)
    visitor.keep_screenshot("arrived")
    visitor.ui.sign_in("corp", name, then=lambda: visitor.keep_screenshot("authorizes"))
    visitor.keep_screenshot("signed-in")
    return visitor


def call(site: str, token: str, method: str, path: str, **body: Any) -> Any:
    answer = httpx.request(method, site + path, json=body or None, headers={"Authorization": f"Bearer {token}"})
    assert answer.is_success, answer.text
    return answer.json()


def approved_for_ruth(site: str, provider: Canaille, account_id: str) -> str:
    """Return the id of what Ann asked for Ruth, and Ben and Cleo approved. None of them needs a page here."""
    ann, ben, cleo, ruth = (provider.sign_in(name).id_token for name in PEOPLE)
    wish = WISH | {"account_id": account_id, "recipient": call(site, ruth, "GET", "/v1/me")["subject"]}
    filed = call(site, ann, "POST", REQUESTS, **wish)
    for approver in (ben, cleo):
        path = f"{REQUESTS}/{filed['id']}/decisions"
        call(site, approver, "POST", path, decision="approve", digest=filed["digest"])
    request_id: str = filed["id"]
    return request_id


def test_requester_files_and_is_refused_who_tries_to_approve(arrive: Arrive, account_id: str) -> None:
    ann = come(arrive, "ann")
    status, filed = ann.ui.call("POST", REQUESTS, body=WISH | {"account_id": account_id})
    assert (status, filed["status"]) == (201, "pending")
    decision = {"decision": "approve", "digest": filed["digest"]}
    status, refusal = ann.ui.call("POST", f"{REQUEST}/decisions", body=decision, request_id=filed["id"])
    assert (status, refusal["code"]) == (403, "role_required")
    assert (ann.foreign_requests, ann.complaints, len(ann.refusals)) == ([], [], 1)


def test_new_key_is_shown_until_the_next_answer(arrive: Arrive, site: str, provider: Canaille, account_id: str) -> None:
    request_id = approved_for_ruth(site, provider, account_id)
    ruth = come(arrive, "ruth")
    status, key = ruth.ui.call("POST", EXECUTION, request_id=request_id)
    ruth.keep_screenshot("secret")
    assert (status, key["account_id"]) == (200, account_id)
    assert key["secret_access_key"] in ruth.page.content()
    status, refusal = ruth.ui.call("POST", EXECUTION, request_id=request_id)
    assert (status, refusal["code"]) == (409, "already_executed")
    # The second answer has taken the place of the first: nothing brings the secret back to the page.
    assert key["secret_access_key"] not in ruth.page.content()
    assert (ruth.foreign_requests, ruth.complaints, len(ruth.refusals)) == ([], [], 1)
    assert ruth.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_page_stays_within_the_prefix_of_a_proxy(arrive: Arrive, site_behind_a_proxy: str) -> None:
    ben = come(arrive, "ben", site_behind_a_proxy)
    assert ben.ui.call("GET", "/v1/me")[1]["roles"] == ["approver"]
    assert (ben.foreign_requests, ben.complaints) == ([], [])


def test_pasted_token_signs_in_until_the_page_is_loaded_again(arrive: Arrive, folder: Path, provider: Canaille) -> None:
    token = provider.sign_in("ann").id_token
    ann = arrive("ann")
    assert ann.ui.call("GET", "/v1/me")[1]["code"] == "unauthenticated"
    ann.ui.authorize_with_token(token)
    assert ann.ui.call("GET", "/v1/me")[1]["roles"] == ["requester"]
    assert ann.ui.open().call("GET", "/v1/me")[0] == 401
    assert token not in written(folder)


@pytest.mark.parametrize("how", ["pasted", "signed in"])
def test_token_is_nowhere_on_the_page(arrive: Arrive, provider: Canaille, how: str) -> None:
    """Others look at a screen, take pictures of it, and copy commands from it."""
    ben = arrive("ben")
    ben.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if how == "pasted":
        token = provider.sign_in("ben").id_token
        field = ben.page.get_by_label("auth-bearer-value")
        kinds: list[str | None] = []

        def look() -> None:
            kinds.append(field.get_attribute("type"))
            ben.keep_screenshot("authorizes")
            assert token not in ben.page.content()

        ben.ui.authorize_with_token(token, then=look)
        assert kinds == ["password"]
    else:
        with ben.page.expect_response("**/sign-in/corp/token") as answer:
            ben.ui.sign_in("corp", "ben")
        token = answer.value.json()["access_token"]
    me = ben.ui.open_operation("GET", "/v1/me")

    assert me.execute()[0] == 200

    me.show()
    ben.keep_screenshot("curl")
    copied = me.copied_command()
    assert "curl -X 'GET'" in copied
    assert "Authorization: Bearer (your token)" in copied
    for part in (token, *token.split(".")):
        assert part not in ben.page.content()
        assert part not in copied
    ben.page.get_by_role("button", name="Authorize", exact=True).click()
    assert token not in ben.page.content()
    assert ben.complaints == []


def test_new_key_is_saved_as_a_file(arrive: Arrive, site: str, provider: Canaille, account_id: str) -> None:
    request_id = approved_for_ruth(site, provider, account_id)
    ruth = come(arrive, "ruth")
    execution = ruth.ui.open_operation("POST", f"{EXECUTION}/{{file}}")
    execution.fill_in(request_id=request_id)

    name, content = execution.download()
    execution.show()
    ruth.keep_screenshot("file")

    assert name == "rootkey.csv"
    assert content.startswith("AWSAccessKeyId=AKIA")
    assert content.splitlines()[1].removeprefix("AWSSecretKey=") not in ruth.page.content()
    assert ruth.complaints == []


def test_neither_code_nor_token_of_a_sign_in_is_written_anywhere(arrive: Arrive, folder: Path) -> None:
    ann = arrive("ann")
    addresses: list[str] = []
    ann.page.context.on("request", lambda request: addresses.append(request.url))
    with ann.page.expect_response("**/sign-in/corp/token") as answer:
        ann.ui.sign_in("corp", "ann")
    assert ann.ui.call("GET", "/v1/me")[0] == 200
    (code,) = {parse_qs(urlsplit(url).query)["code"][0] for url in addresses if "oauth2-redirect?" in url}
    assert "GET /docs/oauth2-redirect 200" in written(folder)
    assert code not in written(folder)
    assert answer.value.json()["access_token"] not in written(folder)


def written(folder: Path) -> str:
    """All that the service has written: its database, and its log on the level DEBUG."""
    files = [file.read_bytes() for pattern in ("*.db*", "service.log") for file in folder.glob(pattern)]
    return b"".join(files).decode(errors="replace")
