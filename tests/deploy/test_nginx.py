"""The nginx configuration in `deploy/`, run in front of the real service."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from support.installation import rootquorum, serving
from support.products import nginx

from service.cli.waiting import free_port

SETTINGS = """
[server]
trusted_proxies = ["127.0.0.1"]
[aws]
simulated = true
[policy]
decision_requires_auth_time = false
[accounts.111122223333]
name = "production"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    database = f'[database]\nurl = "sqlite:///{tmp_path}/rootquorum.db"\n'
    (tmp_path / "rootquorum.toml").write_text(database + SETTINGS)
    return tmp_path


def test_the_proxy_keeps_no_query_and_believes_no_forwarded_address(folder: Path) -> None:
    if nginx.find() is None:
        pytest.skip("there is no nginx on this machine: make nginx, as root")
    port, authority = free_port(), trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    assert rootquorum(folder, "migrate").returncode == 0
    with (
        serving(folder, port),
        nginx.running_nginx(folder, port, authority) as proxy,
        httpx.Client(base_url=f"https://127.0.0.1:{proxy}", verify=context) as client,
    ):
        forged = {"X-Forwarded-For": "203.0.113.66", "Authorization": "Bearer canary-header"}
        answers = [
            client.get("/docs/oauth2-redirect", params={"code": "canary-query"}),
            client.get("/v1/me", headers=forged),
            client.post("/v1/requests", content=b"canary-body" * 10_000, headers=forged),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 413]
    logs = {name: (folder / name).read_text() for name in ("rootquorum.log", "rootquorum-error.log", "service.log")}
    assert '"GET /docs/oauth2-redirect" 200' in logs["rootquorum.log"]
    assert "/docs/oauth2-redirect" in logs["service.log"]
    assert not [name for name, text in logs.items() if "canary" in text or "203.0.113.66" in text]
