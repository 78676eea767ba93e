"""The text of an event for people, before a product's markup."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.briefing import DRILL
from service.domain.canonical import Json, parse_timestamp
from service.domain.delivery import Notice
from service.domain.event_table import TITLES
from service.domain.request import Status

# What the time is called until which a status lasts.
_UNTIL: Mapping[str, str] = {
    Status.PENDING: "Approve by",
    Status.APPROVED: "Execute by",
    Status.DELIVERED: "Confirm by",
    Status.ROTATING: "Next step by",
    Status.SUCCEEDED: "Key works until",
    Status.STOPPED: "New key works until",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A title of one line, named facts, and a link to read more.

    `marker` is the delivery's id, by which a message is found again. Facts have people's names from a provider, which
    can be anything, so every destination escapes all facts.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    link: str | None
    marker: str


def message(notice: Notice) -> Message:
    """Make the message from the body that `workflow/tell.py` makes."""
    data = _mapping(notice.document["data"])
    request, actor, head = _mapping(data.get("request")), _mapping(data.get("actor")), _mapping(data.get("audit"))
    facts = {
        "Account": _account(data),
        "Effect": request.get("effect"),
        **_until(request),
        "Request": request.get("id"),
        "Status": request.get("status"),
        "Operation": request.get("operation"),
        "By": actor.get("name"),
        "At": notice.document["timestamp"],
        "Missing": _mapping(data.get("waiting")).get("demands"),
        "Waiting for": _people(_mapping(data.get("waiting"))),
        "Destination": _mapping(data.get("delivery") or data.get("disabled")).get("destination"),
        "Audit record": head.get("sequence"),
        "Audit head": _head(head),
    }
    link = request.get("link")
    return Message(
        title=titled(notice, TITLES.get(notice.event, notice.event)),
        facts=tuple((name, str(fact)) for name, fact in facts.items() if fact is not None),
        link=None if link is None else str(link),
        marker=notice.id,
    )


def titled(notice: Notice, title: str) -> str:
    """Return the title. That of a drill begins with the fact that it is one. Earlier versions staged no `drill`."""
    is_drill = _mapping(_mapping(notice.document["data"]).get("request")).get("drill") is True
    return f"{DRILL}: {title}" if is_drill else title


def _account(data: Mapping[str, Json]) -> Json:
    """Name the account. Deliveries staged by version 0011 have its id alone."""
    account_id, name = data.get("account_id"), data.get("account_name")
    return account_id if name is None else f"{name} ({account_id})"


def _until(request: Mapping[str, Json]) -> dict[str, Json]:
    """Say until when its present status lasts, and what ends then."""
    label, until = _UNTIL.get(str(request.get("status"))), request.get("until")
    if label is None or not isinstance(until, str):
        return {}
    return {label: f"{parse_timestamp(until):%Y-%m-%d %H:%M:%S} UTC"}


def _head(head: Mapping[str, Json]) -> str | None:
    """Format the log's head for `rootquorum audit verify --head`.

    Deliveries staged by version 0006 have a hash of the event instead of the root, so they give None.
    """
    return f"{head['sequence']}:{head['root']}" if "root" in head else None


def _people(waiting: Mapping[str, Json]) -> str | None:
    people, others = waiting.get("people"), waiting.get("others")
    if not isinstance(people, list):
        return None
    return ", ".join(map(str, people)) + (f" and {others} more" if others else "") or "nobody"


def _mapping(part: Json) -> Mapping[str, Json]:
    return part if isinstance(part, dict) else {}
