"""The tree over the audit log: complete subtrees as they were completed, and the frontier that grows.

A node's row stands under the sequence number of the event that completed it: the last one below it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import insert, select, update

from service.db.engine import Tx
from service.db.tables import audit_events, audit_nodes, audit_tree
from service.domain.merkle import Frontier, Node, leaf_hash, root_of


@dataclass(frozen=True, slots=True)
class StoredNode:
    """As a row has it; `hash` is lower-case hex."""

    seq: int
    level: int
    hash: str


def frontier(tx: Tx) -> Frontier:
    """Of the events whose leaves are in the tree: all, unless an earlier version of the service appended the last."""
    row = tx.execute(select(audit_tree.c.size, audit_tree.c.frontier)).one()
    return Frontier(row.size, tuple(map(bytes.fromhex, row.frontier.split())))


def grow(tx: Tx, size: int) -> Frontier:
    """Take in the events that are not in the tree yet, up to number `size`, which is locked as the log's head is."""
    grown, completed = frontier(tx), dict[Node, bytes]()
    for content in _contents(tx, grown.size, size):
        grown, nodes = grown.append(leaf_hash(content.encode()))
        completed |= nodes
    if completed:
        rows = [{"seq": seq_of(node), "level": node.level, "hash": found.hex()} for node, found in completed.items()]
        tx.execute(insert(audit_nodes), rows)
    tx.execute(update(audit_tree).values(size=grown.size, frontier=" ".join(part.hex() for part in grown.hashes)))
    return grown


def hashes(tx: Tx, nodes: Collection[Node]) -> Mapping[Node, bytes]:
    """Those of complete subtrees; `Hashes` of the domain, with a transaction."""
    leaves = [node.index + 1 for node in nodes if node.level == 0]
    interior = {(seq_of(node), node.level): node for node in nodes if node.level > 0}
    found = dict[Node, bytes]()
    if leaves:
        query = select(audit_events.c.seq, audit_events.c.content).where(audit_events.c.seq.in_(leaves))
        found |= {Node(0, row.seq - 1): leaf_hash(row.content.encode()) for row in tx.execute(query)}
    if interior:
        # By the event alone, which completed few nodes: for pairs SQLite goes through the whole table.
        query = select(audit_nodes).where(audit_nodes.c.seq.in_({seq for seq, _ in interior}))
        stored = {(row.seq, row.level): bytes.fromhex(row.hash) for row in tx.execute(query)}
        found |= {node: stored[place] for place, node in interior.items()}
    return found


def root(tx: Tx, size: int) -> bytes:
    """Of the log as it was at `size`."""
    return root_of(size, partial(hashes, tx))


def nodes_between(tx: Tx, after: int, until: int) -> Sequence[StoredNode]:
    """Those that the events beyond number `after` up to `until` completed, as they were completed."""
    query = (
        select(audit_nodes)
        .where(audit_nodes.c.seq > after, audit_nodes.c.seq <= until)
        .order_by(audit_nodes.c.seq, audit_nodes.c.level)
    )
    return [StoredNode(row.seq, row.level, row.hash) for row in tx.execute(query)]


def seq_of(node: Node) -> int:
    return (node.index + 1) << node.level


def _contents(tx: Tx, after: int, until: int) -> Iterable[str]:
    query = select(audit_events.c.content).where(audit_events.c.seq > after, audit_events.c.seq <= until)
    return tx.execute(query.order_by(audit_events.c.seq)).scalars()
