"""From a change to somebody else's server: what arrives there is signed, and the reference package says so."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.builders import DEACTIVATE
from support.destinations import SECRET, Siem, listening
from support.house import House
from support.installation import commanded, rootquorum
from support.products.mailbox import PASSWORD, USER, Mailbox, running_mailbox, trusted_in

from service.db import outbox
from service.db.engine import begin, connect
from service.notify.webhooks import Webhook, signer
from service.outbound.guarded import new_client
from service.worker import run_pass


@pytest.fixture
def siem() -> Iterator[Siem]:
    with listening() as siem:
        yield siem


def configure(folder: Path, siem: Siem, *, allowed: str = "127.0.0.1") -> None:
    people = "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("bob", "carol"))
    (folder / "secret").write_text(f"{SECRET}\n")
    (folder / "rootquorum.toml").write_text(
        "[aws]\nsimulated = true\n[policy]\ndecision_requires_auth_time = false\n"
        f'[accounts.111122223333]\nname = "production"\n{people}'
        f'[notify]\nallowed_hosts = ["{allowed}"]\n'
        f'[webhooks.siem]\nurl = "{siem.url}"\nsecret_files = ["{folder}/secret"]\n'
    )


def test_what_happens_arrives_in_order_and_is_verified(house: House, siem: Siem) -> None:
    webhook = Webhook("siem", siem.url, (signer(SECRET),), new_client(frozenset({"127.0.0.1"})))
    house.change(destinations={"siem": webhook})
    house.approved(DEACTIVATE, house.spare_key())
    for _ in range(4):
        run_pass(house.ctx)
    assert siem.verified() == ["request.filed", "decision.recorded", "decision.recorded", "request.approved"]


def test_a_webhook_gets_only_the_events_that_it_wants() -> None:
    client, wanted = new_client(frozenset()), frozenset({"drift.found"})
    webhook = Webhook("siem", "https://siem.example", (signer(SECRET),), client, events=wanted)
    assert webhook.wants("drift.found", None)
    assert not webhook.wants("request.filed", None)


def test_a_test_event_arrives_and_its_exchange_is_shown_without_what_proves_us(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    done = rootquorum(tmp_path, "notify", "test", "siem")
    [(headers, body)] = siem.received
    assert done.returncode == 0
    assert siem.verified() == ["notify.test"]
    assert done.stdout.splitlines() == [
        f"POST http://127.0.0.1:{siem.server_port}/(not shown)",
        "  content-type: application/json",
        f"  webhook-id: {headers['webhook-id']}",
        f"  webhook-timestamp: {headers['webhook-timestamp']}",
        "  webhook-signature: v1,(not shown)",
        f"  {body.decode()}",
        "answered 204",
        "",
        "taken: answered 204",
    ]
    assert SECRET not in done.stderr


def test_a_test_event_is_shown_as_the_cloudevent_that_it_is(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    with (tmp_path / "rootquorum.toml").open("a") as file:
        file.write('format = "cloudevents"\n[server]\npublic_url = "https://rootquorum.example"\n')
    done = commanded(tmp_path, "notify", "test", "siem")
    [(headers, body)] = siem.received
    assert done.returncode == 0, done.stderr
    assert headers["content-type"] == "application/cloudevents+json"
    assert json.loads(body)["source"] == "https://rootquorum.example"
    assert f"  {body.decode()}" in done.stdout.splitlines()


def test_the_attributes_of_a_test_event_in_binary_mode_are_shown(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    with (tmp_path / "rootquorum.toml").open("a") as file:
        file.write('format = "cloudevents-binary"\n[server]\npublic_url = "https://rootquorum.example"\n')
    done = commanded(tmp_path, "notify", "test", "siem")
    [(headers, body)] = siem.received
    shown = done.stdout.splitlines()
    attributes = {name for name in headers if name.startswith("ce-")}
    assert {"ce-id", "ce-source", "ce-specversion", "ce-time", "ce-type"} <= attributes
    for name in attributes:
        assert f"  {name}: {headers[name]}" in shown
    assert f"  {body.decode()}" in shown


def test_a_chat_is_tried_without_its_url_being_shown(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    with (tmp_path / "rootquorum.toml").open("a") as file:
        file.write(f'[chats.oncall]\nurl = "{siem.url}/a-secret"\n')
    done = commanded(tmp_path, "notify", "test", "oncall")
    [(_, body)] = siem.received
    assert done.returncode == 0
    assert json.loads(body)["text"].startswith("A test: nothing has happened\n")
    assert f"  {body.decode()}" in done.stdout.splitlines()
    assert "secret" not in done.stdout + done.stderr


def test_what_answers_hostile_headers_writes_no_escapes_to_the_terminal(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    siem.headers = {"Content-Type": "text/\x1b[31mhtml", "Set-Cookie": "a=words", "Retry-After": "60"}
    done = commanded(tmp_path, "notify", "test", "siem")
    assert "\x1b" not in done.stdout + done.stderr
    assert "words" not in done.stdout + done.stderr
    assert "  retry-after: 60" in done.stdout.splitlines()


def test_a_ticket_is_for_a_tracker(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    done = commanded(tmp_path, "notify", "test", "siem", "--ticket", "OPS-1")
    assert (done.returncode, siem.received) == (1, [])
    assert done.stderr == "Only a tracker takes a ticket; omit --ticket.\n"


def test_doctor_reaches_destinations_and_tells_them_nothing(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    with (tmp_path / "rootquorum.toml").open("a") as file:
        file.write(f'[chats.oncall]\nurl = "{siem.url}"\n[chats.away]\nurl = "http://127.0.0.1:1/a-secret"\n')
    commanded(tmp_path, "migrate")
    done = commanded(tmp_path, "doctor")
    lines = done.stdout.splitlines()
    assert (done.returncode, siem.received) == (1, [])
    assert "ok     destination siem: reached; nothing was sent" in lines
    assert "ok     destination oncall: reached; nothing was sent" in lines
    [fault] = [line for line in lines if "destination away" in line]
    assert fault.startswith(
        "fault  destination away: Nothing can be delivered to it: no complete answer: ConnectError. Check"
    )
    assert "a-secret" not in done.stdout + done.stderr


def test_doctor_says_of_a_disabled_destination_how_it_is_enabled(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    commanded(tmp_path, "migrate")
    engine = connect(f"sqlite:///{tmp_path}/rootquorum.db", connections=1)
    with begin(engine) as tx:
        outbox.disable(tx, "siem", datetime.now(UTC), "answered 410")
    engine.dispose()
    done = commanded(tmp_path, "doctor")
    assert done.returncode == 1
    assert "destination siem: It asked for no more events, and is disabled. When it is fixed" in done.stdout


def test_a_test_event_that_is_not_taken_exits_1_and_says_why(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    siem.status = 500
    done = commanded(tmp_path, "notify", "test", "siem")
    assert done.returncode == 1
    assert "answered 500" in done.stderr


def test_no_such_destination_is_one_line(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    done = commanded(tmp_path, "notify", "test", "nobody")
    assert done.returncode == 1
    assert done.stderr.strip() == "The settings name no such destination."


def test_a_private_address_that_nobody_allowed_is_refused_at_the_start(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem, allowed="elsewhere.example.com")
    done = commanded(tmp_path, "notify", "test", "siem")
    assert done.returncode == 1
    assert "webhooks.siem.url" in done.stderr
    assert siem.received == []


def with_mail(folder: Path, siem: Siem, mailbox: Mailbox) -> None:
    configure(folder, siem)
    text = (folder / "rootquorum.toml").read_text().replace('"bob"\n', '"bob"\nemail = "bob@example.com"\n')
    (folder / "rootquorum.toml").write_text(
        f'[server]\npublic_url = "https://rootquorum.example"\n{text}'
        f'[mails.office]\nhost = "127.0.0.1"\nport = {mailbox.port}\nsender = "rootquorum@rootquorum.example"\n'
        f'user = "{USER}"\npassword = "{PASSWORD}"\n'
    )


def test_a_mail_server_is_tried_with_one_address_and_the_mail_is_shown(
    tmp_path: Path, siem: Siem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted_in(tmp_path)))
    with running_mailbox() as mailbox:
        with_mail(tmp_path, siem, mailbox)
        done = commanded(tmp_path, "notify", "test", "office", "--to", "ann@example.com")
    assert done.returncode == 0, done.stderr
    assert mailbox.recipients == ["ann@example.com"]
    assert "Auto-Submitted: auto-generated" in done.stdout.splitlines()
    assert "A test: nothing has happened." in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "taken: accepted for 1 of 1"
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize("given", [(), ("--to", "ann"), ("--to", "ann@example.com\nBcc: x@evil.example")])
def test_a_mail_server_is_tried_with_an_address_only(tmp_path: Path, siem: Siem, given: tuple[str, ...]) -> None:
    with running_mailbox() as mailbox:
        with_mail(tmp_path, siem, mailbox)
        done = commanded(tmp_path, "notify", "test", "office", *given)
    assert (done.returncode, mailbox.tried) == (1, [])
    assert done.stderr.startswith("A mail server needs a mail address")


def test_an_address_is_for_a_mail_server(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    done = commanded(tmp_path, "notify", "test", "siem", "--to", "ann@example.com")
    assert (done.returncode, siem.received) == (1, [])
    assert done.stderr == "Only a mail server takes an address; omit --to.\n"


def test_doctor_signs_in_to_a_mail_server_and_sends_nothing(
    tmp_path: Path, siem: Siem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted_in(tmp_path)))
    with running_mailbox() as mailbox:
        with_mail(tmp_path, siem, mailbox)
        commanded(tmp_path, "migrate")
        done = commanded(tmp_path, "doctor")
        settings = tmp_path / "rootquorum.toml"
        settings.write_text(settings.read_text().replace(PASSWORD, "another-secret"))
        refused = commanded(tmp_path, "doctor")
    assert "ok     destination office: it knows us" in done.stdout.splitlines()
    assert "warn   mails: 1 approvers have no known address: carol" in done.stdout.splitlines()
    [fault] = [line for line in refused.stdout.splitlines() if "destination office" in line]
    assert "answered 535: it does not accept our user and password" in fault
    assert "another-secret" not in refused.stdout + refused.stderr
    assert mailbox.tried == []
