"""What a command loads: only what it needs. Names are asserted, never times."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support.installation import commanded

from service.cli import app

_SETTINGS = """
[policy]
decision_requires_auth_time = false
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""
# Each costs a process that does not need it up to a fifth of a second, and up to twenty MiB.
_LARGE = {
    "alembic",
    "boto3",
    "botocore",
    "cryptography",
    "fastapi",
    "httpx",
    "jwt",
    "mcp",
    "moto",
    "opentelemetry",
    "psycopg",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
}
_OF_POSTGRESQL = {"psycopg", "sqlalchemy.dialects.postgresql"}
_OF_SQLITE = {"sqlite3", "sqlalchemy.dialects.sqlite"}


def loaded(folder: Path, code: str) -> set[str]:
    """Run the code in a new process, and return the modules that are loaded at its end."""
    telling = f"import json, sys\ntry:\n    {code}\nfinally:\n    open('loaded', 'w').write(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", telling], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads((folder / "loaded").read_text()))


def run(*arguments: str) -> str:
    return f"import service.cli; service.cli.app({list(arguments)!r})"


def test_the_list_of_commands_loads_the_commands_themselves_not(tmp_path: Path) -> None:
    found = loaded(tmp_path, run("--help"))

    assert not found & _LARGE
    assert {name for name in found if name.startswith("service.")} == {
        "service.cli",
        "service.cli.commands",
        "service.cli.ending",
        "service.cli.main",
        "service.domain",
        "service.domain.errors",
        "service.domain.sign_in_checks",
    }


def test_a_token_is_created_without_the_api_aws_and_migrations(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.toml").write_text(_SETTINGS)
    assert commanded(tmp_path, "migrate").returncode == 0

    found = loaded(tmp_path, run("token", "create", "bob"))

    assert found & _LARGE == {"pydantic", "sqlalchemy"}
    assert not found & _OF_POSTGRESQL
    assert not {name for name in found if name.startswith(("service.api", "service.aws", "service.notify.products"))}


def test_rules_are_explained_without_a_database_and_aws(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.toml").write_text(_SETTINGS)

    found = loaded(tmp_path, run("policy", "explain", "production", "create_access_key"))

    assert found & _LARGE == {"pydantic", "sqlalchemy"}  # the settings' model
    layers = ("service.api", "service.app", "service.auth", "service.aws", "service.db", "service.workflow")
    assert not {name for name in found if name.startswith(layers)}


def test_an_approver_loads_nothing_of_what_serves(tmp_path: Path) -> None:
    found = loaded(tmp_path, "import service.cli.approve, service.cli.signing_key")

    assert found & _LARGE == {"cryptography", "httpx"}
    parts = {".".join(name.split(".")[:2]) for name in found if name.startswith("service.")}
    assert parts == {"service.cli", "service.client", "service.domain", "service.signing", "service.verifier"}


def test_who_calls_over_http_loads_no_more_than_that(tmp_path: Path) -> None:
    found = loaded(tmp_path, "import service.cli.act, service.cli.execute, service.cli.look, service.cli.request")

    assert found & _LARGE == {"httpx"}
    layers = {".".join(name.split(".")[:2]) for name in found if name.startswith("service.")}
    assert layers == {"service.cli", "service.client", "service.domain"}


def test_agents_are_served_without_what_serves_people(tmp_path: Path) -> None:
    assert loaded(tmp_path, "import service.cli.mcp") & _LARGE == {"httpx"}  # the extra may not be installed

    found = loaded(tmp_path, "import service.cli.agents")

    layers = {".".join(name.split(".")[:2]) for name in found if name.startswith("service.")}
    assert layers == {"service.cli", "service.domain"}


def test_the_client_of_others_loads_nothing_of_the_service(tmp_path: Path) -> None:
    found = loaded(tmp_path, "import rootquorum_client")

    assert found & _LARGE == {"httpx"}
    assert not {name for name in found if name.partition(".")[0] == "service"}


def test_the_worker_loads_no_server_and_nothing_for_traces(tmp_path: Path) -> None:
    large = {"alembic", "fastapi", "moto", "opentelemetry", "uvicorn"}
    assert loaded(tmp_path, "import service.cli.worker") & large == set()


def test_serving_loads_nothing_of_what_it_does_not_do(tmp_path: Path) -> None:
    large = {"alembic", "moto", "opentelemetry.sdk", "pydantic.v1.main", "rich"}
    large |= {"service.notify.products", "service.simulated_aws", *_OF_POSTGRESQL, *_OF_SQLITE}
    assert loaded(tmp_path, "import service.cli.serve") & large == set()


@pytest.mark.parametrize("has_issuer", [False, True])
def test_what_asks_providers_is_loaded_at_the_start_if_the_settings_name_one(
    tmp_path: Path, *, has_issuer: bool
) -> None:
    issuer = '[issuers.corp]\nurl = "https://login.example.com"\naudience = ["rootquorum"]\nperson_claim = "sub"\n'
    (tmp_path / "rootquorum.toml").write_text(_SETTINGS + issuer * has_issuer)
    assert commanded(tmp_path, "migrate").returncode == 0
    start = (
        "import asyncio; from service.app.serving import create_app; from service.settings import load; "
        "app = create_app(load()); asyncio.run(app.router.lifespan_context(app).__aenter__())"
    )
    # It ends at once: its threads would go on.
    end = "open('loaded', 'w').write(json.dumps([*sys.modules])); os._exit(0)"
    found = loaded(tmp_path, f"import os; {start}; {end}")
    assert ({"httpx", "jwt", "service.auth.oidc"} <= found) is has_issuer
    assert has_issuer or not found & {"httpx", "httpcore", "jwt", "pygments"}


def test_serving_makes_no_contract_before_somebody_asks_for_it(tmp_path: Path) -> None:
    built = "from service.api.build import build; build(None)"
    parts = {f"service.api.contract.{name}" for name in ("document", "examples", "webhooks")}
    assert not parts & loaded(tmp_path, built)
    assert parts <= loaded(tmp_path, f"{built}.openapi()")


def test_what_executes_is_loaded_before_the_first_request(tmp_path: Path) -> None:
    """An import that fails must fail at the start, not in the middle of an approved execution."""
    (tmp_path / "rootquorum.toml").write_text(_SETTINGS)
    start = "from service.app import compose; from service.settings import load; compose(load()).__enter__()"
    needed = {"boto3", "service.app.accounts", "service.aws.root", "service.aws.sources"}

    assert needed <= loaded(tmp_path, start)
    assert {"service.workflow.execute", "service.aws.root"} <= loaded(tmp_path, "import service.cli.serve")


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    root: Any = typer.main.get_command(app)
    later = {**root.commands, "explain": root.commands["token"].load().commands["explain"]}
    for name, command in later.items():
        assert command.help == " ".join(command.load().help.split("\n\n")[0].split()), name
