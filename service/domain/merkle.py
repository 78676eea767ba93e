"""The tree over the audit log's leaves: RFC 9162, section 2, with SHA-256. Leaves are numbered from 0.

A log of n leaves consists of perfect subtrees, one for each bit set in n, largest first. A complete subtree never
changes again. So its root is stored once, and every proof, at any size, is made of such roots.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """The root of the perfect subtree over leaves [`index << level`, `(index + 1) << level`)."""

    level: int
    index: int


Hashes = Callable[[Collection[Node]], Mapping[Node, bytes]]
"""Read the hashes of complete subtrees, including leaves (level 0). One call reads all that a proof needs."""

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash a leaf's bytes. The prefix prevents passing off an interior node as a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the perfect subtrees of a log of `size` leaves, largest first. Appending needs nothing else.

    Raise ValueError if the number of hashes does not fit `size`.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes are no frontier of {self.size} leaves")

    def append(self, root: bytes, level: int = 0) -> tuple["Frontier", dict[Node, bytes]]:
        """Append a leaf, given its hash, or a perfect subtree of another level, given its root. Return the new
        frontier, and the interior nodes that this completed. Raise ValueError if no such subtree can start here.

        It works like carrying in binary addition: join equal subtrees, from the smallest.
        """
        if self.size & ((1 << level) - 1):
            raise ValueError(f"no subtree of level {level} starts after {self.size} leaves")
        hashes, completed = list(self.hashes), {}
        carried, joined = root, level
        while self.size >> joined & 1:
            carried = node_hash(hashes.pop(), carried)
            joined += 1
            completed[Node(joined, self.size >> joined)] = carried
        return Frontier(self.size + (1 << level), (*hashes, carried)), completed

    def root(self) -> bytes:
        return _joined(self.hashes) if self.hashes else EMPTY_ROOT


EMPTY = Frontier(0, ())


def nodes_of(size: int) -> list[Node]:
    """Return the nodes whose hashes form the frontier of `size` leaves, in its order."""
    return nodes_between(0, size)


def nodes_between(start: int, end: int) -> list[Node]:
    """Return the largest perfect subtrees over leaves [`start`, `end`), in their order."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def root_of(size: int, hashes: Hashes) -> bytes:
    return _read([(0, size)], hashes)[0] if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """Prove that leaf `index` is in the log of `size` leaves (RFC 9162, 2.1.3.1), from the leaf upwards.

    Raise ValueError if there is no such leaf.
    """
    return inclusion_proofs([index], size, hashes)[0]


def inclusion_proofs(indexes: Sequence[int], size: int, hashes: Hashes) -> list[list[bytes]]:
    """Make the inclusion proofs of several leaves, with one call of `hashes` for all. Raise ValueError."""
    for index in indexes:
        _check_index(index, size)
    ways = [_siblings(index, index + 1, size) for index in indexes]
    found = iter(_read([beside for way in ways for beside in way], hashes))
    return [list(islice(found, len(way))) for way in ways]


def consistency_proof(first: int, second: int, hashes: Hashes) -> list[bytes]:
    """Prove that the log of `second` leaves begins with that of `first` (RFC 9162, 2.1.4.1); empty if they are equal.

    Raise ValueError unless 0 < first <= second.
    """
    _check_sizes(first, second)
    if first == second:
        return []
    start = _last_subtree(first)
    # The verifier has the root of `first`. If `first` is a single perfect subtree, the proof omits that root.
    known = [(start, first)] if start else []
    return _read(known + _siblings(start, first, second), hashes)


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ValueError(f"a log of {size} leaves has no leaf {index}")


def _check_sizes(first: int, second: int) -> None:
    if not 0 < first <= second:
        raise ValueError(f"a log of {second} leaves cannot be shown to begin with one of {first}")


def _last_subtree(size: int) -> int:
    """Return where the last perfect subtree of `size` leaves starts: `size` without its lowest set bit."""
    return size & (size - 1)


def _siblings(start: int, end: int, size: int) -> list[tuple[int, int]]:
    """Return the sibling leaf ranges on the path from the subtree over leaves [`start`, `end`) up to the root."""
    beside = []
    low, high = 0, size
    while (low, high) != (start, end):
        # The left part has the largest power of two that leaves at least one leaf on the right.
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if end <= middle:
            beside.append((middle, high))
            high = middle
        else:
            beside.append((low, middle))
            low = middle
    return beside[::-1]


def _read(ranges: Sequence[tuple[int, int]], hashes: Hashes) -> list[bytes]:
    """Return the root over each range of leaves, with one call of `hashes` for all."""
    covers = [nodes_between(start, end) for start, end in ranges]
    nodes = {node for cover in covers for node in cover}
    read = hashes(nodes) if nodes else {}
    return [_joined([read[node] for node in cover]) for cover in covers]


def _joined(hashes: Sequence[bytes]) -> bytes:
    """Join perfect subtrees into one root, starting with the smallest on the right."""
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))
