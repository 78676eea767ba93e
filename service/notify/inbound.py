"""What trackers send in: which tickets were closed or cancelled, and when, proved by the product's own signature.

Nothing that comes in approves anything. A message can only be used against requests that were filed before the time
that is signed with it, so that sending one again does nothing that it has not done.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol

from service.domain.hooks import Closed
from service.notify.webhooks import BadSignature, Verifier, verify

_SIGNATURE = "sha256="


class Source(Protocol):
    """Who may send, and how its messages are read."""

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | None:
        """What it says was closed; None for a message about something else. `headers` have lower-case names.

        Raises BadSignature.
        """


@dataclass(frozen=True, slots=True)
class StandardSource:
    """Standard Webhooks: `{"type": "ticket.closed", "data": {"ticket": "OPS-4711"}}`, or `ticket.cancelled`."""

    secrets: Sequence[Verifier] = field(repr=False)

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | None:
        verify(self.secrets, headers, body, now)
        message = _json(body)
        ticket = _at(message, "data", "ticket")
        if message.get("type") not in {"ticket.closed", "ticket.cancelled"} or not isinstance(ticket, str):
            return None
        return Closed((ticket,), datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC))


@dataclass(frozen=True, slots=True)
class GitHubSource:
    """GitHub's `issues` event, signed as `X-Hub-Signature-256`. Its tickets are `#12`, `12` and `owner/name#12`.

    Source: GitHub's documentation of webhook events and payloads, and of validating deliveries.
    """

    repository: str
    secrets: Sequence[bytes] = field(repr=False)

    def closed(self, headers: Mapping[str, str], body: bytes, _now: datetime) -> Closed | None:
        _check(self.secrets, headers.get("x-hub-signature-256", ""), body)
        message = _json(body)
        number, repository = _at(message, "issue", "number"), _at(message, "repository", "full_name")
        at = _time(_at(message, "issue", "closed_at"))
        about_us = isinstance(repository, str) and repository.lower() == self.repository.lower()
        if message.get("action") != "closed" or not about_us or not isinstance(number, int) or at is None:
            return None
        return Closed((f"#{number}", str(number), f"{self.repository}#{number}"), at)


@dataclass(frozen=True, slots=True)
class JiraSource:
    """Jira's `jira:issue_updated` with a status of the category done, and `jira:issue_deleted`, signed as
    `X-Hub-Signature`.

    Source: Jira's documentation of webhooks, with a secret. Its `timestamp` is in milliseconds.
    """

    secrets: Sequence[bytes] = field(repr=False)

    def closed(self, headers: Mapping[str, str], body: bytes, _now: datetime) -> Closed | None:
        _check(self.secrets, headers.get("x-hub-signature", ""), body)
        message = _json(body)
        key, stamp = _at(message, "issue", "key"), message.get("timestamp")
        is_done = _at(message, "issue", "fields", "status", "statusCategory", "key") == "done"
        is_closed = {"jira:issue_updated": is_done, "jira:issue_deleted": True}.get(str(message.get("webhookEvent")))
        if not is_closed or not isinstance(key, str) or not isinstance(stamp, int):
            return None
        return Closed((key,), datetime.fromtimestamp(stamp / 1000, UTC))


def _check(secrets: Sequence[bytes], signature: str, body: bytes) -> None:
    # All are tried, so that the time it takes tells nothing.
    good = [
        hmac.compare_digest(signature.encode(), (_SIGNATURE + hmac.new(secret, body, sha256).hexdigest()).encode())
        for secret in secrets
    ]
    if not any(good):
        raise BadSignature("no signature is good")


def _json(body: bytes) -> Mapping[str, Any]:
    """Nothing where it is no object: who signed it may send what it likes."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _at(message: Mapping[str, Any], *path: str) -> Any:
    found: Any = message
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _time(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None
