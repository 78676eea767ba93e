"""The published vectors are what they say, for us and for OpenSSH, and each predicate has one that trips it alone."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.products import openssh
from support.vectors import rosters, signatures
from support.vectors import statements as of_statements
from support.vectors.common import FOLDER

from service.domain import statement as statements
from service.domain.request import Verdict
from service.domain.roster import (
    Endorsement,
    EndorsementFault,
    Facts,
    KeyFault,
    Reason,
    Registration,
    Revocation,
    RevokedBy,
    RevokedKey,
    Rules,
    RulesEvent,
    roster_at,
)
from service.domain.rule_chain import RulesFault, follow
from service.domain.statement import Expected, Namespace, StatementFault
from service.signing import demands, proofs, sshsig
from service.signing.demands import Demands
from service.signing.faults import BadSignature, Fault
from service.signing.proofs import Log


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


_STATEMENTS = _read("statements")
_SIGNATURES = [*_read("signatures"), *_read("recorded")]
_ROSTERS = _read("rosters")


def _named(cases: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("signatures", signatures.signatures),
        ("statements", of_statements.statements),
        ("rosters", rosters.rosters),
    ],
)
def test_the_vectors_are_made_the_same_again(name: str, make: Any) -> None:
    assert json.loads(json.dumps(make())) == _read(name), "make conformance"


def _demands(case: dict[str, Any]) -> Demands:
    return Demands(**{**case["demands"], "origins": frozenset(case["demands"]["origins"])})


@_named(_SIGNATURES)
def test_a_signature_has_the_faults_that_its_vector_says(case: dict[str, Any]) -> None:
    assert _faults(case) == case["faults"]


def _faults(case: dict[str, Any]) -> list[Fault]:
    try:
        signed = sshsig.verify(case["signature"], case["message"].encode(), case["namespace"])
    except BadSignature as refusal:
        return [refusal.fault]
    assert signed.key.text == case["key"]
    return list(demands.faults(signed, _demands(case)))


@pytest.mark.skipif(openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here")
@_named([case for case in _SIGNATURES if case["openssh"] is not None])
def test_openssh_accepts_what_its_vector_says(case: dict[str, Any], tmp_path: Path) -> None:
    verifier = openssh.Verifier(tmp_path, case["key"])
    assert verifier.accepts(case["signature"], case["message"].encode(), case["namespace"]) is case["openssh"]


@_named(_STATEMENTS["bytes"])
def test_bytes_are_a_statement_if_their_vector_says_so(case: dict[str, Any]) -> None:
    parse = getattr(statements, f"parse_{case['type']}")
    if case["fault"] is None:
        assert parse(case["statement"].encode()).bytes() == case["statement"].encode()
    else:
        with pytest.raises(statements.NotAStatement):
            parse(case["statement"].encode())


@_named(_STATEMENTS["agreement"])
def test_a_statement_agrees_with_what_its_vector_says(case: dict[str, Any]) -> None:
    said = case["expected"]
    expected = Expected(
        service=said["service"],
        request_id=said["request_id"],
        digest=said["digest"],
        verdict=Verdict(said["decision"]),
        person=said["person"],
        drill=said["drill"],
        oldest_size=said["oldest_size"],
        head_root=said["head_root"],
        head_at=said["head_at"] and datetime.fromisoformat(said["head_at"]),
        recorded_at=datetime.fromisoformat(said["recorded_at"]),
    )
    statement = statements.parse_decision(case["statement"].encode())
    assert list(statements.faults(statement, expected)) == case["faults"]


@_named(_STATEMENTS["proofs"])
def test_a_signed_statement_proves_what_its_vector_says(case: dict[str, Any]) -> None:
    prove = proofs.registration if case["namespace"] == Namespace.REGISTRATION else proofs.endorsement
    log = Log(case["service"], lambda _: case["head_root"])
    arguments = (case["statement"].encode(), case["signature"], log, _demands(case))
    if case["fault"] is None:
        prove(*arguments, position=1)
    else:
        with pytest.raises(BadSignature) as refusal:
            prove(*arguments, position=1)
        assert refusal.value.fault == case["fault"]


@_named(_ROSTERS)
def test_a_roster_has_the_keys_that_its_vector_says(case: dict[str, Any]) -> None:
    facts = Facts(
        registrations=tuple(Registration(**each) for each in case["registrations"]),
        endorsements=tuple(Endorsement(**each) for each in case["endorsements"]),
        revocations=tuple(
            Revocation(**{**each, "reason": Reason(each["reason"]), "by": RevokedBy(each["by"])})
            for each in case["revocations"]
        ),
    )
    chain = follow(case["trusted"], [_event(each) for each in case["rules"]], facts)
    assert [event.rules.version for event in chain.in_force] == case["in_force"]
    assert sorted((each.event.rules.version, each.fault, each.missing) for each in chain.refused) == sorted(
        (each["version"], each["fault"], each["missing"]) for each in case["refused"]
    )

    roster = roster_at(case["at"], chain.in_force, facts)
    assert roster.owners == case["owners"]
    for each in case["faults"]:
        assert roster.fault(each["person"], each["key"]) == each["fault"]
    assert sorted(fault for _, fault in roster.void) == case["void"]


def _event(each: dict[str, Any]) -> RulesEvent:
    rules = Rules(
        version=each["version"],
        digest=each["digest"],
        previous=each["previous"],
        quorum=each["quorum"],
        founders=frozenset((person, key) for person, key in each["founders"]),
        revoked=frozenset(RevokedKey(key["key"], Reason(key["reason"]), key["since"]) for key in each["revoked"]),
    )
    return RulesEvent(rules=rules, signers=frozenset(each["signers"]), position=each["position"])


def test_each_predicate_has_a_vector_that_trips_it_alone() -> None:
    one_each: list[list[str]] = [
        *(case["faults"] for case in [*_SIGNATURES, *_STATEMENTS["agreement"]]),
        *([case["fault"]] for case in [*_STATEMENTS["bytes"], *_STATEMENTS["proofs"]]),
        *([each["fault"] for each in case["faults"]] for case in _ROSTERS),
        *([*{*case["void"]}] for case in _ROSTERS),
        *([each["fault"] for each in case["refused"]] for case in _ROSTERS),
    ]
    alone = {faults[0] for faults in one_each if len(faults) == 1}
    every: set[str] = {*Fault, *StatementFault, *KeyFault, *EndorsementFault, *RulesFault}
    # A key that nobody registered is in no roster at all.
    assert every - alone == {KeyFault.UNREGISTERED}


def test_vectors_have_names_of_their_own() -> None:
    for cases in (_SIGNATURES, _ROSTERS, *_STATEMENTS.values()):
        names = [case["name"] for case in cases]
        assert len(names) == len(set(names))
