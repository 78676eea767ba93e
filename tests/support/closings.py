"""The messages that trackers post when a ticket is closed: GitHub, Jira and Standard Webhooks.

They are cut to what matters or could be mistaken for it, and signed as each product signs.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from support.builders import ACCOUNT, BOTH, CREATE, DEACTIVATE, DELETE, OTHER_ACCOUNT
from support.destinations import SECRET
from support.house import House

from service.domain.errors import Conflict
from service.domain.hooks import Source
from service.domain.request import OperationRequest
from service.notify.inbound import GitHubSource, JiraSource, StandardSource
from service.notify.webhooks import signer, verifier

TEXT = "a secret of more than twenty-four characters"
REPOSITORY = "acme/ops"
Headers = list[tuple[str, str]]
Json = dict[str, Any]


def sources() -> dict[str, Source]:
    """Return one source of each kind, by its name."""
    return {
        "standard": StandardSource([verifier(SECRET)]),
        "github": GitHubSource(REPOSITORY, [TEXT.encode()]),
        "jira": JiraSource([TEXT.encode()]),
    }


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


def standard_headers(body: bytes, at: datetime, secret: str = SECRET) -> Headers:
    stamp = int(at.timestamp())
    signature = signer(secret).sign("msg_1", stamp, body)
    return [("webhook-id", "msg_1"), ("webhook-timestamp", str(stamp)), ("webhook-signature", signature)]


def github_headers(body: bytes, _at: datetime | None = None, secret: str = TEXT) -> Headers:
    return [("X-GitHub-Event", "issues"), ("X-Hub-Signature-256", _hub(body, secret))]


def jira_headers(body: bytes, _at: datetime | None = None, secret: str = TEXT) -> Headers:
    return [("X-Hub-Signature", _hub(body, secret))]


def _hub(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


def standard(ticket: str, at: datetime) -> Json:
    return {"type": "ticket.closed", "timestamp": at.isoformat(), "data": {"ticket": ticket}}


def github(number: int, at: datetime, action: str = "closed", repository: str = REPOSITORY) -> Json:
    """Return an issue that was closed, and last changed, at `at`."""
    owner, name = repository.split("/")
    user = {"login": "octocat", "id": 21031067, "type": "User", "site_admin": False}
    api = f"https://api.github.com/repos/{repository}"
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "action": action,
        "issue": {
            "url": f"{api}/issues/{number}",
            "repository_url": api,
            "html_url": f"https://github.com/{repository}/issues/{number}",
            "id": 444500041,
            "node_id": "MDU6SXNzdWU0NDQ1MDAwNDE=",
            "number": number,
            "title": "Rotate the break-glass key & tell everybody",
            "user": user,
            "labels": [],
            "state": "closed",
            "state_reason": "completed",
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": 0,
            "created_at": "2019-05-15T15:20:18Z",
            "updated_at": stamp,
            "closed_at": stamp,
            "author_association": "OWNER",
            "active_lock_reason": None,
            "body": "It is due.",
        },
        "repository": {
            "id": 186853002,
            "name": name,
            "full_name": repository,
            "private": True,
            "owner": user | {"login": owner},
            "html_url": f"https://github.com/{repository}",
            "url": api,
        },
        "sender": user,
    }


def github_pull_request(number: int, at: datetime, action: str = "closed") -> Json:
    message = github(number, at, action)
    issue = message.pop("issue")
    kept = {name: issue[name] for name in ("number", "state", "title", "user", "created_at", "updated_at", "closed_at")}
    return message | {"number": number, "pull_request": kept | {"merged": True, "draft": False}}


DONE = {
    "id": "10002",
    "name": "Done",
    "statusCategory": {"id": 3, "key": "done", "colorName": "green", "name": "Done"},
}


def jira(key: str, at: datetime, *changes: Json, sent_at: datetime | None = None) -> Json:
    """Return an issue that was closed at `at`: by this message, unless it has other `changes` and was sent later."""
    user = {"accountId": "557058:f58131cb", "displayName": "Ann", "active": True}
    sent_at = sent_at or at
    return {
        "timestamp": int(sent_at.timestamp() * 1000),
        "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_generic",
        "user": user,
        "issue": {
            "id": "10012",
            "self": "https://acme.atlassian.net/rest/api/2/10012",
            "key": key,
            "fields": {
                "summary": "Rotate the break-glass key",
                "status": DONE,
                "resolution": {"id": "10000", "name": "Done"},
                "resolutiondate": jira_time(at),
                "statuscategorychangedate": jira_time(at),
                "created": "2026-01-02T11:16:02.927-0600",
                "updated": jira_time(sent_at),
                "assignee": None,
                "labels": [],
            },
        },
        "changelog": {"id": "10124", "items": list(changes) or [CLOSING]},
    }


CLOSING = {
    "field": "status",
    "fieldtype": "jira",
    "fieldId": "status",
    "from": "3",
    "fromString": "In Progress",
    "to": "10002",
    "toString": "Done",
}
EDIT = {"field": "labels", "fieldtype": "jira", "fieldId": "labels", "from": "", "fromString": "", "toString": "root"}


def jira_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def form(document: Any) -> bytes:
    """Encode a document as GitHub sends it by default."""
    return urlencode({"payload": json.dumps(document)}).encode()


@dataclass(frozen=True)
class Kind:
    """A kind of tracker: its message that ticket 7 was closed, its signature, and the headers that are read."""

    name: str
    ticket: str
    closing: Callable[[datetime], Json]
    signed: Callable[[bytes, datetime], Headers]
    headers: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "standard",
            "OPS-7",
            lambda at: standard("OPS-7", at),
            standard_headers,
            ("webhook-id", "webhook-timestamp", "webhook-signature"),
        ),
        Kind(
            "github",
            f"{REPOSITORY}#7",
            lambda at: github(7, at),
            github_headers,
            ("x-hub-signature-256", "x-github-event"),
        ),
        Kind("jira", "OPS-7", lambda at: jira("OPS-7", at), jira_headers, ("x-hub-signature",)),
    )
}


def filed(house: House, ticket: str) -> OperationRequest:
    """File one of five requests, the most that may be open together. The account does not matter."""
    places: list[Json] = [{"account_id": account} for account in (ACCOUNT, OTHER_ACCOUNT, BOTH)]
    places += [{"target": house.signer, "accept_lockout": True} for _ in range(2)]
    for operation, place in zip((CREATE, CREATE, CREATE, DEACTIVATE, DELETE), places, strict=True):
        with suppress(Conflict):
            return house.file(operation, ticket=ticket, **place)
    raise AssertionError("too many are open")
