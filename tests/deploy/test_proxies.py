"""The configurations of proxies in `deploy/`, each run in front of the real service."""

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from support.installation import rootquorum, serving
from support.products import proxies

from service.cli.waiting import free_port

SETTINGS = """
[server]
trusted_proxies = ["127.0.0.1"]
root_path = "{prefix}"
[database]
url = "sqlite:///{folder}/rootquorum.db"
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
# Longer than many proxies accept by default: a token that names a hundred groups.
LONG = f"Bearer {'canary-header' * 1000}"


@pytest.fixture(scope="module", params=["", "/rootquorum"], ids=["at the root", "under a prefix"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, str]]:
    """Serve once for all proxies. Yield the folder, the port and the prefix."""
    folder, port, prefix = tmp_path_factory.mktemp("service"), free_port(), request.param
    (folder / "rootquorum.toml").write_text(SETTINGS.format(folder=folder, prefix=prefix))
    assert rootquorum(folder, "migrate").returncode == 0
    with serving(folder, port):
        yield folder, port, prefix


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=sorted(proxies.PROXIES))
def proxy(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if proxies.find(name) is None:
        pytest.skip(f"there is no {name} on this machine: make {name}")
    return name


@contextmanager
def client_of(port: int, authority: trustme.CA) -> Iterator[httpx.Client]:
    """Yield a client whose address is not the proxy's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    transport = httpx.HTTPTransport(verify=context, local_address="127.0.0.2")
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", transport=transport) as client:
        yield client


def test_the_service_answers_through_the_proxy_which_keeps_nothing(
    served: tuple[Path, int, str], proxy: str, authority: trustme.CA, tmp_path: Path
) -> None:
    folder, port, prefix = served
    forged = {"X-Forwarded-For": "203.0.113.66", "X-Forwarded-Proto": "http", "Authorization": LONG}
    with (
        proxies.running(proxy, tmp_path, port, authority, prefixed=bool(prefix)) as outside,
        client_of(outside, authority) as client,
    ):
        home = client.get(f"{prefix}/")
        desk = client.get(home.headers["Location"])
        answers = [
            *(client.get(file) for file in re.findall(r'(?:href|src)="([^"]+)"', desk.text)),
            client.get(f"{prefix}/docs/oauth2-redirect", params={"code": "canary-query"}),
            client.get(f"{prefix}/v1/me", headers=forged),
            client.post(f"{prefix}/v1/requests", content=b"canary-body" * 10_000, headers=forged),
            client.post(f"{prefix}/v1/requests", content=b"canary-body" * 100_000, headers=forged),
        ]

    assert (home.status_code, home.headers["Location"]) == (307, f"{prefix}/desk")
    *statuses, largest = (answer.status_code for answer in answers)
    assert statuses == [200, 200, 200, 200, 401, 413]
    # The service answers before it has the whole body, and Caddy may notice only that it could not send the rest.
    assert largest in ({413, 502} if proxy == "caddy" else {413})
    assert answers[4].json()["code"] == "invalid_token"
    of_service = (folder / "service.log").read_text()
    lines = [json.loads(line) for line in of_service.splitlines()]
    assert {line["address"] for line in lines if line.get("status") == 401} == {"127.0.0.2"}
    assert "203.0.113.66" not in of_service
    written = everything_in(tmp_path)
    assert "/docs/oauth2-redirect" in written
    assert "canary" not in written + of_service


def test_a_proxy_whose_service_is_down_keeps_nothing_either(proxy: str, authority: trustme.CA, tmp_path: Path) -> None:
    with proxies.running(proxy, tmp_path, free_port(), authority) as port, client_of(port, authority) as client:
        answer = client.post("/v1/me", params={"code": "canary-query"}, content=b"canary-body", headers={"X-A": LONG})

    assert answer.status_code in {502, 503}
    assert "/v1/me" in everything_in(tmp_path)
    assert "canary" not in everything_in(tmp_path)


def everything_in(folder: Path) -> str:
    """Return the text of all files that the proxy wrote, without its certificate."""
    return "\n".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())
