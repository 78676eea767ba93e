"""Trackers' hooks: which tickets were closed or cancelled, and when, with the product's own signature.

No message approves anything. It withdraws only requests filed before its signed time, so a replay has no further
effect. Only signed content is trusted. An unsigned header can cause a message to be ignored, and nothing else.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from service.domain.hooks import BadSignature, Closed, Unrelated
from service.notify.jira import TICKET_PATTERN
from service.notify.webhooks import Verifier, once, verify

_SIGNATURE = "sha256="
_FORM_FIELD = b"payload="
_LONGEST_TICKET = 255
_LARGEST_NUMBER = 10**10
# How far a tracker's clock may be ahead of ours.
_SKEW = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OTHER_FORM = Unrelated("The message has another form than its product documents.")
_OTHER_EVENT = Unrelated("It tells of something else than a ticket that was closed.")
_OTHER_REPOSITORY = Unrelated("It is about another repository than the settings name. Was that one renamed?")
_NO_TIME = Unrelated("It does not say when the ticket was closed.")
_TO_COME = Unrelated("Its time is still to come. Compare the clocks.")


@dataclass(frozen=True, slots=True)
class StandardSource:
    """Standard Webhooks: `{"type": "ticket.closed", "data": {"ticket": "OPS-4711"}}`, or `ticket.cancelled`.

    Source: the specification of Standard Webhooks. The body's `timestamp`, if present, is when the event occurred, and
    it counts. The header has the time of sending, which is later on each retry.
    """

    secrets: Sequence[Verifier] = field(repr=False)

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | Unrelated:
        sent_at = verify(self.secrets, headers, body, now).at
        message = _object(body)
        if message is None:
            return _OTHER_FORM
        if message.get("type") not in ("ticket.closed", "ticket.cancelled"):  # it may be a list
            return _OTHER_EVENT
        ticket = _text(_at(message, "data", "ticket"))
        at = _time(message["timestamp"]) if "timestamp" in message else sent_at
        if ticket is None:
            return _OTHER_FORM
        return _closed((ticket,), None if at is None else min(at, sent_at), now)


@dataclass(frozen=True, slots=True)
class GitHubSource:
    """GitHub's events `issues` and `pull_request`, signed in `X-Hub-Signature-256`. Tickets are `#12`, `12` and
    `owner/name#12`. Issues and pull requests share their numbers, so a ticket may be either.

    Source: GitHub's documentation of webhook events and payloads, and of validating deliveries.
    """

    repository: str
    secrets: Sequence[bytes] = field(repr=False)

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | Unrelated:
        _check(self.secrets, once(headers, "x-hub-signature-256"), body)
        message = _github_payload(body)
        if message is None:
            return _OTHER_FORM
        event, end = once(headers, "x-github-event"), _end(message)
        # A comment's message also has the issue, but its action is about the comment: `deleted` keeps the issue.
        if end is None or "comment" in message or event not in {"", "issues", "pull_request"}:
            return _OTHER_EVENT
        kind, stamp = end
        repository, number = _at(message, "repository", "full_name"), _at(message, kind, "number")
        if not isinstance(repository, str) or not _is_number(number):
            return _OTHER_FORM
        if not repository.isascii() or repository.lower() != self.repository.lower():
            return _OTHER_REPOSITORY
        tickets = (f"#{number}", str(number), f"{self.repository}#{number}")
        return _closed(tickets, _time(_at(message, kind, stamp)), now, in_any_case=True)


def _end(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the payload's field with the ended object, and that object's field with the time; None if nothing ended.

    For a deleted or transferred issue, the last change is the closest known time.
    """
    kind, stamps = "pull_request", {"closed": "closed_at"}
    if "issue" in message:
        kind, stamps = "issue", {"closed": "closed_at", "deleted": "updated_at", "transferred": "updated_at"}
    action = message.get("action")
    stamp = stamps.get(action) if isinstance(action, str) else None
    return None if stamp is None else (kind, stamp)


def _github_payload(body: bytes) -> Mapping[str, Any] | None:
    """Parse JSON, or GitHub's default: a form with the single field `payload`.

    Only the body decides which. `Content-Type` is not signed: an attacker could replay a JSON message as a form, and
    make a text in it, such as an issue's title, pass for the payload.
    """
    if not body.startswith(_FORM_FIELD):
        return _object(body)
    try:
        [(_, payload)] = parse_qsl(body.decode(), strict_parsing=True, errors="strict", max_num_fields=1)
    except ValueError:
        return None
    return _object(payload)


