"""The tree over the audit log. Its complete subtrees are stored when their last event is appended, and never change.

A node's row has the sequence number of the event that completed it: the last one below it. The stored size and root of
the whole tree can be changed, so nothing is derived from them; they are only compared with what was computed. On
PostgreSQL a trigger recomputes each node, so that not even the service's own role can store a wrong one.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Engine, bindparam, func, insert, literal, select, union_all, update
from sqlalchemy.exc import IntegrityError

from service.db.engine import Tx
from service.db.tables import audit_events, audit_nodes, audit_tree
from service.domain.canonical import parse_timestamp
from service.domain.errors import Code, Unavailable
from service.domain.merkle import Frontier, Node, leaf_hash, nodes_between, nodes_of, root_of

# Below the limit of parameters per statement in either database.
_AT_ONCE = 5000

NodeRows = Mapping[tuple[int, int], str]
"""Nodes as stored: sequence number and level → lower-case hex."""


class Head(NamedTuple):
    """The stored size and root of the tree; `root` is lower-case hex."""

    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree over the events of one moment. `fresh` are its nodes without a row yet."""

    tx: Tx
    frontier: Frontier
    fresh: dict[Node, bytes]

    def hashes(self, nodes: Collection[Node]) -> Mapping[Node, bytes]:
        """Return the hashes of complete subtrees: the domain's `Hashes`. Raise Unavailable if a row is missing."""
        return _stored(self.tx, [node for node in nodes if node not in self.fresh]) | self.fresh

    def root(self, size: int) -> bytes:
        """Return the root of the log as it was at `size`. Raise Unavailable if a row is missing."""
        return root_of(size, self.hashes)


def over(tx: Tx, size: int) -> Tree:
    """Return the tree over all events, of which there are `size`. Raise Unavailable if a row is missing.

    An earlier version of the service may have appended the latest events without storing nodes. Nodes that the last
    event completed are always computed here.
    """
    query = select(func.max(audit_nodes.c.seq)).where(audit_nodes.c.seq < size)
    covered: int = tx.execute(query).scalar_one() or 0
    nodes, fresh = nodes_of(covered), dict[Node, bytes]()
    stored = _stored(tx, nodes)
    grown = Frontier(covered, tuple(stored[node] for node in nodes))
    for content in _contents(tx, covered, size):
        grown, completed = grown.append(leaf_hash(content.encode()))
        fresh |= completed
    if grown.size != size:
        raise not_of_its_events()
    return Tree(tx, grown, fresh)


def grow(tx: Tx, before: int, leaves: Sequence[bytes], known: Head) -> list[bytes]:
    """Append the leaves of new events, given their hashes, to the tree over `before` events. Store the nodes that they
    completed, and return the root after each. `known` is the stored head. The log's head must be locked.

    Raise Unavailable if a row is missing, or one exists that cannot have been stored yet.
    """
    tree = _edge(tx, before, known)
    frontier, fresh, roots = tree.frontier, dict(tree.fresh), list[bytes]()
    for leaf in leaves:
        frontier, completed = frontier.append(leaf)
        fresh |= completed
        roots.append(frontier.root())
    rows = [{"seq": seq_of(node), "level": node.level, "hash": found.hex()} for node, found in fresh.items()]
    try:
        if rows:
            tx.execute(_ADD, rows)
        tx.execute(_MOVE, {"size": frontier.size, "root": roots[-1].hex(), "up_to": frontier.size})
    except IntegrityError:
        raise not_of_its_events() from None
    _EDGES[tx.engine] = frontier
    return roots


_ADD = insert(audit_nodes)
_MOVE = update(audit_tree).where(audit_tree.c.size < bindparam("up_to"))

# The tree's right edge after what this process appended last. It is used only if its root is the stored root, so an
# append that was rolled back does no harm.
_EDGES: WeakKeyDictionary[Engine, Frontier] = WeakKeyDictionary()


def _edge(tx: Tx, size: int, known: Head) -> Tree:
    """Return the tree over all events. Its edge is not read if this process appended the last event."""
    edge = _EDGES.get(tx.engine)
    if edge is not None and edge.size == size and Head(edge.size, edge.root().hex()) == known:
        return Tree(tx, edge, {})
    nodes = nodes_of(size)
    try:
        stored = _stored(tx, nodes)
    except Unavailable:
        return over(tx, size)  # an earlier version appended the last events without storing nodes
    return Tree(tx, Frontier(size, tuple(stored[node] for node in nodes)), {})


def head(tx: Tx) -> Head:
    """Return the stored head. It covers all events, unless an earlier version appended the last."""
    row = tx.execute(select(audit_tree.c.size, audit_tree.c.root)).one()
    return Head(row.size, row.root)


@dataclass(frozen=True, slots=True)
class PastHead:
    """The log's word on a size that it had: its root in hex, the time of the last event in it, and that of the next
    one. Either time is None if there is no such event.
    """

    root: str
    at: datetime | None
    next_at: datetime | None


def past_heads(tx: Tx, sizes: Collection[int], now: Frontier) -> Mapping[int, PastHead]:
    """Return the log's head at each of these sizes, with one statement for a hundred. A size that the log does not have
    is left out.

    Each is proved to be one that the log `now` begins with, times included; so no changed row is believed. Raise
    Unavailable if that fails, or a row is missing.
    """
    wanted, found = sorted(size for size in set(sizes) if size <= now.size), dict[int, PastHead]()
    for start in range(0, len(wanted), _HEADS_AT_ONCE):
        found |= _past_heads(tx, wanted[start : start + _HEADS_AT_ONCE], now)
    return found


