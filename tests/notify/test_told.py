"""From a change to somebody else's server: what arrives there is signed, and the reference package says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from destinations import SECRET, Siem, listening
from factories import DEACTIVATE, House
from installation import rootquorum

from service.notify.guarded import new_client
from service.notify.webhooks import Webhook, signer
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


def test_a_webhook_gets_only_the_events_that_it_wants(siem: Siem) -> None:
    webhook = Webhook("siem", siem.url, (signer(SECRET),), new_client(frozenset()), events=frozenset({"drift.found"}))
    assert webhook.wants("drift.found", None)
    assert not webhook.wants("request.filed", None)


def test_a_test_event_arrives_and_its_exchange_is_shown_without_the_secret(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    done = rootquorum(tmp_path, "notify", "test", "siem")
    assert done.returncode == 0
    assert siem.verified() == ["notify.test"]
    assert "answered 204" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_test_event_that_is_not_taken_exits_1_and_says_why(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    siem.status = 500
    done = rootquorum(tmp_path, "notify", "test", "siem")
    assert done.returncode == 1
    assert "answered 500" in done.stderr


def test_no_such_destination_is_one_line(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem)
    done = rootquorum(tmp_path, "notify", "test", "nobody")
    assert done.returncode == 1
    assert done.stderr.strip() == "The settings name no such destination."


def test_a_private_address_that_nobody_allowed_is_refused_at_the_start(tmp_path: Path, siem: Siem) -> None:
    configure(tmp_path, siem, allowed="elsewhere.example.com")
    done = rootquorum(tmp_path, "notify", "test", "siem")
    assert done.returncode == 1
    assert "webhooks.siem.url" in done.stderr
    assert siem.received == []
