"""The chain of signed rules in a log: an auditor who has any version from a person follows it."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import SIGNER
from support.house import House
from support.past_triggers import as_its_owner, contents, rewritten
from support.rule_files import TEXT, following, signature, signed_by
from support.signers import FileKey, Signer, ed25519_of
from support.signing import BOB, CAROL, DAVE, approve, enrol
from support.started import in_a_new_process, start

from service import verifier
from service.domain.canonical import canonical
from service.domain.event_table import RULES_SIGNED
from service.domain.roster import Facts
from service.verifier import Finding, Trust, check_file, read_key, read_rules
from service.workflow.audit import evidence_of, export
from service.workflow.rule_events import NO_CHAIN, Recorded, grown, rules_signed
from service.workflow.verify import verify

KEYS = [read_key(SIGNER.verifier_key)]
SECOND = following(TEXT, ("[policy]", "[policy]\nquorum = 2"))
THIRD = following(SECOND, ('name = "Alice"', 'name = "Alicia"'))
EVE = FileKey(private=ed25519_of(b"eve"))


@pytest.fixture
def told(house: House) -> House:
    """Two versions, of which Dave, who was endorsed, has signed the second; and a request under that one."""
    start(house, signed_by(TEXT))
    enrol(house, "dave", None, "bob", "carol")
    start(house, signed_by(SECOND, "bob", "dave"))
    request = house.file()
    for person in ("carol", "dave"):
        approve(house, request, person)
    house.execute(request)
    return house


def found_in(data: bytes, trust: Trust) -> list[Finding | str]:
    kept = verifier.Kept([], {}, trust)
    return [*verifier.all_told(check_file(BytesIO(data), KEYS, kept))]


def names(found: list[Finding | str]) -> set[str]:
    return {each.name for each in found if isinstance(each, Finding)}


def in_export(house: House, trust: Trust) -> list[Finding | str]:
    return found_in(b"".join(export(house.ctx, house.actor("audrey"))), trust)


def in_evidence(house: House, trust: Trust) -> list[Finding | str]:
    [request_id] = {json.loads(content)["request_id"] for content in filed(house)}
    return found_in(canonical(evidence_of(house.ctx, house.actor("audrey"), request_id)), trust)


def in_database(house: House, trust: Trust) -> list[Finding | str]:
    return [each for each in verify(house.ctx, (), trust=trust) if isinstance(each, Finding | str)]


def filed(house: House) -> list[str]:
    with as_its_owner(house) as tx:
        return [json.dumps(event) for event in contents(tx) if event["event"] == "request.filed"]


FORMS: Mapping[str, Callable[[House, Trust], list[Finding | str]]] = {
    "export": in_export,
    "evidence": in_evidence,
    "database": in_database,
}
EACH_FORM = pytest.mark.parametrize("form", FORMS)


def trusting(text: str) -> Trust:
    return Trust(rules=read_rules(text.encode()))


@EACH_FORM
@pytest.mark.parametrize("given", [TEXT, SECOND])
def test_whoever_has_any_version_needs_no_other_word(told: House, form: str, given: str) -> None:
    found = FORMS[form](told, trusting(given))
    assert names(found) == set()
    assert not [each for each in found if "whose keys count" in str(each)]


@EACH_FORM
def test_without_a_version_from_a_person_the_first_is_believed_and_a_note_says_so(told: House, form: str) -> None:
    found = FORMS[form](told, Trust())
    assert names(found) == set()
    assert [each for each in found if "as the first rules in the log say" in str(each)]


@EACH_FORM
def test_another_first_version_is_found(told: House, form: str) -> None:
    assert names(FORMS[form](told, trusting(TEXT.replace("Alice", "Eve")))) == {"other-rules"}


Change = Callable[[list[dict[str, Any]]], None]


def of_version(events: list[dict[str, Any]], number: int) -> dict[str, Any]:
    return next(e for e in events if e["event"] == RULES_SIGNED and e["data"]["version"] == number)


def put(events: list[dict[str, Any]], text: str, *signers: Any) -> None:
    rules = read_rules(text.encode())
    data = {"version": rules.version, "digest": rules.digest, "previous": rules.previous, "text": text}
    data["signatures"] = [signature(text, signer) for signer in signers]
    events.append({**of_version(events, 1), "seq": len(events) + 1, "data": data})


def swapped(events: list[dict[str, Any]]) -> None:
    evil = SECOND.replace("Carol", "Eve")
    of_version(events, 2)["data"] |= {"text": evil, "digest": read_rules(evil.encode()).digest}


FORGED: dict[str, tuple[Change, set[str]]] = {
    "signatures taken away": (lambda es: of_version(es, 2)["data"].update(signatures=[]), {"rules-unsigned"}),
    "signed by one": (
        lambda es: of_version(es, 2)["data"].update(signatures=[signature(SECOND, BOB), signature(SECOND, BOB)]),
        {"rules-unsigned"},
    ),
    "signed by a stranger": (
        lambda es: of_version(es, 2)["data"].update(signatures=[signature(SECOND, BOB), signature(SECOND, EVE)]),
        {"rules-unsigned"},
    ),
    "a file swapped under its signatures": (swapped, {"rules-unsigned"}),
    "a digest of another file": (lambda es: of_version(es, 2)["data"].update(digest="ab" * 32), {"not-rules"}),
    "a file that is no TOML": (lambda es: of_version(es, 2)["data"].update(text="version ="), {"not-rules"}),
    "rolled back": (lambda es: put(es, TEXT, BOB, CAROL), {"rules-older"}),
    "one skipped": (lambda es: put(es, following(THIRD), BOB, CAROL), {"rules-foreign"}),
    "a fork": (lambda es: put(es, SECOND.replace("Carol", "Eve"), BOB, CAROL), {"rules-foreign"}),
    "a third that nobody signed": (lambda es: put(es, THIRD), {"rules-unsigned"}),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_version_is_named(told: House, forged: str) -> None:
    change, expected = FORGED[forged]
    with as_its_owner(told) as tx:
        events = contents(tx)
        change(events)
        rewritten(tx, events)
    in_a_new_process(told)
    for form in (in_export, in_database):
        found = names(form(told, trusting(TEXT))) - {"another-log", "not-endorsed", "no-quorum", "filed-twice"}
        assert expected <= found, found
        assert found <= expected | {"other-rules"}


@EACH_FORM
def test_a_request_under_rules_that_were_not_in_force_is_found(told: House, form: str) -> None:
    with as_its_owner(told) as tx:
        events = contents(tx)
        events = [event for event in events if event is not of_version(events, 2)]
        rewritten(tx, events)
    in_a_new_process(told)
    assert "other-rules" in names(FORMS[form](told, trusting(TEXT)))


def test_a_third_version_that_a_quorum_signed_is_in_force(told: House) -> None:
    start(told, signed_by(THIRD, "carol", "dave"))
    assert names(in_export(told, trusting(THIRD))) == set()


_TEXTS = [TEXT, SECOND, THIRD, SECOND.replace("Carol", "Eve"), following(THIRD), TEXT.replace("Alice", "Eve")]
_LOGS = st.lists(st.tuples(st.sampled_from(_TEXTS), st.frozensets(st.sampled_from("bce"), max_size=3)), max_size=7)
# Most of them go on from a version that was signed well, or few would come that far.
_LOGS = _LOGS | _LOGS.map(lambda log: [(TEXT, frozenset("bc")), (SECOND, frozenset("bc")), *log])
_SIGNERS: Mapping[str, Signer] = {"b": BOB, "c": CAROL, "e": EVE}


@settings(max_examples=150, deadline=None)
@given(_LOGS)
def test_the_verifier_follows_any_log_of_rules_as_the_service_does(log: list[tuple[str, frozenset[str]]]) -> None:
    ours, recorded, chain = verifier.Signatures(verifier.Signing()), list[Recorded](), NO_CHAIN
    found = list[str]()
    for position, (text, who) in enumerate(log):
        signed = signed_by(text, *(_SIGNERS[each] for each in sorted(who)))
        recorded.append(Recorded(signed, position))
        chain = grown(chain, recorded, Facts())
        data = dict(rules_signed(signed, signed.signatures).data)
        event = {"seq": position + 1, "event": RULES_SIGNED, "request_id": None, "data": data}
        found += [each.name for each in ours.learn(event) if isinstance(each, Finding)]
    assert ours._chain.known == {each.rules.digest for each in chain.in_force}
    assert {*found} == {f"rules-{refusal.fault}" for refusal in chain.refused}


@pytest.mark.parametrize("broken", ["version =", "version = 1\nversion = 1", "\ufeffversion = 1", "version = 2"])
def test_what_is_no_file_of_rules_is_refused_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (tmp_path / "rules.toml").write_text(broken)
    with pytest.raises(SystemExit) as ended:
        verifier.main(["--key", SIGNER.verifier_key, "--rules", str(tmp_path / "rules.toml"), "x"])
    assert ended.value.code == 2
    assert "no file of rules" in capsys.readouterr().err


@pytest.mark.parametrize("text", [TEXT, SECOND, TEXT.replace("[policy]", "[policy]\nquorum = 3")])
def test_the_verifier_reads_a_file_as_the_service_does(text: str) -> None:
    ours, theirs = read_rules(text.encode()), signed_by(text).file
    rules, signing = theirs.rules, theirs.signing
    assert (ours.version, ours.digest, ours.previous, ours.quorum, ours.founders) == (
        rules.version,
        rules.digest,
        rules.previous,
        rules.quorum,
        rules.founders,
    )
    assert (ours.demands.rp_id, ours.demands.origins) == (signing.rp_id, signing.origins)


_REVOKED = f'[[revoked_keys]]\nkey = "{DAVE.public.text} old"\n'
_STOLEN = f'[[revoked_keys]]\nkey = "{BOB.public.text}"\nreason = "compromised"\nsince = 3\n'


def test_the_verifier_reads_revoked_keys_as_the_service_does() -> None:
    text = TEXT + _REVOKED + _STOLEN
    theirs = {(each.key, each.reason.value, each.since) for each in signed_by(text).file.rules.revoked}
    assert theirs == {(DAVE.public.text, "retired", 0), (BOB.public.text, "compromised", 3)}
    assert read_rules(text.encode()).revoked == {(DAVE.public.text, None), (BOB.public.text, 3)}


@pytest.mark.parametrize(
    "broken",
    [
        "revoked_keys = 1\n",
        "[revoked_keys]\n",
        "[[revoked_keys]]\n",
        '[[revoked_keys]]\nkey = "ssh-ed25519 AAAA"\n',
        _REVOKED + 'reason = "stolen"\n',
        _REVOKED + "since = 3\n",
        _STOLEN.replace("3", "-3"),
        _REVOKED + _REVOKED,
        _REVOKED + "sinze = 3\n",
    ],
)
def test_a_revocation_that_might_revoke_nothing_is_no_rule(broken: str) -> None:
    head, tables = TEXT.split("[policy]")
    with pytest.raises(ValueError, match=r"revoked key|compromised key"):
        read_rules(f"{head}{broken}[policy]{tables}".encode())


@EACH_FORM
def test_a_version_that_a_revoked_key_signs_is_found(told: House, form: str) -> None:
    third = THIRD + _REVOKED
    start(told, signed_by(third, "bob", "carol"))
    assert names(FORMS[form](told, trusting(third))) == set()
    with as_its_owner(told) as tx:
        events = contents(tx)
        put(events, following(third), DAVE, CAROL)
        rewritten(tx, events)
    in_a_new_process(told)
    if form != "evidence":  # which has no more of the log than its request needs
        assert "rules-unsigned" in names(FORMS[form](told, trusting(third)))