# Each takes up to two hundred parameters.
_HEADS_AT_ONCE = 100


def _past_heads(tx: Tx, sizes: Sequence[int], now: Frontier) -> dict[int, PastHead]:
    # The events on both sides of the head are appended by themselves, which proves their times.
    around = {size: [each for each in (size, size + 1) if 0 < each <= now.size] for size in sizes}
    before = {size: nodes_of(max(0, size - 1)) for size in sizes}
    after = {size: nodes_between(min(size + 1, now.size), now.size) for size in sizes}
    nodes = {node for ways in (before, after) for way in ways.values() for node in way}
    seqs = {seq for pair in around.values() for seq in pair} | {seq_of(node) for node in nodes if node.level == 0}
    interior = {(seq_of(node), node.level): node for node in nodes if node.level > 0}
    leaves = select(audit_events.c.seq, literal(0).label("level"), audit_events.c.content.label("value"))
    stored = select(audit_nodes.c.seq, audit_nodes.c.level, audit_nodes.c.hash)
    query = union_all(
        leaves.where(audit_events.c.seq.in_(seqs)),
        stored.where(audit_nodes.c.seq.in_({seq for seq, _ in interior})),
    )
    hashes, contents = dict[Node, bytes](), dict[int, str]()
    try:
        for row in tx.execute(query):
            if row.level == 0:
                hashes[Node(0, row.seq - 1)] = leaf_hash(row.value.encode())
                contents[row.seq] = row.value
            elif (row.seq, row.level) in interior:
                hashes[interior[row.seq, row.level]] = bytes.fromhex(row.value)
        found = dict[int, PastHead]()
        for size in sizes:
            grown = Frontier(max(0, size - 1), tuple(hashes[node] for node in before[size]))
            roots, times = {grown.size: grown.root()}, dict[int, datetime]()
            for seq in around[size]:
                grown, _ = grown.append(hashes[Node(0, seq - 1)])
                roots[seq], times[seq] = grown.root(), _time_of(contents[seq])
            for node in after[size]:
                grown, _ = grown.append(hashes[node], node.level)
            if grown != now:
                raise not_of_its_events()
            found[size] = PastHead(roots[size].hex(), times.get(size), times.get(size + 1))
    except (ValueError, LookupError):
        raise not_of_its_events() from None
    return found


def _time_of(content: str) -> datetime:
    """Return when an event happened. One that the service did not write did so long ago: nothing is fresh by it."""
    try:
        return parse_timestamp(json.loads(content)["at"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return _LONG_AGO


_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


def rows_between(tx: Tx, after: int, until: int) -> NodeRows:
    """Return the nodes completed by the events after number `after` up to `until`."""
    return _rows(tx, audit_nodes.c.seq > after, audit_nodes.c.seq <= until)


def strays(tx: Tx, size: int, limit: int) -> NodeRows:
    """Return some stored nodes that none of the events 1 to `size` can have completed."""
    before, beyond = audit_nodes.c.seq < 1, audit_nodes.c.seq > size
    return {**_rows(tx, before, limit=limit), **_rows(tx, beyond, limit=limit)}


def seq_of(node: Node) -> int:
    return (node.index + 1) << node.level


def _stored(tx: Tx, nodes: Sequence[Node]) -> dict[Node, bytes]:
    found = dict[Node, bytes]()
    for start in range(0, len(nodes), _AT_ONCE):
        found |= _stored_of(tx, nodes[start : start + _AT_ONCE])
    if len(found) < len(nodes):
        raise not_of_its_events()
    return found


def _stored_of(tx: Tx, nodes: Sequence[Node]) -> dict[Node, bytes]:
    """Return those of the nodes that are stored."""
    leaves = [node.index + 1 for node in nodes if node.level == 0]
    interior = {(seq_of(node), node.level): node for node in nodes if node.level > 0}
    found = dict[Node, bytes]()
    if leaves:
        query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.seq.in_(leaves))
        found |= {Node(0, row.seq - 1): leaf_hash(row.content.encode()) for row in tx.execute(query)}
    if interior:
        # By event only, since each completed few nodes; for pairs, SQLite would scan the whole table.
        rows = _rows(tx, audit_nodes.c.seq.in_({seq for seq, _ in interior}))
        with suppress(ValueError):  # a hash that is not hexadecimal
            found |= {node: bytes.fromhex(rows[place]) for place, node in interior.items() if place in rows}
    return found


def _rows(tx: Tx, *where: ColumnElement[bool], limit: int | None = None) -> NodeRows:
    query = select(audit_nodes).where(*where).order_by(audit_nodes.c.seq, audit_nodes.c.level).limit(limit)
    return {(row.seq, row.level): row.hash for row in tx.execute(query)}


def _contents(tx: Tx, after: int, until: int) -> Iterable[str]:
    query = select(audit_events.c.content).where(audit_events.c.seq > after, audit_events.c.seq <= until)
    return tx.execute(query.order_by(audit_events.c.seq)).scalars()


def not_of_its_events() -> Unavailable:
    """Return the refusal where rows of the log contradict each other."""
    return Unavailable(
        Code.UNAVAILABLE, "The log's tree does not match its events; `rootquorum audit verify --database` says where."
    )
