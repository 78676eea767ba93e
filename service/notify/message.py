"""What people read of an event, before it is written in the markup of whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.canonical import Json
from service.domain.delivery import Notice
from service.domain.event_table import TITLES


@dataclass(frozen=True, slots=True)
class Message:
    """One line of title, facts by their names, and where to read more.

    `marker` is the delivery's id, by which a message is found again. Names of people among the facts are whatever
    their provider says: every sink escapes all of it.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    link: str | None
    marker: str


def message(notice: Notice) -> Message:
    """Of the body that `workflow/tell.py` makes."""
    data = _mapping(notice.document["data"])
    request, actor, head = _mapping(data.get("request")), _mapping(data.get("actor")), _mapping(data.get("audit"))
    facts = {
        "Request": request.get("id"),
        "Status": request.get("status"),
        "Operation": request.get("operation"),
        "Account": data.get("account_id"),
        "By": actor.get("name"),
        "At": notice.document["timestamp"],
        "Waiting for": _people(_mapping(data.get("waiting"))),
        "Approve by": _mapping(data.get("waiting")).get("approve_by"),
        "Destination": _mapping(data.get("delivery") or data.get("disabled")).get("destination"),
        "Audit record": head.get("sequence"),
        "Audit head": _head(head),
    }
    link = request.get("link")
    return Message(
        title=TITLES.get(notice.event, notice.event),
        facts=tuple((name, str(fact)) for name, fact in facts.items() if fact is not None),
        link=None if link is None else str(link),
        marker=notice.id,
    )


def _head(head: Mapping[str, Json]) -> str | None:
    """As `rootquorum audit verify --head` takes it. What 0006's version staged has a hash of the event instead."""
    return f"{head['sequence']}:{head['root']}" if "root" in head else None


def _people(waiting: Mapping[str, Json]) -> str | None:
    people, others = waiting.get("people"), waiting.get("others")
    if not isinstance(people, list):
        return None
    return ", ".join(map(str, people)) + (f" and {others} more" if others else "") or "nobody"


def _mapping(part: Json) -> Mapping[str, Json]:
    return part if isinstance(part, dict) else {}
