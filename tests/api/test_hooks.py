"""A tracker may say that a ticket was closed: what named it and has not begun is withdrawn; nothing else happens."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from destinations import SECRET
from factories import DEACTIVATE, House
from httpx2 import Response

from service.domain.request import OperationRequest, Status
from service.notify.inbound import GitHubSource, JiraSource, StandardSource
from service.notify.webhooks import signer, verifier

TEXT = "a secret of more than twenty-four characters"
OTHER = "whsec_" + "A" * 40


@dataclass
class Desk:
    """One kind of tracker: how it says that a ticket was closed."""

    name: str
    ticket: str
    house: House

    def closes(self, *, at: datetime, secret: str | None = None, ticket: str | None = None) -> Response:
        body, headers = getattr(self, f"_{self.name}")(ticket or self.ticket, at, secret)
        return self.house.client().post(f"/v1/hooks/{self.name}", content=body, headers=headers)

    def _standard(self, ticket: str, at: datetime, secret: str | None) -> tuple[bytes, Mapping[str, str]]:
        body, stamp = _bytes({"type": "ticket.closed", "data": {"ticket": ticket}}), int(at.timestamp())
        signature = signer(secret or SECRET).sign("1", stamp, body)
        return body, {"webhook-id": "1", "webhook-timestamp": str(stamp), "webhook-signature": signature}

    def _github(self, ticket: str, at: datetime, secret: str | None) -> tuple[bytes, Mapping[str, str]]:
        body = _bytes(
            {
                "action": "closed",
                "issue": {"number": int(ticket.partition("#")[2]), "closed_at": at.isoformat()},
                "repository": {"full_name": "Acme/ops"},
            }
        )
        return body, {"X-Hub-Signature-256": _hub(secret or TEXT, body), "X-GitHub-Event": "issues"}

    def _jira(self, ticket: str, at: datetime, secret: str | None) -> tuple[bytes, Mapping[str, str]]:
        body = _bytes(
            {
                "webhookEvent": "jira:issue_updated",
                "timestamp": int(at.timestamp() * 1000),
                "issue": {"key": ticket, "fields": {"status": {"statusCategory": {"key": "done"}}}},
            }
        )
        return body, {"X-Hub-Signature": _hub(secret or TEXT, body)}


def _bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


def _hub(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


@pytest.fixture(params=[("standard", "OPS-7"), ("github", "acme/ops#7"), ("jira", "OPS-7")], ids=lambda desk: desk[0])
def desk(request: pytest.FixtureRequest, house: House) -> Desk:
    house.app.state.hooks = {
        "standard": StandardSource([verifier(SECRET)]),
        "github": GitHubSource("acme/ops", [TEXT.encode()]),
        "jira": JiraSource([TEXT.encode()]),
    }
    name, ticket = request.param
    return Desk(name, ticket, house)


def filed(house: House, ticket: str) -> OperationRequest:
    return house.file(DEACTIVATE, house.spare_key(), ticket=ticket)


def after(house: House, by: timedelta = timedelta(seconds=2)) -> datetime:
    house.clock.advance(by)
    return house.clock()


def test_a_closed_ticket_withdraws_what_named_it_and_the_log_says_who(house: House, desk: Desk) -> None:
    request = filed(house, desk.ticket)
    assert desk.closes(at=after(house)).status_code == 204
    assert house.now(request).status is Status.WITHDRAWN
    assert json.loads(house.events(request)[-1])["actor"] == {
        "credential": "hook",
        "kind": "machine",
        "proof": None,
        "subject": f"hook:{desk.name}",
    }


def test_also_what_was_approved_but_not_what_was_executed(house: House, desk: Desk) -> None:
    approved = house.approve(filed(house, desk.ticket), "bob", "carol")
    desk.closes(at=after(house))
    assert house.now(approved).status is Status.WITHDRAWN
    done, _ = house.execute(house.approved(DEACTIVATE, str(approved.filing.operation.target), ticket=desk.ticket))
    assert desk.closes(at=after(house)).status_code == 204
    assert house.now(done).status is Status.SUCCEEDED


def test_another_ticket_is_nobodys_business(house: House, desk: Desk) -> None:
    request = filed(house, desk.ticket.replace("7", "77"))
    assert desk.closes(at=after(house)).status_code == 204
    assert house.now(request).status is Status.PENDING


def test_a_message_that_is_sent_again_does_not_touch_what_was_filed_since(house: House, desk: Desk) -> None:
    then = after(house)
    assert desk.closes(at=then).status_code == 204
    house.clock.advance(timedelta(seconds=1))
    request = filed(house, desk.ticket)
    assert desk.closes(at=then).status_code == 204
    assert house.now(request).status is Status.PENDING


def test_what_is_signed_by_somebody_else_does_nothing_and_says_little(house: House, desk: Desk) -> None:
    request = filed(house, desk.ticket)
    answer = desk.closes(at=after(house), secret=OTHER)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    unknown = house.client().post("/v1/hooks/nobody", content=b"{}")
    assert unknown.json() == answer.json()
    assert house.now(request).status is Status.PENDING


def test_an_old_standard_webhook_is_refused(house: House, desk: Desk) -> None:
    if desk.name == "standard":
        assert desk.closes(at=house.clock() - timedelta(minutes=6)).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"issue": 1}', b"\xff", b"[" * 9999, b'{"action": "closed"}'])
def test_whatever_a_tracker_signs_it_is_taken_and_approves_nothing(house: House, body: bytes) -> None:
    request = filed(house, "acme/ops#7")
    house.app.state.hooks = {"github": GitHubSource("acme/ops", [TEXT.encode()])}
    answer = house.client().post("/v1/hooks/github", content=body, headers={"X-Hub-Signature-256": _hub(TEXT, body)})
    assert answer.status_code == 204
    assert house.now(request).status is Status.PENDING
