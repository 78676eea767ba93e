"""Whose key counts is for the page as `conformance/` and the verifier say."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from proof.in_node import Proofs
from support.key_logs import FACTS, FOUNDING
from support.vectors.common import FOLDER

from service import verifier
from service.domain import roster

_ROSTERS = json.loads((FOLDER / "rosters.json").read_text())


def _holder(person: str, key: str) -> str:
    return json.dumps([person, key], separators=(",", ":"), ensure_ascii=False)


def _rules(position: int, quorum: int, founders: Any) -> dict[str, Any]:
    return {"position": position, "quorum": quorum, "founders": {_holder(*each) for each in founders}}


def _endorsement(position: int, head: int, endorser: tuple[str, str], holder: tuple[str, str]) -> dict[str, Any]:
    return {"position": position, "head": head, "endorser": _holder(*endorser), "holder": _holder(*holder)}


@pytest.mark.parametrize("case", _ROSTERS, ids=lambda case: case["name"])
def test_a_roster_has_the_keys_that_its_vector_says(proofs: Proofs, case: dict[str, Any]) -> None:
    at = case["at"]
    in_force = [each for each in case["rules"] if each["version"] in case["in_force"] and each["position"] < at]
    rules = {each["version"]: each for each in reversed(in_force)}  # a version may be recorded again later
    chain = sorted(rules.values(), key=lambda each: each["position"])
    before = {
        name: sorted((each for each in case[name] if each["position"] < at), key=lambda each: each["position"])
        for name in ("registrations", "endorsements", "revocations")
    }
    endorsements = {
        (each["position"], each["head"], (each["endorser"], each["by_key"]), (each["person"], each["key"]))
        for each in before["endorsements"]
    }
    facts = {
        "rules": [_rules(each["position"], each["quorum"], each["founders"]) for each in chain],
        "registered": [
            {"position": each["position"], "holder": _holder(each["person"], each["key"])}
            for each in before["registrations"]
        ],
        "endorsements": [_endorsement(*each) for each in sorted(endorsements)],
        "revoked": [
            *(_revoked(each, each["position"]) for each in before["revocations"]),
            *(_revoked(each, rule["position"]) for rule in chain for each in rule["revoked"]),
        ],
    }
    judged = proofs.call("roster", "rosterAt", at, facts)
    assert dict(judged["owners"]) == case["owners"]
    for each in case["faults"]:
        assert dict(judged["faults"]).get(_holder(each["person"], each["key"]), "unregistered") == each["fault"]
    assert sorted(why for _, why in judged["voided"]) == case["void"]


def _revoked(each: dict[str, Any], position: int) -> dict[str, Any]:
    ends = position + 1
    return {"key": each["key"], "head": min(ends, each["since"]) if each["reason"] == "compromised" else ends}


@settings(max_examples=200)
@given(told=FACTS)
def test_any_log_of_keys_is_judged_as_by_the_verifier(proofs: Proofs, told: list[tuple[str, Any]]) -> None:
    theirs = verifier.Facts()
    mine: dict[str, list[Any]] = {"rules": [], "registered": [], "endorsements": [], "revoked": []}
    for position, (kind, fact) in enumerate([FOUNDING, *told]):
        match kind, fact:
            case "registered", holder:
                theirs.registered.append((position, holder))
                mine["registered"].append({"position": position, "holder": _holder(*holder)})
            case "endorsed", (head, endorser, holder):
                theirs.endorsements.append(verifier.Endorsement(position, head, endorser, holder))
                mine["endorsements"].append(_endorsement(position, head, endorser, holder))
            case "revoked", ((_, key), reason, since):
                end = min(position + 1, since) if reason is roster.Reason.COMPROMISED else position + 1
                theirs.revoked.append((key, end))
                mine["revoked"].append({"key": key, "head": end})
            case "rules", (quorum, founders):
                theirs.rules.append(verifier.Rules(position, quorum, founders))
                mine["rules"].append(_rules(position, quorum, founders))
    expected = verifier.roster_at(len(told) + 1, theirs)
    judged = proofs.call("roster", "rosterAt", len(told) + 1, mine)
    assert dict(judged["owners"]) == expected.owners
    assert dict(judged["faults"]) == {_holder(*holder): why for holder, why in expected.faults.items()}
    assert sorted(why for _, why in judged["voided"]) == sorted(expected.void.values())
    assert judged["enrolled"] == expected.enrolled
