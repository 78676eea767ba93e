"""Logs to make proofs from, and changes of a proof."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from service.domain.merkle import EMPTY, EMPTY_ROOT, Frontier, Node, leaf_hash, node_hash


@dataclass
class TreeLog:
    """A log that keeps every leaf and every complete node, like the table."""

    roots: list[bytes] = field(default_factory=lambda: [EMPTY_ROOT])
    frontiers: list[Frontier] = field(default_factory=lambda: [EMPTY])
    stored: dict[Node, bytes] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.frontiers[-1].size

    def leaf(self, index: int) -> bytes:
        return self.stored[Node(0, index)]

    def append(self, leaf: bytes) -> dict[Node, bytes]:
        self.stored[Node(0, self.size)] = leaf
        frontier, completed = self.frontiers[-1].append(leaf)
        self.stored |= completed
        self.frontiers.append(frontier)
        self.roots.append(frontier.root())
        return completed

    def read(self, nodes: Collection[Node]) -> Mapping[Node, bytes]:
        self.reads.append(len(nodes))
        return {node: self.stored[node] for node in nodes}


def log_of(leaves: Sequence[bytes]) -> TreeLog:
    log = TreeLog()
    for leaf in leaves:
        log.append(leaf_hash(leaf))
    return log


def immense(index: int, leaf: bytes) -> Callable[[Collection[Node]], Mapping[Node, bytes]]:
    """Return the nodes of a log that is too large to keep: all leaves are alike, except the one at `index`."""
    alike = [leaf_hash(b"alike")]
    for _ in range(64):
        alike.append(node_hash(alike[-1], alike[-1]))

    def hash_of(node: Node) -> bytes:
        if index >> node.level != node.index:
            return alike[node.level]
        if node.level == 0:
            return leaf_hash(leaf)
        below = [Node(node.level - 1, 2 * node.index + side) for side in (0, 1)]
        return node_hash(*map(hash_of, below))

    return lambda nodes: {node: hash_of(node) for node in nodes}


def changes(proof: Sequence[bytes]) -> list[list[bytes]]:
    """Return the proof with each hash changed, removed, added, and each pair swapped."""
    places = range(len(proof))
    longer = [[*proof[:at], b"\0" * 32, *proof[at:]] for at in (*places, len(proof))]
    changed = [[*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]] for at in places]
    shorter = [[*proof[:at], *proof[at + 1 :]] for at in places]
    swapped = [[*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]] for at in places[:-1]]
    return longer + changed + shorter + swapped
