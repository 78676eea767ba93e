"""Logs that break a rule, and lives that break none, are for the page what they are for the verifier."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from proof.in_node import Proofs
from proof.verdicts import ELSEWHERE, is_no_better, judged
from support.ledger import MemoryLog, executed, executed_otherwise
from verifier.test_demands import GROUPS, ODD, export
from verifier.test_rules import BROKEN, BROKEN_IN_THE_LOG, BROKEN_LIVES, Change
from verifier.test_true_histories import lived

Story = Callable[[], tuple[MemoryLog, str]]
_BROKEN: Mapping[str, tuple[Story, Change]] = {
    **{name: (executed, change) for table in (BROKEN, BROKEN_IN_THE_LOG) for name, (change, _) in table.items()},
    **{name: (story, change) for name, (story, change, _) in BROKEN_LIVES.items()},
}


@pytest.mark.parametrize("name", _BROKEN)
def test_a_rule_that_the_service_broke_is_found_by_the_same_names(proofs: Proofs, name: str) -> None:
    story, change = _BROKEN[name]
    ledger, request_id = executed_otherwise(change, story)
    in_export = judged(proofs, b"".join(ledger.export()))
    assert is_no_better(in_export)
    assert in_export.codes <= in_export.found
    # The verifier goes on behind a gap.
    if "sequence-broken" not in in_export.found:
        assert in_export.found - in_export.codes <= ELSEWHERE | {"stale-sign-in"}
    try:
        document = ledger.evidence(request_id)
    except LookupError:
        return  # without these events there is no evidence
    assert is_no_better(judged(proofs, json.dumps(document).encode()))


_DEMANDS: dict[str, Any] = {
    **{f"groups: {name}": {"started": {"groups": groups}} for name, groups in GROUPS.items()},
    **{f"demands: {odd!r}": {"filed": {"demands": odd}} for odd in ODD},
    **{f"approvals: {odd!r}": {"policy": {"approvals": odd}} for odd in ODD},
    "hours that are none": {"filed": {"demands": [{"rule": "both teams", "hours": {"days": ["mon"]}}]}},
    "a comment": {"filed": {"demands": [{"rule": "both teams", "approval_comment": True}]}},
    "a method": {"filed": {"demands": [{"rule": "both teams", "decision_amr": ["hwk"]}]}},
    "three people": {"filed": {"demands": [{"rule": "both teams", "quorum": 3}]}},
    "very many people": {"policy": {"approvals": {str(number): 1000 for number in range(5000)}}},
}


@pytest.mark.parametrize("changed", _DEMANDS.values(), ids=_DEMANDS)
def test_what_rules_demand_of_approvals_is_held_against_them(proofs: Proofs, changed: dict[str, Any]) -> None:
    def change(filed: dict[str, Any], started: dict[str, Any]) -> None:
        filed["filing"] |= changed.get("filed", {})
        started |= changed.get("started", {})
        started["policy"] |= changed.get("policy", {})

    demand = {"rule": "both teams", "approvals": {"security": 1, "platform": 1}}
    verdict = judged(proofs, export(change, demand, executed))
    assert is_no_better(verdict), (verdict.found, verdict.codes)
    assert verdict.codes == verdict.found - ELSEWHERE


@pytest.mark.parametrize("seed", range(12))
def test_what_the_domain_lets_happen_breaks_no_rule(proofs: Proofs, seed: int) -> None:
    world = lived(seed)
    assert judged(proofs, b"".join(world.ledger.export())).codes == set()
    for request in world.requests[:20]:
        document = world.ledger.evidence(request.filing.request_id)
        assert judged(proofs, json.dumps(document).encode()).codes == set()
