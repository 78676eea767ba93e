"""The tree is RFC 9162's: published vectors, and the RFC's own recursive definition.

Of an implementation that is not ours says `test_second_implementation.py`.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import TreeLog, changes, log_of

from service.domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_between,
    nodes_of,
    root_of,
)
from service.verifier import check_consistency, root_from_inclusion

_LARGEST = 300

_LEAVES = [f"leaf {number}".encode() for number in range(_LARGEST)]
_LOG = log_of(_LEAVES)

# Published with Certificate Transparency's reference implementation, and used for RFC 6962 ever since.
_PUBLISHED = log_of(
    [
        bytes.fromhex(leaf)
        for leaf in (
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        )
    ]
)
_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
_LEAF_0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_LEAF_2 = "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7"
_LEAF_3 = "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7"
_LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_LEAVES_0_1 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
_LEAVES_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_LEAVES_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
_LEAVES_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_LEAVES_4_6 = "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e"
_LEAVES_0_3 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
_LEAVES_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def test_roots_are_the_published_ones() -> None:
    assert _hex(_PUBLISHED.roots) == _ROOTS
    assert [root_of(size, _PUBLISHED.read).hex() for size in range(9)] == _ROOTS


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (0, 8, [_LEAF_1, _LEAVES_2_3, _LEAVES_4_7]),
        (5, 8, [_LEAF_4, _LEAVES_6_7, _LEAVES_0_3]),
        (2, 3, [_LEAVES_0_1]),
        (1, 5, [_LEAF_0, _LEAVES_2_3, _LEAF_4]),
    ],
)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, proof: list[str]) -> None:
    assert _hex(inclusion_proof(index, size, _PUBLISHED.read)) == proof


@pytest.mark.parametrize(
    ("first", "second", "proof"),
    [
        (1, 1, []),
        (1, 8, [_LEAF_1, _LEAVES_2_3, _LEAVES_4_7]),
        (6, 8, [_LEAVES_4_5, _LEAVES_6_7, _LEAVES_0_3]),
        (2, 5, [_LEAVES_2_3, _LEAF_4]),
        (3, 7, [_LEAF_2, _LEAF_3, _LEAVES_0_1, _LEAVES_4_6]),
        (4, 8, [_LEAVES_4_7]),
    ],
)
def test_consistency_proofs_are_the_published_ones(first: int, second: int, proof: list[str]) -> None:
    assert _hex(consistency_proof(first, second, _PUBLISHED.read)) == proof


# The RFC's own words, in Python: MTH, PATH and SUBPROOF of sections 2.1.1, 2.1.3.1 and 2.1.4.1.
def _split(leaves: Sequence[bytes]) -> int:
    return max(1 << power for power in range(10) if 1 << power < len(leaves))


def _mth(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    k = _split(leaves)
    return node_hash(_mth(leaves[:k]), _mth(leaves[k:]))


def _path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = _split(leaves)
    if m < k:
        return [*_path(m, leaves[:k]), _mth(leaves[k:])]
    return [*_path(m - k, leaves[k:]), _mth(leaves[:k])]


def _subproof(m: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if known else [_mth(leaves)]
    k = _split(leaves)
    if m <= k:
        return [*_subproof(m, leaves[:k], known=known), _mth(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], known=False), _mth(leaves[:k])]


_HASHES = [leaf_hash(leaf) for leaf in _LEAVES]


@pytest.mark.parametrize("size", range(_LARGEST + 1))
def test_roots_are_those_of_the_definition(size: int) -> None:
    assert _LOG.roots[size] == root_of(size, _LOG.read) == _mth(_HASHES[:size])


@pytest.mark.parametrize("size", range(_LARGEST + 1))
def test_the_frontier_is_the_hashes_of_its_nodes(size: int) -> None:
    assert tuple(_LOG.stored[node] for node in nodes_of(size)) == _LOG.frontiers[size].hashes


_PAIRS = st.integers(1, _LARGEST).flatmap(lambda second: st.tuples(st.integers(1, second), st.just(second)))


@given(_PAIRS)
def test_inclusion_proofs_are_those_of_the_definition(pair: tuple[int, int]) -> None:
    index, size = pair[0] - 1, pair[1]
    proof = inclusion_proof(index, size, _LOG.read)
    assert proof == _path(index, _HASHES[:size])
    assert root_from_inclusion(index, size, _LOG.leaf(index), proof) == _LOG.roots[size]


@given(_PAIRS)
def test_consistency_proofs_are_those_of_the_definition(pair: tuple[int, int]) -> None:
    first, second = pair
    proof = consistency_proof(first, second, _LOG.read)
    assert proof == _subproof(first, _HASHES[:second], known=True)
    check_consistency(first, second, _LOG.roots[first], _LOG.roots[second], proof)


def test_every_small_pair_of_sizes_is_proved_both_ways() -> None:
    for second in range(1, 66):
        for first in range(1, second + 1):
            proof = consistency_proof(first, second, _LOG.read)
            check_consistency(first, second, _LOG.roots[first], _LOG.roots[second], proof)
            proof = inclusion_proof(first - 1, second, _LOG.read)
            assert root_from_inclusion(first - 1, second, _LOG.leaf(first - 1), proof) == _LOG.roots[second]


@given(_PAIRS, st.data())
def test_a_changed_inclusion_proof_leads_elsewhere_or_is_refused(pair: tuple[int, int], data: st.DataObject) -> None:
    index, size = pair[0] - 1, pair[1]
    proof = inclusion_proof(index, size, _LOG.read)
    changed = data.draw(st.sampled_from(changes(proof)))
    if len(changed) == len(proof):
        assert root_from_inclusion(index, size, _LOG.leaf(index), changed) != _LOG.roots[size]
    else:
        with pytest.raises(ValueError, match=r"too short|too long"):
            root_from_inclusion(index, size, _LOG.leaf(index), changed)


@given(_PAIRS, st.data())
def test_a_changed_consistency_proof_is_refused(pair: tuple[int, int], data: st.DataObject) -> None:
    first, second = pair
    changed = data.draw(st.sampled_from(changes(consistency_proof(first, second, _LOG.read))))
    with pytest.raises(ValueError, match=r"too short|too long|is not shown"):
        check_consistency(first, second, _LOG.roots[first], _LOG.roots[second], changed)


def test_a_fork_is_no_continuation() -> None:
    forked = log_of([*_LEAVES[:9], b"another", *_LEAVES[10:20]])
    with pytest.raises(ValueError, match="not shown that the log of 20 leaves begins with that of 10"):
        check_consistency(10, 20, _LOG.roots[10], forked.roots[20], consistency_proof(10, 20, forked.read))


def test_equal_sizes_are_consistent_only_with_equal_roots() -> None:
    check_consistency(5, 5, _LOG.roots[5], _LOG.roots[5], [])
    with pytest.raises(ValueError, match="not shown"):
        check_consistency(5, 5, _LOG.roots[5], _LOG.roots[6], [])


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(index, size, _LOG.read)
    with pytest.raises(ValueError, match="has no leaf"):
        root_from_inclusion(index, size, _HASHES[0], [])


@pytest.mark.parametrize(("first", "second"), [(0, 4), (5, 4), (-1, 4)])
def test_there_is_no_proof_between_sizes_that_do_not_follow(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="cannot be shown"):
        consistency_proof(first, second, _LOG.read)
    with pytest.raises(ValueError, match="cannot be shown"):
        check_consistency(first, second, EMPTY_ROOT, EMPTY_ROOT, [])


@pytest.mark.parametrize(("size", "count"), [(0, 1), (3, 1), (4, 2), (-1, 1)])
def test_a_frontier_has_as_many_hashes_as_its_size_has_bits(size: int, count: int) -> None:
    with pytest.raises(ValueError, match="no frontier"):
        Frontier(size, (b"\0" * 32,) * count)


def test_an_append_completes_the_nodes_above_it_and_no_other() -> None:
    log = TreeLog()
    for index in range(64):
        completed = log.append(leaf_hash(_LEAVES[index]))
        levels = range(1, (index + 1 & -(index + 1)).bit_length())  # as many as the new size has trailing zeros
        assert list(completed) == [Node(level, index >> level) for level in levels]


@given(_PAIRS)
def test_the_subtrees_between_two_sizes_lead_from_one_to_the_other(pair: tuple[int, int]) -> None:
    first, second = pair
    grown, between = _LOG.frontiers[first], nodes_between(first, second)
    for node in between:
        grown, _ = grown.append(_LOG.stored[node], node.level)
    assert grown == _LOG.frontiers[second]
    assert len(between) <= 2 * _LARGEST.bit_length()


def test_a_subtree_starts_only_at_a_multiple_of_its_size() -> None:
    with pytest.raises(ValueError, match="no subtree of level 2"):
        _LOG.frontiers[6].append(b"\0" * 32, 2)


@given(_PAIRS)
def test_a_proof_reads_few_nodes_in_one_call(pair: tuple[int, int]) -> None:
    _LOG.reads.clear()
    consistency_proof(*pair, _LOG.read)
    inclusion_proof(pair[0] - 1, pair[1], _LOG.read)
    assert len(_LOG.reads) <= 2
    assert all(read <= 2 * _LARGEST.bit_length() for read in _LOG.reads)


def test_a_leaf_is_no_node() -> None:
    left, right = _HASHES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
