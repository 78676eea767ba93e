"""The verifier that outsiders run conforms too: it shares no code with the service, and finds the same."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from support.key_logs import FACTS, FOUNDING
from support.signers import bytes_of, text_of
from support.vectors.common import FOLDER

from service import verifier
from service.domain import roster
from service.signing import demands, sshsig
from service.signing.faults import BadSignature
from service.verifier import Bad, Demands, Endorsement, Expected, Facts, Rules


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


_STATEMENTS = _read("statements")


def _named(cases: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def _demands(case: dict[str, Any]) -> Demands:
    return Demands(**{**case["demands"], "origins": frozenset(case["demands"]["origins"])})


@_named([*_read("signatures"), *_read("recorded")])
def test_a_signature_has_the_faults_that_its_vector_says(case: dict[str, Any]) -> None:
    assert _faults(case) == case["faults"]


def _faults(case: dict[str, Any], *, is_changed: bool = False) -> list[str]:
    try:
        key, assertion = verifier.verify_signature(case["signature"], case["message"].encode(), case["namespace"])
    except Bad as bad:
        return [bad.fault]
    assert is_changed or key.text == case["key"]
    return verifier.unmet(key, assertion, _demands(case))


@_named(_STATEMENTS["bytes"])
def test_bytes_are_a_statement_if_their_vector_says_so(case: dict[str, Any]) -> None:
    namespace, data = f"{case['type']}@rootquorum", case["statement"].encode()
    if case["fault"] is None:
        assert verifier.canonical(verifier.read_statement(data, namespace)) == data
    else:
        with pytest.raises(Bad) as bad:
            verifier.read_statement(data, namespace)
        assert bad.value.fault == case["fault"]


@_named(_STATEMENTS["agreement"])
def test_a_statement_agrees_with_what_its_vector_says(case: dict[str, Any]) -> None:
    said, statement = case["expected"], verifier.read_statement(case["statement"].encode(), "decision@rootquorum")
    expected = Expected(
        service=said["service"],
        request_id=said["request_id"],
        digest=said["digest"],
        decision=said["decision"],
        person=said["person"],
        drill=said["drill"],
        oldest_size=said["oldest_size"],
        had_head=statement["log"]["root"] == said["head_root"],
        head_at=said["head_at"] and _microseconds(said["head_at"]),
        recorded_at=_microseconds(said["recorded_at"]),
    )
    assert verifier.disagreements(statement, expected) == case["faults"]


def _microseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@_named(_STATEMENTS["proofs"])
def test_a_signed_statement_proves_what_its_vector_says(case: dict[str, Any]) -> None:
    named = json.loads(case["statement"])
    past = verifier.Past([named["log"]["size"]])
    past.note(named["log"]["size"], {}, lambda: bytes.fromhex(case["head_root"]))
    signatures = verifier.Signatures(verifier.Signing(case["service"], past, verifier.Trust(demands=_demands(case))))
    kind = "registered" if case["namespace"].startswith("registration") else "endorsed"
    about = {name: named[name] for name in ("person", "key", "endorser") if name in named}
    event = {
        "seq": named["log"]["size"] + 1,
        "at": "2026-11-27T10:15:00.000000Z",
        "request_id": None,
        "event": f"signing_key.{kind}",
        "data": about | {"statement": case["statement"], "signature": case["signature"]},
    }
    # An endorser has no key that counts here, which no vector is about.
    found = {each.name for each in signatures.learn(event) if isinstance(each, verifier.Finding)}
    assert found - {"by-no-key-that-counts"} == {case["fault"]} - {None}


@_named(_read("rosters"))
def test_a_roster_has_the_keys_that_its_vector_says(case: dict[str, Any]) -> None:
    at = case["at"]
    in_force = [each for each in case["rules"] if each["version"] in case["in_force"] and each["position"] < at]
    rules = {each["version"]: each for each in reversed(in_force)}  # a version may be recorded again later
    chain = sorted(rules.values(), key=lambda each: each["position"])
    facts = Facts(
        rules=[Rules(each["position"], each["quorum"], frozenset(map(tuple, each["founders"]))) for each in chain],
        registered=[
            (each["position"], (each["person"], each["key"])) for each in case["registrations"] if each["position"] < at
        ],
        endorsements=sorted(
            {
                Endorsement(
                    each["position"],
                    each["head"],
                    (each["endorser"], each["by_key"]),
                    (each["person"], each["key"]),
                )
                for each in case["endorsements"]
                if each["position"] < at
            },
            key=lambda each: each.position,
        ),
        revoked=[_revoked(each, each["position"]) for each in case["revocations"] if each["position"] < at]
        + [_revoked(each, rule["position"]) for rule in chain for each in rule["revoked"]],
    )

    judged = verifier.roster_at(at, facts)

    assert judged.owners == case["owners"]
    for each in case["faults"]:
        assert judged.fault((each["person"], each["key"])) == each["fault"]
    assert sorted(judged.void.values()) == case["void"]


def _revoked(each: dict[str, Any], position: int) -> tuple[str, int]:
    ends = position + 1
    return each["key"], min(ends, each["since"]) if each["reason"] == "compromised" else ends


@_named([each for each in _read("signatures") if not each["faults"]])
def test_it_judges_changed_signatures_as_the_service_does(case: dict[str, Any]) -> None:
    """Each bit that matters in another place: two implementations that share no code find the same fault."""
    blob = bytes_of(case["signature"])
    for at in range(len(blob)):
        changed = text_of(blob[:at] + bytes([blob[at] ^ 1 << at % 8]) + blob[at + 1 :])
        assert _faults(case | {"signature": changed}, is_changed=True) == _faults_of_the_service(case, changed), at
    for cut in range(0, len(blob), 7):
        assert _faults(case | {"signature": text_of(blob[:cut])}) == ["malformed"]


def _faults_of_the_service(case: dict[str, Any], signature: str) -> list[str]:
    wanted = demands.Demands(**{**case["demands"], "origins": frozenset(case["demands"]["origins"])})
    try:
        signed = sshsig.verify(signature, case["message"].encode(), case["namespace"])
    except BadSignature as refusal:
        return [refusal.fault]
    return [*demands.faults(signed, wanted)]


@settings(max_examples=300)
@given(FACTS)
def test_it_judges_any_log_of_keys_as_the_service_does(facts: list[tuple[str, Any]]) -> None:
    mine, chain = Facts(), list[roster.RulesEvent]()
    registrations, endorsements, revocations = list[Any](), list[Any](), list[Any]()
    for position, (kind, fact) in enumerate([FOUNDING, *facts]):
        match kind, fact:
            case "registered", (person, key):
                mine.registered.append((position, (person, key)))
                registrations.append(roster.Registration(person=person, key=key, position=position))
            case "endorsed", (head, (endorser, by_key), (person, key)):
                mine.endorsements.append(Endorsement(position, head, (endorser, by_key), (person, key)))
                endorsements.append(
                    roster.Endorsement(
                        person=person, key=key, endorser=endorser, by_key=by_key, head=head, position=position
                    )
                )
            case "revoked", ((_, key), reason, since):
                by = roster.RevokedBy.OPERATOR
                revocation = roster.Revocation(key=key, reason=reason, since=since, by=by, position=position)
                mine.revoked.append((key, revocation.end))
                revocations.append(revocation)
            case "rules", (quorum, founders):
                mine.rules.append(Rules(position, quorum, founders))
                rules = roster.Rules(version=1, digest="", previous=None, quorum=quorum, founders=founders)
                chain.append(roster.RulesEvent(rules=rules, signers=frozenset(), position=position))
    at = len(facts) + 1
    whole = roster.Facts(
        registrations=tuple(registrations), endorsements=tuple(endorsements), revocations=tuple(revocations)
    )
    theirs, ours = roster.roster_at(at, chain, whole), verifier.roster_at(at, mine)
    assert ours.owners == theirs.owners
    assert ours.faults == theirs.faults
    assert sorted(ours.void.values()) == sorted(fault for _, fault in theirs.void)
