"""`rootquorum config show`: what is in force, from where, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.installation import commanded

SECRET = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
SETTINGS = f"""
[policy]
decision_requires_auth_time = false
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people."carol.castro"]
name = "Carol"
roles = ["approver"]
[webhooks.siem]
url = "https://canary:canary@siem.example.com/in?token=canary"
secrets = ["{SECRET}"]
events = ["drift.found", "execution.started"]
[chats.oncall]
url = "https://chat.example.com/canary"
[trackers.desk]
kind = "jira-cloud"
url = "https://example.atlassian.net"
user = "rootquorum@example.com"
password = "canary"
[mails.office]
host = "mail.example.com"
user = "rootquorum"
password = "canary"
sender = "rootquorum@example.com"
[issuers.corp]
url = "https://login.example.com"
audience = ["rootquorum"]
client_id = "rootquorum"
client_secret = "canary"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rootquorum.toml").write_text(SETTINGS)
    return tmp_path


def shown(folder: Path, **environment: str) -> dict[str, Any]:
    return {
        each["setting"]: each
        for each in json.loads(commanded(folder, "config", "show", "--json", **environment).stdout)
    }


def test_each_value_says_what_set_it(folder: Path) -> None:
    found = shown(
        folder, ROOTQUORUM_POLICY__QUORUM="3", rootquorum_people='{"dave": {"name": "D", "roles": ["approver"]}}'
    )

    def source(setting: str) -> tuple[Any, str, str | None]:
        return found[setting]["value"], found[setting]["source"], found[setting]["where"]

    assert source("policy.quorum") == (3, "environment", "ROOTQUORUM_POLICY__QUORUM")
    assert source("people.dave.name") == ("D", "environment", "rootquorum_people")
    assert source('people."carol.castro".name') == ("Carol", "file", "rootquorum.toml")
    assert source("people.bob.email") == (None, "default", None)
    assert source("policy.receipt_window") == ("PT15M", "default", None)
    assert source("webhooks.siem.events") == (["drift.found", "execution.started"], "file", "rootquorum.toml")
    assert source("machines") == ({}, "default", None)


def test_what_stands_in_the_file_of_rules_comes_from_there(folder: Path) -> None:
    (folder / "rootquorum.toml").write_text('[signing]\nrules_file = "rules.toml"\n')
    (folder / "rules.toml").write_text('version = 1\n[people.bob]\nname = "Bob"\nroles = ["approver"]\n')
    found = shown(folder)
    assert Path(found["people.bob.name"]["where"]).name == "rules.toml"
    assert Path(found["signing.rules_file"]["where"]).name == "rootquorum.toml"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_shown_whatever_set_it(folder: Path, form: tuple[str, ...]) -> None:
    done = commanded(
        folder,
        "config",
        "show",
        *form,
        ROOTQUORUM_DATABASE__URL="postgresql://u:canary@db/d?sslpassword=canary&password=canary&sslmode=require",
        ROOTQUORUM_WEBHOOKS__OTHER='{"url": "https://other.example.com?a=canary", "secrets": ["canary"]}',
    )
    assert "postgresql://u:***@db/d?" in done.stdout
    assert "sslmode=require" in done.stdout
    assert "https://***@siem.example.com/in?***" in done.stdout
    assert "webhooks.other.url" in done.stdout
    assert not [secret for secret in ("canary", SECRET[6:]) if secret in done.stdout + done.stderr]


def test_settings_that_start_nothing_are_shown_with_their_faults(folder: Path) -> None:
    done = commanded(folder, "config", "show", ROOTQUORUM_POLICY__QUORUM="9", ROOTQUORUM_POLIZY="1")
    assert done.returncode == 1
    assert "policy.quorum" in done.stdout
    assert "ROOTQUORUM_POLIZY names no setting" in done.stderr
    assert "quorum" in done.stderr


def test_a_good_file_ends_with_0(folder: Path) -> None:
    (folder / "rootquorum.toml").write_text(SETTINGS.partition("[webhooks.siem]")[0])
    done = commanded(folder, "config", "show")
    assert (done.returncode, done.stderr) == (0, "")
    assert "accounts.111122223333.name" in done.stdout
