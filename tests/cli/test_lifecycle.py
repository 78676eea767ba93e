"""Whole lifecycles from the command line alone, on both databases."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.approvers import ACCOUNT, Installation, Ran, installation
from support.installation import commanded
from support.products import openssh
from support.products.postgres import Postgres

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("service")
    if request.param == "sqlite":
        with installation(folder) as found:
            yield found
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    database = postgres.new_empty_database()
    with installation(folder, database=database) as found:
        yield found
    postgres.drop(database)


def done(ran: Ran) -> str:
    assert ran.code == 0, ran.error
    return ran.out.strip()


def approved(at: Installation, request_id: str) -> None:
    for person in ("ann", "ben"):
        assert at.approve(person, {"id": request_id}).code == 0
    done(at.run("alice", "watch", request_id, "--until", "approved"))


def test_a_key_is_born_kept_confirmed_and_deleted(at: Installation, tmp_path: Path) -> None:
    assert '"ann"' in done(at.run("ann", "whoami"))
    assert ACCOUNT in done(at.run("ann", "accounts", "list"))
    assert "create_access_key" in done(at.run("ann", "accounts", "show", ACCOUNT))

    filed = ("create-key", ACCOUNT, "--reason", "Due this quarter.", "--ticket", "OPS-4711", "--lifetime", "P30D")
    request_id = done(at.run("alice", "request", *filed))
    assert request_id in done(at.run("ann", "list", "--awaiting-me"))
    shown = done(at.run("ann", "show", request_id))
    assert "It works for 30 days" in shown
    assert "0 of 2; missing: 2 more" in shown
    approved(at, request_id)

    executed = at.run("alice", "execute", request_id, "--file", str(tmp_path / "key.json"))
    assert done(executed) == ""
    assert "its receipt is confirmed" in executed.error
    key = json.loads((tmp_path / "key.json").read_text())
    assert (key["account_id"], key["request_id"], len(key["secret_access_key"])) == (ACCOUNT, request_id, 40)
    assert stat.S_IMODE((tmp_path / "key.json").stat().st_mode) == 0o600
    assert done(at.run("alice", "watch", request_id)).endswith("2 of 2 approvals")
    assert "succeeded" in done(at.run("alice", "show", request_id))

    (tmp_path / "evidence.json").write_text(done(at.run("alice", "evidence", request_id)))
    [key_of_log] = at.call("alice", "GET", "/v1/audit/keys")["keys"]
    verified = commanded(at.folder, "audit", "verify", "--key", key_of_log["key"], str(tmp_path / "evidence.json"))
    assert verified.returncode == 0, verified.stderr

    for command in ("deactivate-key", "delete-key"):
        about = (ACCOUNT, key["access_key_id"], "--reason", "It has done its work.")
        request_id = done(at.run("alice", "request", command, *about))
        approved(at, request_id)
        assert at.run("alice", "execute", request_id).error == "Done. The request is succeeded.\n"


def test_a_request_is_rejected_and_another_withdrawn(at: Installation) -> None:
    filed = ("request", "create-key", ACCOUNT, "--reason", "Due this quarter.")
    request_id = done(at.run("alice", *filed))
    assert at.run("ann", "reject", request_id, "--comment", "Not now.").error == "Rejected. The request is rejected.\n"
    shown = done(at.run("alice", "show", request_id))
    assert "reject by" in shown
    assert "missing" not in shown

    request_id = done(at.run("alice", *filed))
    assert at.run("alice", "withdraw", request_id).error == "Withdrawn. The request is withdrawn.\n"
    waited = at.run("alice", "watch", request_id, "--until", "approved")
    assert (waited.code, waited.error) == (4, "The request is withdrawn, and stays so.\n")


def test_a_filing_is_repeated_by_its_idempotency_key(at: Installation) -> None:
    filed = ("request", "create-key", ACCOUNT, "--reason", "Due this quarter.")
    first = done(at.run("alice", *filed, "--idempotency-key", "monday"))
    assert done(at.run("alice", *filed, "--idempotency-key", "monday")) == first
    again = at.run("alice", *filed, "--json")
    assert (again.code, json.loads(again.out)["code"]) == (1, "duplicate_request")
    at.withdraw({"id": first})


def test_json_is_what_the_api_answers(at: Installation) -> None:
    filed = json.loads(done(at.run("alice", "request", "create-key", ACCOUNT, "--reason", "Due now, all.", "--json")))
    assert json.loads(done(at.run("alice", "show", filed["id"], "--json"))) == at.call(
        "alice", "GET", f"/v1/requests/{filed['id']}"
    )
    assert json.loads(done(at.run("alice", "whoami", "--json"))) == at.call("alice", "GET", "/v1/me")
    listed = done(at.run("alice", "list", "--status", "pending", "--json")).splitlines()
    assert [json.loads(line)["id"] for line in listed] == [filed["id"]]
    assert json.loads(done(at.run("alice", "withdraw", filed["id"], "--json")))["status"] == "withdrawn"
    assert len(done(at.run("alice", "list", "--limit", "1", "--json")).splitlines()) == 1
