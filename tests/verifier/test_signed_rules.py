"""The chain of signed rules in a log: an auditor who has any version from a person follows it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import SIGNER, policy_of
from support.house import House
from support.past_triggers import as_its_owner, contents, rewritten
from support.rule_files import TEXT, following, signature, signed_by
from support.signers import PRESENT, FileKey, Signer, ed25519_of
from support.signing import BOB, CAROL, DAVE, SIGNING, approve, enrol, restart, vouch
from support.started import in_a_new_process, start

from service import verifier
from service.domain.canonical import canonical
from service.domain.demands import SignedApprovals
from service.domain.event_table import RULES_SIGNED
from service.domain.roster import Facts
from service.domain.signed import Signing
from service.verifier import Finding, Trust, check_file, read_key, read_rules
from service.workflow.audit import evidence_of, export
from service.workflow.rule_events import NO_CHAIN, Recorded, grown, rules_signed
from service.workflow.verify import verify

KEYS = [read_key(SIGNER.verifier_key)]
SECOND = following(TEXT, ("[policy]", "[policy]\nquorum = 2"))
THIRD = following(SECOND, ('name = "Alice"', 'name = "Alicia"'))
EVE, MALLORY = FileKey(private=ed25519_of(b"eve")), FileKey(private=ed25519_of(b"mallory"))


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


def each_form(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in each form, by turns on either database: the verifier judges what it has read."""
    pytest.mark.engines_by_turns(test)
    pytest.mark.parametrize("form", FORMS)(test)
    return test


def trusting(text: str) -> Trust:
    return Trust(rules=read_rules(text.encode()))


@each_form
@pytest.mark.parametrize("given", [TEXT, SECOND])
def test_whoever_has_any_version_needs_no_other_word(told: House, form: str, given: str) -> None:
    found = FORMS[form](told, trusting(given))
    assert names(found) == set()
    assert not [each for each in found if "whose keys count" in str(each)]


@each_form
def test_without_a_version_from_a_person_the_first_is_believed_and_a_note_says_so(told: House, form: str) -> None:
    found = FORMS[form](told, Trust())
    assert names(found) == set()
    assert [each for each in found if "as the first rules in the log say" in str(each)]


@each_form
def test_another_first_version_is_found(told: House, form: str) -> None:
    assert names(FORMS[form](told, trusting(TEXT.replace("Alice", "Eve")))) == {"other-rules"}


def under_settings(house: House, signing: Signing = SIGNING) -> None:
    """Start a process as before there were signed rules. Its settings are nobody's word but their own."""
    restart(house, signing=signing, policy=replace(policy_of(), signed_approvals=SignedApprovals.REQUIRED))


def executed(house: House, **approvers: Signer) -> None:
    request = house.file()
    for person, key in approvers.items():
        approve(house, request, person, by=key)
    house.execute(request)


def executed_without_signatures(house: House) -> None:
    """Write what a forger writes who leaves the demand out of the filing and of the policies."""
    house.change(policy=replace(house.ctx.policy, signed_approvals=SignedApprovals.OFF))
    house.execute(house.approved())


@each_form
@pytest.mark.parametrize("given", [TEXT, SECOND])
def test_the_first_version_says_whose_keys_counted_before_it(house: House, form: str, given: str) -> None:
    forged = frozenset({("bob", EVE.public.text), ("carol", MALLORY.public.text)})
    under_settings(house, replace(SIGNING, founders=forged))
    executed(house, bob=EVE, carol=MALLORY)
    start(house, signed_by(TEXT))
    start(house, signed_by(SECOND, "bob", "carol"))
    assert names(FORMS[form](house, trusting(given))) == {"unregistered", "no-quorum"}
    assert names(FORMS[form](house, Trust())) == set()  # whoever has no version takes the settings' word


@each_form
def test_what_the_people_of_the_first_version_signed_before_it_is_good(house: House, form: str) -> None:
    under_settings(house)
    executed(house, bob=BOB, carol=CAROL)
    start(house, signed_by(TEXT))
    assert names(FORMS[form](house, trusting(TEXT))) == set()


