"""Checking the audit log where it is stored: rows, tree, head, what was kept elsewhere, and the requests beside it.

What the events say is held against the rules by `service/verifier.py`, as in an export. Whoever owns the database can
change all of it alike; only an anchor, which they have no hand on, tells then.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

from sqlalchemy.exc import DatabaseError, NoResultFound

from service import verifier
from service.db import audit, requests, tree
from service.db.engine import Tx, read
from service.domain.canonical import canonical, timestamp
from service.domain.errors import Unavailable
from service.domain.event_table import FILED
from service.domain.merkle import EMPTY, Frontier, Node, leaf_hash
from service.domain.recorded import differences
from service.domain.request import OperationRequest
from service.domain.times import contradiction
from service.workflow.context import Context
from service.workflow.doubts import parsed

_BATCH = 1000
_REQUESTS = 200
_STRAYS = 20

# What reading a row can raise if it holds a value that the service never writes.
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError, DatabaseError, NoResultFound)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where something is not as it should be, in words."""

    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Escape characters that do not print. The text quotes rows, which an attacker may have written."""
        text = f"{self.place}: expected {self.expected}, found {self.found}"
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the log that was kept elsewhere; `source` says where."""

    size: int
    root: bytes
    source: str


# A Fault is in a row, a Finding is a broken rule, and a str says what could not be judged.
Found = Fault | verifier.Finding | str


def verify(
    ctx: Context,
    anchors: Sequence[Anchor],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    trust: verifier.Trust | None = None,
) -> Iterator[Found]:
    """Yield the faults of the log as it was at the start. Memory holds one batch and what `Replay` keeps.

    Call `progress(checked, all)` after each batch. An unreadable row is a fault and ends that part of the check.
    Without `trust`, the log says whose signatures count. Raise Unavailable.
    """
    yield from _readable("the log", _check_log(ctx, anchors, progress, trust or verifier.Trust()))
    yield from _readable("the requests", _check_requests(ctx))


def _readable(place: str, faults: Iterator[Found]) -> Iterator[Found]:
    try:
        yield from faults
    except _UNREADABLE as error:
        said, _, _ = str(error).partition("\n")  # the rest is the statement
        yield Fault(place, "rows that can be read", f"{type(error).__name__}: {said}")


@contextmanager
def _reading(ctx: Context) -> Iterator[Tx]:
    """Do as `read` does, but raise ValueError for a damaged file or undecodable text, not Unavailable."""
    try:
        with read(ctx.engine) as tx:
            yield tx
    except Unavailable as error:
        cause = str(error.__cause__)
        if "Could not decode" in cause:
            raise ValueError("text that is not UTF-8") from None
        if "disk image is malformed" in cause:
            raise ValueError("a damaged file") from None
        raise


def _check_log(
    ctx: Context, anchors: Sequence[Anchor], progress: Callable[[int, int], None], trust: verifier.Trust
) -> Iterator[Found]:
    with _reading(ctx) as tx:
        first, last, head, filed = audit.first(tx), audit.last(tx), audit.head(tx), requests.count(tx)
        stored, strays = tree.head(tx), tree.strays(tx, last, _STRAYS)
    if first < 1:
        yield Fault("the log", "events that are numbered from 1", f"one with number {first}")
    if last != head:
        yield Fault("the log's head", f"{last} events, as there are", f"{head}")
    if last != stored.size:
        yield Fault("the tree", f"{last} events", f"{stored.size}")
    for anchor in anchors:
        if anchor.size > last:
            yield Fault("the end of the log", f"{anchor.size} events at least, by {anchor.source}", f"{last}")
    yield from _check_nodes({}, strays)
    with _reading(ctx) as tx:
        rules = verifier.first_rules(content.encode() for content in audit.versions_of_rules(tx, last))
    past = verifier.Past(_signed_sizes(ctx, last))
    signing = verifier.Signing(ctx.log.origin, past, trust, first_rules=rules)
    filed_in_log = yield from _check_events(ctx, last, stored, anchors, progress, signing=signing)
    if filed_in_log is not None and filed_in_log != filed:
        yield Fault("the requests", f"{filed_in_log}, as the log says were filed", f"{filed}")


def _signed_sizes(ctx: Context, last: int) -> Iterator[int]:
    """Yield the sizes of the log that people signed. Their roots are noted when its events are checked."""
    for after in range(0, last, _BATCH):
        with _reading(ctx) as tx:
            contents = audit.signed_between(tx, after, min(after + _BATCH, last))
        yield from verifier.signed_sizes(content.encode() for content in contents)


