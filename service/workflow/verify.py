"""Checking the audit log where it is stored: rows, tree, head, what was kept elsewhere, and the requests beside it.

Whoever owns the database can change all of it alike; only an anchor, which they have no hand on, tells then.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.db import audit, requests, tree
from service.db.engine import read
from service.domain.canonical import canonical, timestamp
from service.domain.events import DECIDED, FILED
from service.domain.merkle import EMPTY, Frontier, Node, leaf_hash
from service.domain.request import OperationRequest, Status
from service.workflow.context import Context

_BATCH = 1000
_REQUESTS = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """Where something is not as it should be, in words."""

    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the log that was kept elsewhere; `source` says where."""

    size: int
    root: bytes
    source: str


@dataclass(frozen=True, slots=True)
class _Stored:
    """The heads as they are stored, from one moment."""

    last: int
    rows: int
    head: int
    filed: int
    requests: int
    frontier: Frontier


def verify(
    ctx: Context, anchors: Sequence[Anchor], progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Iterator[Fault]:
    """Every fault of the log as it was when this began; memory does not grow with it. `progress` is told of events.

    Raises Unavailable.
    """
    with read(ctx.engine) as tx:
        stored = _Stored(
            last=audit.last(tx),
            rows=audit.count(tx),
            head=audit.head(tx),
            filed=audit.count_of(tx, FILED),
            requests=requests.count(tx),
            frontier=tree.frontier(tx),
        )
    if stored.rows != stored.last:
        # Such as one with a number below 1, or between two others: it would be in no leaf.
        yield Fault("the log", f"{stored.last} rows, numbered from 1", f"{stored.rows}")
    if stored.requests != stored.filed:
        yield Fault("the requests", f"{stored.filed}, as the log says were filed", f"{stored.requests}")
    if stored.last != stored.head:
        yield Fault("the log's head", f"{stored.last} events, as there are", f"{stored.head}")
    yield from _check_events(ctx, stored, anchors, progress)
    yield from _check_requests(ctx)


def _check_events(
    ctx: Context, stored: _Stored, anchors: Sequence[Anchor], progress: Callable[[int, int], None]
) -> Iterator[Fault]:
    by_size = defaultdict[int, list[Anchor]](list)
    for anchor in anchors:
        by_size[anchor.size].append(anchor)
    grown = EMPTY
    yield from _against(by_size[0], grown)
    for after in range(0, stored.last, _BATCH):
        until = min(after + _BATCH, stored.last)
        with read(ctx.engine) as tx:
            rows, nodes = audit.rows_between(tx, after, until), tree.nodes_between(tx, after, until)
        by_seq, completed = {row.seq: row for row in rows}, dict[Node, bytes]()
        for seq in range(after + 1, until + 1):
            row = by_seq.get(seq)
            if row is None:
                # Nothing can be said of the tree beyond a hole.
                yield Fault(f"sequence number {seq}", "an event", "none")
                return
            yield from _check_row(row)
            grown, nodes_of_it = grown.append(leaf_hash(row.content.encode()))
            completed |= nodes_of_it
            yield from _against(by_size.get(seq, ()), grown)
            if seq == stored.frontier.size and grown != stored.frontier:
                yield Fault(f"the tree at {seq} events", *_hexes(grown.root(), stored.frontier.root()))
        yield from _check_nodes(completed, nodes)
        progress(until, stored.last)
    if stored.frontier.size != grown.size:
        yield Fault("the tree", f"{grown.size} events", f"{stored.frontier.size}")
    for anchor in anchors:
        if anchor.size > grown.size:
            yield Fault("the end of the log", f"{anchor.size} events at least, by {anchor.source}", f"{grown.size}")


def _check_row(row: audit.Row) -> Iterator[Fault]:
    """The columns beside the content only find it: they have to say what it says."""
    place = f"sequence number {row.seq}"
    try:
        content = json.loads(row.content)
        is_canonical = canonical(content).decode() == row.content
    except (ValueError, TypeError, RecursionError):
        yield Fault(place, "canonical JSON", "none")
        return
    if not is_canonical or not isinstance(content, dict):
        yield Fault(place, "an object in canonical JSON", "another form")
        return
    columns = {"seq": row.seq, "at": timestamp(row.at), "event": row.event, "request_id": row.request_id}
    for name, value in columns.items():
        if content.get(name) != value:
            yield Fault(f"{place}, column {name}", repr(content.get(name)), repr(value))


def _against(anchors: Sequence[Anchor], grown: Frontier) -> Iterator[Fault]:
    for anchor in anchors:
        if anchor.root != grown.root():
            place = f"sequence numbers 1 to {anchor.size}, which were rewritten or forked since {anchor.source}"
            yield Fault(place, *_hexes(anchor.root, grown.root()))


def _check_nodes(completed: dict[Node, bytes], nodes: Sequence[tree.StoredNode]) -> Iterator[Fault]:
    expected = {(tree.seq_of(node), node.level): found.hex() for node, found in completed.items()}
    found = {(node.seq, node.level): node.hash for node in nodes}
    for seq, level in sorted(expected.keys() | found.keys()):
        if expected.get((seq, level)) != found.get((seq, level)):
            place = f"the tree's node of level {level} that ends with sequence number {seq}"
            yield Fault(place, expected.get((seq, level), "none"), found.get((seq, level), "none"))


def _hexes(expected: bytes, found: bytes) -> tuple[str, str]:
    return f"the root {expected.hex()}", found.hex()


def _check_requests(ctx: Context) -> Iterator[Fault]:
    """What requests say of themselves is what the log says of them."""
    after = ""
    while True:
        with read(ctx.engine) as tx:
            page = requests.by_id(tx, after=after, limit=_REQUESTS)
            told = audit.of_requests(tx, [request.filing.request_id for request in page])
        if not page:
            return
        for request in page:
            yield from _check_request(request, [_parsed(content) for content in told[request.filing.request_id]])
        after = page[-1].filing.request_id


def _parsed(content: str) -> dict[str, Any]:
    """Of one that is no event, nothing; the log's own check has said so."""
    try:
        event = json.loads(content)
    except (ValueError, RecursionError):
        return {"event": None, "data": {}}
    is_event = isinstance(event, dict) and isinstance(event.get("data"), dict) and "event" in event
    return event if is_event else {"event": None, "data": {}}


def _check_request(request: OperationRequest, told: Sequence[dict[str, Any]]) -> Iterator[Fault]:
    place = f"request {request.filing.request_id}"
    digests = [event["data"].get("digest") for event in told if event["event"] == FILED]
    if digests != [request.digest] or not request.is_intact:
        yield Fault(f"{place}, what was filed", f"the digest {digests} of the log", request.digest)
    statuses = [event["data"]["status"] for event in told if "status" in event["data"]]
    if (statuses or [Status.PENDING])[-1] != request.status:
        yield Fault(f"{place}, status", f"{(statuses or [Status.PENDING])[-1]}, as the log says", request.status)
    logged = {event["data"].get("person"): _vote(event["data"]) for event in told if event["event"] == DECIDED}
    stored = {
        each.person: (each.verdict.value, each.digest, each.comment, each.credential) for each in request.decisions
    }
    for person in sorted(logged.keys() | stored.keys()):
        if logged.get(person) != stored.get(person):
            yield Fault(f"{place}, decision of {person}", repr(logged.get(person)), repr(stored.get(person)))


def _vote(data: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(data.get(name) for name in ("decision", "digest", "comment", "credential"))
