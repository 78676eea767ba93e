"""HEAD is known wherever GET is: the same headers, and no body."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.builders import ACCOUNT
from support.house import House
from support.witness import DOCUMENT

GETS = [path for path, operations in DOCUMENT["paths"].items() if "get" in operations]
POSTS = [path for path, operations in DOCUMENT["paths"].items() if "get" not in operations]
PAGES = [
    "/desk",
    "/desk/requests/x",
    "/desk/files/main.js",
    "/desk/evidence.html",
    "/docs",
    "/docs/oauth2-redirect",
    "/openapi.json",
    "/docs/assets/swagger-ui.css",
    "/docs/files/start.js",
    "/help",
    "/help/docs/settings.html",
]
QUERIES: dict[str, dict[str, Any]] = {
    "/v1/audit/proofs/inclusion": {"seq": 1},
    "/v1/audit/proofs/consistency": {"first": 1},
}
# Made anew for each answer; and of a body that is not made its length is not known.
VARYING = {"date", "content-length", "etag", "transfer-encoding", "x-request-id"}


def path_in(house: House, template: str) -> str:
    request_id = house.file().filing.request_id if "request_id" in template else ""
    return template.format(request_id=request_id, account_id=ACCOUNT, version=1)


@pytest.mark.parametrize("template", GETS + PAGES)
def test_head_is_get_without_the_body(house: House, template: str) -> None:
    path, query = path_in(house, template), QUERIES.get(template, {})
    house.file(account_id="444455556666")
    for client in (house.client(), house.client("alice"), house.client("audrey"), house.client("oscar")):
        got, head = client.get(path, params=query), client.head(path, params=query)

        assert (head.status_code, head.content) == (got.status_code, b"")
        assert {name: value for name, value in head.headers.items() if name not in VARYING} == {
            name: value for name, value in got.headers.items() if name not in VARYING
        }
        if "content-length" in got.headers:
            assert int(head.headers["content-length"]) > 0


def test_health_answers_a_load_balancer_that_sends_head(house: House) -> None:
    assert [house.client().head(path).status_code for path in ("/livez", "/readyz")] == [200, 200]


@pytest.mark.parametrize("template", POSTS)
def test_head_does_nothing_where_there_is_only_post(house: House, template: str) -> None:
    answer = house.client("alice").head(re.sub(r"\{\w+\}", "x", template))

    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


def test_head_is_no_operation_of_the_contract() -> None:
    assert not any("head" in operations for operations in DOCUMENT["paths"].values())


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/v1/me", "GET, HEAD"),
        ("/v1/requests", "GET, HEAD, POST"),
        ("/docs", "GET, HEAD"),
        ("/docs/files/start.js", "GET, HEAD"),
        ("/desk", "GET, HEAD"),
        ("/desk/files/main.js", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("root", ["", "/approvals"])
def test_405_says_all_methods_that_there_are(house: House, root: str, path: str, known: str) -> None:
    client = TestClient(house.app, root_path=root, base_url=f"http://testserver{root}")
    assert client.put(path).headers["allow"] == known
    assert client.options(path).headers["allow"] == known


def test_head_of_an_export_makes_no_export(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets what would be read from the database all the same."""
    made: list[bytes] = []

    def endless(*_: object) -> Any:
        while True:
            made.append(b"{}\n" * 1000)
            yield made[-1]

    monkeypatch.setattr("service.api.routes.audit.export", endless)
    assert house.client("audrey").head("/v1/audit/export").status_code == 200
    assert len(made) < 100