def _check_events(
    ctx: Context,
    last: int,
    stored: tree.Head,
    anchors: Sequence[Anchor],
    progress: Callable[[int, int], None],
    *,
    signing: verifier.Signing,
) -> Generator[Found, None, int | None]:
    """Check every event. Return the number of filings, or None if an event is missing."""
    by_size = defaultdict[int, list[Anchor]](list)
    for anchor in anchors:
        by_size[anchor.size].append(anchor)
    grown, filed, replay = EMPTY, 0, verifier.Replay(is_log=True, signing=signing)
    yield from _against(by_size[0], grown)
    for after in range(0, last, _BATCH):
        until = min(after + _BATCH, last)
        with _reading(ctx) as tx:
            rows, nodes = audit.rows_between(tx, after, until), tree.rows_between(tx, after, until)
        completed = dict[Node, bytes]()
        for seq, row in zip_longest(range(after + 1, until + 1), rows):
            if row is None or row.seq != seq:
                # Nothing can be said of the tree beyond a hole.
                yield Fault(f"sequence number {seq}", "an event", "none" if row is None else f"that of {row.seq}")
                return None
            content = yield from _check_row(row, replay)
            grown, nodes_of_it = grown.append(leaf_hash(row.content.encode()))
            signing.past.note(seq, content, grown.root)
            completed |= nodes_of_it
            filed += row.event == FILED
            yield from _against(by_size.get(seq, ()), grown)
            if seq == stored.size and grown.root().hex() != stored.root:
                yield Fault(f"the tree at {seq} events", f"the root {grown.root().hex()}", stored.root)
        yield from _check_nodes(completed, nodes)
        progress(until, last)
    yield from replay.notes()
    return filed


def _check_row(row: audit.Row, replay: verifier.Replay) -> Generator[Found, None, dict[str, Any]]:
    """Check that the other columns agree with the content, then replay the event. Return it, empty if it is none."""
    place = f"sequence number {row.seq}"
    try:
        content = json.loads(row.content)
        is_canonical = canonical(content).decode() == row.content
    except (ValueError, TypeError, RecursionError):
        yield Fault(place, "canonical JSON", "none")
        replay.lose()
        return {}
    if not is_canonical or not isinstance(content, dict):
        yield Fault(place, "an object in canonical JSON", "another form")
        replay.lose()
        return {}
    columns = {"seq": row.seq, "at": timestamp(row.at), "event": row.event, "request_id": row.request_id}
    for name, value in columns.items():
        if content.get(name) != value:
            yield Fault(f"{place}, column {name}", repr(content.get(name)), repr(value))
    yield from replay.take(content)
    return content


def _against(anchors: Sequence[Anchor], grown: Frontier) -> Iterator[Fault]:
    for anchor in anchors:
        if anchor.root != grown.root():
            place = f"sequence numbers 1 to {anchor.size}, which were rewritten or forked since {anchor.source}"
            yield Fault(place, f"the root {anchor.root.hex()}", grown.root().hex())


def _check_nodes(completed: dict[Node, bytes], found: tree.NodeRows) -> Iterator[Fault]:
    expected = {(tree.seq_of(node), node.level): made.hex() for node, made in completed.items()}
    for seq, level in sorted(expected.keys() | found.keys()):
        if expected.get((seq, level)) != found.get((seq, level)):
            place = f"the tree's node of level {level} that ends with sequence number {seq}"
            yield Fault(place, expected.get((seq, level), "none"), found.get((seq, level), "none"))


def _check_requests(ctx: Context) -> Iterator[Found]:
    """Compare each stored request with the log."""
    after = ""
    while True:
        with _reading(ctx) as tx:
            page = requests.ids(tx, after=after, limit=_REQUESTS)
        if not page:
            return
        try:
            yield from list(_check_page(ctx, page))
        except _UNREADABLE:  # by one of them
            for request_id in page:
                yield from _readable(f"request {request_id}", _check_page(ctx, [request_id]))
        after = page[-1]


def _check_page(ctx: Context, page: Sequence[str]) -> Iterator[Fault]:
    with _reading(ctx) as tx:
        found, logged = requests.by_ids(tx, page), audit.of_requests(tx, page)
    for request in found:
        yield from _check_times(request, f"request {request.filing.request_id}", ctx.now())
        events = parsed(logged[request.filing.request_id])
        yield from _check_request(request, f"request {request.filing.request_id}", events)


def _check_times(request: OperationRequest, place: str, now: datetime) -> Iterator[Fault]:
    wrong = contradiction(request, now)
    if wrong is not None:
        yield Fault(f"{place}, times", "each thing after what it follows, and nothing that is still to come", wrong)


def _check_request(request: OperationRequest, place: str, recorded: Sequence[dict[str, Any]]) -> Iterator[Fault]:
    for each in differences(request, recorded):
        yield Fault(f"{place}, {each.what}", each.recorded, each.stored)
