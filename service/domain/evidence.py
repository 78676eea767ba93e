"""The evidence of one request: a self-contained document from the audit log. docs/audit-log.md has its form.

The events are the source. Everything else is derived from them here, and derived again by a verifier.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.canonical import Document, Json, timestamp
from service.domain.event_table import DECIDED, EXECUTION_STARTED
from service.domain.request import Status

FORMAT, SIGNED_FORMAT = "rootquorum-evidence/1", "rootquorum-evidence/2"
_OF_DECISION = ("person", "decision", "digest", "comment", "credential")
_OF_SIGNED_DECISION = (*_OF_DECISION, "statement", "signature")


@dataclass(frozen=True, slots=True)
class LogKey:
    """A public key of the log, and the time in which it signed; None leaves that side open."""

    verifier_key: str
    since: datetime | None
    until: datetime | None

    def document(self) -> Document:
        return {"key": self.verifier_key, "since": _time(self.since), "until": _time(self.until)}


@dataclass(frozen=True, slots=True)
class ProvedLeaf:
    """An event in canonical form, the same event parsed, and the proof that it is in the log."""

    content: str
    event: Any
    inclusion: Sequence[bytes]

    def document(self) -> Document:
        return {"leaf": self.content, "inclusion": _base64(self.inclusion)}


@dataclass(frozen=True, slots=True)
class OfSignatures:
    """What it takes to judge signed decisions: the events that say whose keys count, and the log's earlier heads.

    `heads` maps the size in each statement to the proof that the log of the checkpoint begins with that log.
    """

    leaves: Sequence[ProvedLeaf]
    heads: Mapping[int, Sequence[bytes]]

    def document(self) -> Document:
        heads: list[Json] = [{"size": size, "proof": _base64(proof)} for size, proof in sorted(self.heads.items())]
        return {"signing": [leaf.document() for leaf in self.leaves], "heads": heads}


def evidence(
    leaves: Sequence[ProvedLeaf], checkpoint: str, keys: Sequence[LogKey], signatures: OfSignatures | None = None
) -> Document:
    """Make the evidence from all events of one request in order, the filing first. `checkpoint` is a signed note.

    `signatures` is there if a decision is signed. Then the evidence has another format.
    """
    events = [leaf.event for leaf in leaves]
    filed = events[0]["data"]
    started = [event["data"] for event in events if event["event"] == EXECUTION_STARTED]
    return {
        "format": FORMAT if signatures is None else SIGNED_FORMAT,
        "request": filed["filing"],
        "digest": filed["digest"],
        "decisions": [
            _decision(event, _OF_DECISION if signatures is None else _OF_SIGNED_DECISION)
            for event in events
            if event["event"] == DECIDED
        ],
        "policy": {"filed": filed.get("policy"), "executed": started[0].get("policy") if started else None},
        "outcome": _outcome(events),
        "events": [leaf.document() for leaf in leaves],
        "checkpoint": checkpoint,
        "keys": [key.document() for key in keys],
        **({} if signatures is None else signatures.document()),
    }


def _decision(event: Any, told: Sequence[str]) -> Document:
    said = {name: event["data"].get(name) for name in told}
    return {**said, "decided_at": event["at"], "proof": event["actor"].get("proof")}


def _outcome(events: Sequence[Any]) -> Document:
    """Return the last status in the events, its time, and the last result."""
    reached = [event for event in events if "status" in event["data"]]
    results: list[Json] = [event["data"]["result"] for event in events if "result" in event["data"]]
    status, at = (reached[-1]["data"]["status"], reached[-1]["at"]) if reached else (Status.PENDING, events[0]["at"])
    return {"status": str(status), "at": at, "result": results[-1] if results else None}


def _base64(hashes: Sequence[bytes]) -> list[Json]:
    return [b64encode(each).decode() for each in hashes]


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)
