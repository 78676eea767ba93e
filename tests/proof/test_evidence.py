"""The page's verdict on evidence is never better than that of `verifier.py`, in what both check."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from proof.in_node import Proofs
from proof.verdicts import ELSEWHERE, Verdict, is_no_better, judged, lines
from support.ledger import SIGNER, STRANGER, Leaf, MemoryLog, executed, retired, taken_back
from support.signed_ledger import FOUNDERS, KEYS, RULEBOOK, Story, evidence_of, head, of_service
from support.tampering import changed_at, fields
from verifier.test_signatures import APPROVALS, KEYS_OF_OTHERS, MODES

from service import verifier
from service.verifier import Trust

_FOUNDERS, _SIGNERS = (
    frozenset((person, signer.public.text) for person, signer in keys.items()) for keys in (FOUNDERS, KEYS)
)


def _bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


_STORIES = {"executed": executed, "retired": retired, "taken_back": taken_back}


@pytest.mark.parametrize("story", _STORIES.values(), ids=_STORIES)
def test_true_histories_are_good(proofs: Proofs, story: Callable[[], tuple[MemoryLog, str]]) -> None:
    ledger, request_id = story()
    for data in (_bytes(ledger.evidence(request_id)), b"".join(ledger.export())):
        verdict = judged(proofs, data)
        assert verdict.found == set()
        # Nobody signed the approvals.
        assert [check["name"] for check in verdict.page["checks"] if check["state"] == "open"] == ["signatures", "rest"]
        assert verdict.page["verdict"] == "partly"


def test_signed_approvals_of_founders_proteges_are_good(proofs: Proofs) -> None:
    ledger, request_id = Story().told()
    for data in (_bytes(evidence_of(ledger, request_id)), b"".join(ledger.export())):
        for trust in (Trust(founders=_FOUNDERS), Trust(signers=_SIGNERS)):
            verdict = judged(proofs, data, trust)
            assert (verdict.page["verdict"], verdict.found) == ("good", set())
        assert judged(proofs, data).state("keys") == "open"


def test_the_page_says_what_only_the_verifier_checks(proofs: Proofs) -> None:
    assert set(proofs.call("rules", "ONLY_ELSEWHERE")) == ELSEWHERE | {"stale-sign-in"}
    parts = [proofs.call(module, "SENTENCES") for module in ("evidence", "export", "judge")]
    sentences = {code: sentence for part in parts for code, sentence in part.items()}
    assert len(sentences) == sum(map(len, parts))
    told = _names_under("Names of findings") - {"another-kind"} - ELSEWHERE
    of_notes = {"not-a-note", "not-a-checkpoint", "unknown-signer", "wrong-origin"}
    of_witnesses = {"not-a-cosignature", "wrong-cosignature", "not-witnessed"}
    assert sentences.keys() | {*verifier.FAULTS} | of_notes | of_witnesses == told
    assert _names_under("In a browser") >= ELSEWHERE | of_witnesses | {"stale-sign-in"}


def _names_under(heading: str) -> set[str]:
    text = (Path(__file__).parents[2] / "docs/audit-log.md").read_text()
    return set(re.findall(r"`([a-z-]+)`", text.partition(f"## {heading}\n")[2].partition("\n## ")[0]))


def _written_otherwise(ledger: MemoryLog, number: int, leaf: Leaf) -> MemoryLog:
    """The log, had the service itself written this leaf at this place: numbered, chained and signed as any other."""
    again = MemoryLog()
    for each in [*ledger.leaves[:number], leaf, *ledger.leaves[number + 1 :]]:
        again.append(**{name: value for name, value in each.items() if name not in {"seq", "previous"}})
    return again


def _changed_leaves(ledger: MemoryLog) -> Iterator[tuple[int, Any, Leaf]]:
    for number, leaf in enumerate(ledger.leaves):
        for path in fields(leaf):
            for how in ("change", "delete", "insert"):
                if path[0] not in {"seq", "previous"} and path not in [("event",), ("request_id",), ("data",)]:
                    yield number, (path, how), changed_at(leaf, path, how)


_EVERY = 7  # all of them would take a minute


@pytest.mark.parametrize("name", ["signed", *_STORIES])
def test_it_is_never_content_with_what_the_verifier_finds_in_events(proofs: Proofs, name: str) -> None:
    ledger, request_id = _STORIES[name]() if name in _STORIES else Story().told()
    evidence: Callable[..., Any] = evidence_of if name == "signed" else MemoryLog.evidence
    trust = Trust(founders=_FOUNDERS) if name == "signed" else Trust()
    changed = [*_changed_leaves(ledger)][::_EVERY]
    assert len(changed) > 60
    for number, what, leaf in changed:
        other = _written_otherwise(ledger, number, leaf)
        verdict = judged(proofs, b"".join(other.export()), trust)
        assert is_no_better(verdict), (what, leaf, verdict.found, verdict.codes)
        try:
            document = evidence(other, request_id)
        except (AttributeError, LookupError, TypeError, ValueError):
            continue  # whoever builds evidence needs whole events; the export has shown what this one leads to
        verdict = judged(proofs, _bytes(document), trust)
        assert is_no_better(verdict), (what, leaf, verdict.found, verdict.codes)


@pytest.mark.parametrize("how", ["change", "delete", "insert"])
def test_it_is_never_content_with_what_the_verifier_finds_in_a_document(proofs: Proofs, how: str) -> None:
    ledger, request_id = Story().told()
    whole = evidence_of(ledger, request_id)
    for path in [*fields(whole)][::3]:
        verdict = judged(proofs, _bytes(changed_at(whole, path, how)), Trust(founders=_FOUNDERS))
        assert is_no_better(verdict), (path, verdict.found, verdict.codes)


_UNSIGNED: dict[str, Any] = {"unsigned": ("bob",)}
_FORGED: dict[str, Any] = APPROVALS | {name: _UNSIGNED | about for name, (about, _) in MODES.items()}


@pytest.mark.parametrize("about", _FORGED.values(), ids=_FORGED)
def test_a_forged_approval_is_found_by_the_same_names(proofs: Proofs, about: dict[str, Any]) -> None:
    _same_findings(proofs, Story(**about))


@pytest.mark.parametrize("about", [about for about, _ in KEYS_OF_OTHERS.values()], ids=KEYS_OF_OTHERS)
def test_a_key_that_founders_do_not_lead_to_is_found_by_the_same_names(proofs: Proofs, about: dict[str, Any]) -> None:
    _same_findings(proofs, Story(**about))


def _same_findings(proofs: Proofs, story: Story) -> None:
    ledger, request_id = story.told()
    for data in (_bytes(evidence_of(ledger, request_id)), b"".join(ledger.export())):
        for trust in (Trust(), Trust(founders=_FOUNDERS), Trust(signers=_SIGNERS)):
            verdict = judged(proofs, data, trust)
            assert verdict.codes == verdict.found - ELSEWHERE


def test_a_log_is_held_against_the_key_that_the_reader_got(proofs: Proofs) -> None:
    ledger, request_id = Story().told()
    data = _bytes(evidence_of(ledger, request_id))
    verdict = judged(proofs, data, key=STRANGER.verifier_key)
    assert (verdict.codes, verdict.state("tree"), verdict.state("signatures")) == ({"unknown-signer"}, "open", "open")
    page = proofs.call("judge", "examine", data, {"founders": lines(_FOUNDERS)})
    assert Verdict(page, set()).state("head") == "open"
    assert page["verdict"] == "partly"


def test_a_head_that_the_reader_kept_shows_another_log(proofs: Proofs) -> None:
    ledger, request_id = Story().told()
    size = len(ledger.leaves)
    forged = ledger.head(size).replace(f"{size}:", f"{size - 1}:")

    def state(data: bytes, *heads: str) -> str:
        known = {"keys": [SIGNER.verifier_key], "heads": list(heads)}
        return Verdict(proofs.call("judge", "examine", data, known), set()).state("kept")

    export, evidence = b"".join(ledger.export()), _bytes(evidence_of(ledger, request_id))
    assert state(export) == "none"
    assert state(export, ledger.head(3), ledger.head(size)) == "good"
    assert state(export, forged) == "bad"
    assert state(export, ledger.head(3).replace("3:", f"{size + 1}:")) == "bad"
    assert state(evidence, ledger.head(size)) == "good"
    assert state(evidence, ledger.head(3)) == "open"
    assert state(evidence, forged.replace(f"{size - 1}:", f"{size}:", 1)[:-2] + "A=") == "bad"


def test_without_a_judge_it_says_what_it_did_not_check(proofs: Proofs) -> None:
    """The desk checks the head, the tree and that the document is whole."""
    ledger, request_id = Story().told()
    page = proofs.call("evidence", "check", _bytes(evidence_of(ledger, request_id)), {"keys": [SIGNER.verifier_key]})
    states = {check["name"]: check["state"] for check in page["checks"]}
    assert {name for name, state in states.items() if state == "good"} == {"head", "tree", "whole"}
    assert {name for name, state in states.items() if state == "open"} == {
        "filing", "approvals", "steps", "signatures", "keys", "rest",
    }  # fmt: skip


def test_a_request_is_there_to_be_shown_whatever_is_wrong_with_it(proofs: Proofs) -> None:
    ledger, request_id = Story(**_FORGED["another-digest"]).told()
    [request] = judged(proofs, _bytes(evidence_of(ledger, request_id))).page["requests"]
    assert (request["id"], request["status"]) == (request_id, "succeeded")
    assert request["filing"]["requester"] == "alice"
    faults = {event["seq"]: event["faults"] for event in request["events"] if event["faults"]}
    assert [*faults.values()] == [["another-digest"], ["no-quorum"], ["no-quorum"]]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"{}", b"[]", b"null", b"\xff", b"{}\n{}\n", b'{"checkpoint":1}\n', b"{\n}", b"a\n"]
)
def test_what_is_no_evidence_is_bad(proofs: Proofs, data: bytes) -> None:
    assert judged(proofs, data).page["verdict"] == "bad"


_SIGNER = KEYS["bob"].public.text


@pytest.mark.parametrize(
    "text",
    [
        "", "# nobody\n\n", f"bob {_SIGNER}", f"bob {_SIGNER} a comment\r\n", f'\t"b ob"\t{_SIGNER}\n',
        f"bob {_SIGNER}\nbob {_SIGNER}\n", f"bob {_SIGNER}\neve {_SIGNER}\n", f"bob,eve {_SIGNER}\n",
        f"b* {_SIGNER}\n", f"bob namespaces=decision@rootquorum {_SIGNER}\n", "bob ssh-ed25519\n",
        "bob\n", f"{_SIGNER}\n",
        f'"bob {_SIGNER}\n',
        f"bob\u2028eve {_SIGNER}\n", f"bob {_SIGNER}=\n", f"!bob {_SIGNER}\n", f"bob\u00a0{_SIGNER}\n",
    ],
)  # fmt: skip
def test_allowed_signers_are_read_as_the_verifier_reads_them(proofs: Proofs, tmp_path: Path, text: str) -> None:
    file = tmp_path / "allowed_signers"
    file.write_bytes(text.encode())
    try:
        holders = verifier.read_signers(file)
    except ValueError:
        assert proofs.fault("judge", "parseSigners", text) == "not-signers"
    else:
        read = proofs.call("judge", "parseSigners", text)
        assert {tuple(json.loads(each)) for each in read} == holders


@pytest.mark.parametrize("names", [("heads", "keys"), ("outcome", "policy"), ("keys", "outcome")])
def test_a_name_with_a_comma_stands_for_no_two_members(proofs: Proofs, names: tuple[str, str]) -> None:
    whole = evidence_of(*Story().told())
    merged = {name: value for name, value in whole.items() if name not in names} | {",".join(names): None}
    assert judged(proofs, _bytes(merged)).codes == {"wrong-members"}


def test_an_event_left_out_of_evidence_is_found(proofs: Proofs) -> None:
    ledger, request_id = executed()
    whole = ledger.evidence(request_id)
    # Without the last one it is what the evidence was before.
    for number in range(len(whole["events"]) - 1):
        events = [event for at, event in enumerate(whole["events"]) if at != number]
        verdict = judged(proofs, _bytes(whole | {"events": events}))
        assert "left-out" in verdict.codes & verdict.found


def test_an_approval_is_void_if_its_person_was_suspended_after_its_head(proofs: Proofs) -> None:
    """Whatever its own time says, and although the person is reinstated."""

    def early(ledger: MemoryLog) -> None:
        for name in ("person.suspended", "person.reinstated"):
            of_service(ledger, name, person="bob")

    ages = RULEBOOK | {"policy": {"quorum": 2, "decision_max_auth_age": 86_400}}
    ledger, _ = Story(early=early, rulebook=ages).told()
    size = next(leaf["seq"] for leaf in ledger.leaves if leaf["event"] == "person.suspended") - 1
    log = head(ledger, size)
    stale, _ = Story(early=early, rulebook=ages, change=lambda draft: draft.said.update(log=log)).told()
    for each, expected in ((ledger, set()), (stale, {"no-quorum"})):
        verdict = judged(proofs, b"".join(each.export()), Trust(founders=_FOUNDERS))
        assert verdict.codes == verdict.found == expected
