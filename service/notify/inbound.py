"""What trackers send in: which tickets were closed or cancelled, and when, proved by the product's own signature.

Nothing that comes in approves anything. A message can only be used against requests that were filed before the time
that is signed with it, so that sending one again does nothing that it has not done. Only what is signed is believed: a
header that is not can make a message be ignored, and nothing else.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import parse_qsl

from service.domain.hooks import Closed, Unrelated
from service.notify.jira import TICKET_PATTERN
from service.notify.webhooks import BadSignature, Verifier, once, verify

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


class Source(Protocol):
    """Who may send, and how its messages are read."""

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | Unrelated:
        """What it says was closed. Whatever it signs, this never fails: it may send what it likes.

        `headers` have names in any case, and may have one twice. Raises BadSignature, also for one that is read and
        there twice.
        """


@dataclass(frozen=True, slots=True)
class StandardSource:
    """Standard Webhooks: `{"type": "ticket.closed", "data": {"ticket": "OPS-4711"}}`, or `ticket.cancelled`.

    Source: the specification of Standard Webhooks. Its `timestamp` says when the event occurred, which counts where it
    is given; the header says when it was sent, which is later each time that it is tried again.
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
    """GitHub's events `issues` and `pull_request`, signed as `X-Hub-Signature-256`. Its tickets are `#12`, `12` and
    `owner/name#12`, which may be issues or pull requests, as they share their numbers.

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
        # A comment has its issue beside it, and actions of its own: who deletes one deletes no issue.
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
    """Where a payload of GitHub's has what ended, and there when that was; None for one that tells of no end.

    Of a deleted or transferred issue the last change is the only time near to it.
    """
    kind, stamps = "pull_request", {"closed": "closed_at"}
    if "issue" in message:
        kind, stamps = "issue", {"closed": "closed_at", "deleted": "updated_at", "transferred": "updated_at"}
    action = message.get("action")
    stamp = stamps.get(action) if isinstance(action, str) else None
    return None if stamp is None else (kind, stamp)


def _github_payload(body: bytes) -> Mapping[str, Any] | None:
    """JSON, or the form with the one field `payload` that is GitHub's default.

    Which of the two is told by the body alone. `Content-Type` is not signed: whoever sent a JSON message again as a
    form could have a text in it, an issue's title say, read as the payload.
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
    """Jira's `jira:issue_updated` with a status of the category done, and `jira:issue_deleted`, signed as
    `X-Hub-Signature`.

    Source: Jira's documentation of webhooks, with a secret, and of the fields of an issue. Its `timestamp` is in
    milliseconds, and that of the message: an issue that was closed long ago is updated by a comment as well.
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
    """When an issue that is done was closed: by this very update, or earlier; None where nothing says it.

    From one status that is done into another, as service desks do after some days, is no closing: then the issue's own
    two times both lie before. Jira Data Center has only one of them, and there it counts as one.
    """
    known = [_time(_at(message, "issue", "fields", name)) for name in ("resolutiondate", "statuscategorychangedate")]
    times = [time for time in known if time is not None]
    if sent_at is not None and _enters_its_status(message):
        return min(sent_at, max(times)) if len(times) == len(known) else sent_at
    # A resolution that is edited has a new time: the earlier one is nearer to the truth.
    return min(times, default=None)


def _enters_its_status(message: Mapping[str, Any]) -> bool:
    """Whether the change is into the status that the issue has now."""
    status = _at(message, "issue", "fields", "status", "id")
    return any(
        (item.get("from"), item.get("fromString")) != (item.get("to"), item.get("toString"))
        for item in _changes(message, "status")
        if not isinstance(status, str) or item.get("to") in [status, None]  # it may be a list
    )


def _old_key(message: Mapping[str, Any]) -> str | None:
    """The key that an issue has just lost, by being moved into another project."""
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
    # Sent again and again, it would withdraw whatever is filed until then.
    return _TO_COME if at > now + _SKEW else Closed(tickets, at, in_any_case)


def _check(secrets: Sequence[bytes], signature: str, body: bytes) -> None:
    # All are tried, so that the time it takes tells nothing.
    good = [
        hmac.compare_digest(signature.encode(), (_SIGNATURE + hmac.new(secret, body, sha256).hexdigest()).encode())
        for secret in secrets
    ]
    if not any(good):
        raise BadSignature("no signature is good")


def _object(body: bytes | str) -> Mapping[str, Any] | None:
    """None where it is no object: who signed it may send what it likes."""
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
    """The name of a ticket, as far as a request could have it: no database holds NUL, or half a surrogate pair."""
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_TICKET or "\0" in value:
        return None
    return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value


def _is_number(value: Any) -> bool:
    """Of an issue. JSON's true is no number, which Python does not know."""
    return type(value) is int and 0 < value < _LARGEST_NUMBER


def _milliseconds(value: Any) -> datetime | None:
    """Since 1970."""
    try:
        return _EPOCH + timedelta(milliseconds=value) if type(value) is int and value > 0 else None
    except OverflowError:
        return None


def _time(text: Any) -> datetime | None:
    """ISO 8601 with an offset, in UTC."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
