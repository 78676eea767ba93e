"""The tree of Go's checksum database, which is not ours, has our roots and our proofs, and refuses what we refuse."""

import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.products.golang import Go, is_there, running_go
from support.trees import changes, immense, log_of

from service.domain.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of
from service.verifier import check_consistency, root_from_inclusion

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no program in Go here; `make go` builds it"
)

_LARGEST = 300
_LEAVES = [f"leaf {number}".encode() for number in range(_LARGEST)]
_LOG = log_of(_LEAVES)
_PAIRS = st.integers(1, _LARGEST).flatmap(lambda second: st.tuples(st.integers(1, second), st.just(second)))
_IMMENSE = st.integers(1, 2**60).flatmap(lambda second: st.tuples(st.integers(1, second), st.just(second)))
_OTHERS = st.integers(-1, _LARGEST + 1)


@pytest.fixture(scope="module")
def go() -> Iterator[Go]:
    """It has the log of all the leaves, too."""
    with running_go() as process:
        assert process.append(_LEAVES) == _LOG.roots
        yield process


def _is_included(go: Go, place: tuple[int, int], ends: tuple[bytes, bytes], proof: Sequence[bytes]) -> bool:
    """The one verdict of Go and of the verifier: of an index and a size, a leaf and a root."""
    (index, size), (leaf, root) = place, ends
    try:
        ours = root_from_inclusion(index, size, leaf, proof) == root
    except ValueError:
        ours = False
    assert go.takes_inclusion(index, size, leaf, root, proof) == ours
    return ours


def _is_consistent(go: Go, sizes: tuple[int, int], roots: tuple[bytes, bytes], proof: Sequence[bytes]) -> bool:
    """The one verdict of Go and of the verifier."""
    try:
        check_consistency(*sizes, *roots, proof)
        ours = True
    except ValueError:
        ours = False
    assert go.takes_consistency(*sizes, *roots, proof) == ours
    return ours


def _agree(go: Go, first: int, second: int) -> None:
    """On both proofs of a pair: each makes the same, and all believe it."""
    index, root = first - 1, _LOG.roots[second]
    proof = inclusion_proof(index, second, _LOG.read)
    assert proof == go.inclusion_proof(index, second)
    assert _is_included(go, (index, second), (_LOG.leaf(index), root), proof)
    proof = consistency_proof(first, second, _LOG.read)
    assert proof == go.consistency_proof(first, second)
    assert _is_consistent(go, (first, second), (_LOG.roots[first], root), proof)


@given(st.binary())
def test_both_hash_a_leaf_alike(go: Go, leaf: bytes) -> None:
    assert go.leaf_hash(leaf) == leaf_hash(leaf)


def test_both_have_the_same_roots(go: Go) -> None:
    assert go.append([]) == _LOG.roots[-1:]  # it has all the leaves already
    with running_go() as another:
        assert another.append(_LEAVES) == [root_of(size, _LOG.read) for size in range(_LARGEST + 1)]


def test_both_make_and_take_the_same_proofs_of_every_small_pair(go: Go) -> None:
    for second in range(1, 129):
        for first in range(1, second + 1):
            _agree(go, first, second)


