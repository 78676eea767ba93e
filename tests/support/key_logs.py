"""Any log of what is said of keys: rules, registrations, endorsements and revocations, true ones and odd ones."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from service.domain import roster

_PEOPLE, _QUORUMS = ("ann", "ben", "cid", "dave", "eve"), st.integers(2, 3)
_HOLDERS = st.tuples(st.sampled_from(_PEOPLE), st.sampled_from([f"{person}'s" for person in _PEOPLE]))
_OWN = st.sampled_from([(person, f"{person}'s") for person in _PEOPLE])  # mostly, or nobody would ever count
_ENDORSEMENTS = st.tuples(st.integers(0, 20), _OWN | _HOLDERS, _OWN)
# Of what makes keys count there is more, or none would.
_TRUE = [
    *(("registered", (person, f"{person}'s")) for person in ("cid", "dave", "eve")),
    *(
        ("endorsed", (0, (by, f"{by}'s"), (person, f"{person}'s")))
        for by, person in (
            ("ann", "cid"),
            ("ben", "cid"),
            ("ann", "dave"),
            ("cid", "dave"),
            ("dave", "eve"),
            ("cid", "eve"),
        )
    ),
]
_ODD = (
    st.tuples(st.just("registered"), _OWN | _HOLDERS)
    | st.tuples(st.just("endorsed"), _ENDORSEMENTS)
    | st.tuples(st.just("revoked"), st.tuples(_HOLDERS, st.sampled_from(roster.Reason), st.integers(0, 20)))
    | st.tuples(st.just("rules"), st.tuples(_QUORUMS, st.frozensets(_OWN, min_size=2, max_size=3)))
)
# The rules with which each log begins.
FOUNDING = ("rules", (2, frozenset({("ann", "ann's"), ("ben", "ben's")})))
FACTS = st.tuples(
    st.permutations(_TRUE) | st.just(_TRUE),
    st.lists(st.tuples(st.integers(0, 9), _ODD | st.sampled_from(_TRUE)), max_size=6),
).map(lambda drawn: _mixed(*drawn))


def _mixed(facts: Sequence[Any], more: Sequence[tuple[int, Any]]) -> list[Any]:
    mixed = [*facts]
    for place, fact in more:
        mixed.insert(place, fact)
    return mixed
