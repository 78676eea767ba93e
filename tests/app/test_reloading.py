"""Settings that are read again at SIGHUP: a running process takes what is safe, all of it or nothing."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import text
from support.builders import ORIGIN
from support.rule_files import TEXT, following, signed_by, written

from service.app import compose, tls
from service.app.reloading import Reloading, note_signals, reloaded_by_signal
from service.cli.waiting import wait_until
from service.db.engine import read
from service.domain.actor import Role
from service.domain.errors import Code, Unavailable
from service.domain.rule_file import TABLES
from service.notify.webhooks import Webhook
from service.settings import Settings, load
from service.settings.taken import TAKEN
from service.workflow.announce import announce
from service.workflow.context import Context

_ISSUER = """
[issuers.corp]
url = "https://idp.example.com"
audience = ["rootquorum"]
person_claim = "staff_name"
grants = [{ group = "root-approvers", roles = ["approver"] }]
"""
_FILE = f"""
[policy]
decision_requires_auth_time = false
[database]
connections = 20
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
[people.erin]
name = "Erin"
roles = ["approver", "requester"]
[webhooks.siem]
url = "https://siem.example.com/hook"
secret_files = ["secret"]
{_ISSUER}"""
_SECRET, _OTHER = "whsec_" + "A" * 44, "whsec_" + "B" * 44


class Running:
    """A process with settings from a file, as far as it can be reloaded."""

    def __init__(self, file: Path, settings: Settings, ctx: Context) -> None:
        self.file = file
        self.ctx = self.begun_with = ctx
        self.used: list[Context] = []
        self.reloading = Reloading(settings, ctx, self._use, self.used.append)

    def _use(self, ctx: Context) -> None:
        self.ctx = ctx

    def after(self, *changes: tuple[str, str]) -> Context:
        """Return what is in force once these texts of the file were replaced, and it was read again."""
        content = self.file.read_text()
        for before, now in changes:
            assert before in content
            content = content.replace(before, now)
        self.file.write_text(content)
        self.reloading.reload()
        return self.ctx

    def rulebooks(self) -> list[dict[str, object]]:
        with read(self.ctx.engine) as tx:
            found = tx.execute(text("SELECT content FROM audit_events WHERE event = 'policy.changed' ORDER BY seq"))
            return [json.loads(content)["data"] for content in found.scalars()]


@pytest.fixture
def running(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Running]:
    caplog.set_level("INFO")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "rootquorum.toml"
    file.write_text(_FILE)
    (tmp_path / "secret").write_text(_SECRET)
    shutil.copy(sqlite_template, tmp_path / "rootquorum.db")
    settings = load()
    with compose(settings, with_aws=False) as ctx:
        announce(ctx)
        yield Running(file, settings, ctx)


def approvers(ctx: Context) -> set[str]:
    return {name for name, member in ctx.directory.members.items() if Role.APPROVER in member.roles}


def test_who_has_lost_a_role_is_out_with_the_reload_and_the_log_says_so(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    assert approvers(running.ctx) == {"bob", "carol", "erin"}
    assert len(running.rulebooks()) == 1
    now = running.after(('"Bob"\nroles = ["approver"]', '"Bob"\nroles = []'))
    assert approvers(now) == {"carol", "erin"}
    assert len(running.rulebooks()) == 2
    assert "now in force: people" in caplog.text
    assert running.used == [now]


def test_rules_groups_and_policy_are_taken_together(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    rule = '[groups.security]\npeople = ["bob", "carol"]\n[[rules]]\nname = "two"\nquorum = 3\n'
    now = running.after(("[database]", f"approval_window = 'PT1H'\n{rule}[database]"))
    assert now.policy.approval_window.total_seconds() == 3600
    assert now.rules
    assert set(now.directory.groups) == {"security"}
    assert "now in force: groups, policy, rules" in caplog.text


def test_the_log_says_that_a_certificate_was_read_again(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_PORTS", [])
    running.after()
    assert caplog.messages[-1].endswith("now in force: no change")
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    tls.tls_of((str(tmp_path / "server.pem"), str(tmp_path / "server.pem"), None))
    running.after()
    assert caplog.messages[-1].endswith("now in force: no change; certificate read again")


def test_the_same_settings_change_nothing_and_write_no_event(running: Running) -> None:
    running.after()
    running.after()
    assert len(running.rulebooks()) == 1
    assert running.ctx.directory == running.begun_with.directory


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("[policy]", "[policy"),
        ("[policy]", "[policy]\nquorom = 2"),
        ("[policy]", "[policy]\nquorum = 1"),
        ('"Bob"\nroles = ["approver"]', '"Bob"\nroles = ["approver", "canary"]'),
        ("https://siem.example.com/hook", "https://127.0.0.1/canary"),
        ('secret_files = ["secret"]', 'secret_files = ["canary"]'),
        ("connections = 20", "connections = 1"),
    ],
    ids=["no TOML", "misspelt", "quorum", "role", "address", "secret", "not taken, but wrong"],
)
def test_with_any_fault_everything_stays_as_it_was(
    running: Running, caplog: pytest.LogCaptureFixture, before: str, now: str
) -> None:
    in_force = running.after((before, now), ('name = "Carol"', 'name = "Someone else"'))
    assert in_force is running.begun_with
    assert running.used == []
    assert len(running.rulebooks()) == 1
    assert "all stay as they were" in caplog.text


def test_a_missing_file_takes_nobodys_role_away(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.file.unlink()
    running.reloading.reload()
    assert running.used == []
    assert "There is no rootquorum.toml here" in caplog.text


def test_a_mended_file_is_taken(running: Running) -> None:
    assert running.after(("[policy]", "[policy")) is running.begun_with
    assert running.after(("[policy", "[policy]"), ("Carol", "Caroline")).directory.members["carol"].name == "Caroline"


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        ("[database]\nconnections = 20", "[database]\nconnections = 30", "database"),
        ("[database]", "[server]\nport = 9\n[database]", "server"),
        ('name = "production"', 'name = "prod"', "accounts"),
        ("https://idp.example.com", "https://other.example.com", "issuers"),
        ("[database]", "[health]\nworker_silence = 'PT5M'\n[database]", "health"),
    ],
)
def test_what_waits_for_a_restart_is_named_and_the_rest_is_taken(
    running: Running, caplog: pytest.LogCaptureFixture, before: str, now: str, named: str
) -> None:
    in_force = running.after((before, now), ("Carol", "Caroline"))
    assert in_force.directory.members["carol"].name == "Caroline"
    assert (in_force.engine, in_force.accounts) == (running.begun_with.engine, running.begun_with.accounts)
    assert in_force.limits == running.begun_with.limits
    [line] = [line for line in caplog.messages if "wait for a restart" in line]
    assert line.endswith(f": {named}")


def test_it_is_named_until_the_restart(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.after(("connections = 20", "connections = 30"))
    caplog.clear()
    running.after()
    assert "wait for a restart: database" in caplog.text


def test_what_contradicts_what_waits_for_a_restart_is_refused(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = _ISSUER.replace("corp", "new").replace("idp", "new-idp")
    machine = '[machines.ci]\nname = "CI"\nroles = ["requester"]\nissuer = "new"\nlogin = "ci"\n'
    assert running.after(("[database]", f"{issuer}{machine}[database]")) is running.begun_with
    assert "With what waits for a restart: machines.ci: there is no issuer of that name." in caplog.text


def test_grants_of_a_provider_are_taken_and_a_provider_that_is_gone_grants_nothing(running: Running) -> None:
    assert running.ctx.directory.grants["corp"]
    assert running.after(("root-approvers", "others")).directory.grants["corp"][0].group == "others"
    assert running.after((_ISSUER.replace("root-approvers", "others"), "")).directory.grants["corp"] == ()


def test_destinations_come_and_go_and_their_secrets_are_read_again(running: Running) -> None:
    def siem(ctx: Context) -> Webhook:
        found = ctx.destinations["siem"]
        assert isinstance(found, Webhook)
        return found

    before = siem(running.ctx)
    (running.file.parent / "secret").write_text(_OTHER)
    assert siem(running.after()).secrets != before.secrets
    named = running.after(
        (
            "[webhooks.siem]",
            '[webhooks.pager]\nsecret_files = ["secret"]\nurl = "https://a.example.com"\n[webhooks.siem]',
        )
    )
    assert set(named.destinations) == {"pager", "siem"}
    gone = running.after(("[webhooks.siem]", "[webhooks.other]"))
    assert set(gone.destinations) == {"pager", "other"}


def test_rules_that_cannot_be_audited_do_not_come_into_force(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_ctx: Context) -> None:
        raise Unavailable(Code.UNAVAILABLE)

    monkeypatch.setattr("service.app.reloading.announce", refuse)
    with pytest.raises(Unavailable):
        running.after(("Carol", "Caroline"))
    assert running.used == []


def test_a_signal_reloads_each_time_and_is_ignored_afterwards(running: Running) -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        with reloaded_by_signal(running.reloading):
            for number in range(1, 4):
                os.kill(os.getpid(), signal.SIGHUP)
                wait_until(lambda: len(running.used) == number, what="the reload")  # noqa: B023  # waited for at once
        os.kill(os.getpid(), signal.SIGHUP)
        assert len(running.used) == 3
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_comes_while_a_process_starts_is_not_lost(running: Running) -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        note_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(2):
            with reloaded_by_signal(running.reloading):
                wait_until(lambda: len(running.used) == 1, what="the reload")
        assert len(running.used) == 1
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_documents_say_of_each_section_whether_it_is_taken() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    rows = re.findall(
        r"^\| (`.*) \| (.+) \|$", page.partition("## Without a restart")[2].partition("\n## ")[0], re.MULTILINE
    )
    sections = {name: said for names, said in rows for name in re.findall(r"`([a-z]+)`", names)}
    assert {name for name, said in sections.items() if said.startswith("taken")} == TAKEN
    assert {name for name, said in sections.items() if said == "wait for a restart"} | {"issuers"} | TAKEN == set(
        Settings.model_fields
    )


def test_everything_in_the_file_of_signed_rules_is_taken_with_it() -> None:
    """Otherwise parts of two versions could be in force together. Of `issuers` it has only the grants."""
    assert {*TABLES} <= TAKEN


def test_a_version_of_the_rules_is_taken_when_it_is_signed(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(sqlite_template, tmp_path / "rootquorum.db")
    (tmp_path / "rootquorum.toml").write_text(
        f'audit.origin = "{ORIGIN}"\nsigning.rules_file = "rules.toml"\n'
        'accounts.111122223333 = { name = "production", profile = "prod" }\n'
    )
    first = signed_by(TEXT, "bob", "carol")
    written(tmp_path / "rules.toml", first)
    used: list[Context] = []
    settings = load()
    with compose(settings, with_aws=False) as ctx:
        announce(ctx)
        reloading = Reloading(settings, ctx, used.append)
        second = following(first, ('"Dave"', '"David"'))
        written(tmp_path / "rules.toml", signed_by(second, "bob"))
        with pytest.raises(Unavailable):
            reloading.reload()
        assert used == []
        written(tmp_path / "rules.toml", signed_by(second, "bob", "carol"))
        reloading.reload()
    [now] = used
    assert now.directory.members["dave"].name == "David"
    assert now.signed_rules is not None
    assert now.signed_rules.file.rules.version == 2