@dataclass(frozen=True, slots=True)
class JiraSource:
    """Jira's `jira:issue_updated` with a status of the category done, and `jira:issue_deleted`, signed in
    `X-Hub-Signature`.

    Source: Jira's documentation of webhooks with a secret, and of the fields of an issue. `timestamp` is the message's
    time in milliseconds, not the closing time: a comment on an issue closed long ago also sends an update.
    """

    secrets: Sequence[bytes] = field(repr=False)

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | Unrelated:
        _check(self.secrets, once(headers, "x-hub-signature"), body)
        message = _object(body)
        if message is None:
            return _OTHER_FORM
        key, sent_at = _at(message, "issue", "key"), _milliseconds(message.get("timestamp"))
        match message.get("webhookEvent"):
            case "jira:issue_deleted":
                at = sent_at
            case "jira:issue_updated" if (old_key := _old_key(message)) is not None:
                key, at = old_key, sent_at
            case "jira:issue_updated" if _is_done(message):
                at = _closed_at(message, sent_at)
            case _:
                return _OTHER_EVENT
        if not isinstance(key, str) or not TICKET_PATTERN.fullmatch(key):
            return _OTHER_FORM
        return _closed((key,), at, now, in_any_case=True)


def _is_done(message: Mapping[str, Any]) -> bool:
    return bool(_at(message, "issue", "fields", "status", "statusCategory", "key") == "done")


def _closed_at(message: Mapping[str, Any], sent_at: datetime | None) -> datetime | None:
    """Return when a done issue was closed: by this update, or earlier. Return None if nothing says it.

    A change from one done status to another, as service desks make after some days, is no closing. Both times of the
    issue are then earlier. Jira Data Center has only one of the two, so there such a change counts as a closing.
    """
    known = [_time(_at(message, "issue", "fields", name)) for name in ("resolutiondate", "statuscategorychangedate")]
    times = [time for time in known if time is not None]
    if sent_at is not None and _enters_its_status(message):
        return min(sent_at, max(times)) if len(times) == len(known) else sent_at
    # Editing a resolution gives it a new time, so the earlier time is closer to the truth.
    return min(times, default=None)


def _enters_its_status(message: Mapping[str, Any]) -> bool:
    """Return whether this update moved the issue into its present status."""
    status = _at(message, "issue", "fields", "status", "id")
    return any(
        (item.get("from"), item.get("fromString")) != (item.get("to"), item.get("toString"))
        for item in _changes(message, "status")
        if not isinstance(status, str) or item.get("to") in [status, None]  # it may be a list
    )


def _old_key(message: Mapping[str, Any]) -> str | None:
    """Return the key that the issue has just lost by a move to another project, or None."""
    lost = (item.get("fromString") for item in _changes(message, "Key"))
    return next((key for key in lost if isinstance(key, str)), None)


def _changes(message: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    items = _at(message, "changelog", "items")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("field") == name:
            yield item


def _closed(
    tickets: tuple[str, ...], at: datetime | None, now: datetime, *, in_any_case: bool = False
) -> Closed | Unrelated:
    if at is None:
        return _NO_TIME
    # A replayed message with a future time would withdraw everything filed until then.
    return _TO_COME if at > now + _SKEW else Closed(tickets, at, in_any_case)


def _check(secrets: Sequence[bytes], signature: str, body: bytes) -> None:
    # Try all of them, so that the time taken reveals nothing.
    good = [
        hmac.compare_digest(signature.encode(), (_SIGNATURE + hmac.new(secret, body, sha256).hexdigest()).encode())
        for secret in secrets
    ]
    if not any(good):
        raise BadSignature("no signature is good")


def _object(body: bytes | str) -> Mapping[str, Any] | None:
    """Parse a JSON object. Return None for anything else, which a signer may send."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _at(message: Mapping[str, Any], *path: str) -> Any:
    found: Any = message
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str | None:
    """Return a ticket that a request could have, else None: no database holds NUL, or half a surrogate pair."""
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_TICKET or "\0" in value:
        return None
    return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value


def _is_number(value: Any) -> bool:
    """Return whether `value` can be an issue's number. JSON's `true` cannot, though bool is an int in Python."""
    return type(value) is int and 0 < value < _LARGEST_NUMBER


def _milliseconds(value: Any) -> datetime | None:
    """Parse milliseconds since 1970. Return None if invalid."""
    try:
        return _EPOCH + timedelta(milliseconds=value) if type(value) is int and value > 0 else None
    except OverflowError:
        return None


def _time(text: Any) -> datetime | None:
    """Parse ISO 8601 with an offset, and convert to UTC. Return None if invalid."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
