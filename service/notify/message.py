"""What people read of an event, before it is written in the markup of whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain import events
from service.domain.canonical import Json
from service.domain.delivery import Notice
from service.domain.request import Status

TITLES: Mapping[str, str] = {
    events.FILED: "Request filed",
    events.DECIDED: "Decision recorded",
    events.DECISION_DENIED: "Decision denied",
    events.EXECUTION_DENIED: "Execution denied",
    events.REACHED[Status.APPROVED]: "Request approved",
    events.REACHED[Status.REJECTED]: "Request rejected",
    events.REACHED[Status.WITHDRAWN]: "Request withdrawn",
    events.REACHED[Status.EXPIRED]: "Request expired",
    events.REACHED[Status.EXECUTING]: "Execution started",
    events.REACHED[Status.IN_DOUBT]: "Execution in doubt: AWS is being asked what happened",
    events.REACHED[Status.DELIVERED]: "Secret delivered, receipt awaited",
    events.REACHED[Status.SUCCEEDED]: "Execution succeeded",
    events.REACHED[Status.FAILED]: "Execution failed",
    events.REACHED[Status.ROLLED_BACK]: "Key rolled back",
    events.RECEIPT_CONFIRMED: "Receipt confirmed",
    events.RECEIPT_OVERDUE: "Receipt overdue, but the key is in use",
    events.RECEIPT_GIVEN_UP: "Receipt did not come, the key is being taken back",
    events.EXECUTION_UNRESOLVED: "Execution could not be resolved: somebody has to look",
    events.KEY_QUARANTINED: "Keys found that nobody can account for",
    events.KEY_DEACTIVATED: "Key deactivated",
    events.KEY_EXPIRING: "Key expires soon",
    events.KEY_EXPIRY_FAILED: "Key outlives its lifetime",
    events.KEY_RETIRED: "Key retired",
    events.ACCOUNT_ADOPTED: "Account adopted as it is",
    events.DRIFT_FOUND: "Drift found",
    events.DRIFT_RESOLVED: "Drift resolved",
    events.DRIFT_ACCEPTED: "Drift accepted",
    events.DELIVERY_FAILED: "A destination could not be told",
    events.DESTINATION_DISABLED: "A destination wants to be told no more",
    events.REQUEST_WAITING: "Request waits for approval",
    events.REQUEST_STUCK: "Request is stuck: too few people are left who can approve it",
    events.TEST: "A test: nothing has happened",
}


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
