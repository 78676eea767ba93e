"""Programs whose clients were generated from the committed contract go through the whole main job."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from clients.generators import are_there, in_python, in_typescript
from support.installation import commanded, serving

from service.cli.waiting import free_port
from service.domain.operation import OperationName

pytestmark = pytest.mark.skipif(
    not are_there() and "CI" not in os.environ, reason="no generators here; `make clients` installs them"
)

Lifecycle = Callable[[Path, Mapping[str, Any]], dict[str, Any]]
# Two for each client, which makes a key in both.
ACCOUNTS: dict[Lifecycle, tuple[str, str]] = {
    in_typescript: ("111122223333", "222233334444"),
    in_python: ("333344445555", "444455556666"),
}
PEOPLE = {"alice": "requester", "bob": "approver", "carol": "approver", "audrey": "auditor"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Where it is, and a token for each of four people."""
    folder = tmp_path_factory.mktemp("service")
    people = "".join(f'[people.{who}]\nname = "{who}"\nroles = ["{role}"]\n' for who, role in PEOPLE.items())
    accounts = "".join(f'[accounts.{account}]\nname = "x"\n' for account in sum(ACCOUNTS.values(), ()))
    (folder / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{folder}/rootquorum.db"\n[aws]\nsimulated = true\n'
        f"[policy]\ndecision_requires_auth_time = false\n{accounts}{people}"
    )
    assert commanded(folder, "migrate").returncode == 0
    tokens = {who: commanded(folder, "token", "create", who).stdout.strip() for who in PEOPLE}
    port = free_port()
    with serving(folder, port):
        yield {"url": f"http://127.0.0.1:{port}", "tokens": tokens}


@pytest.mark.parametrize("lifecycle", ACCOUNTS)
def test_generated_client_goes_through_the_main_job(
    lifecycle: Lifecycle, service: dict[str, Any], tmp_path: Path
) -> None:
    first, second = ACCOUNTS[lifecycle]

    done = lifecycle(tmp_path, service | {"accounts": [first, second]})

    assert done["key"]["account_id"] == first
    assert len(done["key"]["secret_access_key"]) == 40
    assert done["again"] == "already_executed"
    status, effect = done["confirmed"]
    assert status == "succeeded"
    assert "30 days" in effect
    (row,) = csv.DictReader(io.StringIO(done["file"], newline=""))
    assert (row["User Name"], len(row["Secret access key"])) == (f"root-{second}", 40)
    assert done["deleted"] == ["succeeded", "done"]
    (wrong,) = done["misspelt"]["errors"]
    assert wrong["location"] == ["body", "operation"]
    assert all(name in wrong["reason"] for name in OperationName)
    assert done["events"].count("decision.recorded") == 2
    assert done["events"][-1] == "receipt.confirmed"
