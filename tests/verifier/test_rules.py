"""What the service wrote and signed itself, and should not have done, is found in the evidence of it."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from ledger import Leaf, events_of, executed, executed_otherwise
from tampering import findings_in

from service.domain.canonical import canonical

_DIFFERS = {f"{part}-differs" for part in ("request", "digest", "decisions", "policy", "outcome")}


def _decision_of(whom: str, **changed: Any) -> Callable[[list[Leaf]], None]:
    def change(leaves: list[Leaf]) -> None:
        for leaf in leaves:
            if leaf["event"] == "decision.recorded" and leaf["data"]["person"] == whom:
                leaf["data"] |= changed
                leaf["actor"]["subject"] = leaf["data"]["person"]

    return change


def _without(event: str) -> Callable[[list[Leaf]], None]:
    def change(leaves: list[Leaf]) -> None:
        leaves[:] = [leaf for leaf in leaves if leaf["event"] != event]

    return change


def _twice(leaves: list[Leaf]) -> None:
    leaves.extend([leaf for leaf in leaves if leaf["event"] == "execution.started"])


def _first_starts(leaves: list[Leaf]) -> None:
    start = next(leaf for leaf in leaves if leaf["event"] == "execution.started")
    leaves.remove(start)
    leaves.insert(3, start)


def _changes_mind(leaves: list[Leaf]) -> None:
    vote = next(leaf for leaf in leaves if leaf["event"] == "decision.recorded")
    leaves.insert(5, vote | {"data": vote["data"] | {"decision": "reject"}})


def _quorum_of_one(leaves: list[Leaf]) -> None:
    leaves[1]["data"]["filing"]["quorum"] = 1
    _redigest(leaves)
    del leaves[3]


def _quorum_of_three(leaves: list[Leaf]) -> None:
    leaves[1]["data"]["filing"]["quorum"] = 3
    _redigest(leaves)


def _quorum_in_force_of_three(leaves: list[Leaf]) -> None:
    next(leaf for leaf in leaves if leaf["event"] == "execution.started")["data"]["policy"]["quorum"] = 3


def _redigest(leaves: list[Leaf]) -> None:
    digest = hashlib.sha256(canonical(leaves[1]["data"]["filing"])).hexdigest()
    for leaf in leaves:
        if "digest" in leaf["data"]:
            leaf["data"]["digest"] = digest


def _by_a_machine(leaves: list[Leaf]) -> None:
    next(leaf for leaf in leaves if leaf["event"] == "decision.recorded")["actor"]["kind"] = "machine"


def _in_anothers_name(leaves: list[Leaf]) -> None:
    next(leaf for leaf in leaves if leaf["event"] == "decision.recorded")["actor"]["subject"] = "mallory"


def _another_filing(leaves: list[Leaf]) -> None:
    leaves[1]["data"]["filing"]["account_id"] = "444455556666"


def _another_start(leaves: list[Leaf]) -> None:
    next(leaf for leaf in leaves if leaf["event"] == "execution.started")["data"]["digest"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (_decision_of("carol", person="bob"), {"no-quorum"}),
        (_decision_of("carol", person="alice"), {"own-approval", "no-quorum"}),
        (_decision_of("carol", person="rita"), {"own-approval", "no-quorum"}),
        (_decision_of("carol", digest="0" * 64), {"no-quorum"}),
        (_decision_of("carol", decision="reject"), {"executed-against", "no-quorum"}),
        (_without("decision.recorded"), {"no-quorum"}),
        (_without("execution.started"), {"not-started"}),
        (_without("request.filed"), {"not-filed"}),
        (_twice, {"executed-twice"}),
        (_first_starts, {"no-quorum"}),
        (_changes_mind, {"executed-against", "no-quorum"}),
        (_quorum_of_one, {"no-quorum"}),
        (_quorum_of_three, {"no-quorum"}),
        (_quorum_in_force_of_three, {"no-quorum"}),
        (_by_a_machine, {"not-own-decision"}),
        (_in_anothers_name, {"not-own-decision"}),
        (_another_filing, {"wrong-digest"}),
        (_another_start, {"wrong-digest"}),
    ],
)
def test_a_rule_that_the_service_broke_is_found(change: Callable[[list[Leaf]], None], names: set[str]) -> None:
    ledger, request_id = executed_otherwise(change)
    evidence = executed()[0].evidence(request_id) | {
        "events": events_of(ledger, request_id),
        "checkpoint": ledger.note(),
    }
    assert findings_in(evidence) - _DIFFERS == names
