"""The main job, by four people in Swagger UI."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.conftest import Arrive, Visitor
from support.builders import ACCOUNT, JUSTIFICATION
from support.products.canaille import Canaille

REQUESTS = "/v1/requests"
REQUEST = "/v1/requests/{request_id}"
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


def file(ann: Visitor, recipient: str) -> dict[str, Any]:
    wish = {
        "operation": "create_access_key",
        "account_id": ACCOUNT,
        "recipient": recipient,
        "justification": JUSTIFICATION,
        "ticket": "OPS-4711",
    }
    status, filed = ann.ui.call("POST", REQUESTS, body=wish)
    ann.keep_screenshot("filed")
    assert (status, filed["status"]) == (201, "pending")
    found: dict[str, Any] = filed
    return found


def approve(approver: Visitor, request_id: str) -> dict[str, Any]:
    """What waits is found and read, and its digest is copied from the page."""
    status, waiting = approver.ui.call("GET", REQUESTS, awaiting="me")
    assert (status, [item["id"] for item in waiting["items"]]) == (200, [request_id])
    status, read = approver.ui.call("GET", REQUEST, request_id=waiting["items"][0]["id"])
    assert (status, read["recipient"]["name"], read["justification"]) == (200, "Ruth", JUSTIFICATION)
    approver.keep_screenshot("read")
    decision = {"decision": "approve", "digest": read["digest"]}
    status, decided = approver.ui.call("POST", f"{REQUEST}/decisions", body=decision, request_id=request_id)
    approver.keep_screenshot("decided")
    assert status == 200
    found: dict[str, Any] = decided
    return found


def execute_and_confirm(ruth: Visitor, request_id: str) -> str:
    """The secret, as Ruth sees it."""
    execution = f"{REQUEST}/execution"
    status, key = ruth.ui.call("POST", execution, request_id=request_id)
    ruth.keep_screenshot("secret")
    assert (status, key["account_id"]) == (200, ACCOUNT)
    status, refusal = ruth.ui.call("POST", execution, request_id=request_id)
    ruth.keep_screenshot("second-execution")
    assert (status, refusal["code"]) == (409, "already_executed")
    status, done = ruth.ui.call("POST", f"{REQUEST}/receipt", request_id=request_id)
    ruth.keep_screenshot("receipt")
    assert (status, done["status"]) == (200, "succeeded")
    secret: str = key["secret_access_key"]
    return secret


def test_four_people_sign_in_and_do_the_main_job(arrive: Arrive) -> None:
    ann, ben, cleo, ruth = visitors = [come(arrive, name) for name in PEOPLE]
    request_id = file(ann, ruth.ui.call("GET", "/v1/me")[1]["subject"])["id"]
    assert approve(ben, request_id)["status"] == "pending"
    assert approve(cleo, request_id)["status"] == "approved"
    secret = execute_and_confirm(ruth, request_id)
    # The second answer has taken the place of the first: nothing brings the secret back to the page.
    assert secret not in ruth.page.content()
    for visitor in visitors:
        assert visitor.foreign_requests == []
        assert visitor.complaints == []
        assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert [len(visitor.refusals) for visitor in visitors] == [0, 0, 0, 1]


def test_requester_who_tries_to_approve_is_refused_on_the_page(arrive: Arrive) -> None:
    ann = come(arrive, "ann")
    filed = file(ann, ann.ui.call("GET", "/v1/me")[1]["subject"])
    decision = {"decision": "approve", "digest": filed["digest"]}
    status, refusal = ann.ui.call("POST", f"{REQUEST}/decisions", body=decision, request_id=filed["id"])
    assert (status, refusal["code"]) == (403, "role_required")


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


def test_new_key_is_saved_as_a_file(arrive: Arrive) -> None:
    ann, ben, cleo, ruth = (come(arrive, name) for name in PEOPLE)
    request_id = file(ann, ruth.ui.call("GET", "/v1/me")[1]["subject"])["id"]
    for approver in (ben, cleo):
        approve(approver, request_id)
    execution = ruth.ui.open_operation("POST", f"{REQUEST}/execution/{{file}}")
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
    assert "GET /docs/oauth2-redirect HTTP" in written(folder)
    assert code not in written(folder)
    assert answer.value.json()["access_token"] not in written(folder)


def written(folder: Path) -> str:
    """All that the service has written: its database, and its log on the level DEBUG."""
    files = [file.read_bytes() for pattern in ("*.db*", "service.log") for file in folder.glob(pattern)]
    return b"".join(files).decode(errors="replace")
