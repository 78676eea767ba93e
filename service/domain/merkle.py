"""The tree over the audit log's leaves: RFC 9162, section 2, with SHA-256. Leaves are numbered from 0.

A log of n leaves is made of perfect subtrees, one for each bit set in n, largest first. A complete subtree never
changes again, so its root is stored once and every proof, at any size, is made of such roots.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """The root of the perfect subtree over the leaves from `index << level` to before `(index + 1) << level`."""

    level: int
    index: int


Hashes = Callable[[Collection[Node]], Mapping[Node, bytes]]
"""How the hashes of complete subtrees are read, leaves (level 0) included: all that a proof needs in one call."""

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Of the leaf's own bytes. Its prefix keeps an interior node from being passed off as a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the perfect subtrees that a log of `size` leaves is made of, largest first.

    All that appending needs. Raises ValueError for a number of hashes that does not belong to `size`.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes are no frontier of {self.size} leaves")

    def append(self, leaf: bytes) -> tuple["Frontier", dict[Node, bytes]]:
        """The frontier with one more leaf, of which `leaf` is the hash, and the interior nodes that this completed.

        As in counting: each subtree of the size that is being carried is joined with it, from the smallest.
        """
        hashes, completed = list(self.hashes), {}
        carried, level = leaf, 0
        while self.size >> level & 1:
            carried = node_hash(hashes.pop(), carried)
            level += 1
            completed[Node(level, self.size >> level)] = carried
        return Frontier(self.size + 1, (*hashes, carried)), completed

    def root(self) -> bytes:
        return _joined(self.hashes) if self.hashes else EMPTY_ROOT


EMPTY = Frontier(0, ())


def nodes_of(size: int) -> list[Node]:
    """The nodes whose hashes are the frontier of `size` leaves, in its order."""
    return _cover(0, size)


def root_of(size: int, hashes: Hashes) -> bytes:
    return _read([(0, size)], hashes)[0] if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """That leaf `index` is in the log of `size` leaves (RFC 9162, 2.1.3.1), from the leaf upwards.

    Raises ValueError when there is no such leaf.
    """
    return inclusion_proofs([index], size, hashes)[0]


def inclusion_proofs(indexes: Sequence[int], size: int, hashes: Hashes) -> list[list[bytes]]:
    """The same for each of several leaves, with one call of `hashes` for all."""
    for index in indexes:
        _check_index(index, size)
    ways = [_siblings(index, index + 1, size) for index in indexes]
    found = iter(_read([beside for way in ways for beside in way], hashes))
    return [list(islice(found, len(way))) for way in ways]


def consistency_proof(first: int, second: int, hashes: Hashes) -> list[bytes]:
    """That the log of `second` leaves begins with that of `first` (RFC 9162, 2.1.4.1); empty when they are equal.

    Raises ValueError unless 0 < first <= second.
    """
    _check_sizes(first, second)
    if first == second:
        return []
    start = _last_subtree(first)
    # Whoever checks it has the root of `first`, which is all of its last subtree where there is only one.
    known = [(start, first)] if start else []
    return _read(known + _siblings(start, first, second), hashes)


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ValueError(f"a log of {size} leaves has no leaf {index}")


def _check_sizes(first: int, second: int) -> None:
    if not 0 < first <= second:
        raise ValueError(f"a log of {second} leaves cannot be shown to begin with one of {first}")


def _last_subtree(size: int) -> int:
    """Where the last of the perfect subtrees of `size` leaves starts: `size` without its lowest bit."""
    return size & (size - 1)


def _siblings(start: int, end: int, size: int) -> list[tuple[int, int]]:
    """The leaf ranges beside the way from the subtree over leaves `start` to before `end` up to the root."""
    beside = []
    low, high = 0, size
    while (low, high) != (start, end):
        # On the left the largest power of two that leaves something on the right.
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if end <= middle:
            beside.append((middle, high))
            high = middle
        else:
            beside.append((low, middle))
            low = middle
    return beside[::-1]


def _cover(start: int, end: int) -> list[Node]:
    """The perfect subtrees over the leaves `start` to before `end`, largest first, where a subtree may start there."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def _read(ranges: Sequence[tuple[int, int]], hashes: Hashes) -> list[bytes]:
    """The root over each range of leaves, with one call of `hashes` for all."""
    covers = [_cover(start, end) for start, end in ranges]
    nodes = {node for cover in covers for node in cover}
    read = hashes(nodes) if nodes else {}
    return [_joined([read[node] for node in cover]) for cover in covers]


def _joined(hashes: Sequence[bytes]) -> bytes:
    """One root above perfect subtrees, of which the smallest, on the right, are joined first."""
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))