def test_both_make_and_take_the_same_proofs_at_every_size(go: Go) -> None:
    for second in range(1, _LARGEST + 1):
        power = 1 << (second - 1).bit_length() >> 1
        for first in {1, power, power + 1, second // 2, second - 1, second} & {*range(1, second + 1)}:
            _agree(go, first, second)


@given(_PAIRS)
def test_both_make_and_take_the_same_proofs_of_any_pair(go: Go, pair: tuple[int, int]) -> None:
    _agree(go, *pair)


@given(_PAIRS)
def test_nobody_takes_a_changed_proof(go: Go, pair: tuple[int, int]) -> None:
    first, second = pair
    index, roots = first - 1, (_LOG.roots[first], _LOG.roots[second])
    for changed in changes(inclusion_proof(index, second, _LOG.read)):
        assert not _is_included(go, (index, second), (_LOG.leaf(index), roots[1]), changed)
    for changed in changes(consistency_proof(first, second, _LOG.read)):
        assert not _is_consistent(go, pair, roots, changed)


@given(_PAIRS, st.data())
def test_nobody_takes_a_flipped_bit(go: Go, pair: tuple[int, int], data: st.DataObject) -> None:
    """In a proof or in what it leads from and to."""
    first, second = pair
    index, roots = first - 1, (_LOG.roots[first], _LOG.roots[second])
    proof = [_LOG.leaf(index), roots[1], *inclusion_proof(index, second, _LOG.read)]
    leaf, root, *changed = _flipped(proof, data)
    assert not _is_included(go, (index, second), (leaf, root), changed)
    earlier, later, *changed = _flipped([*roots, *consistency_proof(first, second, _LOG.read)], data)
    assert not _is_consistent(go, pair, (earlier, later), changed)


def _flipped(hashes: list[bytes], data: st.DataObject) -> list[bytes]:
    at, bit = data.draw(st.integers(0, len(hashes) - 1)), data.draw(st.integers(0, 255))
    changed = int.from_bytes(hashes[at], "big") ^ 1 << bit
    return [*hashes[:at], changed.to_bytes(32, "big"), *hashes[at + 1 :]]


@given(_PAIRS, _OTHERS)
def test_nobody_takes_a_proof_of_another_leaf(go: Go, pair: tuple[int, int], other: int) -> None:
    index, size = pair[0] - 1, pair[1]
    assume(other != index)
    proof = inclusion_proof(index, size, _LOG.read)
    assert not _is_included(go, (other, size), (_LOG.leaf(index), _LOG.roots[size]), proof)
    if 0 <= other < _LARGEST:
        assert not _is_included(go, (index, size), (_LOG.leaf(other), _LOG.roots[size]), proof)


@given(_PAIRS, _OTHERS)
def test_nobody_takes_a_proof_that_leads_to_another_root(go: Go, pair: tuple[int, int], other: int) -> None:
    (first, second), roots = pair, _LOG.roots
    assume(0 <= other <= _LARGEST)
    proof = inclusion_proof(first - 1, second, _LOG.read)
    consistency = consistency_proof(first, second, _LOG.read)
    if other != second:
        assert not _is_included(go, (first - 1, second), (_LOG.leaf(first - 1), roots[other]), proof)
        assert not _is_consistent(go, pair, (roots[first], roots[other]), consistency)
    if other != first:
        assert not _is_consistent(go, pair, (roots[other], roots[second]), consistency)


@given(_PAIRS, _OTHERS)
def test_all_judge_a_proof_with_another_size_alike(go: Go, pair: tuple[int, int], other: int) -> None:
    """Where the way is the same at both sizes no proof tells them apart: that is for the signed checkpoint to say."""
    first, second = pair
    roots = (_LOG.roots[first], _LOG.roots[second])
    proof = inclusion_proof(first - 1, second, _LOG.read)
    _is_included(go, (first - 1, other), (_LOG.leaf(first - 1), roots[1]), proof)
    proof = consistency_proof(first, second, _LOG.read)
    _is_consistent(go, (first, other), roots, proof)
    _is_consistent(go, (other, second), roots, proof)


@given(_IMMENSE)
def test_nobody_takes_but_the_true_proof_of_an_immense_log(go: Go, pair: tuple[int, int]) -> None:
    first, second = pair
    index, hashes = first - 1, immense(first - 1, b"another")
    roots = (root_of(first, hashes), root_of(second, hashes))
    proof = inclusion_proof(index, second, hashes)
    ends = (leaf_hash(b"another"), roots[1])
    assert _is_included(go, (index, second), ends, proof)
    assert not any(_is_included(go, (index, second), ends, each) for each in changes(proof) if each != proof)
    proof = consistency_proof(first, second, hashes)
    assert _is_consistent(go, pair, roots, proof)
    assert not any(_is_consistent(go, pair, roots, each) for each in changes(proof) if each != proof)


def test_nobody_takes_a_fork_for_a_continuation(go: Go) -> None:
    forked = log_of([*_LEAVES[:9], b"another", *_LEAVES[10:20]])
    for first in range(1, 21):
        proof = consistency_proof(first, 20, forked.read)
        followed = _is_consistent(go, (first, 20), (_LOG.roots[first], forked.roots[20]), proof)
        assert followed == (first < 10)
