"""Evidence is believed as it was written, and each thing that somebody changed in it is found and named."""

import copy
import json

import pytest
from support.ledger import STRANGER, MemoryLog, events_of, executed
from support.tampering import changed_at, fields, findings, findings_in, told_of

from service.domain.canonical import canonical

_LEDGER, _REQUEST = executed()
_EVIDENCE, _SIZE = _LEDGER.evidence(_REQUEST), len(_LEDGER.leaves)


@pytest.mark.parametrize("indent", [None, 2])
def test_evidence_is_good_however_it_is_laid_out(indent: int | None) -> None:
    told = told_of(json.dumps(_EVIDENCE, indent=indent).encode(), _LEDGER.head(_SIZE))
    assert told == [f"request '{_REQUEST}', 6 events, in the log of {_SIZE}"]


_NAMED = {
    "request": "request-differs",
    "digest": "digest-differs",
    "decisions": "decisions-differs",
    "policy": "policy-differs",
    "outcome": "outcome-differs",
    "format": "unknown-format",
}


@pytest.mark.parametrize("how", ["change", "delete", "insert"])
@pytest.mark.parametrize("part", sorted(_NAMED))
def test_every_field_changed_in_evidence_is_found(part: str, how: str) -> None:
    paths = [path for path in fields(_EVIDENCE) if path[0] == part]
    for path in paths:
        expected = "wrong-members" if len(path) == 1 and how != "change" else _NAMED[part]
        assert findings_in(changed_at(_EVIDENCE, path, how)) == {expected}, path


@pytest.mark.parametrize("name", sorted(_EVIDENCE))
def test_every_part_of_evidence_has_to_be_there(name: str) -> None:
    assert findings_in({key: value for key, value in _EVIDENCE.items() if key != name}) == {"wrong-members"}


@pytest.mark.parametrize("how", ["change", "delete", "insert"])
def test_every_field_changed_in_an_event_of_evidence_is_found(how: str) -> None:
    for number, event in enumerate(_EVIDENCE["events"]):
        leaf = json.loads(event["leaf"])
        for path in fields(leaf):
            changed = copy.deepcopy(_EVIDENCE)
            changed["events"][number]["leaf"] = canonical(changed_at(leaf, path, how)).decode()
            named = findings_in(changed)
            assert named & {"not-included", "not-an-event"}, path
            assert named <= {"not-included", "not-an-event", "missing-event"}


@pytest.mark.parametrize("how", ["change", "delete", "insert"])
def test_every_change_of_a_proof_is_found(how: str) -> None:
    paths = [path for path in fields(_EVIDENCE["events"]) if len(path) == 3 and path[1] == "inclusion"]
    assert len(paths) > 6
    for path in paths:
        changed = _EVIDENCE | {"events": changed_at(_EVIDENCE["events"], path, how)}
        assert findings_in(changed) == {"not-included", "missing-event"}, path


_LAST = len(_EVIDENCE["events"]) - 1


@pytest.mark.parametrize("number", range(_LAST))
def test_an_event_left_out_of_evidence_is_found(number: int) -> None:
    events = [event for at, event in enumerate(_EVIDENCE["events"]) if at != number]
    assert "left-out" in findings_in(_EVIDENCE | {"events": events})


@pytest.mark.parametrize("number", range(_LAST + 1))
def test_an_event_put_into_evidence_is_found(number: int) -> None:
    events = _EVIDENCE["events"]
    assert findings_in(_EVIDENCE | {"events": [*events[:number], events[number], *events[number:]]}) >= {"out-of-order"}
    unlogged = events[number] | {"leaf": events[number]["leaf"].replace("111122223333", "444455556666")}
    moved = events[number] | {"inclusion": events[number - 1]["inclusion"]}
    for event in (unlogged, moved) if number == 0 else (moved,):
        named = findings_in(_EVIDENCE | {"events": [*events[:number], event, *events[number:]]})
        assert named == {"not-included", "missing-event"}


@pytest.mark.parametrize("number", range(_LAST))
def test_events_swapped_in_evidence_are_found(number: int) -> None:
    events = list(_EVIDENCE["events"])
    events[number : number + 2] = events[number + 1], events[number]
    assert "out-of-order" in findings_in(_EVIDENCE | {"events": events})


def test_evidence_that_leaves_out_its_last_event_can_only_tell_of_the_time_before() -> None:
    # No proof says that nothing came later: for that there is the export. The status cannot be kept, though.
    assert findings_in(_EVIDENCE | {"events": _EVIDENCE["events"][:-1]}) == {"outcome-differs"}


def test_an_event_of_another_request_is_found() -> None:
    foreign = executed()[0]
    foreign.append(
        event="decision.recorded", request_id="another", actor={}, data={}, previous=foreign.leaves[-2]["seq"]
    )
    events = [*foreign.evidence(_REQUEST)["events"], *events_of(foreign, "another")]
    assert "foreign-event" in findings_in(foreign.evidence(_REQUEST, events=events))


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_evidence_cut_short_is_found(cut: int) -> None:
    assert findings(json.dumps(_EVIDENCE).encode()[:-cut]) == {"unfinished-line", "missing-checkpoint"}
    assert findings(json.dumps(_EVIDENCE, indent=1).encode()[:-cut]) == {"not-json"}


def test_evidence_with_something_behind_it_or_a_name_twice_is_found() -> None:
    data = json.dumps(_EVIDENCE)
    assert findings(f"{data} {{}}\n".encode()) == {"not-json", "missing-checkpoint"}
    assert findings(f"{json.dumps(_EVIDENCE, indent=1)} {{}}\n".encode()) == {"not-json"}
    assert findings(data.replace("{", '{"format": "rootquorum-evidence/1", ', 1).encode()) == {"not-json"}


def test_keys_that_only_the_document_believes_are_noted() -> None:
    keys = [{"key": STRANGER.verifier_key, "since": None, "until": None}]
    assert findings_in(_EVIDENCE | {"keys": keys, "checkpoint": _LEDGER.note(signers=[STRANGER])}) == {"unknown-signer"}
    note, _ = told_of(json.dumps(_EVIDENCE | {"keys": keys}).encode())
    assert str(note).startswith("the document lists a key that was not given: ")


def test_events_that_do_not_name_the_one_before_are_noted() -> None:
    old = MemoryLog(names_previous=False)
    for leaf in _LEDGER.leaves:
        old.append(**{name: value for name, value in leaf.items() if name != "previous"})
    note, _ = told_of(json.dumps(old.evidence(_REQUEST)).encode())
    assert note == "6 events are of a version that did not name the one before: gaps do not show"