@each_form
def test_without_any_version_in_the_log_no_key_counts_for_whoever_has_one(house: House, form: str) -> None:
    under_settings(house)
    executed(house, bob=BOB, carol=CAROL)
    found = FORMS[form](house, trusting(TEXT))
    assert {"other-rules", "unregistered", "no-quorum"} <= names(found)
    assert not [each for each in found if "whose keys count" in str(each)]


@each_form
def test_the_first_version_says_what_keys_had_to_prove_before_it(house: House, form: str) -> None:
    under_settings(house, replace(SIGNING, user_verified=False))
    key = enrol(house, "dave", None, "bob")
    vouch(house, "carol", key, replace(CAROL, flags=PRESENT))
    request = house.file()
    for person in ("bob", "dave"):
        approve(house, request, person)
    house.execute(request)
    start(house, signed_by(TEXT))
    assert names(FORMS[form](house, trusting(TEXT))) == {"not-verified", "not-endorsed", "no-quorum"}


@each_form
@pytest.mark.parametrize("trust", [Trust(), trusting(TEXT)], ids=["none", "the version"])
def test_the_rules_in_force_say_which_approvals_are_signed_whatever_events_leave_out(
    house: House, form: str, trust: Trust
) -> None:
    start(house, signed_by(TEXT))
    executed_without_signatures(house)
    assert names(FORMS[form](house, trust)) == {"unsigned", "no-quorum"}


@each_form
def test_an_execution_before_the_first_version_meets_its_demands(house: House, form: str) -> None:
    executed_without_signatures(house)
    start(house, signed_by(TEXT))
    assert names(FORMS[form](house, trusting(TEXT))) == {"unsigned", "no-quorum"}
    assert names(FORMS[form](house, Trust())) == set()


@each_form
def test_the_rules_in_force_say_the_quorum_whatever_events_leave_out(house: House, form: str) -> None:
    three = TEXT.replace("[policy]", "[policy]\nquorum = 3")
    start(house, signed_by(three))
    executed(house, bob=BOB, carol=CAROL)
    assert names(FORMS[form](house, trusting(three))) == {"no-quorum"}


@each_form
def test_approvals_that_need_no_signature_are_counted_for_whoever_has_a_version(house: House, form: str) -> None:
    lenient = TEXT.replace('"required"', '"off"')
    start(house, signed_by(lenient))
    executed_without_signatures(house)
    found = FORMS[form](house, trusting(lenient))
    assert names(found) == set()
    assert [each for each in found if "2 approvals are not signed" in str(each)]


def test_evidence_of_unsigned_approvals_has_the_rules(house: House) -> None:
    lenient = TEXT.replace('"required"', '"off"')
    start(house, signed_by(lenient))
    executed_without_signatures(house)
    [filing] = map(json.loads, filed(house))
    document = evidence_of(house.ctx, house.actor("audrey"), filing["request_id"])
    assert document["format"] == "rootquorum-evidence/2"
    assert names(found_in(canonical(document), trusting(lenient))) == set()
    kept = {name: value for name, value in document.items() if name not in {"signing", "heads"}}
    decisions = [
        {name: value for name, value in each.items() if name not in {"statement", "signature"}}
        for each in json.loads(canonical(document["decisions"]))
    ]
    without = kept | {"format": "rootquorum-evidence/1", "decisions": decisions}
    assert names(found_in(canonical(without), Trust())) == set()
    assert names(found_in(canonical(without), trusting(lenient))) == {"other-rules"}


@pytest.mark.parametrize("word", SignedApprovals)
def test_the_verifier_reads_which_approvals_a_version_demands_to_be_signed(word: SignedApprovals) -> None:
    assert verifier.signed_approvals_of(TEXT.replace("required", word).encode()) == word


@pytest.mark.parametrize("word", ['"Off"', "0", "false", '["off"]', "{}"])
def test_a_word_that_is_not_known_demands_all_signatures(word: str) -> None:
    assert verifier.signed_approvals_of(TEXT.replace('"required"', word).encode()) == "required"


def test_a_version_that_demands_no_signatures_says_nothing_of_them() -> None:
    assert verifier.signed_approvals_of(b"version = 1") == "off"


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


@pytest.mark.engines_by_turns
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


@each_form
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


@each_form
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
